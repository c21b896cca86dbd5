"""Several encoders that hear the same window: their frames side by side.

B windows · T rows of packed features · F frames · D width
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ossicle.audio.resample import num_resampled, resample
from ossicle.encoders._inner import inner, resolved
from ossicle.encoders.base import Encoder, Frames, Options, Span, encoders
from ossicle.support.errors import SpecError

ROW = 160
"""Numbers in a row of packed features: 10 ms of samples at 16 kHz."""


class ConcatOptions(Options):
    """The encoders. Frames come at the rate of the first; the others are interpolated to it."""

    encoders: tuple[dict[str, Any], ...] = Field(min_length=2)


@encoders.register("concat")
class Concat(Encoder):
    """As SALMONN joins Whisper and BEATs (Tang et al. 2024, arXiv 2310.13289, section 3.1), after a layer norm each.

    The recording comes at the highest of their sample rates, and each hears it resampled to its own. The window is the
    shortest of theirs. Encoders of one type that prepare a recording alike share its features.
    """

    Options = ConcatOptions

    def __init__(self, options: ConcatOptions) -> None:
        super().__init__()
        self.options = options
        made = [inner(spec, f"encoder (concat).encoders.{i}") for i, spec in enumerate(options.encoders)]
        first = made[0]
        for other in made[1:]:
            if other.channels != first.channels:
                raise SpecError(
                    f"encoder (concat): {first.type_name} hears {first.channels} channel(s) and {other.type_name} "
                    f"{other.channels}; join those that hear alike."
                )
        self.encoders = nn.ModuleList(made)
        self.norms = nn.ModuleList([nn.LayerNorm(encoder.dim) for encoder in made])
        self.sample_rate = max(encoder.sample_rate for encoder in made)
        self.share = all(other.prepares_as(first) for other in made[1:])
        self.channels, self.spectral = first.channels, self.share and first.spectral
        self.dropout: tuple[float, ...] = (0.0,) * len(made)
        self.window_samples = min(e.window_samples * self.sample_rate // e.sample_rate for e in made)
        self.unheard_samples = min(e.unheard_samples * self.sample_rate // e.sample_rate for e in made)
        self.dim = sum(self.dims)

    @property
    def dims(self) -> tuple[int, ...]:
        """The width of each."""
        return tuple(encoder.dim for encoder in self.encoders)

    @classmethod
    def tiny(cls) -> "Concat":
        """A tiny mel encoder beside a tiny wav2vec 2.0."""
        small = [encoders.get(name).tiny() for name in ("melnet", "wav2vec2")]
        return cls(ConcatOptions(encoders=[{"type": e.type_name, **e.options.model_dump(mode="json")} for e in small]))

    @classmethod
    def reference(cls) -> "Concat":
        """SALMONN's two kinds, each at its own size to speak of."""
        return cls(ConcatOptions(encoders=({"type": "whisper", "config": {}}, {"type": "beats"})))

    @classmethod
    def resolve(cls, options: ConcatOptions) -> ConcatOptions:
        """With the options of each written out."""
        found = tuple(resolved(spec, f"encoder (concat).encoders.{i}") for i, spec in enumerate(options.encoders))
        return options.model_copy(update={"encoders": found})

    def load_pretrained(self) -> None:
        """The weights of each."""
        for encoder in self.encoders:
            encoder.load_pretrained()

    def windows(self, num_samples: int) -> tuple[Span, ...]:
        """As the encoder with the shortest window cuts, if that hears every sample."""
        cuts = min(self.encoders, key=lambda encoder: encoder.window_samples / encoder.sample_rate)
        return cuts.windows(num_samples) if cuts.sample_rate == self.sample_rate else super().windows(num_samples)

    def num_frames(self, num_samples: int) -> int:
        """The first encoder's."""
        first = self.encoders[0]
        return first.num_frames(num_resampled(num_samples, self.sample_rate, first.sample_rate))

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """The features that all share; or those of each, in rows of 160 numbers, see :func:`packed`."""
        if self.share:
            return self.encoders[0].prepare(samples_CT)
        heard = {rate: self._heard(samples_CT, rate) for rate in {encoder.sample_rate for encoder in self.encoders}}
        features = [encoder.prepare(heard[encoder.sample_rate]) for encoder in self.encoders]
        return torch.cat([packed(one, i) for i, one in enumerate(features)])

    def _heard(self, samples_CT: np.ndarray, rate: int) -> np.ndarray:
        return np.concatenate(list(resample([samples_CT.T], self.sample_rate, rate))).T

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Unpack, encode, bring to the first encoder's frames, join."""
        dropped = self._dropped()
        rows = [] if self.share else [x[:length] for x, length in zip(features, lengths_B.tolist(), strict=True)]
        parts: list[Frames | None] = []
        for i, (encoder, norm) in enumerate(zip(self.encoders, self.norms, strict=True)):
            if dropped[i] and (i or self.share):
                parts.append(None)
                continue
            given, steps_B = features, lengths_B
            if not self.share:
                own = [unpacked(row_TR, i) for row_TR in rows]
                given = nn.utils.rnn.pad_sequence(own, batch_first=True)
                steps_B = torch.tensor([len(x) for x in own], device=features.device)
            out = encoder(given, steps_B)
            parts.append(Frames(norm(out.x_BFD) * (not dropped[i]), out.lengths_B))
        grid = next(part for part in parts if part is not None)
        shape = grid.x_BFD.shape[:2]
        joined = [
            grid.x_BFD.new_zeros(*shape, encoder.dim) if part is None else stretched(part, grid)
            for encoder, part in zip(self.encoders, parts, strict=True)
        ]
        return Frames(torch.cat(joined, dim=-1), grid.lengths_B)

    def _dropped(self) -> list[bool]:
        """Which encoders this batch does without; never all of them."""
        if not self.training or not any(self.dropout):
            return [False] * len(self.encoders)
        drawn = (torch.rand(len(self.dropout)) < torch.tensor(self.dropout)).tolist()
        return [False] * len(drawn) if all(drawn) else drawn


