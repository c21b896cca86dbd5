"""Rooms and backgrounds: impulse responses, made and measured, and measured noises.

In every response the direct sound is sample 0 at strength 1, so that a room never moves an onset.
"""

import functools
from collections.abc import Mapping, Sequence
from functools import cached_property
from random import Random

import numpy as np

from ossicle.audio import Audio
from ossicle.audio.rooms import aligned_response, decaying_response, response_length
from ossicle.synthesis.noise import white

SAMPLE_RATE = 16000
_STEADY_DB = 8.0


@functools.lru_cache(maxsize=64)
def made_response(rt60_s: float, direct_db: float, seed: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The direct sound, then noise that falls by 60 dB in ``rt60_s``; float32 [at most 0.9 s].

    Args:
        rt60_s: reverberation time, 0.1 to 1.5 s.
        direct_db: energy of the direct sound over that of all the rest, in decibels.
        seed: which room of that kind.
    """
    gap_s = 0.002 + 0.006 * Random(seed).random()
    noise_L = white(response_length(rt60_s, sample_rate), seed)
    return decaying_response(noise_L, rt60_s, direct_db, gap_s, sample_rate)


def steady_loop(samples_T: np.ndarray) -> np.ndarray | None:
    """The longest stretch of a noise that stays within 8 dB, at unit RMS, its end blended into its beginning; float32.

    None where that is shorter than 2 s: a noise with events of its own would put unlabelled sounds into a scene.
    """
    frame = SAMPLE_RATE // 10
    frames = samples_T[: len(samples_T) // frame * frame].reshape(-1, frame)
    level_db = 10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-12)
    best = (0, 0)
    for start in range(len(level_db)):
        low = np.minimum.accumulate(level_db[start:])
        high = np.maximum.accumulate(level_db[start:])
        length = int(np.searchsorted(high - low, _STEADY_DB, side="right"))
        if length > best[1] - best[0]:
            best = (start, start + length)
    kept_T = samples_T[best[0] * frame : best[1] * frame].astype(np.float32)
    if len(kept_T) < 2 * SAMPLE_RATE:
        return None
    blend_T = np.linspace(0, np.pi / 2, frame, dtype=np.float32)
    loop_T = kept_T[:-frame].copy()
    loop_T[:frame] = loop_T[:frame] * np.sin(blend_T) + kept_T[-frame:] * np.cos(blend_T)
    return loop_T / np.sqrt(np.mean(np.square(loop_T)))


class Surroundings:
    """Measured impulse responses and steady noises by key; may be empty. Read once, kept in memory."""

    def __init__(self, responses: Mapping[str, Audio], noises: Mapping[str, Audio]) -> None:
        self._responses, self._recordings = dict(responses), dict(noises)
        self._read: dict[str, np.ndarray] = {}

    @property
    def responses(self) -> Sequence[str]:
        """Keys of the responses, sorted."""
        return sorted(self._responses)

    @cached_property
    def _loops(self) -> Mapping[str, np.ndarray]:
        loops = {key: steady_loop(audio.load(SAMPLE_RATE)[0]) for key, audio in sorted(self._recordings.items())}
        return {key: loop_T for key, loop_T in loops.items() if loop_T is not None}

    @property
    def noises(self) -> Sequence[str]:
        """Keys of the noises that are steady for 2 s or more, sorted."""
        return list(self._loops)

    def response(self, key: str) -> np.ndarray:
        """An aligned response, float32 [T]."""
        if key not in self._read:
            self._read[key] = aligned_response(self._responses[key].load(SAMPLE_RATE, channels=(0,))[0], SAMPLE_RATE)
        return self._read[key]

    def num_samples(self, key: str) -> int:
        """Length of a noise before it comes round again."""
        return len(self._loops[key])

    def noise(self, key: str, offset: int, num_samples: int) -> np.ndarray:
        """A stretch of a noise from ``offset``, at about unit RMS; it goes round without a seam; float32."""
        loop_T = self._loops[key]
        if offset + num_samples <= len(loop_T):
            return loop_T[offset : offset + num_samples]
        return np.take(loop_T, np.arange(offset, offset + num_samples), mode="wrap")
