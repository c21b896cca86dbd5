"""Tensors in safetensors files: all of each in one file, or a folder of files in which every process wrote its parts.

The latter are those of ``torch.distributed.checkpoint``: each file says in its header which part of which tensor it
holds, so that any number of processes, or one, can read from them what it needs.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.api import CheckpointException

from ossicle.support.errors import ModelError
from ossicle.training.processes import Processes
from ossicle.training.sharding import part_of

Tensors = dict[str, Tensor]


def write_parts(folder: Path, tensors: Tensors, among: Processes) -> None:
    """Have every process write, and sync, what it holds; all of them call at once.

    Args:
        folder: of the files, the same for all.
        tensors: on the CPU; in the first process all of them, in the others those that are in parts.

    Raises:
        OSError, SafetensorError: in all processes, if one of them cannot write.
        ModelError: they don't write to the same disk.
    """
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        held = {name: tensor.contiguous() for name, tensor in tensors.items()}
        dcp.save(held, storage_writer=writer, process_group=among.talk)
    except CheckpointException as failed:
        raise _reason(failed) from None
    among.first(lambda: _check_written(folder, tensors))


def _check_written(folder: Path, tensors: Tensors) -> None:
    wanted = {name: tensor.shape for name, tensor in tensors.items()}
    try:
        found = {name: tensor.shape for name, tensor in Saved(folder).tensors.items()}
    except ValueError:  # a gap
        found = {}
    if found != wanted:
        raise ModelError(
            f"{folder.parent.parent}: what other processes write does not arrive there; all of them must see the "
            "folder of the run on one disk."
        )


class Saved:
    """Tensors that lie in files until they are wanted.

    Args:
        path: a file, or a folder as :func:`write_parts` makes it.

    Raises:
        OSError, SafetensorError, ValueError: it cannot be read, or is not all there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tensors: Tensors = _described(path) if path.is_dir() else load_file(path)
        """By name: those of a file are mapped into memory, those in parts have shapes and types only."""

    @torch.no_grad()
    def into(self, tensors: Tensors) -> None:
        """Copy into each tensor the one of its name, where this process holds a part of it that part.

        Raises:
            ModelError: a file is damaged.
        """
        with reading(self.path.parent):
            if not self.path.is_dir():
                for name, tensor in tensors.items():
                    tensor.copy_(part_of(self.tensors[name], tensor))
                return
            with warnings.catch_warnings():  # that the processes need not agree on who reads what is meant
                warnings.filterwarnings("ignore", "torch.distributed is disabled")
                dcp.load(dict(tensors), storage_reader=HuggingFaceStorageReader(str(self.path)), no_dist=True)


def _described(folder: Path) -> Tensors:
    """Tensors on ``meta``, by the headers of the files. Raises ValueError where a part of one is in none of them."""
    found = {}
    for name, tensor in HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata.items():
        if sum(chunk.sizes.numel() for chunk in tensor.chunks) != tensor.size.numel():
            raise ValueError(f"a part of {name!r} is missing")
        found[name] = torch.empty(tensor.size, dtype=tensor.properties.dtype, device="meta")
    return found


@contextmanager
def reading(checkpoint: Path) -> Iterator[None]:
    """Raise ModelError, which names the checkpoint, where one of its files cannot be read."""
    try:
        yield
    except CheckpointException as failed:
        raise _damaged(checkpoint, _reason(failed)) from failed
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _damaged(checkpoint, error) from error


def _damaged(checkpoint: Path, error: BaseException) -> ModelError:
    return ModelError(f"{checkpoint}: is damaged ({error}); delete it to continue from the one before.")


def _reason(failed: CheckpointException) -> BaseException:
    """What went wrong, in the first process in which something did."""
    reason, _ = failed.failures[min(failed.failures)]
    return reason
