"""Encoders of the wav2vec 2.0 family: a convolution stem on samples, then a transformer.

B windows · T samples · F frames (20 ms) · C channels · D width
"""

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoFeatureExtractor

from ossicle.encoders._upstream import CutOptions, Upstream
from ossicle.encoders.base import Frames
from ossicle.support.errors import ModelError

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


class WaveformOptions(CutOptions):
    """As upstream; and how recordings are cut and scaled."""

    normalize: bool | None = None
    """Whether a window is set to mean 0 and variance 1; as published where ``id`` is given, else yes."""


class Waveform(Upstream):
    """50 frames per second, from samples at 16 kHz."""

    Options = WaveformOptions
    # The embedding of masked frames is for pre-training; a layer that is dropped would leave `layers` without a level.
    overrides: ClassVar[dict[str, Any]] = {
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
        "add_adapter": False,
        "layerdrop": 0.0,
    }
    sample_rate = 16_000
    spectral = False

    def __init__(self, options: WaveformOptions) -> None:
        super().__init__(options)
        self.model = self.model_class(self.config)
        self.dim = self.config.hidden_size
        self.unheard_samples = math.prod(self.config.conv_stride) - 1
        self.window_samples = round(options.window_s * self.sample_rate)
        self.normalize = options.normalize if options.normalize is not None else True

    @classmethod
    def tiny(cls) -> "Waveform":
        """Two layers of width 32, hearing 4 s at once."""
        return cls(cls.Options(config=TINY, window_s=4.0))

    @classmethod
    def resolve(cls, options: WaveformOptions) -> WaveformOptions:
        """With what is published of sizes and scaling."""
        options = super().resolve(options)
        if options.normalize is None and options.id is not None:
            options = options.model_copy(update={"normalize": published_scaling(options.id)})
        return options

    def module(self) -> nn.Module:
        """All of it."""
        return self.model

    @property
    def levels(self) -> nn.ModuleList:
        """The transformer's layers."""
        return self.model.encoder.layers

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Samples [T], at least as many as one frame needs; scaled as upstream does."""
        x_T = torch.from_numpy(np.ascontiguousarray(samples_CT[0]))
        if self.normalize:
            x_T = (x_T - x_T.mean()) / torch.sqrt(x_T.var(unbiased=False) + 1e-7)
        return nn.functional.pad(x_T, (0, max(0, self._least() - len(x_T))))

    def num_frames(self, num_samples: int) -> int:
        """What the strided convolutions leave."""
        return int(self._frames(max(num_samples, self._least())))

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Samples [B, T] → frames [B, F, D]."""
        frames_B = self._frames(lengths_B)
        x_BFC = self._stem(features, lengths_B)
        x_BFD = self.model.feature_projection(x_BFC)
        if isinstance(x_BFD, tuple):
            x_BFD = x_BFD[0]
        real_BF = torch.arange(x_BFD.shape[1], device=x_BFD.device) < frames_B[:, None]
        return Frames(self.model.encoder(x_BFD, attention_mask=real_BF).last_hidden_state, frames_B)

    def _stem(self, x_BT: Tensor, lengths_B: Tensor) -> Tensor:
        """The convolutions [B, F, C]. Where their norm runs over time, a window must not see another's padding."""
        extract = self.model.feature_extractor
        if self.config.feat_extract_norm == "layer" or bool((lengths_B == x_BT.shape[1]).all()):
            return extract(x_BT).transpose(1, 2)
        rows = [extract(x_T[None, :length])[0].T for x_T, length in zip(x_BT, lengths_B.tolist(), strict=True)]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def _frames(self, num_samples: Any) -> Any:
        for kernel, stride in zip(self.config.conv_kernel, self.config.conv_stride, strict=True):
            num_samples = (num_samples - kernel) // stride + 1
        return num_samples

    def _least(self) -> int:
        """Samples of one frame."""
        least = 1
        for kernel, stride in zip(self.config.conv_kernel[::-1], self.config.conv_stride[::-1], strict=True):
            least = (least - 1) * stride + kernel
        return least


def published_scaling(ref: str) -> bool:
    """Whether a published model hears windows of mean 0 and variance 1.

    Raises:
        ModelError: its preprocessor's configuration cannot be had.
    """
    try:
        return bool(AutoFeatureExtractor.from_pretrained(ref).do_normalize)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(
            f"{ref!r} does not say how its samples are scaled ({first}); set normalize to true or false."
        ) from error
