"""The processes that train one model together, as ``torchrun`` starts them; or this one alone.

Every process holds the same weights and takes the same steps. A step's rows are dealt among them, and its gradient is
the sum of theirs, so what is learnt does not depend on how many there are (but for rounding).
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from torch import Tensor

from ossicle.support.errors import ModelError, OssicleError

T = TypeVar("T")

_PATIENCE = timedelta(days=1)
"""How long the others wait while the first saves, or measures the finished model."""


@dataclass(frozen=True)
class Processes:
    """This process among all.

    Args:
        rank: its number, from 0.
        size: how many there are.
        talk: the group in which Python objects are exchanged; None for one process.
    """

    rank: int = 0
    size: int = 1
    talk: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and shows progress."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """What every process says, by rank; the same for all of them."""
        if self.size == 1:
            return [value]
        said: list[Any] = [None] * self.size
        dist.all_gather_object(said, value, group=self.talk)
        return said

    def agree(self, error: Exception | None) -> None:
        """Raise the error of the first process that has one, in all of them; so none waits for another that is gone."""
        if self.size == 1:
            if error is not None:
                raise error
            return
        told = None if error is None else (type(error), str(getattr(error, "strerror", None) or error))
        for rank, found in enumerate(self.gather(told)):
            if found is not None:
                if error is not None and rank == self.rank:
                    raise error
                kind, message = found
                raise kind(message) if issubclass(kind, (OssicleError, OSError)) else ModelError(message)

    def each(self, do: Callable[[], T]) -> T:
        """What ``do`` gives in this process; where it fails in one, all raise that error."""
        if self.size == 1:
            return do()
        made, error = None, None
        try:
            made = do()
        except (OssicleError, OSError, SafetensorError, RuntimeError, ValueError) as raised:
            error = raised
        self.agree(error)
        return made  # type: ignore[return-value]

    def first(self, do: Callable[[], T]) -> T:
        """What ``do`` gives in the first process, for all of them; the others wait, and don't do it."""
        if self.size == 1:
            return do()
        return self.gather(self.each(do if self.is_first else lambda: None))[0]  # type: ignore[return-value]

    def apart(self) -> "Processes":
        """The same with a talk of its own, for threads that speak while the processes do; all ask for it at once."""
        return self if self.size == 1 else replace(self, talk=dist.new_group(backend="gloo", timeout=_PATIENCE))

    @torch.no_grad()
    def add(self, tensors: Iterable[Tensor]) -> None:
        """Make each of ``tensors`` the sum over all processes, in place; all give the same shapes in the same order."""
        if self.size == 1:
            return
        kinds: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
        for tensor in tensors:
            kinds.setdefault((tensor.device, tensor.dtype), []).append(tensor)
        for alike in kinds.values():
            flat = torch.cat([tensor.reshape(-1) for tensor in alike])
            dist.all_reduce(flat)
            for tensor, total in zip(alike, flat.split([tensor.numel() for tensor in alike]), strict=True):
                tensor.copy_(total.view_as(tensor))

    def add_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Sum the gradients; a parameter that no process has one of keeps none."""
        if self.size == 1:
            return
        with_one = {number for said in self.gather([p.grad is not None for p in parameters]) for number in _true(said)}
        wanted = [parameters[number] for number in sorted(with_one)]
        for parameter in wanted:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.add([parameter.grad for parameter in wanted if parameter.grad is not None])


ALONE = Processes()


def _true(said: Sequence[bool]) -> list[int]:
    return [number for number, one in enumerate(said) if one]


@contextmanager
def processes(device: str | None) -> Iterator[tuple[Processes, str]]:
    """Join the processes that ``torchrun`` started, if it did; and the device of this one.

    Args:
        device: of torch; default ``cuda`` where there is one, of several the process's own.
    """
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE, chosen
        return
    if chosen == "cuda":
        chosen = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(chosen)
    on_gpu = chosen.startswith("cuda")
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        talk = dist.new_group(backend="gloo", timeout=_PATIENCE) if on_gpu else dist.group.WORLD
        yield Processes(dist.get_rank(), size, talk), chosen
    finally:
        dist.destroy_process_group()
