"""EnCodec's encoder (Défossez et al. 2022, arXiv 2210.13438), before quantisation or as codes."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import EncodecConfig, EncodecModel
from transformers.models.encodec.modeling_encodec import EncodecEncoder, EncodecResidualVectorQuantizer

from ossicle.encoders._codec import Codec, CodecOptions
from ossicle.encoders.base import encoders
from ossicle.support.errors import AudioError


@encoders.register("encodec")
class Encodec(Codec):
    """75 frames per second from samples at 24 kHz.

    The stereo model at 48 kHz hears no more than its second of sound at once, scaled to an RMS of 1; its seconds do
    not overlap here, as windows don't.
    """

    config_class, model_class = EncodecConfig, EncodecModel
    quantiser_class = EncodecResidualVectorQuantizer
    best_known = "facebook/encodec_24khz"
    licence = "MIT"

    def __init__(self, options: CodecOptions) -> None:
        super().__init__(options)
        self.channels = self.config.audio_channels
        if self.config.chunk_length is not None:
            self.window_samples = min(self.window_samples, self.config.chunk_length)

    def _make(self) -> nn.Module:
        return EncodecEncoder(self.config)

    @property
    def num_codebooks(self) -> tuple[int, int]:
        """Up to those of the highest bandwidth."""
        return 1, self.config.num_quantizers

    def _codes(self, x_BDF: Tensor) -> Tensor:
        bits = math.log2(self.config.codebook_size) * self.config.frame_rate
        return self.quantiser.encode(x_BDF, (len(self.codebooks) + 0.5) * bits / 1000)

    @classmethod
    def tiny(cls) -> "Encodec":
        """Four convolutions up to width 64, hearing 4 s at once."""
        sizes: dict[str, Any] = {"num_filters": 4, "hidden_size": 16, "num_lstm_layers": 1}
        codes = {"codebook_size": 16, "codebook_dim": 16}
        return cls(cls.Options(config={**sizes, **codes}, window_s=4.0))

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Samples [T, C]; one channel is heard on both sides of a stereo model.

        Raises:
            AudioError: the recording has another number of channels.
        """
        if len(samples_CT) not in (1, self.channels):
            heard = f"encoder (encodec) hears {self.channels} channels"
            raise AudioError(f"{heard} and the recording has {len(samples_CT)}; mix it first.")
        x_TC = torch.from_numpy(np.ascontiguousarray(samples_CT.T)).expand(-1, self.channels).contiguous()
        if self.config.normalize:
            x_TC = x_TC / (x_TC.mean(dim=1).square().mean().sqrt() + 1e-8)
        return x_TC
