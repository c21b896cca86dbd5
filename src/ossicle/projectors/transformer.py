"""A few transformer layers over the frames, then one matrix: as many tokens as frames, each of which knows the others.

B windows · F frames · K tokens · D width
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options, sinusoids
from ossicle.projectors.base import Strided, averaged, projectors
from ossicle.support.errors import SpecError


class TransformerOptions(Options):
    """Sizes; the width is the encoder's."""

    stride: int = Field(default=1, ge=1)
    """Frames that are averaged to one before the first layer."""
    layers: int = Field(default=3, ge=1)
    heads: int = Field(default=8, ge=1)
    feed_forward: int = Field(default=2048, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)


@projectors.register("transformer")
class Transformer(Strided):
    """K = ⌈F / stride⌉: the representation transformation of Audio Flamingo (Kong et al. 2024, arXiv 2402.01831,
    section 3.1), three layers of eight heads, with absolute positions."""

    Options = TransformerOptions

    def __init__(self, options: TransformerOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        if dim_in % options.heads or dim_in % 2:
            raise SpecError(
                f"projector transformer: {options.heads} heads and 2 must divide the frames' width {dim_in}."
            )
        layer = nn.TransformerEncoderLayer(
            dim_in,
            options.heads,
            options.feed_forward,
            options.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, options.layers, nn.LayerNorm(dim_in), enable_nested_tensor=False)
        self.proj = nn.Linear(dim_in, dim_out)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Transformer":
        """Two layers of two heads over every two frames."""
        return cls(cls.Options(stride=2, layers=2, heads=2, feed_forward=32), dim_in, dim_out)

    def forward(self, frames: Frames) -> Frames:
        """Attend among what is real."""
        x_BKD = averaged(frames, self.options.stride)
        lengths_B: Tensor = self.lengths(frames.lengths_B)
        x_BKD = x_BKD + sinusoids(x_BKD.shape[1], x_BKD.shape[2]).to(x_BKD)
        padding_BK = torch.arange(x_BKD.shape[1], device=x_BKD.device) >= lengths_B[:, None]
        return Frames(self.proj(self.layers(x_BKD, src_key_padding_mask=padding_BK)), lengths_B)
