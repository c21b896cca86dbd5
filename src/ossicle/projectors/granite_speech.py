"""The projector of Granite Speech: a Q-Former over each short stretch of frames, without positions or masks.

B windows · W stretches · F frames · Q queries · D width
"""

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Projector, projectors, zero_padding

SIZES = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 2,
    "cross_attention_frequency": 1,
}


class GraniteSpeechOptions(Options):
    """Stretches and sizes; the defaults are those of Granite Speech 3.3."""

    stretch: int = Field(default=15, ge=1)
    queries: int = Field(default=3, ge=1)
    config: dict[str, Any] = Field(default_factory=SIZES.copy)
    """Of the Q-Former, as transformers' ``Blip2QFormerConfig`` has it; the width of its frames is the encoder's."""


@projectors.register("granite_speech")
class GraniteSpeech(Projector):
    """K = ``queries`` · ⌈F / stretch⌉ (Saon et al. 2025, arXiv 2505.08699, section 2.2).

    The frames of a last incomplete stretch are filled up with zeros, which the queries see as they see frames: the
    published weights know them so. ``window_qformer`` masks what is no frame, and tells when each frame was.
    """

    Options = GraniteSpeechOptions

    def __init__(self, options: GraniteSpeechOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        sizes = Blip2QFormerConfig(**{**options.config, "encoder_hidden_size": dim_in})
        self.query = nn.Parameter(torch.randn(1, options.queries, sizes.hidden_size))
        self.qformer = Blip2QFormerModel(sizes)
        self.linear = nn.Linear(sizes.hidden_size, dim_out)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "GraniteSpeech":
        """Two queries of width 32 for every three frames."""
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}
        config = {**sizes, "cross_attention_frequency": 1}
        return cls(cls.Options(stretch=3, queries=2, config=config), dim_in, dim_out)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Rounded up to whole stretches."""
        return -(-num_frames // self.options.stretch) * self.options.queries

    def forward(self, frames: Frames) -> Frames:
        """Ask every stretch."""
        stretch = self.options.stretch
        x_BFD = zero_padding(frames)
        x_BWFD = F.pad(x_BFD, (0, 0, 0, -x_BFD.shape[1] % stretch)).unflatten(1, (-1, stretch))
        x_nFD = x_BWFD.flatten(0, 1)
        found = self.qformer(query_embeds=self.query.expand(len(x_nFD), -1, -1), encoder_hidden_states=x_nFD)
        x_nQD = self.linear(found.last_hidden_state)
        return Frames(x_nQD.unflatten(0, x_BWFD.shape[:2]).flatten(1, 2), self.lengths(frames.lengths_B))
