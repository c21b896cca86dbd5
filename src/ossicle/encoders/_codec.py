"""Neural codecs as continuous encoders: what their encoder says before it is quantised.

B windows · C channels · T samples · F frames · D width
"""

import abc
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ossicle.encoders._alone import alone
from ossicle.encoders._upstream import CutOptions, Upstream
from ossicle.encoders.base import Frames


class CodecOptions(CutOptions):
    """As upstream; and how recordings are cut."""

    window_s: float = 10.0
    """Longest stretch that is encoded at once."""


class Codec(Upstream):
    """Base of encoders of samples by strided convolutions, one frame for every begun hop.

    Their convolutions pad each layer as it ends, so windows of unequal length are encoded apart.
    """

    Options = CodecOptions
    spectral = False

    def __init__(self, options: CodecOptions) -> None:
        super().__init__(options)
        self.sample_rate = self.config.sampling_rate
        self.dim = self.config.hidden_size
        self.window_samples = round(options.window_s * self.sample_rate)
        self.encoder = self._make()

    @abc.abstractmethod
    def _make(self) -> nn.Module:
        """The encoder, of random weights."""

    @property
    def hop(self) -> int:
        """Samples of one frame."""
        return self.config.hop_length

    def module(self) -> nn.Module:
        """The encoder, without quantiser and decoder."""
        return self.encoder

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Samples [T, 1], as they are."""
        return torch.from_numpy(np.ascontiguousarray(samples_CT[:1].T))

    def num_frames(self, num_samples: int) -> int:
        """One for every begun hop."""
        return -(-num_samples // self.hop)

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Samples [B, T, C] → frames [B, F, D]."""
        (x_BFD,) = alone(self._encode, features, lengths_B)
        return Frames(x_BFD, (lengths_B + self.hop - 1) // self.hop)

    def _encode(self, x_BTC: Tensor) -> Iterator[Tensor]:
        yield self.encoder(x_BTC.transpose(1, 2)).transpose(1, 2)
