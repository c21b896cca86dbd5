"""Lengths for which a Fourier transform is fast."""

import bisect
import functools


@functools.lru_cache(maxsize=1)
def _smooth(limit: int = 1 << 22) -> tuple[int, ...]:
    """Even numbers with no prime factor above 5, ascending."""
    found = []
    two = 2
    while two <= limit:
        three = two
        while three <= limit:
            five = three
            while five <= limit:
                found.append(five)
                five *= 5
            three *= 3
        two *= 2
    return tuple(sorted(found))


def fast_length(at_least: int) -> int:
    """The smallest even length ≥ ``at_least`` (≤ 2^22) with no prime factor above 5."""
    table = _smooth()
    return table[bisect.bisect_left(table, at_least)]


def nearest_fast_length(wanted: float) -> int:
    """The even length without prime factors above 5 that is nearest to ``wanted``."""
    table = _smooth()
    at = bisect.bisect_left(table, wanted)
    return min(table[max(0, at - 1) : at + 1], key=lambda length: abs(length - wanted))


def stretch_lengths(num_samples: int, speed: float, tail: int) -> tuple[int, int]:
    """Transform lengths (before, after) that play ``num_samples`` at about ``speed`` and leave ``tail`` behind.

    Transforming at the first length and back at the second plays the samples at exactly ``before / after``
    times their speed, band-limited, for the price of two transforms; ``speed`` 1 is kept exactly.
    """
    if speed == 1.0:
        after = fast_length(num_samples + tail + 64)
        return after, after
    after = fast_length(int(num_samples / speed * 1.03) + tail + 64)
    return nearest_fast_length(after * speed), after
