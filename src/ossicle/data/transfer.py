"""A value full of tensors as one block of shared memory.

Torch hands each tensor to another process through a file descriptor of its own, and a batch of many windows soon
meets the limit on open files. Here all tensors of a value share one block, and are views of it on the other side.
"""

import io
import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

_ALIGN = 64


class Parcel(NamedTuple):
    """A pickled value and the bytes of its tensors and arrays."""

    pickled: bytes
    sizes: tuple[int, ...]
    block: Tensor
    """uint8, each buffer on a multiple of 64 bytes."""


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not Tensor or obj.device.type != "cpu" or obj.layout != torch.strided:
            return NotImplemented
        array = obj.detach().contiguous().view(-1).view(torch.uint8).numpy()
        return _tensor, (array, obj.dtype, tuple(obj.shape))


def wrap(value: Any) -> Parcel:
    """``value`` as a parcel; its tensors are copied once."""
    buffers: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(value)
    views = [buffer.raw() for buffer in buffers]
    sizes = tuple(view.nbytes for view in views)
    block = torch.empty(sum(map(_aligned, sizes)), dtype=torch.uint8).share_memory_()
    bytes_of_block = memoryview(block.numpy())
    for view, start in zip(views, _starts(sizes), strict=True):
        bytes_of_block[start : start + view.nbytes] = view
    return Parcel(stream.getvalue(), sizes, block)


def unwrap(parcel: Parcel) -> Any:
    """The value of a parcel; its tensors are views of the parcel's block."""
    block = memoryview(parcel.block.numpy())
    starts = _starts(parcel.sizes)
    buffers = [block[start : start + size] for start, size in zip(starts, parcel.sizes, strict=True)]
    return pickle.loads(parcel.pickled, buffers=buffers)


def _tensor(array: np.ndarray, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(array).view(dtype).view(shape)


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


def _starts(sizes: Sequence[int]) -> list[int]:
    starts, at = [], 0
    for size in sizes:
        starts.append(at)
        at += _aligned(size)
    return starts
