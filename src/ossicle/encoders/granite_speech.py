"""The tower of Granite Speech (Saon et al. 2025, arXiv 2505.08699): a Conformer trained to spell by CTC.

B windows · T mel frames (10 ms) · K frequency bins · M mel bands · F frames (20 ms) · D width
"""

import functools
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GraniteSpeechCTCEncoder, GraniteSpeechEncoderConfig
from transformers.audio_utils import mel_filter_bank

from ossicle.encoders._alone import alone, taps
from ossicle.encoders._upstream import CutOptions, Upstream
from ossicle.encoders.base import Frames, encoders

FFT = 512
WINDOW = 400
HOP = 160
STACK = 2
"""Mel frames of 10 ms that make one frame."""
LEAST = FFT // 2 + 1
"""Samples that can be mirrored at both ends."""


@encoders.register("granite_speech")
class GraniteSpeech(Upstream):
    """50 frames per second. Each hears the 4 s block in which it lies; half way up, what has been spelt so far is
    added. Upstream has no mask against padding, so windows of unequal length are encoded apart."""

    Options = CutOptions
    config_class, model_class = GraniteSpeechEncoderConfig, GraniteSpeechCTCEncoder
    best_known = "ibm-granite/granite-speech-3.3-2b"
    licence = "Apache-2.0"
    whole, tower, part = "granite_speech", "encoder", "encoder_config"
    sample_rate = 16_000
    unheard_samples = 2 * HOP - WINDOW // 2 - 1

    def __init__(self, options: CutOptions) -> None:
        super().__init__(options)
        self.model = self.model_class(self.config)
        self.taps = taps(self.config.num_layers)
        self.dim = self.config.hidden_dim
        self.window_samples = round(options.window_s * self.sample_rate)

    @classmethod
    def tiny(cls) -> "GraniteSpeech":
        """Two layers of width 32 on 16 mel bands, hearing 4 s at once."""
        sizes = {"input_dim": 32, "num_layers": 2, "hidden_dim": 32, "num_heads": 2, "output_dim": 8}
        return cls(cls.Options(config={**sizes, "context_size": 20, "max_pos_emb": 32}, window_s=4.0))

    def module(self) -> nn.Module:
        """All of it."""
        return self.model

    @property
    def levels(self) -> nn.ModuleList:
        """The Conformer's layers."""
        return self.taps

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Mel frames [T, M], as Whisper scales them: log10 down to 8 below the loudest, over 4, plus 1.

        Upstream's own front end is torchaudio's ``MelSpectrogram`` with its defaults: periodic Hann window in the
        middle of the transform, frames centred on every 160th sample with the ends mirrored, power, HTK's triangles
        of height 1. A last mel frame without its pair is left out.
        """
        samples_T = np.pad(samples_CT[0], (0, max(0, LEAST - samples_CT.shape[1])))
        n_mels = self.config.input_dim // STACK
        window = torch.hann_window(WINDOW)
        spectrum_KT = torch.stft(torch.from_numpy(samples_T), FFT, HOP, WINDOW, window, return_complex=True)
        mel_TM = (spectrum_KT.abs().square().T @ _bank(n_mels)).clamp_min(1e-10).log10()
        mel_TM = torch.maximum(mel_TM, mel_TM.max() - 8) / 4 + 1
        return mel_TM[: len(mel_TM) // STACK * STACK]

    def num_frames(self, num_samples: int) -> int:
        """One per pair of mel frames."""
        return (max(num_samples, LEAST) // HOP + 1) // STACK

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, F, D]."""
        for tap, x_BFD in zip(self.taps, alone(self._encode, features, lengths_B), strict=True):
            heard_BFD = tap(x_BFD)
        return Frames(heard_BFD, lengths_B // STACK)

    def _encode(self, features: Tensor) -> Iterator[Tensor]:
        """What leaves each layer."""
        yield from self._through(self._begun(features))

    def _begun(self, features: Tensor) -> Tensor:
        """What enters the first layer [B, F, D]."""
        return self.model.input_linear(features.unflatten(1, (-1, STACK)).flatten(2))

    def _through(self, x_BFD: Tensor) -> Iterator[Tensor]:
        """Transformers' own modules in their order; what leaves each layer."""
        model = self.model
        for number, layer in enumerate(model.layers, 1):
            x_BFD = layer(x_BFD, attention_dists=model.attention_dists)
            if number == model.num_layers // 2:
                x_BFD = x_BFD + model.out_mid(model.out(x_BFD).softmax(dim=-1))
            yield x_BFD


@functools.lru_cache(maxsize=4)
def _bank(n_mels: int) -> Tensor:
    """[K, M]."""
    with warnings.catch_warnings(action="ignore"):  # of bands without a frequency bin: the published models have them
        return torch.from_numpy(mel_filter_bank(FFT // 2 + 1, n_mels, 0, 8_000, 16_000)).float()