def set_encoder_dropout(encoder: Encoder, odds: Sequence[float], where: str) -> None:
    """Let each of several encoders fall silent in so many batches of the training; none where no odds are given.

    The others must then do without it, and what follows can't come to rely on one alone (Neverova et al. 2015,
    arXiv 1501.00102, "ModDrop", section 3.3).

    Raises:
        SpecError: the encoder is not made of so many.
    """
    number = len(encoder.encoders) if isinstance(encoder, Concat) else 1
    if odds and (number == 1 or len(odds) != number):
        made_of = f"is made of {number}" if number > 1 else "is one alone, and none of type concat"
        raise SpecError(f"{where}: {len(odds)} odds were given, but the encoder {made_of}.")
    if isinstance(encoder, Concat):
        encoder.dropout = tuple(odds) or (0.0,) * number


def packed(features: Tensor, owner: int) -> Tensor:
    """Features [T] or [T, M] → rows of ROW numbers, then whose they are, how many are real, and M (0 for none).

    Every fact is a whole number up to 256, which bfloat16 holds exactly.
    """
    shape = features.shape[1:]
    flat = features.reshape(-1)
    count = len(flat)
    rows = nn.functional.pad(flat, (0, -count % ROW)).reshape(-1, ROW)
    real = (count - ROW * torch.arange(len(rows))).clamp(max=ROW)
    if any(size > 256 for size in shape) or len(shape) > 1:
        raise SpecError(f"encoder (concat): features of shape [T, {', '.join(map(str, shape))}] cannot be packed.")
    width = shape[0] if shape else 0
    facts = torch.stack([torch.full_like(real, owner), real, torch.full_like(real, width)], dim=1)
    return torch.cat([rows, facts.to(rows.dtype)], dim=1)


def unpacked(rows: Tensor, owner: int) -> Tensor:
    """The features [T, …] of one owner."""
    own = rows[rows[:, ROW] == owner]
    count = int(own[:, ROW + 1].sum(dtype=torch.float32))
    width = int(own[0, ROW + 2])
    flat = own[:, :ROW].reshape(-1)[:count]
    return flat.unflatten(0, (-1, width)) if width else flat


def stretched(part: Frames, grid: Frames) -> Tensor:
    """Frames of one encoder at the times of another's, linearly interpolated within each window [B, F, D]."""
    if torch.equal(part.lengths_B, grid.lengths_B):
        return part.x_BFD
    steps_F = torch.arange(grid.x_BFD.shape[1], device=part.x_BFD.device)
    ratio_B1 = (part.lengths_B / grid.lengths_B)[:, None]
    last_B1 = (part.lengths_B - 1)[:, None]
    at_BF = ((steps_F + 0.5) * ratio_B1 - 0.5).clamp(min=0).minimum(last_B1)
    low_BF = at_BF.floor().long()
    high_BF = (low_BF + 1).minimum(last_B1)
    share_BF1 = (at_BF - low_BF)[..., None].to(part.x_BFD.dtype)
    pick = torch.arange(len(low_BF), device=low_BF.device)[:, None]
    return part.x_BFD[pick, low_BF] * (1 - share_BF1) + part.x_BFD[pick, high_BF] * share_BF1
