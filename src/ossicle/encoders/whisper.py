"""The encoder of Whisper, on transformers' own layers.

B windows · M mel bands · T mel frames · F frames (20 ms) · D width
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ossicle.encoders.base import Encoder, Frames, Options, encoders
from ossicle.support.errors import ModelError

HOP = 160
WINDOW_S = 30
SILENCE = -1.5


class WhisperOptions(Options):
    """Pretrained weights by ``id`` (hub id or folder), or the sizes of an encoder that starts from nothing.

    ``config`` is what was resolved from ``id``; a checkpoint holds it, so that it rebuilds without the hub.
    """

    id: str | None = None
    config: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "WhisperOptions":
        if self.id is None and self.config is None:
            raise ValueError("give id (pretrained weights) or config (sizes, from scratch)")
        return self


@encoders.register("whisper")
class Whisper(Encoder):
    """50 frames per second; every window is padded to 30 s, as in training, and only the real frames leave.

    Radford et al. 2022, arXiv 2212.04356.
    """

    Options = WhisperOptions
    sample_rate = 16_000
    window_samples = WINDOW_S * sample_rate

    def __init__(self, options: WhisperOptions) -> None:
        super().__init__()
        self.options = options
        config = WhisperConfig(**options.config) if options.config else load_config(options.id)
        self.encoder = WhisperEncoder(config)
        self.dim = config.d_model
        self.extractor = WhisperFeatureExtractor(feature_size=config.num_mel_bins)

    @classmethod
    def resolve(cls, options: WhisperOptions) -> WhisperOptions:
        """Options that rebuild the module without its hub id."""
        config = options.config or load_config(options.id).to_diff_dict()
        return options.model_copy(update={"config": config})

    @classmethod
    def tiny(cls) -> "Whisper":
        """Two layers of width 32."""
        sizes = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
        return cls(WhisperOptions(config={**sizes, "num_mel_bins": 16}))

    def load_pretrained(self) -> None:
        """Fill the weights from ``options.id``.

        Raises:
            ModelError: they cannot be had.
        """
        try:
            source = WhisperModel.from_pretrained(self.options.id, use_safetensors=True)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise ModelError(f"Whisper weights {self.options.id!r} cannot be loaded: {first}") from error
        self.encoder.load_state_dict(source.encoder.state_dict())

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


def load_config(ref: str | None) -> WhisperConfig:
    """The sizes of a published Whisper.

    Raises:
        ModelError: they cannot be had.
    """
    try:
        return WhisperConfig.from_pretrained(ref)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(f"the Whisper model {ref!r} cannot be found: {first}") from error
