"""How far a measured number may be from the one meant."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")

Z95 = 1.959963984540054
"""Two-sided 95% of a normal distribution."""


class Interval(NamedTuple):
    """A value and the limits of its 95% interval; all NaN where there was nothing to measure."""

    value: float
    low: float
    high: float


NOTHING = Interval(math.nan, math.nan, math.nan)


def wilson(successes: float, trials: float, z: float = Z95) -> Interval:
    """A share with Wilson's score interval (1927), which is honest for few trials and at 0 and 1.

    Args:
        successes: 0 … ``trials``; a fraction is allowed, for shares over clusters.
        trials: independent trials.

    Raises:
        ValueError: ``successes`` is not within 0 and ``trials``.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must lie within 0 and the {trials} trials, not be {successes}.")
    if trials == 0:
        return NOTHING
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # Rounding must not put the share itself outside.
    return Interval(
        share, max(0.0, min(share, (centre - spread) / scale)), min(1.0, max(share, (centre + spread) / scale))
    )


def bootstrap(
    items: Sequence[T], statistic: Callable[[Sequence[T]], float], *, seed: int = 0, samples: int = 1000
) -> Interval:
    """A statistic with its percentile bootstrap 95% interval (Efron 1979).

    Args:
        items: what is drawn again, with replacement: everything that hangs together is one item.
        statistic: pure; draws for which it is NaN are left out.
        seed: of the draws; the same items give the same interval.
        samples: how many draws.
    """
    if not items:
        return NOTHING
    rng = np.random.default_rng(seed)
    drawn = [statistic([items[at] for at in rng.integers(0, len(items), len(items))]) for _ in range(samples)]
    known = [value for value in drawn if not math.isnan(value)]
    if not known:
        return Interval(statistic(items), math.nan, math.nan)
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(statistic(items)), float(low), float(high))
