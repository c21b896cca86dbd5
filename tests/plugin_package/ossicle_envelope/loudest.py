"""A projector that keeps the largest of every few frames."""

import torch
from pydantic import Field
from torch import Tensor, nn

from ossicle.encoders import Frames
from ossicle.encoders.base import Options
from ossicle.projectors import Projector


class LoudestOptions(Options):
    """Of how many frames."""

    stride: int = Field(default=4, ge=1)


class Loudest(Projector):
    """K = ⌈F / stride⌉: the maximum of each number over a stretch, then one matrix."""

    Options = LoudestOptions

    def __init__(self, options: LoudestOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        self.proj = nn.Linear(dim_in, dim_out)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Rounded up."""
        return -(-num_frames // self.options.stride)

    def forward(self, frames: Frames) -> Frames:
        """What is padding is never the largest."""
        x_BFD, stride = frames.x_BFD, self.options.stride
        real_BF = torch.arange(x_BFD.shape[1], device=x_BFD.device) < frames.lengths_B[:, None]
        x_BFD = x_BFD.masked_fill(~real_BF[..., None], torch.finfo(x_BFD.dtype).min)
        x_BFD = nn.functional.pad(x_BFD, (0, 0, 0, -x_BFD.shape[1] % stride), value=torch.finfo(x_BFD.dtype).min)
        return Frames(self.proj(x_BFD.unflatten(1, (-1, stride)).amax(2)), self.lengths(frames.lengths_B))
