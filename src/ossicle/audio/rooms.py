"""Rooms as impulse responses, made and measured, and sound put into them.

In every response the direct sound is sample 0 at strength 1, so that a room never moves an onset.

C channels · T samples · L samples of a response
"""

import numpy as np

from ossicle.support.errors import AudioError

MAX_TAIL_S = 0.9


def decaying_response(
    noise_L: np.ndarray, rt60_s: float, direct_db: float, gap_s: float, sample_rate: int
) -> np.ndarray:
    """The direct sound, then noise that falls by 60 dB in ``rt60_s``; float32 [L].

    Args:
        noise_L: white noise; :func:`response_length` says how much.
        rt60_s: reverberation time.
        direct_db: energy of the direct sound over that of all the rest, in decibels.
        gap_s: silence between the direct sound and the rest.
        sample_rate: samples per second.
    """
    length = len(noise_L)
    tail_L = noise_L * np.exp(-6.9078 / (rt60_s * sample_rate) * np.arange(length))
    tail_L[: round(gap_s * sample_rate)] = 0.0
    # A room swallows treble sooner than bass: a two-point mean, once over the first third, twice over the rest.
    tail_L[1:] = 0.5 * (tail_L[1:] + tail_L[:-1])
    tail_L[length // 3 + 1 :] = 0.5 * (tail_L[length // 3 + 1 :] + tail_L[length // 3 : -1])
    tail_L *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(np.square(tail_L)) + 1e-12)
    tail_L[0] = 1.0
    return tail_L.astype(np.float32)


def response_length(rt60_s: float, sample_rate: int) -> int:
    """Samples of a response until it has fallen by 48 dB, at most 0.9 s."""
    return round(min(MAX_TAIL_S, 0.8 * rt60_s) * sample_rate)


def aligned_response(samples_T: np.ndarray, sample_rate: int) -> np.ndarray:
    """A measured response from its direct sound (its largest sample) on, at most 0.9 s, scaled so that this is 1;
    float32 [L].

    Raises:
        AudioError: it is silent.
    """
    start = int(np.argmax(np.abs(samples_T)))
    kept_L = samples_T[start : start + round(MAX_TAIL_S * sample_rate)].astype(np.float32)
    if kept_L[0] == 0:
        raise AudioError("an impulse response is silent: leave it out.")
    return kept_L / kept_L[0]


def reverberated(samples_CT: np.ndarray, response_L: np.ndarray) -> np.ndarray:
    """The same number of samples in a room, every channel by the same response, as loud (RMS) as before; float32.

    Convolved block by block, so that memory for a long recording is little more than its samples.
    """
    num_samples = samples_CT.shape[1]
    size = 1 << (min(4 * len(response_L), num_samples + len(response_L)) - 1).bit_length()
    hop = size - len(response_L) + 1
    response_F = np.fft.rfft(response_L, size)
    wet_CT = np.zeros((len(samples_CT), num_samples + size), np.float32)
    for start in range(0, num_samples, hop):
        block_CF = np.fft.rfft(samples_CT[:, start : start + hop], size)
        wet_CT[:, start : start + size] += np.fft.irfft(block_CF * response_F, size)
    wet_CT = wet_CT[:, :num_samples]
    before, after = (np.sqrt(np.mean(np.square(one_CT, dtype=np.float64))) for one_CT in (samples_CT, wet_CT))
    return wet_CT * np.float32(before / max(after, 1e-12))
