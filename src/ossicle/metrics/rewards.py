"""What a reply is worth beside the true one: pure functions, 0 … 1, for training and evaluation alike."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from ossicle.metrics.events import spans_in, time_iou
from ossicle.metrics.text import labels_named, normalise_answer
from ossicle.metrics.words import wer


class Truth(NamedTuple):
    """What is right."""

    text: str
    """The true reply."""
    targets: tuple[str, ...] = ()
    """Short answers that are right as well."""
    choices: tuple[str, ...] = ()
    """Of a closed question: what there is to choose from."""

    @classmethod
    def of(cls, text: str, meta: Mapping[str, Any]) -> "Truth":
        """The true reply of a row, and what its ``meta`` says under ``targets`` and ``choices``."""
        return cls(text, tuple(map(str, meta.get("targets", ()))), tuple(map(str, meta.get("choices", ()))))


Reward = Callable[[str, Truth], float]


def exact(reply: str, truth: Truth) -> float:
    """1 for the true reply, but for case, punctuation and how numbers are written."""
    return float(normalise_answer(reply) == normalise_answer(truth.text))


def option(reply: str, truth: Truth) -> float:
    """1 where the reply names the right choice and no other, or is one of the targets; without choices as ``exact``."""
    if not truth.choices:
        return exact(reply, truth)
    if normalise_answer(reply) in map(normalise_answer, truth.targets):
        return 1.0
    right = labels_named(truth.text, truth.choices)
    return float(len(right) == 1 and labels_named(reply, truth.choices) == right)


def word_accuracy(reply: str, truth: Truth) -> float:
    """1 − word error rate, and never below 0; beside a true reply without words, 1 for a reply without words."""
    if not normalise_answer(truth.text):
        return float(not normalise_answer(reply))
    return max(0.0, 1.0 - wer([truth.text], [reply]))


def intervals(reply: str, truth: Truth) -> float:
    """Intersection over union of the spans of time that both state; see ``time_iou``."""
    return time_iou(spans_in(truth.text), spans_in(reply))


def form(reply: str, truth: Truth) -> float:
    """1 where the reply has the form of the true one, right or wrong: names one choice, where there are choices; states
    spans of time, where the true one does; has words."""
    if truth.choices:
        return float(len(labels_named(reply, truth.choices)) == 1)
    if spans_in(truth.text):
        return float(bool(spans_in(reply)))
    return float(bool(normalise_answer(reply)))


def listening(reward: float, swapped: Sequence[float]) -> float:
    """What a reply earned and the same model, with other recordings in their place, would not have: the reward less the
    mean of ``swapped``, and never below 0. All of it where nothing was swapped."""
    return max(0.0, reward - fmean(swapped)) if swapped else reward


REWARDS: dict[str, Reward] = {
    "exact": exact,
    "format": form,
    "option": option,
    "time_iou": intervals,
    "wer": word_accuracy,
}
"""By the name that a recipe gives."""
