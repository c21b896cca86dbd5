"""Wav, FLAC, mp3, Ogg Vorbis and Opus, AIFF and some twenty more, by libsndfile.

Shapes: n samples of one block; C channels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import soundfile

from ossicle.audio import containers, mp3, ogg
from ossicle.audio.content import BLOCK, Encoded, Header
from ossicle.support.errors import AudioError

_UNKNOWN = 1 << 48  # a count no recording reaches; libsndfile gives 2**63 - 1 for FLAC written to a pipe


def header(content: Encoded) -> Header | None:
    """Rate, channels and number of samples; None if libsndfile doesn't know the format.

    Where the header cannot be believed, the samples are counted by decoding all of them once.
    """
    try:
        with soundfile.SoundFile(content.for_libsndfile()) as sound:
            found = Header(sound.samplerate, sound.channels, sound.frames, blocks)
            sound_format = sound.format
    except soundfile.LibsndfileError:
        return None
    return _CORRECTED.get(sound_format, _checked)(content, found)


def _checked(content: Encoded, found: Header) -> Header:
    if found.num_samples < _UNKNOWN:
        return found
    return _counted(content, found._replace(blocks=unbounded_blocks))


def _checked_mp3(content: Encoded, found: Header) -> Header:
    with content.open() as file:
        if mp3.count_is_true(file):
            return found._replace(blocks=mp3_blocks)
    return _counted(content, found._replace(blocks=miscounted_mp3_blocks))


def _checked_ogg(content: Encoded, found: Header) -> Header:
    with content.open() as file:
        if ogg.is_chained(file):
            return containers.header(content, "ogg")
    return _checked(content, found._replace(blocks=ogg_blocks))


_CORRECTED = {"MP3": _checked_mp3, "OGG": _checked_ogg}  # by libsndfile's name of the format


def blocks(content: Encoded, start: int, stop: int) -> Iterator[np.ndarray]:
    """Decode samples ``start`` to ``stop`` after an exact seek."""
    with _opened(content, soundfile.SoundFile, content.for_libsndfile()) as sound:
        sound.seek(start)
        yield from _read(sound, stop - start)


def mp3_blocks(content: Encoded, start: int, stop: int) -> Iterator[np.ndarray]:
    """As :func:`blocks`, begun half a second early: mp3 frames borrow bits and overlap from those before."""
    with _opened(content, soundfile.SoundFile, content.for_libsndfile()) as sound:
        early = sound.seek(max(0, start - sound.samplerate // 2))
        yield from _dropped(_read(sound, stop - early), start - early)


def ogg_blocks(content: Encoded, start: int, stop: int) -> Iterator[np.ndarray]:
    """As :func:`blocks`, begun early, and always before the last page."""
    with content.open() as file:
        until = ogg.seekable_until(file)
    with _opened(content, soundfile.SoundFile, content.for_libsndfile()) as sound:
        early = sound.seek(max(0, min(start, until) - sound.samplerate // 2))
        yield from _dropped(_read(sound, stop - early), start - early)


def miscounted_mp3_blocks(content: Encoded, start: int, stop: int) -> Iterator[np.ndarray]:
    """Decode an mp3 that misstates its length, from its beginning."""
    with content.open() as file, _opened(content, _Unbounded, mp3.Endless(file)) as sound:
        yield from _dropped(_read(sound, stop), start)


def unbounded_blocks(content: Encoded, start: int, stop: int) -> Iterator[np.ndarray]:
    """Decode a file that doesn't state its length, from its beginning."""
    with _opened(content, _Unbounded, content.for_libsndfile()) as sound:
        yield from _dropped(_read(sound, stop), start)


class _Unbounded(soundfile.SoundFile):
    """Read until the data end; soundfile would clip to the stated length and seek beyond the end."""

    def seekable(self) -> bool:
        return False


def _counted(content: Encoded, found: Header) -> Header:
    return found._replace(num_samples=sum(len(block) for block in found.blocks(content, 0, _UNKNOWN)))


def _read(sound: soundfile.SoundFile, num_samples: int) -> Iterator[np.ndarray]:
    while num_samples > 0:
        block_nC = sound.read(min(BLOCK, num_samples), dtype="float32", always_2d=True)
        if not len(block_nC):
            return
        num_samples -= len(block_nC)
        yield block_nC


def _dropped(blocks_nC: Iterator[np.ndarray], num_samples: int) -> Iterator[np.ndarray]:
    """The blocks without their first ``num_samples`` samples."""
    for block_nC in blocks_nC:
        if num_samples < len(block_nC):
            yield block_nC[num_samples:]
        num_samples = max(0, num_samples - len(block_nC))


@contextmanager
def _opened(
    content: Encoded, kind: type[soundfile.SoundFile], target: str | BinaryIO | mp3.Endless
) -> Iterator[soundfile.SoundFile]:
    """Open with libsndfile; what it refuses, now or later, becomes a sentence."""
    second = 0.0
    try:
        with kind(target) as sound:
            try:
                yield sound
            finally:
                second = sound.tell() / sound.samplerate
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{content.name} is truncated or damaged (decoding fails near {second:.1f} s): copy or export it again."
        ) from error
