"""m4a, mp4, webm and other containers, by FFmpeg through PyAV (the ``av`` extra).

FFmpeg is only ever given an open file and the name of one container format. Left to guess, it would also open
play lists, and those fetch addresses and other files. Shapes: n samples of one block; C channels.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ossicle.audio.content import Encoded, Header
from ossicle.support.errors import AudioError, MissingExtraError
from ossicle.support.extras import require

if TYPE_CHECKING:
    import av

_SIGNATURES = (  # offset, bytes there, FFmpeg's name of the container
    (4, b"ftyp", "mp4"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"FLV\x01", "flv"),
    (0, b"#!AMR", "amr"),
    (8, b"AVI ", "avi"),
    (0, b"G\x40", "mpegts"),
)
_KNOWN_AS = {
    "mp4": "m4a, mp4 or mov",
    "matroska": "webm or mkv",
    "asf": "wma",
    "mpegts": "an MPEG stream",
    "ogg": "several recordings in one Ogg file",
}
HEAD = 16  # bytes that tell the container


def sniff(head: bytes) -> str | None:
    """FFmpeg's name of the container that begins with ``head``; None if it isn't one left to FFmpeg."""
    return next((ffmpeg for at, magic, ffmpeg in _SIGNATURES if head[at : at + len(magic)] == magic), None)


def header(content: Encoded, container: str) -> Header:
    """Rate, channels, and the number of samples, by decoding once: containers round it or don't say.

    Raises:
        AudioError: PyAV is not installed, or the file has no sound or cannot be decoded.
    """
    frames = functools.partial(blocks, container=container)
    rate = num_samples = num_channels = 0
    for frame_rate, block_nC in _decoded(content, container):
        rate, num_channels = frame_rate, block_nC.shape[1]
        num_samples += len(block_nC)
    return Header(rate, num_channels, num_samples, frames)


def blocks(content: Encoded, start: int, stop: int, *, container: str) -> Iterator[np.ndarray]:
    """Decode from the beginning and keep samples ``start`` to ``stop``: seeking in containers isn't exact."""
    position = 0
    for _, block_nC in _decoded(content, container):
        if position >= stop:
            return
        kept_nC = block_nC[max(0, start - position) : stop - position]
        position += len(block_nC)
        if len(kept_nC):
            yield kept_nC


def _decoded(content: Encoded, container: str) -> Iterator[tuple[int, np.ndarray]]:
    """The first sound track as (rate, float32 ``[n, C]``), with the rate and channels of its first frame."""
    av = _pyav(content, container)
    with content.open() as file:
        try:
            with av.open(file, format=container, metadata_errors="ignore") as opened:
                if not opened.streams.audio:
                    raise AudioError(f"{content.name} has no sound track: choose another file.")
                yield from _frames(av, opened)
        except av.FFmpegError as error:
            raise AudioError(
                f"{content.name} is truncated or damaged ({error.strerror or error}): copy or export it again."
            ) from error


def _frames(av: av, opened: av.container.InputContainer) -> Iterator[tuple[int, np.ndarray]]:
    resampler = None
    for frame in opened.decode(audio=0):
        if resampler is None:
            rate = frame.sample_rate
            resampler = av.AudioResampler(format="fltp", layout=frame.layout, rate=rate)
        for same in resampler.resample(frame):
            yield rate, same.to_ndarray().T
    if resampler is not None:
        for same in resampler.resample(None):
            yield rate, same.to_ndarray().T


def _pyav(content: Encoded, container: str) -> av:
    try:
        return require("av", extra="av")
    except MissingExtraError as error:
        raise AudioError(
            f"{content.name} is {_KNOWN_AS.get(container, container)}, which needs the av extra: "
            "pip install 'ossicle[av]', or convert it to wav."
        ) from error
