"""Draws that come out the same in every version of Python: only ``Random.random`` is used, and results are rounded."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def draw(rng: Random, low: float, high: float, digits: int = 4) -> float:
    """Evenly between ``low`` and ``high``, rounded."""
    return round(low + (high - low) * rng.random(), digits)


def one_of(rng: Random, items: Sequence[T]) -> T:
    """One of ``items``, evenly."""
    return items[min(int(rng.random() * len(items)), len(items) - 1)]


def weighted(rng: Random, items: Sequence[T], odds: Sequence[float]) -> T:
    """One of ``items`` with odds ``odds`` (≥ 0, not all 0)."""
    at = rng.random() * sum(odds)
    last = 0
    for number, weight in enumerate(odds):
        if weight > 0:
            last = number
            at -= weight
            if at < 0:
                break
    return items[last]
