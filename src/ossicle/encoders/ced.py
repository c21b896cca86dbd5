"""CED: a vision transformer that learnt AudioSet's tags from an ensemble (Dinkel et al. 2023, arXiv 2308.11957).

B windows · T mel frames (10 ms) · M mel bands · K rows of patches · P patches · F frames · H heads · D width
"""

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from ossicle.audio.mel import mel_filters
from ossicle.encoders._alone import taps
from ossicle.encoders._decibels import mel_decibels
from ossicle.encoders._patches import COLUMN, HOP, PATCH, Patches, PatchOptions
from ossicle.encoders._weights import Shapes
from ossicle.encoders.base import Count, Frames, encoders

N_MELS = 64
FFT = 512
RANGE_DB = 120.0
"""Kept below the loudest cell of a window."""
HEAD_DIM = 64
"""Width of a head, in all the published sizes."""


class CedOptions(PatchOptions):
    """Sizes, by default those of CED-base."""

    dim: Count = 768
    layers: Count = 12
    heads: Count = 12
    ffn: Count = 3072
    positions: Count = 63
    """Columns of patches that have a position, so 10.08 s at once."""

    @model_validator(mode="after")
    def _heads_fit(self) -> "CedOptions":
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} must be a multiple of heads {self.heads}")
        return self


@encoders.register("ced")
class Ced(Patches):
    """25 patches per second: 4 in frequency for each 160 ms of 64 log-mel bands at 16 kHz."""

    Options = CedOptions
    licence = "Apache-2.0"
    rows = N_MELS // PATCH
    unused = ("front_end.", "outputlayer.")

    def __init__(self, options: CedOptions = CedOptions()) -> None:
        super().__init__()
        self.options = options
        self.dim = self._width(options.dim)
        self.window_samples = options.positions * COLUMN
        self.init_bn = nn.BatchNorm2d(N_MELS, momentum=0.01)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, options.dim, PATCH, stride=PATCH)})
        self.time_pos_embed = nn.Parameter(0.02 * torch.randn(1, options.dim, 1, options.positions))
        self.freq_pos_embed = nn.Parameter(0.02 * torch.randn(1, options.dim, self.rows, 1))
        self.blocks = nn.ModuleList([Block(options.dim, options.heads, options.ffn) for _ in range(options.layers)])
        self.norm = nn.LayerNorm(options.dim, eps=1e-6)
        self.taps = taps(options.layers)

    @classmethod
    def tiny(cls) -> "Ced":
        """Two layers of width 32, hearing 4 s at once."""
        return cls(CedOptions(dim=32, layers=2, heads=2, ffn=64, positions=25))

    @classmethod
    def renamed(cls, name: str) -> str:
        """As published, either by the authors or for transformers, where the encoder is a part of the tagger."""
        return name.removeprefix("encoder.").replace("init_bn.1.", "init_bn.")

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """All."""
        _, dim, _, positions = shapes.of("time_pos_embed", 4)
        return {
            "dim": dim,
            "layers": shapes.layers("blocks."),
            "heads": max(1, dim // HEAD_DIM),
            "ffn": shapes.of("blocks.0.mlp.fc1.weight", 2)[0],
            "positions": positions,
        }

    @property
    def levels(self) -> nn.ModuleList:
        """What each layer says, as frames; the last norm is the encoder's own."""
        return self.taps

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Log-mel [T, M] of whole patches, in decibels, no lower than 120 below the window's loudest cell."""
        samples_T = samples_CT[0]
        filled_T = np.pad(samples_T, (0, -len(samples_T) % COLUMN))
        mel_TM = mel_decibels(filled_T, n_fft=FFT, hop=HOP, bank_KM=_filters())
        return mel_TM.clamp_min(mel_TM.max() - RANGE_DB)[:-1]

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, F, D]."""
        real_BP = self._real(lengths_B, features.shape[1])
        mask = None if real_BP is None else real_BP[:, None, None, :]
        x_B1MT = self.init_bn(features.transpose(1, 2)[..., None]).permute(0, 3, 1, 2)
        x_BDKF = self.patch_embed["proj"](x_B1MT)
        x_BDKF = x_BDKF + self.time_pos_embed[..., : x_BDKF.shape[-1]] + self.freq_pos_embed
        x_BPD = x_BDKF.transpose(2, 3).flatten(2).transpose(1, 2)
        for block, tap in zip(self.blocks, self.taps, strict=True):
            x_BPD = block(x_BPD, mask)
            tap(self._joined(x_BPD))
        return Frames(self._joined(self.norm(x_BPD)), self._lengths(lengths_B))


class Block(nn.Module):
    """A layer of a vision transformer: norm, attention, norm, two linear layers (Dosovitskiy et al. 2020, arXiv
    2010.11929, section 3.1)."""

    def __init__(self, dim: int, heads: int, ffn: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, ffn), "fc2": nn.Linear(ffn, dim)})

    def forward(self, x_BPD: Tensor, mask_B11P: Tensor | None) -> Tensor:
        """[B, P, D] → [B, P, D]; ``mask_B11P`` says which patches may be heard."""
        qkv = self.attn["qkv"](self.norm1(x_BPD)).unflatten(2, (3, self.heads, -1))
        q_BHPd, k_BHPd, v_BHPd = qkv.permute(2, 0, 3, 1, 4)
        heard_BHPd = F.scaled_dot_product_attention(q_BHPd, k_BHPd, v_BHPd, mask_B11P)
        x_BPD = x_BPD + self.attn["proj"](heard_BHPd.transpose(1, 2).flatten(2))
        return x_BPD + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x_BPD))))


@functools.cache
def _filters() -> Tensor:
    return torch.from_numpy(mel_filters(Ced.sample_rate, FFT, N_MELS))
