"""Chance as a pure function: numbers and shuffles computed from what they are for, never from a state.

So that row 1 000 000 is known without the rows before it, on any worker, after any restart.
"""

import hashlib

_MASK = (1 << 64) - 1
_ROUNDS = 6


def key_of(*parts: str | int) -> int:
    """64 well-mixed bits that stand for ``parts``; the same on every machine and in every version of Python."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def shuffled(index: int, size: int, key: int) -> int:
    """Where a shuffle of ``range(size)`` drawn from ``key`` puts ``index``; a bijection, in constant memory.

    A Feistel network over the next power of four, walked until it falls inside (Black & Rogaway 2002).
    """
    if not 0 <= index < size:
        raise IndexError(f"{index} is outside range({size})")
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = index >> half, index & mask
        for turn in range(_ROUNDS):
            left, right = right, left ^ (_scramble(right + (turn << 32) ^ key) & mask)
        index = left << half | right
        if index < size:
            return index


def _scramble(x: int) -> int:
    """The finaliser of splitmix64."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)
