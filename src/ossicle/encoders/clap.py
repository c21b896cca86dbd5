"""The audio tower of LAION-CLAP (Wu et al. 2022, arXiv 2211.06687): HTS-AT (Chen et al. 2022, arXiv 2202.00874).

B windows · T mel frames (10 ms) · K frequency bins · M mel bands · F frames (0.31 s) · D width
"""

import functools
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import ClapAudioConfig, ClapAudioModel, ClapFeatureExtractor

from ossicle.encoders._extracted import Extracted, ExtractedOptions
from ossicle.encoders.base import Frames, encoders
from ossicle.support.errors import SpecError

FLOOR = 1e-10


@encoders.register("clap")
class Clap(Extracted):
    """3.2 frames per second: what upstream averages to one embedding, before that average; of 64 mel bands at 48 kHz.

    A shorter window is repeated up to 10 s, or filled with zeros, as published; the frames are those of the sound
    itself, once. The checkpoints with fusion hear windows as sounds that need none.
    """

    config_class, model_class, extractor_class = ClapAudioConfig, ClapAudioModel, ClapFeatureExtractor
    best_known = "laion/clap-htsat-unfused"
    licence = "Apache-2.0"
    whole, tower = "clap", "audio_model"
    # Fusion is for recordings longer than a window, and there are none.
    overrides: ClassVar[dict[str, Any]] = {"enable_fusion": False}

    def __init__(self, options: ExtractedOptions) -> None:
        super().__init__(options)
        extract, config = self.extractor, self.config
        if extract.padding not in ("repeatpad", "repeat", "pad"):
            raise SpecError(
                f"encoder (clap).extractor.padding is {extract.padding!r}, not 'repeatpad', 'repeat' or 'pad'."
            )
        self.model = ClapAudioModel(config)
        self.sample_rate, self.window_samples = extract.sampling_rate, extract.nb_max_samples
        self.dim = config.patch_embeds_hidden_size * 2 ** (len(config.depths) - 1)
        self.mel_frames = 1 + extract.nb_max_samples // extract.hop_length
        stride = config.patch_stride if isinstance(config.patch_stride, int) else config.patch_stride[1]
        self.columns = config.spec_size // 2 ** (len(config.depths) - 1) // stride
        self.columns *= config.spec_size // config.num_mel_bins

    @classmethod
    def tiny(cls) -> "Clap":
        """Two stages of one layer, of width 16 and 32, hearing 2 s at once."""
        sizes = {"patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2], "window_size": 4}
        config = {**sizes, "spec_size": 64, "num_mel_bins": 16, "hidden_size": 32}
        return cls(cls.Options(config=config, extractor={"max_length_s": 2}))

    def module(self) -> nn.Module:
        """All of it."""
        return self.model

    def sizes(self) -> dict[str, Any]:
        """Bands."""
        return {"feature_size": self.config.num_mel_bins}

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Log-mel in dB [T, M] of the whole 10 s, and below it a row of its mean for every frame that counts: lengths
        are all that :meth:`forward` is told."""
        wanted = self.window_samples
        samples_T = samples_CT[0]
        if self.extractor.padding != "pad":
            repeats = wanted // len(samples_T) + (self.extractor.padding == "repeat")
            samples_T = np.tile(samples_T, repeats)[:wanted]
        samples_T = np.pad(samples_T, (0, wanted - len(samples_T)))
        mel_TM = self._mel(torch.from_numpy(samples_T))
        below_FM = mel_TM.mean().expand(self.num_frames(samples_CT.shape[1]), mel_TM.shape[1])
        return torch.cat([mel_TM, below_FM])

    def _mel(self, samples_T: Tensor) -> Tensor:
        extract = self.extractor
        n_fft = extract.fft_window_size
        window = torch.hann_window(n_fft, dtype=torch.float64)
        spectrum_KT = torch.stft(samples_T.double(), n_fft, extract.hop_length, window=window, return_complex=True)
        mel_TM = spectrum_KT.abs().square().T @ self._bank
        return (10 * mel_TM.clamp_min(FLOOR).log10()).float()

    @functools.cached_property
    def _bank(self) -> Tensor:
        """[K, M]: HTK's triangles where the model was trained with fusion, Slaney's where not."""
        fused = self.extractor.truncation == "fusion"
        return torch.from_numpy(self.extractor.mel_filters if fused else self.extractor.mel_filters_slaney)

    def num_frames(self, num_samples: int) -> int:
        """Those that begin within the sound."""
        return -(-num_samples * self.columns // self.window_samples)

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, F, D], averaged over frequency."""
        frames_B = lengths_B - self.mel_frames
        x_BDKF = self.model(features[:, None, : self.mel_frames]).last_hidden_state
        return Frames(x_BDKF.mean(dim=2).transpose(1, 2)[:, : int(frames_B.max())], frames_B)
