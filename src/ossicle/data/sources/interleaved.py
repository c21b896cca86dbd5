"""Recordings with timed transcripts, as turns of sound and text: each segment and its own words, or those that follow.

    {"audio": "talk.wav", "segments": [{"start": 0.0, "end": 3.2, "text": "Good morning."},
                                       {"start": 3.4, "end": 6.0, "text": "Let us begin."}],
     "meta": {"id": "talk-1"}}

One JSON object per line; paths are relative to the file; ``start`` and ``end`` are seconds. Further keys of segments,
as Whisper writes them, are passed over, and segments without words left out.
"""

import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeGuard

from pydantic import Field

from ossicle.audio import Audio
from ossicle.chat import Conversation, Message, assistant, user
from ossicle.data.paths import expand
from ossicle.data.source import sources
from ossicle.data.sources._lines import lines_of
from ossicle.spec import Spec
from ossicle.support.errors import DataError, OssicleError

MARKS = {"repeat": "<repeat>", "next": "<next>"}


class InterleavedOptions(Spec):
    """Which file, and what follows what."""

    path: str
    """The JSONL file; ``~`` and ``$VARIABLES`` are filled in."""
    pattern: Literal["repeat", "next"]
    """``repeat``: each segment, then its words; ``next``: the first segment, then the words of the second, the third,
    then those of the fourth: what is said there is never heard."""
    mark: str | None = None
    """Text beside each segment that says which is wanted; by default ``<repeat>`` or ``<next>``, and none if empty."""
    mark_first: bool = False
    """Whether it stands before the segment, and not after it."""
    pairs: int | None = Field(default=None, ge=1)
    """Most segments that are heard in a row; by default one for ``repeat``, and any number for ``next``."""
    row_s: float = Field(default=120.0, gt=0)
    """Most audio in a row, s; a longer segment goes alone."""


class Segment(NamedTuple):
    """What is said, from when to when in seconds."""

    start_s: float
    end_s: float
    text: str


@sources.register("interleaved")
class Interleaved:
    """The two patterns of Voxtral's pretraining (Liu et al. 2025, arXiv 2507.13264): ``repeat`` teaches to transcribe,
    ``next`` to understand what is heard as if it were read; two sources of equal weight teach both.

    Every text is a reply, and only the texts are learnt.

    Raises:
        DataError: the file is missing or malformed, or has no rows.
    """

    Options: ClassVar[type[Spec]] = InterleavedOptions

    def __init__(self, options: InterleavedOptions) -> None:
        self._options = options
        self._path = expand(options.path)
        self._mark = MARKS[options.pattern] if options.mark is None else options.mark
        self._offsets = array("q")
        self._lines = array("q")
        self._firsts = array("q")
        self._counts = array("q")
        self._lengths = array("d")
        for number, offset, line in lines_of(self._path):
            for first, count, length_s in self._cut(self._parsed(line, number)[1]):
                self._offsets.append(offset)
                self._lines.append(number)
                self._firsts.append(first)
                self._counts.append(count)
                self._lengths.append(length_s)
        if not self._offsets:
            raise DataError(f"{self._path}: has no rows; each needs a segment, and for the pattern next two.")
        self.num_rows: int | None = len(self._offsets)

    def rows(self, index: int) -> tuple[Conversation, ...]:
        """The one conversation of row ``index``: a turn for every segment that is heard."""
        audio, pairs, meta = self._read(index)
        turns = [message for pair in pairs for message in self._turn(audio, pair)]
        name = f"{meta.get('id', audio.name)}-{self._firsts[index]}"
        return (Conversation.of(*turns, meta={**meta, "id": name, "pattern": self._options.pattern}),)

    def seconds(self, index: int) -> float:
        """Seconds of audio in the row."""
        return self._lengths[index]

    def texts(self, index: int) -> tuple[str, ...]:
        """Every text of the row."""
        return tuple(text for pair in self._read(index)[1] for text in (self._mark, pair.text) if text)

    def check(self) -> None:
        """Read every row and every header; DataError names the first that fails by file and line."""
        for index in range(len(self._offsets)):
            try:
                for audio in self.rows(index)[0].audios:
                    audio.duration_s  # noqa: B018 - reads the header
            except OssicleError as error:
                raise DataError(f"{self._path}, line {self._lines[index]}: {error}") from None

    def _turn(self, audio: Audio, pair: Segment) -> tuple[Message, Message]:
        heard: list[str | Audio] = [audio.clip(pair.start_s, pair.end_s)]
        if self._mark:
            heard.insert(0 if self._options.mark_first else 1, self._mark)
        return user(*heard), assistant(pair.text)

    def _read(self, index: int) -> tuple[Audio, list[Segment], dict[str, Any]]:
        """Recording, stretches and ``meta`` of a row."""
        with self._path.open("rb") as file:
            file.seek(self._offsets[index])
            path, pairs, meta = self._parsed(file.readline(), self._lines[index])
        first = self._firsts[index]
        return Audio(path), pairs[first : first + self._counts[index]], meta

    def _parsed(self, line: bytes, number: int) -> tuple[Path, list[Segment], dict[str, Any]]:
        where = f"{self._path}, line {number}"
        row = read_row(line, where)
        pairs = _pairs(row.segments, self._options.pattern, where)
        return self._path.parent / row.audio, pairs, row.meta

    def _cut(self, pairs: list[Segment]) -> Iterator[tuple[int, int, float]]:
        """First pair, number of pairs and seconds of each row."""
        most = self._options.pairs or (1 if self._options.pattern == "repeat" else len(pairs))
        first, total_s = 0, 0.0
        for place, pair in enumerate(pairs):
            length_s = pair.end_s - pair.start_s
            if place > first and (place - first == most or total_s + length_s > self._options.row_s):
                yield first, place - first, total_s
                first, total_s = place, 0.0
            total_s += length_s
        if pairs:
            yield first, len(pairs) - first, total_s


