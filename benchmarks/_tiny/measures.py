"""How an answer is judged, and how judgements become one number with its interval."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from ossicle.chat import Conversation
from ossicle.chat.timeline import Heard, read_timeline
from ossicle.metrics import (
    EventCounts,
    Interval,
    accuracy,
    balanced_yes_no,
    bootstrap,
    event_counts,
    event_f1,
    labels_named,
    number_in,
    onset_error,
    seconds_in,
    wilson,
    words_present,
    yes_or_no,
)


class Item(NamedTuple):
    """One question about one recording (or scene)."""

    chat: Conversation
    target: Any
    """What the row's measure judges by."""
    group: str
    """What hangs together when resampling: a recording, a scene, a speaker."""
    options: tuple[str, ...] = ()
    """Answers to choose from by likelihood; none where the answer is no choice."""
    right: int = -1
    """Which of them is right."""


class Measure(Protocol):
    """Judges the answers of one row of the table."""

    lower_is_better: bool

    def judge(self, item: Item, text: str) -> Any:
        """What one answer is worth."""
        ...

    def value(self, items: Sequence[Item], judged: Sequence[Any]) -> Interval:
        """All of them together."""
        ...

    def details(self, items: Sequence[Item], judged: Sequence[Any]) -> Mapping[str, float]:
        """Further numbers that belong to it."""
        ...

    def confused(self, item: Item, text: str) -> tuple[str, str] | None:
        """``(truth, said)`` of a wrong answer; None for a right one, or where that says nothing."""
        ...


T = TypeVar("T")


def clusters(items: Sequence[Item], values: Sequence[T]) -> list[list[T]]:
    """Values by group."""
    found: dict[str, list[T]] = defaultdict(list)
    for item, value in zip(items, values, strict=True):
        found[item.group].append(value)
    return list(found.values())


def with_width(found: Interval, groups: int) -> Interval:
    """Wilson's interval where a bootstrap has no width, as all draws were alike: that is chance, not certainty."""
    return found if found.low < found.high or not 0 <= found.value <= 1 else wilson(found.value * groups, groups)


def share(items: Sequence[Item], hits: Sequence[bool], resample: bool) -> Interval:
    """A share of hits: Wilson over independent recordings, or a bootstrap over few large groups (speakers)."""
    groups = clusters(items, hits)
    if not resample:
        return accuracy(hits, len(groups))

    def pooled(drawn: Sequence[Sequence[bool]]) -> float:
        return sum(map(sum, drawn)) / sum(map(len, drawn))

    return with_width(bootstrap(groups, pooled), len(hits))


@dataclass(frozen=True)
class Hits:
    """Answers that are right or wrong."""

    resample: bool = False
    lower_is_better = False

    def value(self, items: Sequence[Item], judged: Sequence[bool]) -> Interval:
        """The share that is right."""
        return share(items, judged, self.resample)

    def details(self, items: Sequence[Item], judged: Sequence[bool]) -> Mapping[str, float]:
        """Nothing more."""
        return {}


@dataclass(frozen=True)
class Names(Hits):
    """The answer names the right label, and no other of ``labels``."""

    labels: tuple[str, ...] = ()

    def judge(self, item: Item, text: str) -> bool:
        """Whether it does."""
        return labels_named(text, self._known(item)) == (item.target,)

    def confused(self, item: Item, text: str) -> tuple[str, str] | None:
        """The labels named instead."""
        said = labels_named(text, self._known(item))
        return None if said == (item.target,) else (item.target, " + ".join(said) or "(none of the labels)")

    def _known(self, item: Item) -> set[str]:
        return {item.target, *self.labels}


@dataclass(frozen=True)
class NamesOneOf(Names):
    """The answer names the right one of the item's two options, and not the other."""

    def _known(self, item: Item) -> set[str]:
        return {option.rstrip(".") for option in item.options}


@dataclass(frozen=True)
class Number(Hits):
    """The answer states the right whole number, and no other."""

    def judge(self, item: Item, text: str) -> bool:
        """Whether it does."""
        return number_in(text) == item.target

    def confused(self, item: Item, text: str) -> tuple[str, str] | None:
        """The number stated instead."""
        said = number_in(text)
        return None if said == item.target else (str(item.target), "(no number)" if said is None else str(said))


