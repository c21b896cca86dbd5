"""Changing the sample rate, in bounded memory, with one rounding rule.

Shapes: n, m samples; C channels.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

Block = np.ndarray  # float32 [n, C]


def num_resampled(num_samples: int, rate_in: int, rate_out: int) -> int:
    """How many samples ``num_samples`` become: the ceiling, so that a recording never becomes empty."""
    return -(-num_samples * rate_out // rate_in)


def resample(blocks_nC: Iterable[Block], rate_in: int, rate_out: int) -> Iterator[Block]:
    """Resample consecutive blocks of one recording with SoX's high-quality filter.

    The result does not depend on where the blocks are cut, and has ``num_resampled(total)`` samples.

    Args:
        blocks_nC: float32 ``[n, C]`` blocks, in order.
        rate_in: samples per second of the blocks.
        rate_out: samples per second wanted.
    """
    if rate_in == rate_out:
        yield from blocks_nC
        return
    resampler = None
    num_in = num_out = 0
    for block_nC in blocks_nC:
        if resampler is None:
            num_channels = block_nC.shape[1]
            resampler = soxr.ResampleStream(rate_in, rate_out, num_channels, dtype="float32", quality="HQ")
        out_mC = resampler.resample_chunk(np.ascontiguousarray(block_nC))
        num_in, num_out = num_in + len(block_nC), num_out + len(out_mC)
        if len(out_mC):
            yield out_mC
    if resampler is None:
        return
    # soxr rounds the length to the nearest; a few zeros more and a cut make it the ceiling.
    zeros = np.zeros((num_resampled(1, rate_out, rate_in) + 1, num_channels), np.float32)
    yield resampler.resample_chunk(zeros, last=True)[: num_resampled(num_in, rate_in, rate_out) - num_out]
