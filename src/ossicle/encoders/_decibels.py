"""Mel power in decibels, as PANNs and CED compute it: frames centred on every hop, the sound mirrored at its ends.

T samples · F frames · K frequency bins · M mel bands
"""

import numpy as np
import torch
from torch import Tensor

from ossicle.audio.mel import mel_power

FLOOR = 1e-10


def mel_decibels(samples_T: np.ndarray, *, n_fft: int, hop: int, bank_KM: Tensor) -> Tensor:
    """Ten times the decimal logarithm of mel power, at least −100.

    Args:
        samples_T: more than half of ``n_fft`` float samples.
        n_fft: length of the transform and of its periodic Hann window.
        hop: samples from one frame to the next.
        bank_KM: triangles that sum frequency bins into bands.

    Returns:
        float32 [1 + T // hop, M].
    """
    x_T = torch.from_numpy(np.ascontiguousarray(samples_T, dtype=np.float32))
    window_N = torch.hann_window(n_fft)
    mirrored_T = torch.nn.functional.pad(x_T[None], (n_fft // 2, n_fft // 2), mode="reflect")[0]
    frames_FN = mirrored_T.unfold(0, n_fft, hop)
    return mel_power(frames_FN, lambda some_FN: some_FN * window_N, n_fft, bank_KM).clamp_min_(FLOOR).log10_().mul_(10)