@dataclass(frozen=True)
class Words:
    """Share of the words to be heard that the answer holds; targets are tuples of pieces."""

    known: tuple[str, ...] = ()
    resample: bool = False
    lower_is_better = False

    def judge(self, item: Item, text: str) -> tuple[int, int]:
        """(present, wanted)"""
        return words_present(item.target, text, self.known), len(set(item.target))

    def value(self, items: Sequence[Item], judged: Sequence[tuple[int, int]]) -> Interval:
        """All pieces together; a bootstrap over recordings."""

        def pooled(drawn: Sequence[Sequence[tuple[int, int]]]) -> float:
            flat = [pair for group in drawn for pair in group]
            return sum(present for present, _ in flat) / sum(wanted for _, wanted in flat)

        groups = clusters(items, judged)
        return with_width(bootstrap(groups, pooled), len(groups))

    def details(self, items: Sequence[Item], judged: Sequence[tuple[int, int]]) -> Mapping[str, float]:
        """How many recordings had all of theirs."""
        return {"all_present": sum(a == b for a, b in judged) / max(1, len(judged))}

    def confused(self, item: Item, text: str) -> tuple[str, str] | None:
        """The whole answer, where a piece is missing."""
        present, wanted = self.judge(item, text)
        return None if present == wanted else (", ".join(item.target), text or "(nothing)")


@dataclass(frozen=True)
class YesNoQuestions:
    """Balanced accuracy; targets are booleans."""

    lower_is_better = False

    def judge(self, item: Item, text: str) -> bool | None:
        """What it says."""
        return yes_or_no(text)

    def value(self, items: Sequence[Item], judged: Sequence[bool | None]) -> Interval:
        """A bootstrap over scenes."""
        pairs = [(answer, item.target) for item, answer in zip(items, judged, strict=True)]
        groups = clusters(items, pairs)

        def balanced(drawn: Sequence[Sequence[tuple[bool | None, bool]]]) -> float:
            flat = [pair for group in drawn for pair in group]
            return balanced_yes_no([answer for answer, _ in flat], [truth for _, truth in flat]).balanced_accuracy

        return with_width(bootstrap(groups, balanced, samples=500), len(groups))

    def details(self, items: Sequence[Item], judged: Sequence[bool | None]) -> Mapping[str, float]:
        """Yes-rate and both halves."""
        found = balanced_yes_no(judged, [item.target for item in items])
        return {"yes_rate": found.yes_rate, "right_of_yes": found.right_of_yes, "right_of_no": found.right_of_no}

    def confused(self, item: Item, text: str) -> tuple[str, str] | None:
        """The sound, wrongly claimed or denied."""
        if yes_or_no(text) == item.target:
            return None
        return item.chat.meta.get("label", "?"), "denied" if item.target else "claimed"


@dataclass(frozen=True)
class Onset:
    """Median distance in seconds; targets are (onset, duration of the recording)."""

    lower_is_better = True

    def judge(self, item: Item, text: str) -> float:
        """How far off; no answer is as far as the recording is long."""
        return onset_error(seconds_in(text), *item.target)

    def value(self, items: Sequence[Item], judged: Sequence[float]) -> Interval:
        """A bootstrap over scenes."""
        return bootstrap(list(judged), lambda drawn: float(np.median(drawn)))

    def details(self, items: Sequence[Item], judged: Sequence[float]) -> Mapping[str, float]:
        """The mean, and how many are within half a second."""
        if not judged:
            return {}
        return {"mean": float(np.mean(judged)), "within_0.5_s": float(np.mean([error <= 0.5 for error in judged]))}

    def confused(self, item: Item, text: str) -> tuple[str, str] | None:
        """The sound, where it is half a second off or more."""
        error = self.judge(item, text)
        if error < 0.5:
            return None
        return item.chat.meta.get("label", "?"), "2 s off or more" if error >= 2 else "0.5 to 2 s off"


@dataclass(frozen=True)
class Timeline:
    """Event F1 over all scenes; targets are tuples of Heard."""

    lower_is_better = False

    def judge(self, item: Item, text: str) -> tuple[EventCounts, EventCounts]:
        """Counts with labels, and without."""
        said = read_timeline(text)
        bare = [[Heard("x", e.start_s, e.end_s) for e in events] for events in (item.target, said)]
        return event_counts(item.target, said), event_counts(*bare)

    def value(self, items: Sequence[Item], judged: Sequence[tuple[EventCounts, EventCounts]]) -> Interval:
        """A bootstrap over scenes."""
        return with_width(bootstrap([labelled for labelled, _ in judged], event_f1), len(judged))

    def details(self, items: Sequence[Item], judged: Sequence[tuple[EventCounts, EventCounts]]) -> Mapping[str, float]:
        """Precision, recall, and F1 of the onsets whatever their labels."""
        rows = [labelled for labelled, _ in judged]
        matched, reference, estimated = (sum(getattr(r, n) for r in rows) for n in EventCounts._fields)
        return {
            "precision": matched / estimated if estimated else math.nan,
            "recall": matched / reference if reference else math.nan,
            "onsets_f1": event_f1(bare for _, bare in judged),
        }

    def confused(self, item: Item, text: str) -> tuple[str, str] | None:
        """What is said to start where something else does."""
        said = read_timeline(text)
        for event in item.target:
            near = [other for other in said if abs(other.start_s - event.start_s) <= 0.5]
            if not any(other.label == event.label for other in near):
                return event.label, near[0].label if near else "(missed)"
        return None
