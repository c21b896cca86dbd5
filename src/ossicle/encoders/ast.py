"""The Audio Spectrogram Transformer (Gong et al. 2021, arXiv 2104.01778): a vision transformer on log-mel patches.

B windows · T mel frames (10 ms) · M mel bands · K rows of patches in frequency · F frames (100 ms) · D width
"""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

from ossicle.encoders._alone import taps
from ossicle.encoders._extracted import Extracted, ExtractedOptions
from ossicle.encoders._fbank import HOP, fbank, num_fbank_frames
from ossicle.encoders.base import Frames, encoders

SPECIAL = 2
"""The class and the distillation token, which stand before the patches and are not frames."""


class ASTOptions(ExtractedOptions):
    """As upstream; and how much of it is computed."""

    mode: Literal["exact", "trim"] = "exact"
    """``exact``: every window is padded to the model's 10.24 s, as upstream. ``trim``: only the patches that exist
    are computed, which is faster by what isn't there, and nearly the same."""


@encoders.register("ast")
class AST(Extracted):
    """10 frames per second: what each column of patches says, averaged over frequency.

    A window is the sound that lies in patches, 10.16 s of the published 10.24 s: what is left is in no patch.
    """

    Options = ASTOptions
    config_class, model_class, extractor_class = ASTConfig, ASTModel, ASTFeatureExtractor
    best_known = "MIT/ast-finetuned-audioset-10-10-0.4593"
    licence = "BSD-3-Clause"
    sample_rate = 16_000
    unheard_samples = HOP - 1

    def __init__(self, options: ASTOptions) -> None:
        super().__init__(options)
        self.model = ASTModel(self.config)
        self.taps = taps(self.config.num_hidden_layers)
        self.dim = self.config.hidden_size
        self.rows, self.columns = self.model.embeddings.get_shape(self.config)
        self.window_samples = HOP * self._mel_frames(self.columns)
        extract = self.extractor
        self.mean, self.std = (extract.mean, 2 * extract.std) if extract.do_normalize else (0.0, 1.0)

    @classmethod
    def tiny(cls) -> "AST":
        """Two layers of width 32 on 32 mel bands, hearing 4 s at once."""
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        return cls(cls.Options(config={**sizes, "num_mel_bins": 32, "max_length": 400}))

    def module(self) -> nn.Module:
        """All of it."""
        return self.model

    def sizes(self) -> dict[str, Any]:
        """Bands and mel frames."""
        return {"num_mel_bins": self.config.num_mel_bins, "max_length": self.config.max_length}

    @property
    def levels(self) -> nn.ModuleList:
        """What each transformer layer says, averaged over frequency as the frames are (GAMA aggregates such levels)."""
        return self.taps

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Kaldi log-mel [T, M] of the sound alone, scaled as published."""
        mel_TM = fbank(samples_CT[0], n_mels=self.config.num_mel_bins, window="hann")
        return (mel_TM - self.mean) / self.std

    def num_frames(self, num_samples: int) -> int:
        """One for each column of patches that begins within the sound."""
        return int(self._frames(torch.tensor(num_fbank_frames(num_samples))))

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Features [B, T, M] → frames [B, F, D]; transformers' own modules in their order."""
        frames_B = self._frames(lengths_B)
        longest = int(frames_B.max())
        columns = self.columns if self.options.mode == "exact" else longest
        x_BSD = self._embed(self._filled(features, lengths_B, self._mel_frames(columns)))
        mask = self._mask(frames_B, columns, x_BSD) if self.options.mode == "trim" else None
        for layer, tap in zip(self.model.layers, self.taps, strict=True):
            x_BSD = layer(x_BSD, mask)
            tap(self._averaged(x_BSD, columns)[:, :longest])
        return Frames(self._averaged(self.model.layernorm(x_BSD), columns)[:, :longest], frames_B)

    def _embed(self, x_BTM: Tensor) -> Tensor:
        """Patches with their positions, after the special tokens."""
        parts = self.model.embeddings
        x_BDKF = parts.patch_embeddings.projection(x_BTM.transpose(1, 2)[:, None])
        position_DKF = parts.position_embeddings[0, SPECIAL:].T.unflatten(1, (self.rows, self.columns))
        x_BSD = (x_BDKF + position_DKF[..., : x_BDKF.shape[-1]]).flatten(2).transpose(1, 2)
        special = torch.cat([parts.cls_token, parts.distillation_token], dim=1)
        special = special + parts.position_embeddings[:, :SPECIAL]
        return parts.dropout(torch.cat([special.expand(len(x_BSD), -1, -1), x_BSD], dim=1))

    def _filled(self, features: Tensor, lengths_B: Tensor, mel_frames: int) -> Tensor:
        """[B, ``mel_frames``, M]: past the sound the log-mel is 0, as upstream, which is not silence."""
        features = features[:, :mel_frames]
        x_BTM = nn.functional.pad(features, (0, 0, 0, mel_frames - features.shape[1]))
        real_BT1 = (torch.arange(mel_frames, device=features.device) < lengths_B[:, None])[..., None]
        return x_BTM.masked_fill(~real_BT1, -self.mean / self.std)

    def _mask(self, frames_B: Tensor, columns: int, x_BSD: Tensor) -> Tensor | None:
        """Keeps all from hearing columns that a window of that length alone would not have."""
        real_BF = torch.arange(columns, device=x_BSD.device) < frames_B[:, None]
        if bool(real_BF.all()):
            return None
        real_BS = nn.functional.pad(real_BF.repeat(1, self.rows), (SPECIAL, 0), value=True)
        mask = torch.zeros_like(real_BS, dtype=x_BSD.dtype)
        return mask.masked_fill(~real_BS, torch.finfo(x_BSD.dtype).min)[:, None, None, :]

    def _averaged(self, x_BSD: Tensor, columns: int) -> Tensor:
        return x_BSD[:, SPECIAL:].unflatten(1, (self.rows, columns)).mean(dim=1)

    def _mel_frames(self, columns: int) -> int:
        """How many lie in that many columns of patches."""
        return self.config.patch_size + self.config.time_stride * (columns - 1)

    def _frames(self, mel_B: Tensor) -> Tensor:
        stride = self.config.time_stride
        return ((mel_B + stride - 1) // stride).clamp(max=self.columns)
