"""Features, changed a little each time they are seen."""

import torch
from pydantic import Field
from torch import Tensor

from ossicle.spec import Spec


class Augment(Spec):
    """SpecAugment (Park et al. 2019): stretches of time and of frequency are covered with the mean; and FilterAugment
    (Nam et al. 2022, arXiv 2110.03282, linear type): a random curve over frequency is added, as by another microphone.

    Each mask is as long as chance says, up to the given size. All chance comes from the seed of the row.
    """

    time_masks: int = Field(default=0, ge=0)
    time_mask_frames: int = Field(default=20, ge=1)
    """Longest, in feature steps; never more than a fifth of the window."""
    band_masks: int = Field(default=0, ge=0)
    bands: int = Field(default=8, ge=1)
    """Widest, in mel bands; never more than a quarter of them."""
    filter_gain: float = Field(default=0.0, ge=0)
    """Most that the curve adds or takes anywhere, in units of the features (melnet and whisper: 0.025 is 1 dB). What
    lies on the floor of a window stays there."""

    def __call__(self, features_TM: Tensor, seed: int) -> Tensor:
        """A changed copy of one window's features [T, M]."""
        rng = torch.Generator().manual_seed(seed & (2**63 - 1))
        out_TM = features_TM.clone()
        mean = features_TM.mean()
        num_frames, num_bands = features_TM.shape
        if self.filter_gain:
            floor = features_TM.min()
            filtered_TM = (out_TM + _curve(num_bands, self.filter_gain, rng)).clamp(min=floor)
            out_TM = torch.where(out_TM > floor, filtered_TM, out_TM)
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


def _curve(num_bands: int, gain: float, rng: torch.Generator) -> Tensor:
    """Straight lines between two to six random gains [M] at random places."""
    corners = int(torch.randint(2, 7, (), generator=rng))
    inner = torch.rand(corners - 2, generator=rng).sort().values
    places = torch.cat([torch.zeros(1), inner, torch.ones(1)])
    gains = (2 * torch.rand(corners, generator=rng) - 1) * gain
    at_M = torch.linspace(0, 1, num_bands)
    left_M = (torch.searchsorted(places, at_M, right=True) - 1).clamp(0, corners - 2)
    share_M = (at_M - places[left_M]) / (places[left_M + 1] - places[left_M]).clamp(min=1e-6)
    return torch.lerp(gains[left_M], gains[left_M + 1], share_M)
