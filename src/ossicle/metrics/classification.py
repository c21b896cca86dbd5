"""Right or wrong, yes or no."""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from ossicle.metrics.intervals import Interval, wilson


def accuracy(hits: Sequence[bool], clusters: int | None = None) -> Interval:
    """The share of hits with Wilson's interval.

    Args:
        hits: one for every question.
        clusters: how many of them are independent, where several questions share a recording; the interval is then
            that of so few trials (wider than need be, never too narrow).
    """
    if not hits:
        return wilson(0, 0)
    trials = len(hits) if clusters is None else min(clusters, len(hits))
    return wilson(sum(hits) / len(hits) * trials, trials)


class YesNo(NamedTuple):
    """How yes/no questions were answered; shares 0 … 1, NaN where no such question was asked."""

    balanced_accuracy: float
    """Mean of the two shares below."""
    right_of_yes: float
    right_of_no: float
    yes_rate: float
    """Share of "yes" among all answers. An answer that is neither is wrong, and no "yes"."""


def balanced_yes_no(answers: Sequence[bool | None], truths: Sequence[bool]) -> YesNo:
    """Balanced accuracy and yes-rate. Raises ValueError where there aren't as many answers as truths."""
    pairs = list(zip(answers, truths, strict=True))
    of_yes = [answer is True for answer, truth in pairs if truth]
    of_no = [answer is False for answer, truth in pairs if not truth]
    right = [sum(hits) / len(hits) if hits else math.nan for hits in (of_yes, of_no)]
    yes_rate = sum(answer is True for answer in answers) / len(pairs) if pairs else math.nan
    return YesNo(sum(right) / 2, right[0], right[1], yes_rate)


def agreement_by_luck(answers: Sequence[Hashable], truths: Sequence[Hashable]) -> float:
    """The accuracy these answers would have on average, were they dealt to the questions at random.

    Whoever answers everything alike is exactly there, however uneven the labels are.
    """
    if len(answers) != len(truths):
        raise ValueError(f"{len(answers)} answers cannot be held against {len(truths)} truths.")
    if not truths:
        return math.nan
    given = Counter(answers)
    return sum(given[truth] * count for truth, count in Counter(truths).items()) / len(truths) ** 2
