"""Neural codecs as encoders: what their encoder says before it is quantised, or the codes that it is quantised to.

B windows · C channels · T samples · Q codebooks · F frames · D width
"""

import abc
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import PreTrainedModel

from ossicle.encoders._alone import alone
from ossicle.encoders._upstream import CutOptions, Upstream
from ossicle.encoders.base import Frames, WindowSeconds
from ossicle.support.errors import SpecError


class CodecOptions(CutOptions):
    """As upstream; and how recordings are cut."""

    window_s: WindowSeconds = 10.0
    """Longest stretch that is encoded at once."""
    codebooks: int | None = Field(default=None, ge=1)
    """Hear the codes of so many of the codec's codebooks, the coarsest first, instead of numbers."""


class Codec(Upstream):
    """Base of encoders of samples by strided convolutions, a frame or a code of each codebook for every begun hop.

    Their convolutions pad each layer as it ends, so windows of unequal length are encoded apart.
    """

    Options = CodecOptions
    spectral = False
    quantiser_class: ClassVar[type[nn.Module]]
    """What turns frames into codes; its tensors' names begin with ``quantizer.``."""

    def __init__(self, options: CodecOptions) -> None:
        super().__init__(options)
        self.sample_rate = self.config.sampling_rate
        self.dim = self.config.hidden_size
        self.window_samples = round(options.window_s * self.sample_rate)
        self.encoder = self._make()
        if options.codebooks is not None:
            self._check(options.codebooks)
            self.quantiser = self.quantiser_class(self.config)
            self._scatter()
            self.codebooks = (self.config.codebook_size,) * options.codebooks
            self.dim = sum(self.codebooks)

    @abc.abstractmethod
    def _make(self) -> nn.Module:
        """The encoder, of random weights."""

    @property
    @abc.abstractmethod
    def num_codebooks(self) -> tuple[int, int]:
        """How few and how many codebooks can be heard."""

    @abc.abstractmethod
    def _codes(self, x_BDF: Tensor) -> Tensor:
        """Frames → codes [Q, B, F], counted from 0 in each codebook."""

    def _check(self, wanted: int) -> None:
        fewest, most = self.num_codebooks
        if not fewest <= wanted <= most:
            raise SpecError(f"encoder {self.type_name}: codebooks is {wanted}, and this codec has {fewest} to {most}.")

    @torch.no_grad()
    def _scatter(self) -> None:
        """Codebooks that begin as zeros would tell everything as the first code."""
        for name, buffer in self.quantiser.named_buffers():
            if name.rpartition(".")[2] in ("embed", "embed_sum"):
                buffer.normal_()

    @torch.no_grad()
    def refill(self, part: nn.Module) -> None:
        """The sizes of a convolution, which upstream keeps as buffers."""
        if "padding_total" in part._non_persistent_buffers_set:
            conv = part.conv
            part.stride.fill_(conv.stride[0])
            part.kernel_size.fill_((conv.kernel_size[0] - 1) * conv.dilation[0] + 1)
            part.padding_total.copy_(part.kernel_size - part.stride)

    @property
    def hop(self) -> int:
        """Samples of one frame."""
        return self.config.hop_length

    def module(self) -> nn.Module:
        """The encoder without its decoder; with its quantiser where codes are heard."""
        return nn.ModuleList([self.encoder, self.quantiser] if self.codebooks else [self.encoder])

    def kept(self, source: PreTrainedModel) -> tuple[nn.Module, tuple[str, ...]]:
        """The same of a published model."""
        encoder, names = self._kept(source)
        if not self.codebooks:
            return nn.ModuleList([encoder]), names
        quantiser = next(part for part in source.modules() if isinstance(part, self.quantiser_class))
        return nn.ModuleList([encoder, quantiser]), (*names, "quantizer.")

    def _kept(self, source: PreTrainedModel) -> tuple[nn.Module, tuple[str, ...]]:
        """The encoder of a published model, and how its tensors' names begin."""
        return source.encoder, ("encoder.",)

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Samples [T, 1], as they are."""
        return torch.from_numpy(np.ascontiguousarray(samples_CT[:1].T))

    def num_frames(self, num_samples: int) -> int:
        """One for every begun hop, or one for each codebook."""
        return -(-num_samples // self.hop) * max(1, len(self.codebooks))

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Samples [B, T, C] → frames [B, F, D], or ids of codes [B, F, 1], which no gradient passes."""
        moments_B = (lengths_B + self.hop - 1) // self.hop
        if not self.codebooks:
            (x_BFD,) = alone(self._encode, features, lengths_B)
            return Frames(x_BFD, moments_B)
        with torch.no_grad():
            (ids_BF1,) = alone(self._encode_ids, features, lengths_B)
        return Frames(ids_BF1, moments_B * len(self.codebooks))

    def _encode(self, x_BTC: Tensor) -> Iterator[Tensor]:
        yield self.encoder(x_BTC.transpose(1, 2)).transpose(1, 2)

    def _encode_ids(self, x_BTC: Tensor) -> Iterator[Tensor]:
        codes_QBF = self._codes(self.encoder(x_BTC.transpose(1, 2)))
        offsets_Q = torch.arange(len(self.codebooks), device=codes_QBF.device) * self.config.codebook_size
        yield (codes_QBF + offsets_Q[:, None, None]).permute(1, 2, 0).flatten(1)[..., None]
