"""BEATs: prediction of the codes of an acoustic tokenizer (Chen et al. 2022, arXiv 2212.09058).

B windows · T mel frames (10 ms) · M mel bands · P patches · F frames · H heads · D width
"""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ossicle.encoders._alone import taps
from ossicle.encoders._fbank import FRAME, fbank
from ossicle.encoders._patches import COLUMN, HOP, PATCH, Patches, PatchOptions
from ossicle.encoders._weights import Shapes
from ossicle.encoders.base import Count, Frames, Share, WindowSeconds, encoders

N_MELS = 128
MEAN, STD = 15.41663, 6.55582
"""Of the log-mel of AudioSet; the authors divide by twice the deviation."""
GATE = 8
"""Numbers from which a head's two gates are made."""


class BeatsOptions(PatchOptions):
    """Sizes, by default the published ones; and how recordings are cut."""

    dim: Count = 768
    layers: Count = 12
    heads: Count = 12
    ffn: Count = 3072
    patch_dim: Count = 512
    kernel: Count = 128
    """Patches that the convolution which tells positions sees at once."""
    groups: Count = 16
    buckets: Count = 320
    """Distances between patches that have a bias of their own."""
    max_distance: Count = 800
    """Patches from which on all distances share one; no tensor tells it."""
    dropout: Share = 0.1
    window_s: WindowSeconds = 30.0
    """Longest stretch that is encoded at once, in whole patches (30.08 s). BEATs was trained on 10 s; SALMONN gives it
    30."""

    @model_validator(mode="after")
    def _heads_fit(self) -> "BeatsOptions":
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} must be a multiple of heads {self.heads}")
        return self


