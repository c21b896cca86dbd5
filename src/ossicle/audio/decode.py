"""Encoded sound to samples, block by block, whatever its format.

Shapes: n samples of one block; C channels.
"""

import functools
import weakref
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from ossicle.audio import containers, libsndfile
from ossicle.audio.content import (
    BLOCK,
    BytesContent,
    Content,
    Encoded,
    FileContent,
    Header,
    PartContent,
    SamplesContent,
)
from ossicle.support.errors import AudioError


@functools.singledispatch
def header(content: Content) -> Header:
    """Rate, channels and exact number of samples; kept for as long as the content doesn't change.

    Raises:
        AudioError: the content is not a recording that can be decoded, or it is empty.
    """
    raise TypeError(f"no sound can lie in a {type(content).__name__}.")


@header.register(FileContent)
@header.register(PartContent)
def _(content: FileContent | PartContent) -> Header:
    return _header_of_version(content, content.version)


@header.register
def _(content: BytesContent) -> Header:
    if content not in _headers_of_bytes:
        _headers_of_bytes[content] = _read_header(content)
    return _headers_of_bytes[content]


@header.register
def _(content: SamplesContent) -> Header:
    return Header(content.sample_rate, *content.samples_CT.shape, _cut)


def blocks(content: Content, start: int, stop: int) -> Iterator[np.ndarray]:
    """Decode samples ``start`` to ``stop`` (both within the recording) as float32 ``[n, C]`` blocks.

    Raises:
        AudioError: decoding fails, a sample is NaN or infinite, or there are fewer than the header promises.
    """
    known = header(content)
    position = start
    with closing(known.blocks(content, start, stop)) as decoded:
        for block_nC in decoded:
            if not np.isfinite(block_nC).all():
                bad = int(np.isfinite(block_nC).all(axis=1).argmin())
                second = (position + bad) / known.sample_rate
                raise AudioError(
                    f"{content.name} has a sample that is NaN or infinite at {second:.3f} s: export it again."
                )
            position += len(block_nC)
            yield block_nC
    if position != stop:
        ends_s, says_s = position / known.sample_rate, known.num_samples / known.sample_rate
        raise AudioError(
            f"{content.name} is truncated or damaged (it ends after {ends_s:.3f} s but says {says_s:.3f} s): "
            "copy or export it again."
        )


def _cut(content: SamplesContent, start: int, stop: int) -> Iterator[np.ndarray]:
    for begin in range(start, stop, BLOCK):
        yield content.samples_CT[:, begin : min(begin + BLOCK, stop)].T


@functools.lru_cache(maxsize=1 << 14)
def _header_of_version(content: FileContent | PartContent, version: tuple[int, int]) -> Header:
    del version  # only there to forget what an older file said
    return _read_header(content)


_headers_of_bytes: weakref.WeakKeyDictionary[BytesContent, Header] = weakref.WeakKeyDictionary()


def _read_header(content: Encoded) -> Header:
    with content.open() as file:
        head = file.read(containers.HEAD)
    if not head:
        raise AudioError(f"{content.name} is empty (0 bytes): record or copy it again.")
    container = containers.sniff(head)
    found = containers.header(content, container) if container else libsndfile.header(content)
    if found is None:
        raise AudioError(
            f"{content.name} is not a recording in a format known here: convert it to wav, flac, mp3 or ogg."
        )
    if found.num_samples == 0:
        raise AudioError(f"{content.name} holds no samples: record or export it again.")
    return found
