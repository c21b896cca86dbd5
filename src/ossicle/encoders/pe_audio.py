"""Perception Encoder Audio (Vyas et al. 2025, arXiv 2512.19687): a transformer on a frozen codec's encoder.

B windows · T samples · F frames (40 ms) · D width
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PeAudioEncoder, PeAudioEncoderConfig

from ossicle.encoders._alone import alone, taps
from ossicle.encoders._upstream import CutOptions, Upstream
from ossicle.encoders.base import Frames, encoders


@encoders.register("pe_audio")
class PeAudio(Upstream):
    """25 frames per second from samples at 48 kHz, without the class token.

    The codec beneath is never trained, as upstream. It has no mask against padding, so windows of unequal length are
    encoded apart.
    """

    Options = CutOptions
    config_class, model_class = PeAudioEncoderConfig, PeAudioEncoder
    licence = "Apache-2.0"
    whole, tower = "pe_audio", "audio_encoder"
    sample_rate = 48_000
    spectral = False

    def __init__(self, options: CutOptions) -> None:
        super().__init__(options)
        self.model = PeAudioEncoder(self.config)
        self.model.embedder.dac_encoder.requires_grad_(False)
        self.model.embedder.bottleneck.requires_grad_(False)
        self.taps = taps(self.config.num_hidden_layers)
        self.dim = self.config.hidden_size
        self.hop = self.config.dac_config.hop_length
        self.window_samples = round(options.window_s * self.sample_rate)

    @classmethod
    def tiny(cls) -> "PeAudio":
        """Two layers of width 32 on a codec of width 64, hearing 4 s at once."""
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        codec = {"encoder_hidden_size": 4, "downsampling_ratios": [2, 8, 10, 12], "codebook_dim": 8}
        config = {**sizes, "head_dim": 16, "dac_config": {"model_type": "dac", **codec}}
        return cls(cls.Options(config=config, window_s=4.0))

    def module(self) -> nn.Module:
        """All of it."""
        return self.model

    @property
    def levels(self) -> nn.ModuleList:
        """The transformer's layers, without the class token."""
        return self.taps

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Samples [T], mirrored at the end up to a whole number of hops, as upstream."""
        samples_T = samples_CT[0]
        return torch.from_numpy(np.pad(samples_T, (0, -len(samples_T) % self.hop), mode="reflect"))

    def num_frames(self, num_samples: int) -> int:
        """One for every begun hop."""
        return -(-num_samples // self.hop)

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Samples [B, T] → frames [B, F, D]."""
        *levels, x_BFD = alone(self._encode, features, lengths_B)
        for tap, level_BFD in zip(self.taps, levels, strict=True):
            tap(level_BFD)
        return Frames(x_BFD, lengths_B // self.hop)

    def _encode(self, x_BT: Tensor) -> Iterator[Tensor]:
        """Transformers' own modules in their order; what leaves each layer, and what leaves them all."""
        model = self.model
        x_BFD, _ = model.embedder(x_BT[:, None])
        x_BFD, _ = model.patch_embedder(x_BFD)
        places = model.rotary_emb(x_BFD, torch.arange(x_BFD.shape[1], device=x_BFD.device)[None])
        for layer in model.layers:
            x_BFD = layer(x_BFD, position_embeddings=places)
            yield x_BFD[:, 1:]
        yield model.output(model.norm(x_BFD))[:, 1:]
