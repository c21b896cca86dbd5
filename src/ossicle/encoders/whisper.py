"""The encoder of Whisper, on transformers' own layers.

B windows · M mel bands · T mel frames · F frames (20 ms) · D width
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel, WhisperConfig, WhisperFeatureExtractor, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ossicle.encoders._upstream import Upstream, UpstreamOptions
from ossicle.encoders.base import Frames, encoders

HOP = 160
WINDOW_S = 30
SILENCE = -1.5


@encoders.register("whisper")
class Whisper(Upstream):
    """50 frames per second; every window is padded to 30 s, as in training, and only the real frames leave.

    Radford et al. 2022, arXiv 2212.04356.
    """

    config_class, model_class = WhisperConfig, WhisperModel
    sample_rate = 16_000
    window_samples = WINDOW_S * sample_rate

    def __init__(self, options: UpstreamOptions) -> None:
        super().__init__(options)
        self.encoder = WhisperEncoder(self.config)
        self.dim = self.config.d_model
        self.extractor = WhisperFeatureExtractor(feature_size=self.config.num_mel_bins)

    @classmethod
    def tiny(cls) -> "Whisper":
        """Two layers of width 32."""
        sizes = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
        return cls(cls.Options(config={**sizes, "num_mel_bins": 16}))

    def module(self) -> nn.Module:
        """The encoder alone."""
        return self.encoder

    def kept(self, source: PreTrainedModel) -> tuple[nn.Module, str]:
        """The encoder alone."""
        return source.encoder, "encoder."

    @property
    def levels(self) -> nn.ModuleList:
        """The transformer's layers."""
        return self.encoder.layers

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Whisper's own log-mel of the window, cut to the frames that hear any of it: [T, M]."""
        samples_T = samples_CT[0]
        mel_MT = self.extractor(samples_T, sampling_rate=self.sample_rate, return_tensors="pt").input_features[0]
        return mel_MT[:, : mel_frames(len(samples_T))].T.contiguous()

    def num_frames(self, num_samples: int) -> int:
        """Half as many as mel frames, rounded up."""
        return -(-mel_frames(num_samples) // 2)

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, ⌈T/2⌉, D]; the silence up to 30 s is added back as upstream has it."""
        padded = F.pad(features, (0, 0, 0, WINDOW_S * 100 - features.shape[1]))
        is_real_BT1 = (torch.arange(padded.shape[1], device=features.device) < lengths_B[:, None])[..., None]
        loudest_B11 = padded.masked_fill(~is_real_BT1, SILENCE).amax(dim=(1, 2), keepdim=True)
        # After Whisper's scaling (x + 4) / 4 its floor, 8 below the maximum, is 2 below; digital silence is −1.5.
        silence_B11 = (loudest_B11 - 2.0).clamp(min=SILENCE)
        x_BMT = torch.where(is_real_BT1, padded, silence_B11).transpose(1, 2)
        x_BFD = self.encoder(x_BMT).last_hidden_state
        frames_B = -(-lengths_B // 2)
        return Frames(x_BFD[:, : int(frames_B.max())], frames_B)


def mel_frames(num_samples: int) -> int:
    """Mel frames, centred 160 samples apart, whose 400 samples reach into the window."""
    return min(WINDOW_S * 100, -(-(num_samples + 200) // HOP))
