"""The whole recording: as a sentence, as a timeline."""

from random import Random

from ossicle.chat.timeline import Heard, write_timeline
from ossicle.synthesis.questions.counting import times
from ossicle.synthesis.questions.facts import APART_S, FactEvent, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import phrase_of, wordings

CAPTION = wordings("caption")

TIMELINE = wordings("timeline")


def caption_of(facts: Facts) -> str:
    """``The sound of bell 2 times, then knock over it, then dog together with rain``.

    Sounds that start within APART_S are together; "over it" where what comes before still sounds;
    repeats in a row are counted.
    """
    groups: list[list[FactEvent]] = []
    for event in facts.ordered:
        if groups and event.start_s - groups[-1][0].start_s < APART_S:
            groups[-1].append(event)
        else:
            groups.append([event])
    parts: list[str] = []
    last: tuple[str, ...] = ()
    repeats, until_s, over = 0, 0.0, False
    for group in groups:
        names = tuple(sorted(phrase_of(e.label, e.kind) for e in group))
        if names == last:
            repeats += 1
        else:
            over = group[0].start_s < until_s - APART_S
            repeats = 1
            parts.append("")
        suffix = f" {times(repeats)}" if repeats > 1 else ""
        parts[-1] = " together with ".join(names) + suffix + (" over it" if over else "")
        last, until_s = names, max(until_s, *(e.end_s for e in group))
    return "The sound of " + ", then ".join(parts)


@family(
    "caption",
    weight=1.5,
    phrases={"caption": CAPTION},
    ready=lambda f: f.only_a_voice or (f.all_nameable and len(f.events) < 9),
)
def caption(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``The sound of bell, then knock over it.``"""
    text = caption_of(facts)
    return Question("caption", say("caption"), f"{text}.", ("speech",) if facts.only_a_voice else tuple(facts.by_label))


@family("timeline", weight=1.6, phrases={"timeline": TIMELINE}, ready=lambda f: len(f.events) < 9)
def timeline(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``0.5s to 1.7s dog; 2.0s to 3.1s glass breaking``; a voice without known words is ``speech``."""
    text = write_timeline(
        Heard("speech" if event.kind == "emotion" else event.label, event.start_s, event.end_s)
        for event in facts.events
    )
    return Question("timeline", say("timeline"), text, (text,))
