"""Average ``stride`` neighbouring frames, then one matrix."""

from pydantic import Field
from torch import nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Strided, averaged, projectors


class PoolOptions(Options):
    """How many frames are averaged."""

    stride: int = Field(default=2, ge=1)


@projectors.register("pool")
class Pool(Strided):
    """K = ⌈F / stride⌉; a last incomplete group is the mean of the frames that exist (LTU, Gong et al. 2023,
    arXiv 2305.10790; Qwen2-Audio's pooling)."""

    Options = PoolOptions

    def __init__(self, options: PoolOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        self.proj = nn.Linear(dim_in, dim_out)

    def forward(self, frames: Frames) -> Frames:
        """Average what is real, and project."""
        tokens = self.proj(averaged(frames, self.options.stride))
        return Frames(tokens, self.lengths(frames.lengths_B))
