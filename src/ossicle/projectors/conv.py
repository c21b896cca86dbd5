"""A strided convolution over time, then one matrix."""

import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Strided, projectors, zero_padding


class ConvOptions(Options):
    """Frames per token, and the odd width of the kernel."""

    stride: int = Field(default=2, ge=1)
    kernel: int = Field(default=3, ge=1)

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("an odd kernel keeps every token centred on its frames; add or take one")
        return kernel


@projectors.register("conv")
class Conv(Strided):
    """K = ⌈F / stride⌉, each token centred on frame K·stride."""

    Options = ConvOptions

    def __init__(self, options: ConvOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        self.conv = nn.Conv1d(dim_in, dim_out, options.kernel, stride=options.stride, padding=options.kernel // 2)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(self, frames: Frames) -> Frames:
        """Convolve over frames whose padding is zero, and project."""
        x_BKD = self.conv(zero_padding(frames).transpose(1, 2)).transpose(1, 2)
        return Frames(self.proj(F.gelu(x_BKD)), self.lengths(frames.lengths_B))
