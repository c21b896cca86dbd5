"""CNN14 of the PANNs, trained to tag AudioSet (Kong et al. 2020, arXiv 1912.10211).

B windows · T mel frames (10 ms) · M mel bands · C channels · F frames (320 ms) · D width
"""

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from ossicle.encoders._decibels import mel_decibels
from ossicle.encoders._weights import Own, OwnOptions, Shapes
from ossicle.encoders.base import Count, Frames, Share, WindowSeconds, encoders
from ossicle.support.errors import ModelError

HOP = 320
FFT = 1024
BINS = FFT // 2 + 1
LOWEST_HZ, HIGHEST_HZ = 50.0, 14_000.0
POOLED = 32
"""Mel frames of a frame: five poolings by two."""
FRAME = POOLED * HOP
"""Samples of a frame: 320 ms."""
FILTERS = "logmel_extractor.melW"


class Cnn14Options(OwnOptions):
    """Sizes, by default the published ones; and how recordings are cut."""

    channels: tuple[Count, Count, Count, Count, Count, Count] = (64, 128, 256, 512, 1024, 2048)
    n_mels: Count = 64
    dropout: Share = 0.2
    window_s: WindowSeconds = 30.0
    """Longest stretch that is encoded at once, in whole frames (30.08 s)."""


@encoders.register("cnn14")
class Cnn14(Own):
    """3.125 frames per second from 64 log-mel bands (50 Hz to 14 kHz) at 32 kHz: what the convolutions leave, averaged
    over frequency.

    The last frame is filled with silence, where upstream drops what is left of the sound.
    """

    Options = Cnn14Options
    licence = "CC-BY-4.0"
    sample_rate = 32_000
    unused = ("spectrogram_extractor.", FILTERS, "fc1.", "fc_audioset.", "att_block.")

    def __init__(self, options: Cnn14Options = Cnn14Options()) -> None:
        super().__init__()
        self.options = options
        self.dim = options.channels[-1]
        self.window_samples = self.num_frames(round(options.window_s * self.sample_rate)) * FRAME
        self.bn0 = nn.BatchNorm2d(options.n_mels)
        for number, (before, after) in enumerate(zip((1, *options.channels), options.channels, strict=False), 1):
            self.add_module(f"conv_block{number}", Block(before, after))

    @classmethod
    def tiny(cls) -> "Cnn14":
        """Up to 32 channels on 32 mel bands, hearing 4 s at once."""
        return cls(Cnn14Options(channels=(4, 4, 8, 8, 16, 32), n_mels=32, window_s=4.0))

    @classmethod
    def renamed(cls, name: str) -> str:
        """As published."""
        return name

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """Channels and bands.

        Raises:
            ModelError: the filters are those of the models for 8 or 16 kHz.
        """
        n_mels = shapes.of("bn0.weight", 1)[0]
        if FILTERS in shapes and shapes.of(FILTERS, 2)[0] != BINS:
            raise ModelError(
                f"the weights of {shapes.whose} hear another rate than {cls.sample_rate:,} Hz: their tensor "
                f"{FILTERS!r} has {shapes.of(FILTERS, 2)[0]} rows, not {BINS}; take the Cnn14 for 32 kHz."
            )
        channels = tuple(shapes.of(f"conv_block{number}.conv2.weight", 4)[0] for number in range(1, 7))
        return {"channels": channels, "n_mels": n_mels}

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Log-mel [T, M] in decibels, as torchlibrosa makes it, of whole frames and the one centred on their end."""
        samples_T = samples_CT[0]
        filled_T = np.pad(samples_T, (0, -len(samples_T) % FRAME))
        return mel_decibels(filled_T, n_fft=FFT, hop=HOP, bank_KM=_filters(self.options.n_mels))

    def num_frames(self, num_samples: int) -> int:
        """One for each begun 320 ms."""
        return -(-num_samples // FRAME)

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, ⌊T/32⌋, D]."""
        padded = bool((lengths_B < features.shape[1]).any())
        x_BCTM = self.bn0(features.transpose(1, 2)[..., None]).permute(0, 3, 2, 1)
        blocks = [self.get_submodule(f"conv_block{number}") for number in range(1, 7)]
        for block in blocks:
            x_BCTM = block(x_BCTM, _mask(lengths_B, x_BCTM) if padded else None)
            if block is not blocks[-1]:
                x_BCTM, lengths_B = F.avg_pool2d(x_BCTM, 2), lengths_B // 2
            x_BCTM = F.dropout(x_BCTM, self.options.dropout, self.training)
        return Frames(x_BCTM.mean(dim=3).transpose(1, 2), lengths_B)


class Block(nn.Module):
    """Two 3×3 convolutions, a batch norm after each."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        for conv in (self.conv1, self.conv2):  # torch's own start would let twelve layers fade out
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, x_BCTM: Tensor, mask_B1T1: Tensor | None) -> Tensor:
        """Padding is set to zero before each convolution, which is what a shorter window would have met."""
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            x_BCTM = F.relu(norm(conv(x_BCTM if mask_B1T1 is None else x_BCTM * mask_B1T1)))
        return x_BCTM


def _mask(lengths_B: Tensor, x_BCTM: Tensor) -> Tensor:
    steps_T = torch.arange(x_BCTM.shape[2], device=x_BCTM.device)
    return (steps_T < lengths_B[:, None]).to(x_BCTM.dtype)[:, None, :, None]


@functools.lru_cache(maxsize=4)
def _filters(n_mels: int) -> Tensor:
    """Triangles of equal area on Slaney's mel scale, as librosa makes them [K, M]."""
    bank_KM = mel_filter_bank(BINS, n_mels, LOWEST_HZ, HIGHEST_HZ, Cnn14.sample_rate, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(bank_KM).float()
