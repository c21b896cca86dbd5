"""One embedding for every code of a codec: sound as further words of the vocabulary.

B windows · K codes · V codes of all codebooks · D width
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Projector, projectors


class CodesOptions(Options):
    """Whether the model that says codes has rows of their own for that."""

    tied: bool = True
    """Score a code by its embedding; else by a row of its own. Only integration ``codes`` scores them."""


@projectors.register("codes")
class Codes(Projector):
    """K = F; every id of a code is looked up (AudioPaLM, Rubenstein et al. 2023, arXiv 2306.12925, section 3.1).

    New rows begin around the mean of the words' embeddings, each at as far from it as a word is (Hewitt 2021,
    "Initializing new word embeddings for pretrained language models").
    """

    Options = CodesOptions
    reads: ClassVar[Literal["frames", "codes"]] = "codes"

    def __init__(self, options: CodesOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        self.table = nn.Embedding(dim_in, dim_out)
        if not options.tied:
            self.head = nn.Linear(dim_out, dim_in, bias=False)

    @torch.no_grad()
    def meet(self, embeddings_VD: Tensor) -> None:
        """Let the rows begin like words."""
        words_VD = embeddings_VD.float()
        spread_D = words_VD.std(0, correction=0)
        for rows_VD in [self.table.weight] + ([] if self.options.tied else [self.head.weight]):
            rows_VD.copy_(words_VD.mean(0) + spread_D * torch.randn_like(rows_VD))

    def scores(self, hidden_ND: Tensor, codes: slice) -> Tensor:
        """How likely each of a range of codes is to come next: logits [N, codes]."""
        rows_VD = self.table.weight if self.options.tied else self.head.weight
        return hidden_ND @ rows_VD[codes].T

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """One for one."""
        return num_frames

    def forward(self, frames: Frames) -> Frames:
        """Ids [B, K, 1] → embeddings [B, K, D]."""
        return Frames(self.table(frames.x_BFD[..., 0]), frames.lengths_B)
