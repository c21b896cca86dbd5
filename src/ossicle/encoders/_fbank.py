"""Log mel energies as Kaldi computes them, from which several published encoders start.

T samples · F frames (10 ms) · M mel bands
"""

import functools
import warnings

import numpy as np
import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank, window_function

from ossicle.audio.mel import mel_power

SAMPLE_RATE = 16_000
FRAME = 400
HOP = 160
FFT = 512
LOWEST_HZ = 20
EMPHASIS = 0.97
FLOOR = torch.finfo(torch.float32).eps


def num_fbank_frames(num_samples: int) -> int:
    """Frames that lie wholly within the sound; one for a sound that is shorter than a frame, which is padded."""
    return 1 + max(0, num_samples - FRAME) // HOP


def fbank(samples_T: np.ndarray, *, n_mels: int, window: str, scale: float = 1.0) -> Tensor:
    """As Kaldi's ``compute-fbank-feats`` without dither, at 16 kHz.

    Of each frame the mean is taken away, then 0.97 of the sample before; the window is symmetric, the triangles are
    straight on the mel scale, and the natural logarithm has a floor of 2⁻²³.

    Args:
        samples_T: float samples of any length; up to 400 are filled with zeros.
        n_mels: number of bands from 20 Hz to 8 kHz.
        window: ``"povey"`` or ``"hann"``.
        scale: 2¹⁵ where a model was trained on samples as 16-bit integers.

    Returns:
        float32 [F, M].
    """
    x_T = torch.from_numpy(np.ascontiguousarray(samples_T))
    if len(x_T) < FRAME:
        x_T = torch.nn.functional.pad(x_T, (0, FRAME - len(x_T)))
    window_N, bank_KM = _tables(n_mels, window)
    window_N = scale * window_N

    def windowed(x_FN: Tensor) -> Tensor:
        x_FN = x_FN.double()
        x_FN = x_FN - x_FN.mean(dim=1, keepdim=True)
        # The window begins with zero: of a frame's first sample, which has none before it, only the mean knows.
        return torch.sub(x_FN[:, 1:], x_FN[:, :-1], alpha=EMPHASIS) * window_N[1:]

    return mel_power(x_T.unfold(0, FRAME, HOP), windowed, FFT, bank_KM).clamp_min_(FLOOR).log_()


@functools.lru_cache(maxsize=8)
def _tables(n_mels: int, window: str) -> tuple[Tensor, Tensor]:
    with warnings.catch_warnings(action="ignore"):  # of bands without a frequency bin: published models have them
        bank_KM = mel_filter_bank(
            FFT // 2 + 1,
            n_mels,
            LOWEST_HZ,
            SAMPLE_RATE / 2,
            SAMPLE_RATE,
            mel_scale="kaldi",
            triangularize_in_mel_space=True,
        )
    return torch.from_numpy(window_function(FRAME, window, periodic=False)), torch.from_numpy(bank_KM).float()
