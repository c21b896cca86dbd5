"""Learned queries that look at all frames of a window: as many tokens, however long it is.

B windows · F frames · Q queries · D width
"""

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from ossicle.encoders.base import Frames, Options, sinusoids
from ossicle.projectors.base import Projector, projectors


class QFormerOptions(Options):
    """Sizes; the defaults are those of SALMONN and U-SAM, but for the number of queries."""

    queries: int = Field(default=32, ge=1)
    layers: int = Field(default=2, ge=1)
    hidden: int = Field(default=768, ge=1)
    heads: int = Field(default=12, ge=1)
    cross_every: int = Field(default=1, ge=1)
    """Every how many layers the queries look at the frames; BLIP-2 and GAMA have 2."""
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide(self) -> "QFormerOptions":
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} must be a multiple of heads {self.heads}")
        return self


@projectors.register("qformer")
class QFormer(Projector):
    """K = ``queries`` a window (BLIP-2, Li et al. 2023, arXiv 2301.12597; GAMA has 32).

    Attention has no order of its own, so the frames get positions: without them "which came first" cannot be answered.
    """

    Options = QFormerOptions

    def __init__(self, options: QFormerOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        self.norm = nn.LayerNorm(dim_in)
        self.queries = nn.Parameter(torch.randn(options.queries, options.hidden) * 0.02)
        sizes = Blip2QFormerConfig(
            hidden_size=options.hidden,
            intermediate_size=4 * options.hidden,
            num_hidden_layers=options.layers,
            num_attention_heads=options.heads,
            cross_attention_frequency=options.cross_every,
            encoder_hidden_size=dim_in,
            hidden_dropout_prob=options.dropout,
            attention_probs_dropout_prob=options.dropout,
        )
        self.qformer = Blip2QFormerModel(sizes)
        self.proj = nn.Linear(options.hidden, dim_out)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "QFormer":
        """Four queries of width 32."""
        return cls(cls.Options(queries=4, hidden=32, heads=2), dim_in, dim_out)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Always ``queries``."""
        return (
            torch.full_like(num_frames, self.options.queries)
            if isinstance(num_frames, Tensor)
            else (self.options.queries)
        )

    def forward(self, frames: Frames) -> Frames:
        """Ask the frames."""
        return Frames(self.ask(frames), self.lengths(frames.lengths_B))

    def ask(self, frames: Frames) -> Tensor:
        """What the queries found in each window [B, Q, dim_out]."""
        x_BFD = self.norm(frames.x_BFD)
        x_BFD = x_BFD + sinusoids(x_BFD.shape[1], self.dim_in).to(x_BFD)
        real_BF = torch.arange(x_BFD.shape[1], device=x_BFD.device) < frames.lengths_B[:, None]
        found = self.qformer(
            query_embeds=self.queries.expand(len(x_BFD), -1, -1),
            encoder_hidden_states=x_BFD,
            encoder_attention_mask=real_BF.long(),
        )
        return self.proj(found.last_hidden_state)