@encoders.register("beats")
class Beats(Patches):
    """50 patches per second: 8 in frequency for each 160 ms of 128 Kaldi mel bands at 16 kHz."""

    Options = BeatsOptions
    licence = "MIT"
    rows = N_MELS // PATCH
    unused = ("predictor.",)

    def __init__(self, options: BeatsOptions = BeatsOptions()) -> None:
        super().__init__()
        self.options = options
        self.dim = self._width(options.dim)
        self.window_samples = self.columns(round(options.window_s * self.sample_rate)) * COLUMN
        self.patch_embedding = nn.Conv2d(1, options.patch_dim, PATCH, stride=PATCH, bias=False)
        self.layer_norm = nn.LayerNorm(options.patch_dim)
        same = options.patch_dim == options.dim
        self.post_extract_proj = nn.Identity() if same else nn.Linear(options.patch_dim, options.dim)
        self.encoder = Transformer(options)
        self.taps = taps(options.layers)

    @classmethod
    def tiny(cls) -> "Beats":
        """Two layers of width 32, hearing 4 s at once."""
        widths = {"dim": 32, "layers": 2, "heads": 2, "ffn": 64, "patch_dim": 16, "kernel": 16, "groups": 4}
        return cls(BeatsOptions(**widths, buckets=32, max_distance=80, window_s=4.0))

    @classmethod
    def renamed(cls, name: str) -> str:
        """As published, but for the two factors of the normalised convolution; the distance biases are one table, of
        which every layer may hold a copy."""
        for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
            name = name.replace(f"pos_conv.0.{old}", f"pos_conv.0.parametrizations.weight.{new}")
        head, bias, _ = name.partition("self_attn.relative_attention_bias.")
        return f"encoder.layers.0.{name[len(head) :]}" if bias else name

    @classmethod
    def sizes(cls, shapes: Shapes) -> dict[str, Any]:
        """All but the dropout and the largest distance."""
        attention = "encoder.layers.0.self_attn."
        dim, in_group, kernel = shapes.of("encoder.pos_conv.0.parametrizations.weight.original1", 3)
        return {
            "dim": dim,
            "layers": shapes.layers("encoder.layers."),
            "heads": shapes.of(f"{attention}grep_a", 4)[1],
            "ffn": shapes.of("encoder.layers.0.fc1.weight", 2)[0],
            "patch_dim": shapes.of("patch_embedding.weight", 4)[0],
            "kernel": kernel,
            "groups": dim // in_group,
            "buckets": shapes.of(f"{attention}relative_attention_bias.weight", 2)[0],
        }

    @property
    def levels(self) -> nn.ModuleList:
        """What each layer says, as frames."""
        return self.taps

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Kaldi log-mel [T, M] of whole patches, scaled as published (the authors' code: samples as 16-bit integers,
        Povey's window)."""
        samples_T = samples_CT[0]
        wanted = self.columns(len(samples_T)) * COLUMN - HOP + FRAME
        filled_T = np.pad(samples_T, (0, wanted - len(samples_T)))
        return (fbank(filled_T, n_mels=N_MELS, window="povey", scale=2.0**15) - MEAN) / (2 * STD)

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, F, D]."""
        real_BP = self._real(lengths_B, features.shape[1])
        x_BPD = self.patch_embedding(features[:, None]).flatten(2).transpose(1, 2)
        x_BPD = self.encoder.placed(self.post_extract_proj(self.layer_norm(x_BPD)), real_BP)
        bias_HPP = self.encoder.bias(x_BPD.shape[1])
        keys = None
        if real_BP is not None:
            keys = torch.zeros_like(real_BP, dtype=x_BPD.dtype)
            keys = keys.masked_fill(~real_BP, torch.finfo(x_BPD.dtype).min)[:, None, None, :]
        for layer, tap in zip(self.encoder.layers, self.taps, strict=True):
            x_BPD = layer(x_BPD, bias_HPP, keys)
            out_BFD = tap(self._joined(x_BPD))
        return Frames(out_BFD, self._lengths(lengths_B))


class Transformer(nn.Module):
    """The layers, and the two ways in which they know where a patch stands (section 3.3 of the paper, after WavLM)."""

    def __init__(self, options: BeatsOptions) -> None:
        super().__init__()
        self.options = options
        kernel, dim = options.kernel, options.dim
        conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=options.groups)
        self.pos_conv = nn.Sequential(weight_norm(conv, dim=2))
        self.layers = nn.ModuleList([Layer(options) for _ in range(options.layers)])
        self.layers[0].self_attn.relative_attention_bias = nn.Embedding(options.buckets, options.heads)
        self.layer_norm = nn.LayerNorm(dim)

    def placed(self, x_BPD: Tensor, real_BP: Tensor | None) -> Tensor:
        """Patches and what lies around each."""
        if real_BP is not None:
            x_BPD = x_BPD * real_BP[..., None].to(x_BPD.dtype)
        around_BDP = F.gelu(self.pos_conv(x_BPD.transpose(1, 2))[..., : x_BPD.shape[1]])
        x_BPD = self.layer_norm(x_BPD + around_BDP.transpose(1, 2))
        return F.dropout(x_BPD, self.options.dropout, self.training)

    def bias(self, patches: int) -> Tensor:
        """What every patch adds to every other by their distance [H, P, P]: half of the buckets are for patches that
        come before, and of each half the nearer distances have their own, the others share by their logarithm (Raffel
        et al. 2020, arXiv 1910.10683, section 2.1)."""
        table = self.layers[0].self_attn.relative_attention_bias
        steps_P = torch.arange(patches, device=table.weight.device)
        away_PP = steps_P[None] - steps_P[:, None]
        half = self.options.buckets // 2
        near = half // 2
        far_PP = torch.log(away_PP.abs().clamp(min=1).float() / near) / math.log(self.options.max_distance / near)
        far_PP = (near + (far_PP * (half - near)).long()).clamp(max=half - 1)
        bucket_PP = torch.where(away_PP.abs() < near, away_PP.abs(), far_PP) + half * (away_PP > 0)
        return table(bucket_PP).permute(2, 0, 1)


class Layer(nn.Module):
    """Attention and two linear layers; a norm after each, with the residual scaled up (DeepNet, Wang et al. 2022, arXiv
    2203.00555)."""

    def __init__(self, options: BeatsOptions) -> None:
        super().__init__()
        self.self_attn = Attention(options)
        self.self_attn_layer_norm = nn.LayerNorm(options.dim)
        self.fc1 = nn.Linear(options.dim, options.ffn)
        self.fc2 = nn.Linear(options.ffn, options.dim)
        self.final_layer_norm = nn.LayerNorm(options.dim)
        self.dropout = options.dropout
        self.residual = (2 * options.layers) ** 0.25

    def forward(self, x_BPD: Tensor, bias_HPP: Tensor, keys_B11P: Tensor | None) -> Tensor:
        """As the authors order it."""
        heard_BPD = F.dropout(self.self_attn(x_BPD, bias_HPP, keys_B11P), self.dropout, self.training)
        x_BPD = self.self_attn_layer_norm(self.residual * x_BPD + heard_BPD)
        thought_BPD = F.dropout(self.fc2(F.gelu(self.fc1(x_BPD))), self.dropout, self.training)
        return self.final_layer_norm(self.residual * x_BPD + thought_BPD)


class Attention(nn.Module):
    """Attention with a gated relative position bias (WavLM, Chen et al. 2022, arXiv 2110.13900), whose gates here
    come from the projected query."""

    def __init__(self, options: BeatsOptions) -> None:
        super().__init__()
        self.heads, self.dropout = options.heads, options.dropout
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(options.dim, options.dim) for _ in range(4))
        self.grep_linear = nn.Linear(options.dim // options.heads, GATE)
        self.grep_a = nn.Parameter(torch.ones(1, options.heads, 1, 1))

    def forward(self, x_BPD: Tensor, bias_HPP: Tensor, keys_B11P: Tensor | None) -> Tensor:
        """[B, P, D] → [B, P, D]; ``keys_B11P`` keeps padding from being heard."""
        q_BHPd, k_BHPd, v_BHPd = (
            project(x_BPD).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        open_BHP2 = self.grep_linear(q_BHPd).unflatten(-1, (2, GATE // 2)).sum(-1).sigmoid()
        update_BHP1, reset_BHP1 = open_BHP2.chunk(2, dim=-1)
        mask_BHPP = (update_BHP1 * (reset_BHP1 * self.grep_a - 1) + 2) * bias_HPP
        if keys_B11P is not None:
            mask_BHPP = mask_BHPP + keys_B11P
        dropout = self.dropout if self.training else 0.0
        heard_BHPd = F.scaled_dot_product_attention(q_BHPd, k_BHPd, v_BHPd, mask_BHPP, dropout)
        return self.out_proj(heard_BHPd.transpose(1, 2).flatten(2))
