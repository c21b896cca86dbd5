"""Whisper's encoder, and the towers of audio language models that began as one.

B windows · M mel bands · T mel frames (10 ms) · F frames · D width
"""

from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import WhisperFeatureExtractor

from ossicle.encoders._upstream import Upstream, UpstreamOptions
from ossicle.encoders.base import Frames

HOP = 160
WINDOW_S = 30
MEL_FRAMES = 100 * WINDOW_S
EDGE = 3
"""Mel frames kept after the last that counts: two that are centred past the end still hear some of the window, and the
third is as silent as all after it."""
LEAST = 64
"""Mel frames computed together at least: a product of matrices of less than a dozen columns is rounded in another order
than upstream's of 3000, at least by MKL."""
SILENCE = -1.5


class TowerOptions(UpstreamOptions):
    """As upstream; and how much of it is computed."""

    mode: Literal["exact", "trim"] = "exact"
    """``exact``: every window is padded to 30 s with silence, and heard as upstream hears it, to the last bit.
    ``trim``: only the frames that exist are computed, which is faster by what isn't there. Where upstream's layers
    don't attend to the padding, what is left out changes nothing; elsewhere the frames are nearly the same."""


class Tower(Upstream):
    """Two convolutions, positions, transformer layers, and for most a pooling of frames by two."""

    Options = TowerOptions
    masked: ClassVar[bool] = False
    """Whether upstream keeps its layers from attending to the padding."""
    passes_silence: ClassVar[bool] = False
    """Whether upstream also passes on the frames of the silence up to 30 s; so does ``exact``."""
    pooled: ClassVar[bool] = True
    """Whether neighbouring frames are averaged before the last norm."""
    sample_rate = 16_000
    window_samples = WINDOW_S * sample_rate

    def __init__(self, options: TowerOptions) -> None:
        super().__init__(options)
        self.encoder = self._make()
        self.dim = self.config.d_model
        self.extractor = WhisperFeatureExtractor(feature_size=self.config.num_mel_bins)

    def _make(self) -> nn.Module:
        return self.model_class(self.config)

    @classmethod
    def tiny(cls) -> "Tower":
        """Two layers of width 32."""
        sizes = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
        return cls(cls.Options(config={**sizes, "num_mel_bins": 16}))

    def module(self) -> nn.Module:
        """The encoder."""
        return self.encoder

    @property
    def levels(self) -> nn.ModuleList | tuple[()]:
        """The transformer's layers, where their frames are those that leave."""
        return () if self.pooled else self.encoder.layers

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Whisper's own log-mel [T, M] of the mel frames that count and the three after them."""
        samples_T = samples_CT[0]
        wanted = -(-len(samples_T) // HOP) + EDGE
        # As upstream fills up to 30 s with silence, but only as far as the wanted frames hear.
        heard = min((max(wanted, LEAST) + 3) * HOP, self.window_samples)
        filled_T = np.pad(samples_T, (0, heard - len(samples_T)))
        mel_MT = self.extractor(
            filled_T, sampling_rate=self.sample_rate, padding=False, return_tensors="pt"
        ).input_features[0]
        return F.pad(mel_MT, (0, max(0, wanted - MEL_FRAMES)))[:, :wanted].T.contiguous()

    def num_frames(self, num_samples: int) -> int:
        """As transformers counts; a window too short for one pooled frame gets one all the same."""
        return int(self._frames(self._counting(torch.tensor(-(-num_samples // HOP)))))

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, F, D]."""
        mel_B = lengths_B - EDGE
        if self.options.mode == "exact":
            x_BFD = self._encode(self._with_silence(features, lengths_B), self._after_convolution(mel_B), None)
        elif self.masked:
            heard = min(int(lengths_B.max()) + EDGE, MEL_FRAMES)
            x_BFD = self._encode(self._with_silence(features, lengths_B, heard), self._after_convolution(mel_B), None)
        else:
            x_BFD = self._encode(self._without(features, mel_B), self._after_convolution(mel_B), mel_B)
        lengths_B = self._frames(self._counting(mel_B))
        return Frames(x_BFD[:, : int(lengths_B.max())], lengths_B)

    def _encode(self, x_BMT: Tensor, real_B: Tensor, trimmed_B: Tensor | None) -> Tensor:
        """Transformers' own modules in their order."""
        encoder = self.encoder
        x_BDT = F.gelu(encoder.conv1(x_BMT))
        if trimmed_B is not None:  # what a window of that length alone would have met
            x_BDT = x_BDT * (torch.arange(x_BDT.shape[2], device=x_BDT.device) < trimmed_B[:, None])[:, None]
        x_BFD = F.gelu(encoder.conv2(x_BDT)).permute(0, 2, 1)
        x_BFD = x_BFD + encoder.embed_positions.weight[: x_BFD.shape[1]]
        x_BFD = F.dropout(x_BFD, p=self.config.dropout, training=self.training)
        real_BF = torch.arange(x_BFD.shape[1], device=x_BFD.device) < real_B[:, None]
        mask = None
        if self.masked or (trimmed_B is not None and not bool(real_BF.all())):
            mask = torch.zeros_like(real_BF, dtype=x_BFD.dtype)
            mask = mask.masked_fill(~real_BF, torch.finfo(x_BFD.dtype).min)[:, None, None, :]
        for layer in encoder.layers:
            out = layer(x_BFD, mask)
            x_BFD = out[0] if isinstance(out, tuple) else out
        if self.pooled:
            x_BFD = self._pool(x_BFD, real_B if trimmed_B is not None else None)
        return encoder.layer_norm(x_BFD)

    def _pool(self, x_BFD: Tensor, real_B: Tensor | None) -> Tensor:
        """The mean of every two frames; past the end the last one is repeated, as there is no silence to hear."""
        if real_B is not None:
            steps_F = torch.arange(x_BFD.shape[1] + x_BFD.shape[1] % 2, device=x_BFD.device)
            at_BF = steps_F.expand(len(x_BFD), -1).minimum(real_B[:, None] - 1)
            x_BFD = x_BFD[torch.arange(len(x_BFD), device=x_BFD.device)[:, None], at_BF]
        return self.encoder.avg_pooler(x_BFD.permute(0, 2, 1)).permute(0, 2, 1)

    @staticmethod
    def _with_silence(features: Tensor, lengths_B: Tensor, length: int = MEL_FRAMES) -> Tensor:
        """[B, M, T]: the silence up to T = ``length`` is added back as upstream has it up to 30 s."""
        features = features[:, :length]
        padded = F.pad(features, (0, 0, 0, length - features.shape[1]))
        is_real_BT1 = (torch.arange(length, device=features.device) < lengths_B[:, None])[..., None]
        loudest_B11 = padded.masked_fill(~is_real_BT1, SILENCE).amax(dim=(1, 2), keepdim=True)
        # After Whisper's scaling (x + 4) / 4 its floor, 8 below the maximum, is 2 below; digital silence is −1.5.
        silence_B11 = (loudest_B11 - 2.0).clamp(min=SILENCE)
        # The last frame holds the same as upstream rounded it, unless it was masked or filtered since.
        last_B11 = padded[torch.arange(len(padded)), lengths_B.clamp(max=length) - 1].amin(1)[:, None, None]
        silence_B11 = torch.where((last_B11 - silence_B11).abs() < 1e-6, last_B11, silence_B11)
        return torch.where(is_real_BT1, padded, silence_B11).transpose(1, 2)

    @staticmethod
    def _without(features: Tensor, mel_B: Tensor) -> Tensor:
        """[B, M, T] with nothing past each window's last mel frame."""
        longest = int(mel_B.max())
        is_real_BT1 = (torch.arange(longest, device=features.device) < mel_B[:, None])[..., None]
        return (features[:, :longest] * is_real_BT1.to(features.dtype)).transpose(1, 2)

    def _counting(self, mel_B: Tensor) -> Tensor:
        """How many mel frames of each window are passed on."""
        fills = self.passes_silence and self.options.mode == "exact"
        return torch.full_like(mel_B, MEL_FRAMES) if fills else mel_B

    @staticmethod
    def _after_convolution(mel_B: Tensor) -> Tensor:
        return (mel_B - 1) // 2 + 1

    def _frames(self, mel_B: Tensor) -> Tensor:
        frames_B = self._after_convolution(mel_B)
        return ((frames_B - 2) // 2 + 1).clamp(min=1) if self.pooled else frames_B
