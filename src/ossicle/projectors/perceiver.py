"""A Perceiver resampler: latents that look, layer after layer, at the frames and at themselves.

B windows · F frames · Q latents · D width
"""

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options, sinusoids
from ossicle.projectors.base import Projector, projectors


class PerceiverOptions(Options):
    """Sizes; the width is the encoder's unless given."""

    latents: int = Field(default=64, ge=1)
    layers: int = Field(default=6, ge=1)
    heads: int = Field(default=8, ge=1)
    hidden: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _heads_divide(self) -> "PerceiverOptions":
        if self.hidden is not None and self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} must be a multiple of heads {self.heads}")
        return self


class ResamplerLayer(nn.Module):
    """Pre-norm attention of the latents to frames and latents together, then a feed-forward layer."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm_frames, self.norm_latents = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def forward(self, latents_BQD: Tensor, x_BFD: Tensor, padding_BS: Tensor) -> Tensor:
        """``padding_BS`` is true where frames, and then latents, are to be ignored."""
        normed = self.norm_latents(latents_BQD)
        keys = torch.cat([self.norm_frames(x_BFD), normed], dim=1)
        heard, _ = self.attention(normed, keys, keys, key_padding_mask=padding_BS, need_weights=False)
        latents_BQD = latents_BQD + heard
        return latents_BQD + self.feed_forward(latents_BQD)


@projectors.register("perceiver")
class Perceiver(Projector):
    """K = ``latents`` a window (Flamingo, Alayrac et al. 2022, arXiv 2204.14198, section 3.1.1)."""

    Options = PerceiverOptions

    def __init__(self, options: PerceiverOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        dim = options.hidden or dim_in
        self.enter = nn.Linear(dim_in, dim)
        self.latents = nn.Parameter(torch.randn(options.latents, dim) * 0.02)
        self.layers = nn.ModuleList([ResamplerLayer(dim, options.heads) for _ in range(options.layers)])
        self.norm = nn.LayerNorm(dim)
        self.proj = nn.Linear(dim, dim_out)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Perceiver":
        """Five latents, two layers."""
        return cls(cls.Options(latents=5, layers=2, heads=2), dim_in, dim_out)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Always ``latents``."""
        number = self.options.latents
        return torch.full_like(num_frames, number) if isinstance(num_frames, Tensor) else number

    def forward(self, frames: Frames) -> Frames:
        """Resample; the frames get positions, as attention has no order of its own."""
        x_BFD = self.enter(frames.x_BFD)
        x_BFD = x_BFD + sinusoids(x_BFD.shape[1], x_BFD.shape[2]).to(x_BFD)
        latents_BQD = self.latents.expand(len(x_BFD), -1, -1)
        padding_BF = torch.arange(x_BFD.shape[1], device=x_BFD.device) >= frames.lengths_B[:, None]
        padding_BS = torch.cat([padding_BF, padding_BF.new_zeros(latents_BQD.shape[:2])], dim=1)
        for layer in self.layers:
            latents_BQD = layer(latents_BQD, x_BFD, padding_BS)
        return Frames(self.proj(self.norm(latents_BQD)), self.lengths(frames.lengths_B))
