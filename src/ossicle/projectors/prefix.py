"""One vector of a whole window becomes a prefix: a few tokens that know each other and are always as many.

B windows · F frames · K tokens · D width
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Projector, averaged, projectors
from ossicle.support.errors import SpecError


class PrefixOptions(Options):
    """Sizes; those of Pengi by default."""

    tokens: int = Field(default=40, ge=1)
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=8, ge=1)
    hidden: int = Field(default=1024, ge=1)
    """Of the vector that stands for the window."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Of what makes that vector."""


@projectors.register("prefix")
class Prefix(Projector):
    """K = ``tokens`` a window: the mapping network of Pengi (Deshmukh et al. 2023, arXiv 2305.11834, section 3.1),
    which is that of ClipCap (Mokady et al. 2021, arXiv 2111.09734, section 3.2).

    The mean ``x`` of the frames is projected, ``norm(W x + V GELU(W x))``, and set to length 1; one matrix makes K
    vectors of it; transformer layers see these and K learnt constants, and what they make of the constants are the
    tokens.
    """

    Options = PrefixOptions

    def __init__(self, options: PrefixOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        if dim_out % options.heads:
            raise SpecError(f"projector prefix: {options.heads} heads do not divide the width {dim_out}.")
        self.inner = nn.Linear(dim_in, options.hidden, bias=False)
        self.outer = nn.Linear(options.hidden, options.hidden, bias=False)
        self.dropout, self.norm = nn.Dropout(options.dropout), nn.LayerNorm(options.hidden)
        self.spread = nn.Linear(options.hidden, options.tokens * dim_out)
        self.constants = nn.Parameter(torch.randn(options.tokens, dim_out))
        layer = nn.TransformerEncoderLayer(
            dim_out, options.heads, 2 * dim_out, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, options.layers, enable_nested_tensor=False)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Prefix":
        """Five tokens, two layers."""
        return cls(cls.Options(tokens=5, layers=2, heads=2, hidden=16), dim_in, dim_out)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Always ``tokens``."""
        number = self.options.tokens
        return torch.full_like(num_frames, number) if isinstance(num_frames, Tensor) else number

    def forward(self, frames: Frames) -> Frames:
        """Map what the whole window is like."""
        projected_BD = self.inner(averaged(frames, frames.x_BFD.shape[1])[:, 0])
        vector_BD = self.norm(projected_BD + self.dropout(self.outer(F.gelu(projected_BD))))
        spread_BKD = self.spread(F.normalize(vector_BD, dim=-1)).unflatten(1, self.constants.shape)
        constants_BKD = self.constants.expand_as(spread_BKD)
        x_BKD = self.layers(torch.cat([spread_BKD, constants_BKD], 1))[:, len(self.constants) :]
        return Frames(x_BKD, self.lengths(frames.lengths_B))
