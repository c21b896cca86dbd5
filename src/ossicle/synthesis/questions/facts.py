"""What is true of a scene, and what can be asked about it without ambiguity.

Times are seconds from the start of the recording; levels are decibels on any one scale
(only differences are used).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from random import Random

APART_S = 0.3  # onsets closer than this have no order that a listener could be held to
REPEAT_GAP_S = 0.1  # the same sound again after less than this may be heard as one
LOUDER_DB = 4.0
SPOKEN_KINDS = frozenset({"digit", "keyword", "command", "emotion"})
WORD_KINDS = frozenset({"digit", "keyword"})


def nothing_confusable(label: str) -> frozenset[str]:
    """The default for a vocabulary whose labels exclude each other."""
    return frozenset()


@dataclass(frozen=True)
class FactEvent:
    """One sound in a scene.

    ``text`` is what is said in it, ``emotion`` how, ``slots`` what is ordered
    (coffeeDrink, size, roast, numberOfShots, milkAmount, sugarAmount).
    """

    label: str
    kind: str
    start_s: float
    end_s: float
    level_db: float = 0.0
    text: str | None = None
    emotion: str | None = None
    slots: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """The exact truth about one recording (and, for questions over two, about the second).

    ``vocabulary``: labels by kind, from which wrong options and absent sounds are drawn. A label
    that occurs k times is drawn k times as often: give it the frequencies of your scenes, so that
    the words of a question don't betray its answer.
    ``confusable(label)``: labels that can neither be claimed nor denied where ``label`` is heard.
    ``background``: whether there is background noise (a scene without events is else silence).
    """

    events: tuple[FactEvent, ...]
    duration_s: float
    vocabulary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    confusable: Callable[[str], frozenset[str]] = nothing_confusable
    second: "Facts | None" = None
    background: bool = True

    @cached_property
    def ordered(self) -> tuple[FactEvent, ...]:
        """Events by onset."""
        return tuple(sorted(self.events, key=lambda event: (event.start_s, event.end_s)))

    @cached_property
    def by_label(self) -> dict[str, list[FactEvent]]:
        """Events of each label by onset; labels by first onset."""
        groups: dict[str, list[FactEvent]] = {}
        for event in self.ordered:
            groups.setdefault(event.label, []).append(event)
        return groups

    @cached_property
    def undeniable(self) -> frozenset[str]:
        """Labels of which nobody could be told that they are absent."""
        labels = frozenset(self.by_label)
        return labels.union(*(self.confusable(label) for label in labels)) if labels else labels

    @cached_property
    def nameable(self) -> dict[str, list[FactEvent]]:
        """Labels that single out their events: nothing confusable beside them, repeats apart."""
        return {
            label: events
            for label, events in self.by_label.items()
            if not (self.confusable(label) & self.by_label.keys() - {label})
            and not any(label in self.confusable(other) for other in self.by_label if other != label)
            and not any(e.emotion == label for e in events)
            and all(b.start_s - a.end_s >= REPEAT_GAP_S for a, b in pairwise(events))
        }

    @cached_property
    def unique(self) -> dict[str, FactEvent]:
        """Nameable labels that occur exactly once."""
        return {label: events[0] for label, events in self.nameable.items() if len(events) == 1}

    @cached_property
    def all_nameable(self) -> bool:
        """There are events, and every one can be named without confusion."""
        return bool(self.events) and len(self.nameable) == len(self.by_label)

    @cached_property
    def in_order(self) -> bool:
        """All onsets differ enough to be put in order."""
        return all(b.start_s - a.start_s >= APART_S for a, b in pairwise(self.ordered))

    @cached_property
    def has_speech(self) -> bool:
        """Someone may be heard speaking (when in doubt, True)."""
        return "speech" in self.undeniable or any(
            event.kind in SPOKEN_KINDS or event.text or event.emotion for event in self.events
        )

    @cached_property
    def said(self) -> tuple[FactEvent, ...]:
        """Events in which known words are said, by onset; empty if any other speech is heard."""
        saying = tuple(event for event in self.ordered if event.text or event.slots)
        others = [event for event in self.events if event not in saying]
        unknown = any(event.kind in SPOKEN_KINDS or event.emotion or event.label == "speech" for event in others)
        return () if unknown else saying

    def kind_of(self, label: str) -> str:
        """The kind of a label that is heard."""
        return self.by_label[label][0].kind

    def askable(self, label: str, kind: str) -> bool:
        """``label`` is one that could be denied of such a recording: were it not, its mere mention would say yes."""
        return label in self.vocabulary.get(kind, ())

    @cached_property
    def only_a_voice(self) -> bool:
        """Nothing but one voice, of which no words are known."""
        return len(self.events) == 1 and self.events[0].emotion is not None and not self.events[0].text

    def absent_label(self, kind: str, rng: Random) -> str | None:
        """A label of ``kind`` that is certainly not heard, drawn with the vocabulary's frequencies."""
        labels = self.vocabulary.get(kind, ())
        for _ in range(8 if labels else 0):
            label = rng.choice(labels)
            if label not in self.undeniable and not (self.confusable(label) & self.by_label.keys()):
                return label
        return None

    def distractors(self, label: str, kind: str, count: int, rng: Random) -> list[str]:
        """Up to ``count`` different labels of ``kind``, none heard, none confusable with another."""
        chosen: list[str] = []
        taken = {label} | self.confusable(label)
        for _ in range(3 * count):
            other = self.absent_label(kind, rng)
            if other is not None and other not in taken:
                chosen.append(other)
                taken |= {other} | self.confusable(other)
                if len(chosen) == count:
                    break
        return chosen


@dataclass(frozen=True)
class Question:
    """A question, its canonical answer, and what else is needed to judge another's answer.

    ``targets``: short acceptable answers (``"water flowing"``, ``"yes"``, ``"3"``).
    ``choices``: closed questions only; exactly one choice + ``"."`` is the answer.
    ``keep``: pieces of the text that must never be altered (labels, option lists).
    """

    family: str
    text: str
    answer: str
    targets: tuple[str, ...]
    choices: tuple[str, ...] = ()
    num_audio: int = 1
    keep: tuple[str, ...] = ()

    def perturbed(self, rng: Random) -> "Question":
        """The same question as a careless typist would write it (for training only)."""
        from ossicle.synthesis.questions.perturb import perturb

        return replace(self, text=perturb(self.text, rng, keep=self.keep))
