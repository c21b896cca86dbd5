"""Sounds in time: which were found, and how far off. Seconds throughout."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ossicle.chat.timeline import Heard, read_timeline
from ossicle.metrics.text import normalise_answer, times_in

COLLAR_S = 0.5
_ROUNDING = 1e-9  # 2.3 - 1.8 is a little more than 0.5


class EventCounts(NamedTuple):
    """What F1 is made of; counts of several recordings add up."""

    matched: int
    reference: int
    estimated: int


def match_onsets(
    reference_s: Sequence[float], estimated_s: Sequence[float], collar_s: float = COLLAR_S
) -> list[tuple[int, int]]:
    """The largest one-to-one matching of onsets that are at most ``collar_s`` apart.

    With one collar for all, pairing both in order of time is a largest bipartite matching.

    Returns:
        Pairs of places in the two sequences.
    """
    left = sorted(range(len(reference_s)), key=reference_s.__getitem__)
    right = sorted(range(len(estimated_s)), key=estimated_s.__getitem__)
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        apart = estimated_s[right[j]] - reference_s[left[i]]
        if abs(apart) <= collar_s + _ROUNDING:
            pairs.append((left[i], right[j]))
            i, j = i + 1, j + 1
        elif apart > 0:
            i += 1
        else:
            j += 1
    return pairs


def event_counts(reference: Sequence[Heard], estimate: Sequence[Heard], collar_s: float = COLLAR_S) -> EventCounts:
    """Count the events of one recording that were found: the label right, the onset within the collar.

    Labels are compared by ``normalise_answer``; ends are not compared.
    """
    onsets: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for side, events in enumerate((reference, estimate)):
        for event in events:
            onsets[normalise_answer(event.label)][side].append(event.start_s)
    matched = sum(len(match_onsets(*pair, collar_s)) for pair in onsets.values())
    return EventCounts(matched, len(reference), len(estimate))


def event_f1(counts: Iterable[EventCounts]) -> float:
    """F1 over all events of all recordings together (micro); NaN where nothing is and nothing was heard."""
    rows = list(counts)
    total = sum(row.reference + row.estimated for row in rows)
    return 2 * sum(row.matched for row in rows) / total if total else math.nan


def onset_error(answer_s: float | None, truth_s: float, duration_s: float) -> float:
    """How far an answer is off; none at all counts as the whole recording, and nothing counts as more."""
    return duration_s if answer_s is None else min(abs(answer_s - truth_s), duration_s)


def spans_in(text: str) -> list[Heard]:
    """Every span of time that ``text`` states, with its label; of all times in pairs, without labels, where not every
    span has one (``"From 0.5 s to 1.7 s and from 3.0 s to 3.4 s."``)."""
    labelled, times = read_timeline(text), times_in(text)
    if len(times) <= 2 * len(labelled):
        return labelled
    return [Heard("", min(pair), max(pair)) for pair in zip(times[::2], times[1::2], strict=False)]


def time_iou(reference: Sequence[Heard], estimate: Sequence[Heard]) -> float:
    """Intersection over union of the time that events take up, 0 … 1, each label by itself and all added up.

    Spans of one label that overlap count once. Labels are compared by ``normalise_answer``; where the reference has
    spans without one, all spans are alike. 1 where neither side has any.
    """
    sides = [list(reference), list(estimate)]
    if not all(event.label for event in reference):
        sides = [[event._replace(label="") for event in side] for side in sides]
    spans: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = defaultdict(lambda: ([], []))
    for number, side in enumerate(sides):
        for event in side:
            spans[normalise_answer(event.label)][number].append((event.start_s, event.end_s))
    either = sum(_covered_s(one + other) for one, other in spans.values())
    both = sum(_covered_s(one) + _covered_s(other) for one, other in spans.values()) - either
    return both / either if either else float(sorted(sides[0]) == sorted(sides[1]))


def _covered_s(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that lie within at least one span."""
    total, until = 0.0, -math.inf
    for start_s, end_s in sorted(spans):
        total += max(0.0, end_s - max(start_s, until))
        until = max(until, end_s)
    return total
