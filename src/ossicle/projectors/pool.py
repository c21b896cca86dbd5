"""Average ``stride`` neighbouring frames, then one matrix."""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Strided, projectors, zero_padding


class PoolOptions(Options):
    """How many frames are averaged."""

    stride: int = Field(default=2, ge=1)


@projectors.register("pool")
class Pool(Strided):
    """K = ⌈F / stride⌉; a last incomplete group is the mean of the frames that exist (LTU; Qwen2-Audio's pooling)."""

    Options = PoolOptions

    def __init__(self, options: PoolOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        self.proj = nn.Linear(dim_in, dim_out)

    def forward(self, frames: Frames) -> Frames:
        """Average what is real, and project."""
        stride = self.options.stride
        x_BFD = zero_padding(frames)
        x_BFD = F.pad(x_BFD, (0, 0, 0, -x_BFD.shape[1] % stride))
        sums_BKD = x_BFD.unflatten(1, (-1, stride)).sum(2)
        starts_K = torch.arange(sums_BKD.shape[1], device=x_BFD.device) * stride
        real_BK = (frames.lengths_B[:, None] - starts_K).clamp(1, stride)
        return Frames(self.proj(sums_BKD / real_BK[..., None].to(sums_BKD.dtype)), self.lengths(frames.lengths_B))
