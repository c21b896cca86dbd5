"""An encoder that hears only how loud it is."""

import numpy as np
import torch
from torch import Tensor, nn

from ossicle.encoders import Encoder, Frames
from ossicle.encoders.base import Options

HOP = 320


class EnvelopeOptions(Options):
    """Width of a frame."""

    dim: int = 16


class Envelope(Encoder):
    """50 frames per second: log level and peak of every 20 ms, and one matrix."""

    Options = EnvelopeOptions
    sample_rate = 16_000
    window_samples = 30 * sample_rate

    def __init__(self, options: EnvelopeOptions = EnvelopeOptions()) -> None:
        super().__init__()
        self.options, self.dim = options, options.dim
        self.proj = nn.Linear(2, options.dim)

    @classmethod
    def tiny(cls) -> "Envelope":
        """Width 4."""
        return cls(EnvelopeOptions(dim=4))

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Levels and peaks [T, 2]."""
        x_T = torch.from_numpy(np.ascontiguousarray(samples_CT[0]))
        x_TH = nn.functional.pad(x_T, (0, -len(x_T) % HOP)).reshape(-1, HOP)
        return torch.stack([x_TH.square().mean(1).add(1e-8).log(), x_TH.abs().amax(1)], dim=1)

    def num_frames(self, num_samples: int) -> int:
        """Rounded up."""
        return -(-num_samples // HOP)

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Project each frame."""
        return Frames(self.proj(features), lengths_B)
