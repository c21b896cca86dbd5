"""Average stretches of alike frames: cuts are made where the sound changes, as many as the ratio says.

B windows · F frames · K tokens · D width
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import Strided, projectors, zero_padding


class SegmentOptions(Options):
    """Frames per token, on average."""

    stride: int = Field(default=3, ge=1)


@projectors.register("segment")
class Segment(Strided):
    """K = ⌈F / stride⌉ stretches of unequal length, each its mean, then one matrix.

    Unsupervised segmentation (Bhati et al. 2025, arXiv 2511.20973): the distance of neighbours is
    ``d_t = 1 − cos(z_t, z_{t+1})``, and cuts are made at its local maxima. There the number of cuts depends on the
    sound; here the K − 1 largest maxima are taken, and the next largest distances where there are too few, so that the
    number of tokens is known beforehand.
    """

    Options = SegmentOptions

    def __init__(self, options: SegmentOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        self.proj = nn.Linear(dim_in, dim_out)

    def forward(self, frames: Frames) -> Frames:
        """Cut, average, project."""
        lengths_B = self.lengths(frames.lengths_B)
        x_BFD = zero_padding(frames)
        segment_BF = segments(x_BFD, frames.lengths_B, lengths_B)
        member_BKF = F.one_hot(segment_BF, int(lengths_B.max()) + 1)[..., :-1].transpose(1, 2).to(x_BFD.dtype)
        means_BKD = member_BKF @ x_BFD / member_BKF.sum(-1, keepdim=True).clamp(min=1)
        return Frames(self.proj(means_BKD), lengths_B)


@torch.no_grad()
def segments(x_BFD: Tensor, frames_B: Tensor, segments_B: Tensor) -> Tensor:
    """The stretch of every frame [B, F]: 0 … ``segments_B`` − 1, and the largest of all ``segments_B`` for padding."""
    x_BFD = x_BFD.float()
    distance_BF = 1 - F.cosine_similarity(x_BFD[:, :-1], x_BFD[:, 1:], dim=-1)
    starts_BF = torch.arange(1, x_BFD.shape[1], device=x_BFD.device) < frames_B[:, None]
    distance_BF = distance_BF.masked_fill(~starts_BF, -1.0)
    around_BF = F.pad(distance_BF, (1, 1), value=-1.0)
    is_peak_BF = (distance_BF > around_BF[:, :-2]) & (distance_BF > around_BF[:, 2:])
    # A distance is at most 2: every maximum comes before everything else.
    rank_BF = (distance_BF + 3.0 * is_peak_BF).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    is_start_BF = (rank_BF < segments_B[:, None] - 1) & starts_BF
    segment_BF = F.pad(is_start_BF.long().cumsum(1), (1, 0))
    real_BF = torch.arange(x_BFD.shape[1], device=x_BFD.device) < frames_B[:, None]
    return segment_BF.masked_fill(~real_BF, int(segments_B.max()))
