"""What a projector is: encoder frames → tokens of the language model's width, with exact counts.

B windows · F frames · D width · K tokens
"""

import abc
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options
from ossicle.registry import Registry


class Projector(nn.Module, abc.ABC):
    """Base of all projectors, built from ``(options, dim_in, dim_out)``; widths are derived, never typed."""

    Options: ClassVar[type[BaseModel]] = Options
    type_name: ClassVar[str]
    scope: ClassVar[Literal["window", "recording"]] = "window"
    reads: ClassVar[Literal["frames", "codes"]] = "frames"
    """Whether it takes frames of numbers, or ids of codes [B, F, 1] below ``dim_in``."""
    unheard_frames: int = 0
    """Most frames in a row that reach no token, as where upstream leaves out a stretch's rest; fewer than a token's."""

    def __init__(self, options: BaseModel, dim_in: int, dim_out: int) -> None:
        super().__init__()
        self.options, self.dim_in, self.dim_out = options, dim_in, dim_out

    @classmethod
    def of(cls, options: BaseModel, dims: Sequence[int], dim_out: int) -> "Projector":
        """One for an encoder whose feature levels have these widths, side by side; most look at them as one."""
        return cls(options, sum(dims), dim_out)

    @property
    def dims(self) -> tuple[int, ...]:
        """The widths with which :meth:`of` makes it again."""
        return (self.dim_in,)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Projector":
        """A real but tiny instance for tests."""
        return cls(cls.Options(), dim_in, dim_out)

    @classmethod
    def reference(cls, dim_in: int, dim_out: int) -> "Projector":
        """The size to speak of, for frames of this width, of random weights."""
        return cls.of(cls.Options(), (dim_in,), dim_out)

    def meet(self, embeddings_VD: Tensor) -> None:
        """The language model's token embeddings, shown once when a model is composed."""

    def num_tokens(self, frames_per_window: Sequence[int]) -> int:
        """Tokens of one recording (``scope`` "recording") or of one window, whose frames are given."""
        return sum(self.lengths(frames) for frames in frames_per_window)

    @abc.abstractmethod
    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Tokens from ``num_frames``; exact, for integers and tensors alike."""

    @abc.abstractmethod
    def forward(self, frames: Frames) -> Frames:
        """Frames [B, F, dim_in] → tokens [B, K, dim_out]; padding never leaks into a real token."""


class ByLevel(Projector):
    """Base of projectors that need to know where the features of each level of the encoder lie."""

    def __init__(self, options: BaseModel, dims: Sequence[int], dim_out: int) -> None:
        super().__init__(options, sum(dims), dim_out)
        self._dims = tuple(dims)

    @classmethod
    def of(cls, options: BaseModel, dims: Sequence[int], dim_out: int) -> "ByLevel":
        """One that is told all the widths."""
        return cls(options, dims, dim_out)

    @property
    def dims(self) -> tuple[int, ...]:
        """The width of every level."""
        return self._dims


class Strided(Projector):
    """Base of projectors that make one token of every ``options.stride`` frames, and of what is left at the end."""

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Strided":
        """Stride 3, so that remainders occur."""
        return cls(cls.Options(stride=3), dim_in, dim_out)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Rounded up."""
        return -(-num_frames // self.options.stride)


def averaged(frames: Frames, stride: int) -> Tensor:
    """The mean of every ``stride`` frames, and of what is left at the end [B, ⌈F / stride⌉, D]."""
    x_BFD = zero_padding(frames)
    x_BFD = F.pad(x_BFD, (0, 0, 0, -x_BFD.shape[1] % stride))
    sums_BKD = x_BFD.unflatten(1, (-1, stride)).sum(2)
    starts_K = torch.arange(sums_BKD.shape[1], device=x_BFD.device) * stride
    real_BK = (frames.lengths_B[:, None] - starts_K).clamp(1, stride)
    return sums_BKD / real_BK[..., None].to(sums_BKD.dtype)


def zero_padding(frames: Frames) -> Tensor:
    """``x_BFD`` with the rows past each length set to zero."""
    steps = torch.arange(frames.x_BFD.shape[1], device=frames.x_BFD.device)
    return frames.x_BFD * (steps < frames.lengths_B[:, None])[..., None].to(frames.x_BFD.dtype)


projectors: Registry[Projector] = Registry("projector", "ossicle.projectors")
