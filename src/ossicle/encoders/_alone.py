"""Batches of rows that must not hear one another's padding, where upstream has no mask against it.

B windows · T feature steps · F frames · D width
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn


def alone(encode: Callable[[Tensor], Iterator[Tensor]], features: Tensor, lengths_B: Tensor) -> Iterator[Tensor]:
    """Encode rows of equal length together and the others apart.

    Args:
        encode: features [b, T, …] without padding → one or several levels of frames [b, F, D].
        features: [B, T, …], padded on the right.
        lengths_B: how many steps of each row are real.

    Yields:
        Each level, [B, F, D], padded on the right with zeros.
    """
    groups = [(lengths_B == length).nonzero()[:, 0] for length in lengths_B.unique().tolist()]
    running = [encode(features[rows, : int(lengths_B[rows[0]])]) for rows in groups]
    back_B = torch.cat(groups).argsort()
    for parts in zip(*running, strict=True):
        if len(parts) == 1:
            yield parts[0]
        else:
            rows = [row_FD for part_bFD in parts for row_FD in part_bFD]
            yield nn.utils.rnn.pad_sequence(rows, batch_first=True)[back_B]


def taps(count: int) -> nn.ModuleList:
    """Modules that do nothing but be heard: the frames of each layer pass through one, where the layer's own output
    is of another shape."""
    return nn.ModuleList([nn.Identity() for _ in range(count)])
