"""Features, changed a little each time they are seen."""

import torch
from pydantic import Field
from torch import Tensor

from ossicle.spec import Spec


class Augment(Spec):
    """SpecAugment (Park et al. 2019): stretches of time and of frequency are covered with the mean.

    Each mask is as long as chance says, up to the given size. All chance comes from the seed of the row.
    """

    time_masks: int = Field(default=0, ge=0)
    time_mask_frames: int = Field(default=20, ge=1)
    """Longest, in feature steps; never more than a fifth of the window."""
    band_masks: int = Field(default=0, ge=0)
    bands: int = Field(default=8, ge=1)
    """Widest, in mel bands; never more than a quarter of them."""

    def __call__(self, features_TM: Tensor, seed: int) -> Tensor:
        """A changed copy of one window's features [T, M]."""
        rng = torch.Generator().manual_seed(seed & (2**63 - 1))
        out_TM = features_TM.clone()
        mean = features_TM.mean()
        num_frames, num_bands = features_TM.shape
        for _ in range(self.time_masks):
            start, size = _stretch(num_frames, min(self.time_mask_frames, num_frames // 5), rng)
            out_TM[start : start + size] = mean
        for _ in range(self.band_masks):
            start, size = _stretch(num_bands, min(self.bands, num_bands // 4), rng)
            out_TM[:, start : start + size] = mean
        return out_TM


def _stretch(length: int, longest: int, rng: torch.Generator) -> tuple[int, int]:
    """Where a mask begins and how long it is."""
    size = int(torch.randint(longest + 1, (), generator=rng))
    return int(torch.randint(length - size + 1, (), generator=rng)), size
