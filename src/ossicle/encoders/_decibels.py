"""Mel power in decibels, as PANNs and CED compute it: frames centred on every hop, the sound mirrored at its ends.

T samples · F frames · K frequency bins · M mel bands
"""

import numpy as np
import torch
from torch import Tensor

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
    window = torch.hann_window(n_fft)
    spectrum_KF = torch.stft(x_T, n_fft, hop, n_fft, window, center=True, pad_mode="reflect", return_complex=True)
    power_FK = torch.view_as_real(spectrum_KF).square().sum(-1).T
    return 10 * (power_FK @ bank_KM).clamp_min(FLOOR).log10()
