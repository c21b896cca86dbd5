"""Transformers on mel patches that do not overlap: what BEATs and CED have in common.

B windows · P patches, all of a column before the next column · K rows of patches in frequency · F frames · D width
"""

from typing import Literal

import torch
from torch import Tensor

from ossicle.encoders._weights import Own, OwnOptions

PATCH = 16
"""Mel frames, and mel bands, of a patch."""
HOP = 160
COLUMN = PATCH * HOP
"""Samples of a column of patches, at 16 kHz: 160 ms."""


class PatchOptions(OwnOptions):
    """As other weights; and what becomes of the patches that stand above one another."""

    bands: Literal["sequence", "mean", "stack"] = "sequence"
    """``sequence``: every patch is a frame, those of a column one after the other, from low to high, as SALMONN takes
    BEATs; ``mean``: a frame is the average of a column; ``stack``: a frame is a column's patches side by side."""


class Patches(Own):
    """Base of such encoders. The last column is filled with silence, where upstream drops what is left: its own
    batches hear that silence too, in every row that is not the longest. So no sample is unheard."""

    sample_rate = 16_000
    rows: int
    """Rows of patches."""

    def columns(self, num_samples: int) -> int:
        """One for each begun 160 ms."""
        return -(-num_samples // COLUMN)

    def num_frames(self, num_samples: int) -> int:
        """Every patch, or every column of patches."""
        return self.columns(num_samples) * self._per_column

    def _width(self, patch_dim: int) -> int:
        """The width of a frame."""
        return patch_dim * (self.rows if self.options.bands == "stack" else 1)

    @property
    def _per_column(self) -> int:
        return self.rows if self.options.bands == "sequence" else 1

    def _joined(self, x_BPD: Tensor) -> Tensor:
        """Patches → frames [B, F, D]."""
        if self.options.bands == "sequence":
            return x_BPD
        x_BFKD = x_BPD.unflatten(1, (-1, self.rows))
        return x_BFKD.mean(dim=2) if self.options.bands == "mean" else x_BFKD.flatten(2)

    def _lengths(self, lengths_B: Tensor) -> Tensor:
        """Mel frames → frames."""
        return lengths_B // PATCH * self._per_column

    def _real(self, lengths_B: Tensor, longest: int) -> Tensor | None:
        """Which of ``longest`` mel frames' patches are no padding [B, P]; None where all are."""
        if bool((lengths_B == longest).all()):
            return None
        patches = torch.arange(longest // PATCH * self.rows, device=lengths_B.device)
        return patches < (lengths_B // PATCH * self.rows)[:, None]
