"""Noise that is the same on every machine.

NumPy promises its bit generators' raw streams, not what it makes of them; so noise is made here from raw bits.
"""

import functools
from collections.abc import Callable

import numpy as np

from ossicle.synthesis.spectrum import fast_length

BANK_SAMPLES = 1 << 19
COLOURS = ("white", "pink", "brown", "hum")


def white(num_samples: int, seed: int) -> np.ndarray:
    """Near-Gaussian white noise of unit RMS, float32 [num_samples]: the sum of four 16-bit words per sample."""
    bits = np.random.PCG64(seed).random_raw(max(num_samples, 1)).astype("<u8")
    words = bits.view("<u2").reshape(-1, 4).sum(axis=1, dtype=np.int32)[:num_samples]
    # The sum of four uniform words has mean 2 * 65535 and variance 4 * (2^32 - 1) / 12.
    return ((words - 131070) * np.float32(1.0 / 37837.2)).astype(np.float32)


def shaped(noise_T: np.ndarray, sample_rate: int, gain_of_hz: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``noise_T`` with the magnitude response ``gain_of_hz`` (zero phase), at unit RMS; float32 [T]."""
    length = fast_length(len(noise_T))
    spectrum_F = np.fft.rfft(noise_T, length)
    spectrum_F *= gain_of_hz(np.fft.rfftfreq(length, 1.0 / sample_rate))
    out_T = np.fft.irfft(spectrum_F, length)[: len(noise_T)]
    return (out_T / (np.sqrt(np.mean(np.square(out_T))) + 1e-12)).astype(np.float32)


@functools.lru_cache(maxsize=8)
def bank(colour: str, sample_rate: int = 16000) -> np.ndarray:
    """About half a minute of noise of one of ``COLOURS`` at unit RMS, float32 [BANK_SAMPLES], made once.

    Scenes take two stretches of it at random places and add them, which is far cheaper than new noise
    and gives more different backgrounds than a training run can hear.
    """
    raw_T = white(BANK_SAMPLES, seed=sum(colour.encode()))
    if colour == "white":
        return raw_T
    if colour == "pink":
        return shaped(raw_T, sample_rate, lambda hz: np.maximum(hz, 20.0) ** -0.5)
    if colour == "brown":
        return shaped(raw_T, sample_rate, lambda hz: (hz > 15.0) / np.maximum(hz, 20.0))
    seconds_T = np.arange(BANK_SAMPLES) / sample_rate
    hum_T = sum(np.sin(2 * np.pi * 50.0 * k * seconds_T + k * k) / k**1.3 for k in range(1, 12))
    pink_T = shaped(raw_T, sample_rate, lambda hz: np.maximum(hz, 20.0) ** -0.5)
    return (hum_T / np.std(hum_T) * 0.9 + 0.44 * pink_T).astype(np.float32)


def background(colour: str, num_samples: int, offsets: tuple[int, int], sample_rate: int = 16000) -> np.ndarray:
    """Two stretches of the bank, ``offsets`` apart, added; unit RMS, float32 [num_samples]."""
    source_T = bank(colour, sample_rate)
    out_T = np.empty(num_samples, np.float32)
    for piece, offset in enumerate(offsets):
        done, at = 0, offset % BANK_SAMPLES
        while done < num_samples:
            take = min(num_samples - done, BANK_SAMPLES - at)
            if piece:
                out_T[done : done + take] += source_T[at : at + take]
            else:
                out_T[done : done + take] = source_T[at : at + take]
            done, at = done + take, 0
    out_T *= np.float32(0.70710678)
    return out_T
