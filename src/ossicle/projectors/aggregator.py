"""The deepest level of an encoder looks back at shallower ones: what it is, and how it sounds.

B windows · F frames · K tokens · D width
"""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import ByLevel, Strided, averaged, projectors
from ossicle.support.errors import SpecError


class AggregatorOptions(Options):
    """Frames per token, and the attention's heads."""

    stride: int = Field(default=1, ge=1)
    heads: int = Field(default=8, ge=1)


class LookBack(nn.Module):
    """Pre-norm attention to one shallower level, then a feed-forward layer."""

    def __init__(self, dim: int, dim_back: int, heads: int) -> None:
        super().__init__()
        self.norm, self.norm_back = nn.LayerNorm(dim), nn.LayerNorm(dim_back)
        self.attention = nn.MultiheadAttention(dim, heads, kdim=dim_back, vdim=dim_back, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def forward(self, x_BKD: Tensor, back_BFD: Tensor, padding_BF: Tensor) -> Tensor:
        """``padding_BF`` is true where frames are to be ignored."""
        keys = self.norm_back(back_BFD)
        found, _ = self.attention(self.norm(x_BKD), keys, keys, key_padding_mask=padding_BF, need_weights=False)
        x_BKD = x_BKD + found
        return x_BKD + self.feed_forward(x_BKD)


@projectors.register("aggregator")
class Aggregator(ByLevel, Strided):
    """K = ⌈F / stride⌉ (GAMA, Ghosh et al. 2024, arXiv 2406.11768, section 3.1).

    The encoder is ``{type: layers, join: side_by_side, levels: [...]}``, deepest level last; each shallower one is
    attended to in turn, the deepest of them first.
    """

    Options = AggregatorOptions

    def __init__(self, options: AggregatorOptions, dims: Sequence[int], dim_out: int) -> None:
        super().__init__(options, dims, dim_out)
        if len(dims) < 2:
            raise SpecError(
                "projector aggregator: the encoder gives one level of features, and several are needed; "
                "use encoder {type: layers, join: side_by_side}."
            )
        if dims[-1] % options.heads:
            raise SpecError(f"projector aggregator: heads {options.heads} must divide the deepest width {dims[-1]}.")
        self.layers = nn.ModuleList([LookBack(dims[-1], dim, options.heads) for dim in dims[-2::-1]])
        self.norm = nn.LayerNorm(dims[-1])
        self.proj = nn.Sequential(nn.Linear(dims[-1], dim_out), nn.GELU(), nn.Linear(dim_out, dim_out))

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Aggregator":
        """Three levels: a quarter, a quarter and half of the width."""
        return cls(cls.Options(stride=3, heads=2), (dim_in // 4, dim_in // 4, dim_in // 2), dim_out)

    @classmethod
    def reference(cls, dim_in: int, dim_out: int) -> "Aggregator":
        """Two levels of this width."""
        return cls(cls.Options(), (dim_in, dim_in), dim_out)

    def forward(self, frames: Frames) -> Frames:
        """Start from the deepest level; look back at the others."""
        *back, deepest = frames.x_BFD.split(self.dims, dim=-1)
        padding_BF = torch.arange(deepest.shape[1], device=deepest.device) >= frames.lengths_B[:, None]
        x_BKD = averaged(Frames(deepest, frames.lengths_B), self.options.stride)
        for layer, level in zip(self.layers, reversed(back), strict=True):
            x_BKD = layer(x_BKD, level, padding_BF)
        return Frames(self.proj(self.norm(x_BKD)), self.lengths(frames.lengths_B))
