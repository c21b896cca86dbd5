"""Each token is looked up among the language model's own words: it can only say what a word or a blend of words says.

B windows · F frames · K tokens · V words · H heads · D width
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Strided, projectors, zero_padding
from ossicle.support.errors import SpecError


class CrossAttentionOptions(Options):
    """Frames per token, and how they look."""

    stride: int = Field(default=20, ge=1)
    heads: int = Field(default=8, ge=1)
    words: int = Field(default=4096, ge=1)
    """Rows of the language model's table that can be found, evenly spread over it."""


@projectors.register("cross_attention")
class CrossAttention(Strided):
    """K = ⌈F / stride⌉ (Yu et al. 2023, "Connecting speech encoder and large language model for ASR", arXiv 2309.13963,
    section 3.2).

    Queries are stretches of frames, keys and values the token embeddings of the language model, which they leave as
    they are. The words are copied from the language model when a model is composed and kept with the projector; they
    are not trained.
    """

    Options = CrossAttentionOptions

    def __init__(self, options: CrossAttentionOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        if dim_out % options.heads:
            raise SpecError(f"projector cross_attention: {options.heads} heads do not divide the width {dim_out}.")
        self.conv = nn.Conv1d(dim_in, dim_out, options.stride, stride=options.stride)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(dim_out, dim_out) for _ in range(4))
        self.register_buffer("words_VD", torch.randn(options.words, dim_out) * 0.02)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "CrossAttention":
        """Two heads that look for every three frames among fifty words."""
        return cls(cls.Options(stride=3, heads=2, words=50), dim_in, dim_out)

    @torch.no_grad()
    def meet(self, embeddings_VD: Tensor) -> None:
        """Take words from the whole table, again from its beginning where it has fewer."""
        number = len(self.words_VD)
        rows = torch.arange(number) * max(len(embeddings_VD), number) // number % len(embeddings_VD)
        self.words_VD.copy_(embeddings_VD[rows.to(embeddings_VD.device)])

    def forward(self, frames: Frames) -> Frames:
        """Look every stretch up."""
        x_BFD = zero_padding(frames)
        x_BFD = F.pad(x_BFD, (0, 0, 0, -x_BFD.shape[1] % self.options.stride))
        x_BKD = self.conv(x_BFD.transpose(1, 2)).transpose(1, 2)
        words_1VD = self.words_VD[None]
        found_BHKD = F.scaled_dot_product_attention(
            self._split(self.q_proj(x_BKD)),
            self._split(self.k_proj(words_1VD)).expand(len(x_BKD), -1, -1, -1),
            self._split(self.v_proj(words_1VD)).expand(len(x_BKD), -1, -1, -1),
        )
        return Frames(self.o_proj(found_BHKD.transpose(1, 2).flatten(2)), self.lengths(frames.lengths_B))

    def _split(self, x_BKD: Tensor) -> Tensor:
        return x_BKD.unflatten(2, (self.options.heads, -1)).transpose(1, 2)