class Transcribed(NamedTuple):
    """A recording and what is said in it."""

    audio: str
    segments: tuple[Segment, ...]
    meta: dict[str, Any]


def read_row(line: str | bytes, where: str) -> Transcribed:
    """One JSON row, its segments in order of time; ``where`` begins the DataError."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON ({error}).") from None
    if not isinstance(row, dict) or not isinstance(row.get("audio"), str) or not isinstance(row.get("segments"), list):
        raise DataError(f'{where}: expected an object with the path of an "audio" and a list of "segments".')
    if unknown := set(row) - {"audio", "segments", "meta"}:
        raise DataError(f"{where}: unknown key {min(unknown)!r}; put what is neither audio nor segment under 'meta'.")
    found = (_segment(segment, where) for segment in row["segments"])
    return Transcribed(row["audio"], tuple(sorted(one for one in found if one.text)), dict(row.get("meta") or {}))


def _segment(segment: Any, where: str) -> Segment:
    given: dict[str, Any] = segment if isinstance(segment, dict) else {}
    start_s, end_s, text = given.get("start"), given.get("end"), given.get("text")
    if not _is_time(start_s) or not _is_time(end_s) or not 0 <= start_s < end_s or not isinstance(text, str):
        raise DataError(f"{where}: a segment has a start, a later end, both in seconds, and a text, not {segment}.")
    return Segment(float(start_s), float(end_s), text.strip())


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pairs(segments: tuple[Segment, ...], pattern: str, where: str) -> list[Segment]:
    """What is heard, with the text that follows it. Raises DataError where one begins with what is to follow it."""
    if pattern == "repeat":
        return list(segments)
    found = []
    for heard, follows in zip(segments[::2], segments[1::2], strict=False):
        # Speakers may overlap: what is to be predicted must not be heard.
        end_s = min(heard.end_s, follows.start_s)
        if end_s <= heard.start_s:
            raise DataError(f"{where}: two segments begin at {heard.start_s:g} s; neither follows the other.")
        found.append(Segment(heard.start_s, end_s, follows.text))
    return found
