"""A small log-mel encoder for clips of any length: residual convolutions, then a few transformer layers.

B windows · T mel frames · M mel bands · C channels · F frames (80 ms) · D width
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer

from ossicle.audio import log_mel
from ossicle.encoders.base import Count, Encoder, Frames, Options, Share, WindowSeconds, encoders, sinusoids

HOP = 160
MEL_FRAMES_PER_FRAME = 8


class MelnetOptions(Options):
    """Widths of the four convolution stages, and the transformer on top."""

    channels: tuple[Count, Count, Count, Count] = (32, 64, 128, 256)
    dim: int = Field(default=256, ge=4)
    layers: int = Field(default=4, ge=0)
    heads: Count = 4
    n_mels: Count = 64
    window_s: WindowSeconds = 30.0
    dropout: Share = 0.1
    dynamic_range: float = Field(default=8.0, gt=0)
    """log10 units kept below the loudest mel cell of a window (8 = 80 dB)."""
    standardise: bool = False
    """Each window's cells brought to mean 0 and standard deviation 1, whatever the room and the microphone."""

    @model_validator(mode="after")
    def _heads_fit(self) -> "MelnetOptions":
        if self.dim % 2 or self.dim % self.heads:
            raise ValueError(f"dim {self.dim} must be even and a multiple of heads {self.heads}")
        return self


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm: in short runs on a few thousand clips it learnt faster than layer or group norm, and once trained it
    is a fixed scale, which knows neither the batch nor the padding."""
    return nn.BatchNorm2d(channels, momentum=0.05)


class Residual(nn.Module):
    """Pre-norm residual block of two 3×3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_BCTM: Tensor, mask_B1T1: Tensor | None) -> Tensor:
        """Padding is set to zero before each convolution, which is what a shorter window would have met."""
        y = self.conv1(masked(F.gelu(self.norm1(x_BCTM)), mask_B1T1))
        y = self.conv2(masked(F.gelu(self.norm2(y)), mask_B1T1))
        return masked(x_BCTM + y, mask_B1T1)


def masked(x_BCTM: Tensor, mask_B1T1: Tensor | None) -> Tensor:
    """Zero the padding; ``None`` means that there is none."""
    return x_BCTM if mask_B1T1 is None else x_BCTM * mask_B1T1


def standardised(features_BTM: Tensor, lengths_B: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over the cells of each window that exist; zeros where none do."""
    real_BT1 = (torch.arange(features_BTM.shape[1], device=lengths_B.device) < lengths_B[:, None])[..., None]
    cells_B11 = (lengths_B * features_BTM.shape[2])[:, None, None]
    x = features_BTM.float() * real_BT1
    centred = (x - x.sum((1, 2), keepdim=True) / cells_B11) * real_BT1
    spread_B11 = (centred.square().sum((1, 2), keepdim=True) / cells_B11).sqrt()
    return (centred / (spread_B11 + 1e-3)).to(features_BTM.dtype)


@encoders.register("melnet")
class Melnet(Encoder):
    """12.5 frames per second from 64 log-mel bands at 16 kHz; no padding to 30 s."""

    Options = MelnetOptions
    sample_rate = 16_000

    def __init__(self, options: MelnetOptions = MelnetOptions()) -> None:
        super().__init__()
        self.options = options
        self.dim = options.dim
        self.window_samples = round(options.window_s * self.sample_rate)
        c1, c2, c3, c4 = options.channels
        self.stem = nn.Conv2d(1, c1, 5, stride=2, padding=2)
        self.downs = nn.ModuleList(
            [
                nn.Conv2d(c1, c2, 3, stride=2, padding=1),
                nn.Conv2d(c2, c3, 3, stride=2, padding=1),
                nn.Conv2d(c3, c4, 3, stride=(1, 2), padding=1),
            ]
        )
        self.blocks = nn.ModuleList([Residual(c) for c in options.channels])
        self.flatten = nn.Linear(c4 * math.ceil(options.n_mels / 16), self.dim)
        layer = WhisperConfig(
            d_model=self.dim,
            encoder_attention_heads=options.heads,
            encoder_ffn_dim=4 * self.dim,
            dropout=options.dropout,
            attn_implementation="sdpa",
        )
        self.layers = nn.ModuleList([WhisperEncoderLayer(layer) for _ in range(options.layers)])
        self.norm = nn.LayerNorm(self.dim)

    @classmethod
    def tiny(cls) -> "Melnet":
        """Two transformer layers of width 32."""
        return cls(MelnetOptions(channels=(4, 8, 8, 16), dim=32, layers=2, heads=2, n_mels=32, window_s=4.0))

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Log-mel [T, M] relative to the window's loudest cell: the level of a recording says nothing."""
        mel_TM = log_mel(samples_CT[0], sample_rate=self.sample_rate, hop=HOP, n_mels=self.options.n_mels)
        loudest = mel_TM.max()
        floor = loudest - self.options.dynamic_range
        return torch.maximum(mel_TM, floor).sub_(loudest).mul_(2 / self.options.dynamic_range).add_(1)

    def prepares_as(self, other: Encoder) -> bool:
        """Where the other is one of these that hears the same bands, range and window."""
        if not isinstance(other, Melnet):
            return False
        own, theirs = self.options, other.options
        return all(getattr(own, name) == getattr(theirs, name) for name in ("n_mels", "dynamic_range", "window_s"))

    def num_frames(self, num_samples: int) -> int:
        """One frame per 8 mel frames, the last one perhaps of fewer."""
        mel_frames = -(-num_samples // HOP)
        return -(-mel_frames // MEL_FRAMES_PER_FRAME)

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, ⌈T/8⌉, D]."""
        padded = bool((lengths_B < features.shape[1]).any())
        if self.options.standardise:
            features = standardised(features, lengths_B)
        x = features[:, None].contiguous(memory_format=torch.channels_last)
        lengths_B = -(-lengths_B // 2)
        x = self.stem(x)
        mask = self._mask(lengths_B, x) if padded else None
        x = self.blocks[0](masked(x, mask), mask)
        for down, block in zip(self.downs, self.blocks[1:], strict=True):
            x = down(x)
            lengths_B = -(-lengths_B // down.stride[0])
            mask = self._mask(lengths_B, x) if padded else None
            x = block(masked(x, mask), mask)
        x_BFD = self.flatten(x.permute(0, 2, 3, 1).flatten(2))
        x_BFD = x_BFD + sinusoids(x_BFD.shape[1], self.dim).to(x_BFD)
        return Frames(self.norm(self._attend(x_BFD, lengths_B, padded)), lengths_B)

    @property
    def levels(self) -> nn.ModuleList:
        """The transformer's layers."""
        return self.layers

    def _attend(self, x_BFD: Tensor, lengths_B: Tensor, padded: bool) -> Tensor:
        keys = None
        if padded:
            real_BF = torch.arange(x_BFD.shape[1], device=x_BFD.device) < lengths_B[:, None]
            keys = torch.zeros_like(real_BF, dtype=x_BFD.dtype).masked_fill(~real_BF, torch.finfo(x_BFD.dtype).min)
            keys = keys[:, None, None, :]
        for layer in self.layers:
            out = layer(x_BFD, attention_mask=keys)
            x_BFD = out[0] if isinstance(out, tuple) else out
        return x_BFD

    @staticmethod
    def _mask(lengths_B: Tensor, x_BCTM: Tensor) -> Tensor:
        steps = torch.arange(x_BCTM.shape[2], device=x_BCTM.device)
        return (steps < lengths_B[:, None]).to(x_BCTM.dtype)[:, None, :, None]
