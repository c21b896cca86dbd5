"""Stack ``stride`` neighbouring frames, then two layers."""

import torch.nn.functional as F
from pydantic import Field
from torch import nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Strided, projectors, zero_padding


class MLPOptions(Options):
    """How many frames make a token, the width between the two layers (default: the output's), and their biases."""

    stride: int = Field(default=1, ge=1)
    hidden: int | None = Field(default=None, ge=1)
    bias: bool = True


@projectors.register("mlp")
class MLP(Strided):
    """K = ⌈F / stride⌉; a last incomplete group is filled with zeros, not dropped (Ultravox; Audio Flamingo 3, Goel et
    al. 2025, arXiv 2507.08128)."""

    Options = MLPOptions

    def __init__(self, options: MLPOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        hidden = options.hidden or dim_out
        self.net = nn.Sequential(
            nn.Linear(dim_in * options.stride, hidden, options.bias),
            nn.GELU(),
            nn.Linear(hidden, dim_out, options.bias),
        )

    def forward(self, frames: Frames) -> Frames:
        """Stack and project."""
        stride = self.options.stride
        x_BFD = zero_padding(frames)
        x_BFD = F.pad(x_BFD, (0, 0, 0, -x_BFD.shape[1] % stride))
        stacked = x_BFD.reshape(x_BFD.shape[0], -1, self.dim_in * stride)
        return Frames(self.net(stacked), self.lengths(frames.lengths_B))
