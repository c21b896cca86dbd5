"""``Audio``: a recording, or a part of one, that is decoded when it is asked for.

Shapes: T samples of the whole; n of one block; C channels.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from ossicle.audio import decode
from ossicle.audio.content import BytesContent, Content, FileContent, Header, PartContent, SamplesContent
from ossicle.audio.resample import num_resampled, resample
from ossicle.support.errors import AudioError
from ossicle.support.files import atomic_write

Channels = Literal["mono", "all"] | tuple[int, ...]
_END_TOLERANCE_S = 0.1  # labels give times to a tenth: an end this far behind the recording's end means its end


@dataclass(frozen=True, repr=False)
class Audio:
    """A recording or a span of one; frozen, lazy, cheap to copy, compare, hash and pickle.

    ``Audio("door.wav")`` reads nothing: a file that is missing or broken is reported, as an ``AudioError`` of
    one sentence, by whatever asks first for its length or samples. Two are equal if they name the same path (or
    hold the same bytes, samples or key) and the same span.

    Args:
        content: a path, or where else the sound lies (as :meth:`from_bytes`, :meth:`from_part` and
            :meth:`from_samples` make it).
        start_s: where the span begins, in seconds of the recording.
        end_s: where it ends; None is the recording's end.
    """

    content: Content
    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.content, str | os.PathLike):
            object.__setattr__(self, "content", FileContent(os.fspath(self.content)))

    @classmethod
    def from_bytes(cls, data: bytes, *, name: str = "the recording") -> Audio:
        """An encoded recording (wav, mp3…) in memory; ``name`` is for errors and lists."""
        return cls(BytesContent(bytes(data), name))

    @classmethod
    def from_part(cls, path: str | os.PathLike[str], offset: int, num_bytes: int, *, name: str) -> Audio:
        """An encoded recording that lies inside a larger file, such as an uncompressed tar, read where it lies.

        Args:
            path: the larger file.
            offset: where the recording's bytes begin.
            num_bytes: how many there are.
            name: what it is called there.
        """
        return cls(PartContent(os.fspath(path), offset, num_bytes, name))

    @classmethod
    def from_samples(
        cls, samples: np.ndarray, sample_rate: int, *, name: str | None = None, key: str | None = None
    ) -> Audio:
        """A copy of samples in memory.

        Args:
            samples: real numbers ``[T]`` or ``[C, T]``, nominally in -1 to 1.
            sample_rate: samples per second.
            name: for errors and lists.
            key: what the samples follow from (a plan's JSON, say). It then stands for them in ``digest`` and
                ``==``, and the samples are never hashed.

        Raises:
            AudioError: no samples, another shape, or one that is NaN or infinite.
        """
        name = name or "the recording in memory"
        if not np.issubdtype(np.asarray(samples).dtype, np.floating):
            raise AudioError(f"{name} has whole-number samples: divide them by full scale (32768 for 16 bits) first.")
        samples_CT = np.array(samples, dtype=np.float32, order="C", ndmin=2)
        if samples_CT.ndim != 2 or samples_CT.size == 0:
            raise AudioError(f"{name} has shape {list(np.shape(samples))}: give samples [T] or [C, T], at least one.")
        if not np.isfinite(samples_CT).all():
            second = np.isfinite(samples_CT).all(axis=0).argmin() / sample_rate
            raise AudioError(f"{name} has a sample that is NaN or infinite at {second:.3f} s: mend what made it.")
        samples_CT.flags.writeable = False
        return cls(SamplesContent(samples_CT, _checked_rate(sample_rate), name, key))

    def __repr__(self) -> str:
        span = (
            "" if self._is_whole else f", {self.start_s:g} s to {'end' if self.end_s is None else f'{self.end_s:g} s'}"
        )
        return f"Audio({self.content.name!r}{span})"

    @property
    def name(self) -> str:
        """The file's name without its folders, or the name given."""
        return os.path.basename(self.content.name)

    @property
    def path(self) -> Path | None:
        """The file, if it is one."""
        return Path(self.content.path) if isinstance(self.content, FileContent) else None

    @property
    def sample_rate(self) -> int:
        """Samples per second, as recorded."""
        return self._header.sample_rate

    @property
    def num_channels(self) -> int:
        """Channels, as recorded."""
        return self._header.num_channels

    @property
    def duration_s(self) -> float:
        """Seconds, exact."""
        start, stop = self._span
        return (stop - start) / self.sample_rate

    def num_samples(self, sample_rate: int) -> int:
        """Samples per channel that :meth:`load` gives at this rate: recorded samples x rates, rounded up."""
        start, stop = self._span
        return num_resampled(stop - start, self.sample_rate, _checked_rate(sample_rate))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content's bytes (or samples, or key) and of the span, in hexadecimal; kept."""
        if self._is_whole:
            return self.content.sha256
        start, stop = self._span
        return hashlib.sha256(f"{self.content.sha256} {start} {stop}".encode()).hexdigest()

    def clip(self, start: float, end: float | None = None) -> Audio:
        """The part from ``start`` to ``end``, in seconds of this one; only it is decoded when it is loaded.

        An end up to 0.1 s behind this one's end means this one's end. None means it too.

        Raises:
            AudioError: ``start`` is negative or not before ``end``. That they lie within the recording is
                checked when it is first asked for its length or samples.
        """
        if not 0 <= start < math.inf or (end is not None and not start < end):
            raise AudioError(f"cannot cut {self.name} from {start} s to {end} s: give 0 <= start < end.")
        if self.end_s is None:
            return Audio(self.content, self.start_s + start, None if end is None else self.start_s + end)
        here_s = self.end_s - self.start_s
        if start >= here_s or (end is not None and end > here_s + _END_TOLERANCE_S):
            raise AudioError(f"cannot cut {self.name} from {start} s to {end} s: it lasts {here_s:g} s.")
        return Audio(self.content, self.start_s + start, self.start_s + min(here_s, math.inf if end is None else end))

    def load(self, sample_rate: int, *, channels: Channels = "mono") -> np.ndarray:
        """Decode, resample (SoX, high quality), and give all samples.

        Args:
            sample_rate: samples per second wanted.
            channels: ``"mono"`` for the mean of all, ``"all"``, or indices in the order wanted.

        Returns:
            float32 ``[C, num_samples(sample_rate)]``, C-contiguous, writeable, the caller's own.

        Raises:
            AudioError: one sentence on what is wrong with the recording and how to mend it.
        """
        num_samples = self.num_samples(sample_rate)
        samples_CT, filled = None, 0
        for block_nC in self._resampled(sample_rate, channels):
            if samples_CT is None:
                samples_CT = np.empty((block_nC.shape[1], num_samples), np.float32)
            samples_CT[:, filled : filled + len(block_nC)] = block_nC.T
            filled += len(block_nC)
        if samples_CT is None or filled != num_samples:
            raise AudioError(f"{self.content.name} changed while it was read: try again.")
        return samples_CT

    def stream(self, sample_rate: int, block_s: float = 10.0) -> Iterator[np.ndarray]:
        """Decode piece by piece, in memory that doesn't grow with the recording.

        Args:
            sample_rate: samples per second wanted.
            block_s: seconds per block; the last may be shorter.

        Yields:
            float32 ``[1, n]`` mono blocks. Joined they are ``load(sample_rate)``, bit for bit.

        Raises:
            AudioError: as :meth:`load`, once the blocks before the damage have been given.
        """
        size = max(1, round(block_s * sample_rate))
        waiting: list[np.ndarray] = []
        num_waiting = 0
        for block_nC in self._resampled(sample_rate, "mono"):
            waiting.append(block_nC)
            num_waiting += len(block_nC)
            if num_waiting < size:
                continue
            joined_1n = np.concatenate(waiting).T
            cut = num_waiting - num_waiting % size
            for begin in range(0, cut, size):
                yield joined_1n[:, begin : begin + size].copy()
            waiting, num_waiting = [joined_1n[:, cut:].T.copy()], num_waiting - cut
        if num_waiting:
            yield np.concatenate(waiting).T.copy()

    def save(self, path: str | os.PathLike[str]) -> Audio:
        """Write all channels at the recorded rate, whole or not at all: ``.flac`` (24 bits), ``.wav`` (float).

        Returns:
            The saved recording.

        Raises:
            AudioError: another suffix, samples beyond full scale in a FLAC, or a file that cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in _SAVED_AS:
            raise AudioError(f"cannot save {path}: name it .flac or .wav.")
        file_format, subtype, peak = _SAVED_AS[suffix]
        try:
            with (
                atomic_write(path) as temporary,
                soundfile.SoundFile(
                    temporary, "w", self.sample_rate, self.num_channels, subtype, format=file_format
                ) as file,
            ):
                for block_nC in decode.blocks(self.content, *self._span):
                    if np.abs(block_nC).max() > peak:
                        raise AudioError(f"cannot save {path}: samples go beyond {peak:g}; scale them or save as .wav.")
                    file.write(block_nC)
        except (OSError, soundfile.LibsndfileError) as error:
            raise AudioError(f"cannot save {path} ({error}): check the folder and the space left.") from error
        return Audio(path)

    @property
    def _header(self) -> Header:
        return decode.header(self.content)

    @property
    def _is_whole(self) -> bool:
        return self.start_s == 0 and self.end_s is None

    @property
    def _span(self) -> tuple[int, int]:
        """First sample and the one behind the last, at the recorded rate."""
        known = self._header
        length_s = known.num_samples / known.sample_rate
        start = round(self.start_s * known.sample_rate)
        stop = known.num_samples
        if self.end_s is not None:
            if self.end_s > length_s + _END_TOLERANCE_S:
                raise AudioError(
                    f"cannot cut {self.content.name} at {self.end_s:g} s: it lasts {length_s:.3f} s; end it earlier."
                )
            stop = min(stop, round(self.end_s * known.sample_rate))
        if start >= stop:
            raise AudioError(
                f"cannot cut {self.content.name} from {self.start_s:g} s: it lasts {length_s:.3f} s; start it earlier."
            )
        return start, stop

    def _resampled(self, sample_rate: int, channels: Channels) -> Iterator[np.ndarray]:
        """The one path from content to samples: decode, choose channels, resample; float32 ``[n, C]``."""
        known = self._header
        if channels not in ("mono", "all") and not (
            channels and all(0 <= channel < known.num_channels for channel in channels)
        ):
            raise AudioError(f"{self.content.name} has channels 0 to {known.num_channels - 1}, not {channels}.")
        blocks_nC = decode.blocks(self.content, *self._span)
        return resample(
            (_chosen(block_nC, channels) for block_nC in blocks_nC),
            known.sample_rate,
            _checked_rate(sample_rate),
        )


_SAVED_AS = {".flac": ("FLAC", "PCM_24", 1.0), ".wav": ("WAV", "FLOAT", math.inf)}


def _chosen(block_nC: np.ndarray, channels: Channels) -> np.ndarray:
    if channels == "all" or (channels == "mono" and block_nC.shape[1] == 1):
        return block_nC
    if channels == "mono":
        return block_nC.mean(axis=1, keepdims=True, dtype=np.float32)
    return block_nC[:, list(channels)]


def _checked_rate(sample_rate: int) -> int:
    if not isinstance(sample_rate, int | np.integer) or not 0 < sample_rate <= 10_000_000:
        raise AudioError(f"a sample rate of {sample_rate!r} is impossible: give samples per second as a whole number.")
    return int(sample_rate)
