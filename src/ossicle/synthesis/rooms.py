"""Rooms and backgrounds: impulse responses, made and measured, and measured noises.

In every response the direct sound is sample 0 at strength 1, so that a room never moves an onset.
"""

import functools
from collections.abc import Mapping, Sequence
from random import Random

import numpy as np

from ossicle.audio import Audio
from ossicle.synthesis.noise import white

SAMPLE_RATE = 16000
MAX_TAIL_S = 0.9


@functools.lru_cache(maxsize=64)
def made_response(rt60_s: float, direct_db: float, seed: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The direct sound, then noise that falls by 60 dB in ``rt60_s``; float32 [at most 0.9 s].

    Args:
        rt60_s: reverberation time, 0.1 to 1.5 s.
        direct_db: energy of the direct sound over that of all the rest, in decibels.
        seed: which room of that kind.
    """
    length = round(min(MAX_TAIL_S, 0.8 * rt60_s) * sample_rate)
    gap = round((0.002 + 0.006 * Random(seed).random()) * sample_rate)
    tail_T = white(length, seed) * np.exp(-6.9078 / (rt60_s * sample_rate) * np.arange(length))
    tail_T[:gap] = 0.0
    # A room swallows treble sooner than bass: a two-point mean, once over the first third, twice over the rest.
    tail_T[1:] = 0.5 * (tail_T[1:] + tail_T[:-1])
    tail_T[length // 3 + 1 :] = 0.5 * (tail_T[length // 3 + 1 :] + tail_T[length // 3 : -1])
    tail_T *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(np.square(tail_T)) + 1e-12)
    tail_T[0] = 1.0
    return tail_T.astype(np.float32)


def aligned_response(samples_T: np.ndarray) -> np.ndarray:
    """A measured response from its direct sound (its largest sample) on, scaled so that this is 1; float32."""
    start = int(np.argmax(np.abs(samples_T)))
    kept_T = samples_T[start : start + round(MAX_TAIL_S * SAMPLE_RATE)].astype(np.float32)
    return kept_T / kept_T[0]


class Surroundings:
    """Measured impulse responses and noises by key; may be empty. Read once, kept in memory."""

    def __init__(self, responses: Mapping[str, Audio], noises: Mapping[str, Audio]) -> None:
        self._responses, self._noises = dict(responses), dict(noises)
        self._read: dict[str, np.ndarray] = {}

    @property
    def responses(self) -> Sequence[str]:
        """Keys of the responses, sorted."""
        return sorted(self._responses)

    @property
    def noises(self) -> Sequence[str]:
        """Keys of the noises, sorted."""
        return sorted(self._noises)

    def response(self, key: str) -> np.ndarray:
        """An aligned response, float32 [T]."""
        if key not in self._read:
            channel = self._responses[key].load(SAMPLE_RATE, channels=(0,))[0]
            self._read[key] = aligned_response(channel)
        return self._read[key]

    def num_samples(self, key: str) -> int:
        """Length of a noise."""
        return self._noises[key].num_samples(SAMPLE_RATE)

    def noise(self, key: str, offset: int, num_samples: int) -> np.ndarray:
        """A stretch of a noise from ``offset`` (it goes round), at unit RMS over the whole recording; float32."""
        if key not in self._read:
            wave_T = self._noises[key].load(SAMPLE_RATE)[0]
            self._read[key] = wave_T / (np.sqrt(np.mean(np.square(wave_T))) + np.float32(1e-12))
        wave_T = self._read[key]
        if offset + num_samples <= len(wave_T):
            return wave_T[offset : offset + num_samples]
        return np.take(wave_T, np.arange(offset, offset + num_samples), mode="wrap")
