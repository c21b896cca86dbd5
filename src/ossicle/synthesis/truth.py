"""From a plan to the facts that questions are asked about."""

from collections.abc import Mapping
from typing import Any

from ossicle.synthesis.clips import Library
from ossicle.synthesis.confusable import BACKGROUND_LIKE, confusable
from ossicle.synthesis.options import SceneOptions
from ossicle.synthesis.plan import CLIP, Plan, PlannedEvent
from ossicle.synthesis.questions.facts import FactEvent, Facts

Vocabulary = Mapping[str, tuple[str, ...]]


def vocabulary(library: Library, options: SceneOptions) -> Vocabulary:
    """Labels by kind, each repeated as often as scenes hold it (to about one in forty of the commonest)."""
    share: dict[tuple[str, str], float] = {}
    for name in library.sets():
        labels = library.labels(name)
        kinds = {clip.label: clip.kind for clip in library.clips if clip.source == name}
        for label in labels:
            key = (kinds[label], label)
            share[key] = share.get(key, 0.0) + options.weight_of(name) / len(labels)
    unit = max(share.values(), default=1.0) / 40
    words: dict[str, tuple[str, ...]] = {}
    for (kind, label), weight in sorted(share.items()):
        if weight > 0:
            words[kind] = words.get(kind, ()) + (label,) * max(1, round(weight / unit))
    return words


def facts_of(plan: Plan, library: Library, words: Vocabulary, second: Facts | None = None) -> Facts:
    """What is true of a planned scene. Labels that its background may pass for are not in its vocabulary."""
    events = []
    for event in plan.events:
        fields = library[event.clip_key].fields
        events.append(
            FactEvent(
                label=event.label,
                kind=event.kind,
                start_s=event.start_s,
                end_s=event.end_s,
                level_db=event.level_db,
                text=event.text,
                emotion=fields.get("emotion"),
                slots=fields.get("slots", {}),
            )
        )
    return Facts(
        events=tuple(events),
        duration_s=plan.duration_s,
        vocabulary=without_background(words, plan, library),
        confusable=confusable,
        second=second,
        background=plan.background is not None,
    )


def truth_of(plan: Plan, library: Library) -> list[dict[str, Any]]:
    """The events as metadata: ``label``, ``start_s``, ``end_s``; ``tags``, everything true of all of it; ``rivals``,
    what else its set knows; ``words`` that are said somewhere in it; ``timed``, ``[word, start_s, end_s]`` of those
    known to the moment."""
    found = []
    for event, heard in zip(plan.events, plan.truth, strict=True):
        clip = library[event.clip_key]
        said = {word for value in clip.fields.get("slots", {}).values() for word in value.split() if len(word) > 2}
        timed = [word for word in clip.fields.get("words", ()) if word[0] in said]
        words = sorted(said - {word for word, _, _ in timed})
        found.append(
            {
                **heard,
                "tags": sorted({event.label, *clip.tags}),
                "rivals": [name for name in library.labels(clip.source) if name not in (event.label, *clip.tags)],
                "words": words,
                "timed": [[word, _in_scene(event, start), _in_scene(event, end)] for word, start, end in timed],
            }
        )
    return found


def _in_scene(event: PlannedEvent, clip_s: float) -> float:
    """A time of the clip, as it is in the scene."""
    before, after = event.lengths
    onset = (event.cut[0] + event.active[0]) / event.sample_rate
    return round(event.start_s + (clip_s - onset) * after / before, 3)


def without_background(words: Vocabulary, plan: Plan, library: Library) -> Vocabulary:
    """The vocabulary without labels that a plan's background may pass for."""
    if plan.background is None:
        return words
    unsure = set(BACKGROUND_LIKE)
    if plan.background.colour == CLIP:
        unsure = {library[plan.background.key or ""].label}
        unsure |= confusable(*unsure)
    return {kind: tuple(label for label in labels if label not in unsure) for kind, labels in words.items()}
