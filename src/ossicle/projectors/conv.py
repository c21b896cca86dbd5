"""Strided convolutions over time with gates, then one matrix.

B windows · F frames · K tokens · D width
"""

import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Strided, projectors, zero_padding


class ConvOptions(Options):
    """Frames per token, and the sizes of the convolutions that make them."""

    stride: int = Field(default=2, ge=1)
    kernel: int = Field(default=3, ge=1)
    """Frames that a convolution sees at once, odd; one of stride p sees 2p − 1 at least, so that no frame is left
    out."""
    hidden: int | None = Field(default=None, ge=1)
    """Width between convolutions; by default that of the frames."""
    bottleneck: int | None = Field(default=None, ge=1)
    """Width of two layers, with a residual connection, between convolutions and matrix; none by default. WavLLM and
    BLSP have 512."""

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("an odd kernel keeps every token centred on its frames; add or take one")
        return kernel


class GatedConv(nn.Module):
    """Half of what the convolution gives, times the sigmoid of the other half: K = ⌈F / stride⌉ for an odd kernel.

    Gated linear units (Dauphin et al. 2017, arXiv 1612.08083, section 2); as the subsampler of speech-to-text
    transformers, of which WavLLM and BLSP have one.
    """

    def __init__(self, dim_in: int, dim_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv1d(dim_in, 2 * dim_out, kernel, stride=stride, padding=kernel // 2)

    def forward(self, frames: Frames) -> Frames:
        """Frames [B, F, dim_in] → [B, K, dim_out]; those past a length count as zeros."""
        x_BKD = F.glu(self.conv(zero_padding(frames).transpose(1, 2)), dim=1).transpose(1, 2)
        return Frames(x_BKD, -(-frames.lengths_B // self.stride))


class Bottleneck(nn.Module):
    """``x + norm(up(GELU(down(x))))`` (the adapter of WavLLM, Hu et al. 2024, arXiv 2404.00656, section 3.1)."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.down, self.up, self.norm = nn.Linear(dim, inner), nn.Linear(inner, dim), nn.LayerNorm(dim)

    def forward(self, x_BKD: Tensor) -> Tensor:
        """Tokens of the same shape."""
        return x_BKD + self.norm(self.up(F.gelu(self.down(x_BKD))))


@projectors.register("conv")
class Conv(Strided):
    """K = ⌈F / stride⌉, each token centred on frame K·stride: one gated convolution for each prime factor of the
    stride, so three of stride 2 where the stride is 8 (BLSP, Wang et al. 2023, arXiv 2309.00916, section 3.1; WavLLM,
    Hu et al. 2024, arXiv 2404.00656, section 3.1)."""

    Options = ConvOptions

    def __init__(self, options: ConvOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        dim = options.hidden or dim_in
        self.convs = nn.ModuleList(
            GatedConv(dim if number else dim_in, dim, max(options.kernel, 2 * factor - 1), factor)
            for number, factor in enumerate(prime_factors(options.stride) or [1])
        )
        self.bottleneck = Bottleneck(dim, options.bottleneck) if options.bottleneck else nn.Identity()
        self.proj = nn.Linear(dim, dim_out)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Conv":
        """Two convolutions, of stride 2 and 3, and a bottleneck."""
        return cls(cls.Options(stride=6, bottleneck=8), dim_in, dim_out)

    def forward(self, frames: Frames) -> Frames:
        """Convolve again and again, and project."""
        for conv in self.convs:
            frames = conv(frames)
        return Frames(self.proj(self.bottleneck(frames.x_BFD)), frames.lengths_B)


def prime_factors(number: int) -> list[int]:
    """The prime factors of a number ≥ 1, smallest first; none of 1."""
    found, factor = [], 2
    while number > 1:
        while number % factor == 0:
            found.append(factor)
            number //= factor
        factor += 1
    return found
