"""w2v-BERT 2.0, the speech encoder of Seamless (Communication et al. 2023, arXiv 2312.05187).

B windows · T mel frames (10 ms) · F frames (20 ms) · M mel bands · D width
"""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel

from ossicle.encoders._fbank import HOP, fbank, num_fbank_frames
from ossicle.encoders._upstream import CutOptions, Upstream
from ossicle.encoders.base import Frames, encoders

STACK = 2
"""Mel frames of 10 ms that make one frame."""
LEAST = 560
"""Samples of the first two mel frames."""


@encoders.register("w2v_bert")
class W2vBert(Upstream):
    """50 frames per second: a Conformer (causal convolutions, relative keys) on pairs of 80 Kaldi mel frames, each
    band of mean 0 and variance 1 over the window."""

    Options = CutOptions
    config_class, model_class = Wav2Vec2BertConfig, Wav2Vec2BertModel
    best_known = "facebook/w2v-bert-2.0"
    licence = "MIT"
    # The embedding of masked frames is for pre-training; a layer that is dropped would leave `layers` without a level.
    overrides: ClassVar[dict[str, Any]] = {
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
        "add_adapter": False,
        "layerdrop": 0.0,
    }
    sample_rate = 16_000
    unheard_samples = STACK * HOP - 1

    def __init__(self, options: CutOptions) -> None:
        super().__init__(options)
        self.model = Wav2Vec2BertModel(self.config)
        self.dim = self.config.hidden_size
        self.window_samples = round(options.window_s * self.sample_rate)

    @classmethod
    def tiny(cls) -> "W2vBert":
        """Two layers of width 32 on 16 mel bands, hearing 4 s at once."""
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        return cls(cls.Options(config={**sizes, "feature_projection_input_dim": 32}, window_s=4.0))

    def module(self) -> nn.Module:
        """All of it."""
        return self.model

    @property
    def levels(self) -> nn.ModuleList:
        """The Conformer's layers."""
        return self.model.encoder.layers

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Mel frames [T, M]; a last one without its pair is left out, as upstream masks it."""
        samples_T = np.pad(samples_CT[0], (0, max(0, LEAST - samples_CT.shape[1])))
        n_mels = self.config.feature_projection_input_dim // STACK
        mel_TM = fbank(samples_T, n_mels=n_mels, window="povey", scale=2.0**15).double()
        mel_TM = (mel_TM - mel_TM.mean(dim=0)) / torch.sqrt(mel_TM.var(dim=0) + 1e-7)
        return mel_TM[: len(mel_TM) // STACK * STACK].float()

    def num_frames(self, num_samples: int) -> int:
        """One per pair of mel frames."""
        return num_fbank_frames(max(num_samples, LEAST)) // STACK

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, F, D]."""
        frames_B = lengths_B // STACK
        pairs = features.unflatten(1, (-1, STACK)).flatten(2)
        real_BF = torch.arange(pairs.shape[1], device=features.device) < frames_B[:, None]
        return Frames(self.model(pairs, attention_mask=real_BF).last_hidden_state, frames_B)
