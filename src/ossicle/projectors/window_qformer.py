"""A Q-Former over each short stretch of frames: tokens stay in order, and their number follows the sound.

B windows · W stretches · F frames · D width
"""

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ossicle.encoders.base import Frames
from ossicle.projectors.base import projectors
from ossicle.projectors.qformer import QFormer, QFormerOptions


class WindowQFormerOptions(QFormerOptions):
    """As a Q-Former, with the frames that each look covers."""

    queries: int = Field(default=1, ge=1)
    stretch: int = Field(default=17, ge=1)
    """17 frames of 20 ms are SALMONN's third of a second."""


@projectors.register("window_qformer")
class WindowQFormer(QFormer):
    """K = ``queries`` · ⌈F / stretch⌉ (SALMONN, Tang et al. 2024, arXiv 2310.13289, section 3.1).

    SALMONN drops the frames of a last incomplete stretch (4 of 1500); here they are looked at.
    """

    Options = WindowQFormerOptions

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "WindowQFormer":
        """Two queries for every three frames."""
        return cls(cls.Options(queries=2, stretch=3, hidden=32, heads=2), dim_in, dim_out)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Rounded up to whole stretches."""
        return -(-num_frames // self.options.stretch) * self.options.queries

    def forward(self, frames: Frames) -> Frames:
        """Ask every stretch."""
        stretch = self.options.stretch
        x_BFD = F.pad(frames.x_BFD, (0, 0, 0, -frames.x_BFD.shape[1] % stretch))
        x_BWFD = x_BFD.unflatten(1, (-1, stretch))
        starts_W = stretch * frames.lengths_B.new_tensor(range(x_BWFD.shape[1]))
        # A stretch of padding alone still needs something to look at; what it finds is dropped.
        lengths_BW = (frames.lengths_B[:, None] - starts_W).clamp(1, stretch)
        found = self.ask(Frames(x_BWFD.flatten(0, 1), lengths_BW.flatten()))
        return Frames(found.unflatten(0, x_BWFD.shape[:2]).flatten(1, 2), self.lengths(frames.lengths_B))
