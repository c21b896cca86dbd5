"""The tower of Granite Speech Plus: Granite Speech's, heard at several heights at once.

B windows · T feature steps · M mel bands · F frames · D width
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from transformers import GraniteSpeechPlusCTCEncoder, GraniteSpeechPlusEncoderConfig

from ossicle.encoders._alone import alone
from ossicle.encoders._upstream import CutOptions
from ossicle.encoders.base import Frames, encoders
from ossicle.encoders.granite_speech import STACK, GraniteSpeech


@encoders.register("granite_speech_plus")
class GraniteSpeechPlus(GraniteSpeech):
    """50 frames per second: what leaves the layers ``cat_hidden_layers`` (0 is what enters the first), side by side
    with what leaves the last."""

    config_class, model_class = GraniteSpeechPlusEncoderConfig, GraniteSpeechPlusCTCEncoder
    whole = "granite_speech_plus"
    best_known = None

    def __init__(self, options: CutOptions) -> None:
        super().__init__(options)
        self.heights = (*sorted(set(self.config.cat_hidden_layers or ())), self.config.num_layers)
        self.dim = sum(self.dims)

    @classmethod
    def tiny(cls) -> "GraniteSpeechPlus":
        """As Granite Speech's, with what enters the first layer and what leaves it."""
        options = super().tiny().options
        return cls(options.model_copy(update={"config": {**options.config, "cat_hidden_layers": [0, 1]}}))

    @property
    def dims(self) -> tuple[int, ...]:
        """One width for each height."""
        return (self.config.hidden_dim,) * len(self.heights)

    @property
    def levels(self) -> nn.ModuleList | tuple[()]:
        """None: several lie side by side already."""
        return ()

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, F, D]."""
        each = enumerate(alone(self._encode, features, lengths_B))
        x_BFD = torch.cat([x_BFD for height, x_BFD in each if height in self.heights], dim=-1)
        return Frames(x_BFD, lengths_B // STACK)

    def _encode(self, features: Tensor) -> Iterator[Tensor]:
        """What enters the first layer, and what leaves each."""
        x_BFD = self._begun(features)
        yield x_BFD
        yield from self._through(x_BFD)
