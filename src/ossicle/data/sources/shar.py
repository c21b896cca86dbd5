"""Lhotse Shar folders: cuts in JSON lines, and their recordings in tars of the same order.

    cuts.000000.jsonl.gz, recording.000000.tar, cuts.000001.jsonl.gz, recording.000001.tar, …

Read where they lie, without Lhotse: the cuts and the headers of the tars are read once, then each recording is one seek
away.
"""

import gzip
import json
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

from ossicle.audio import Audio
from ossicle.data.importers.lhotse import supervisions_of, text_of
from ossicle.data.paths import expand
from ossicle.data.source import sources
from ossicle.data.sources._asking import Asking, AskingOptions, Columns
from ossicle.data.sources._tar import Member, members_of
from ossicle.spec import Spec
from ossicle.support.errors import DataError, nearest

_LINES = (".jsonl", ".jsonl.gz")
_SAID = ("speaker", "language", "gender")
_ABSENT = (".nodata", ".nometa")  # the suffixes by which Shar says that a cut has no such thing


class SharOptions(AskingOptions):
    """Which folder, and how cuts become questions and answers."""

    path: str
    """The folder; ``~`` and ``$VARIABLES`` are filled in."""
    field: str = "recording"
    """Which tars hold the recordings: ``recording``, or a field of audio of your own."""
    answer: str = "{text}"
    """Columns are ``id``, ``text`` (the supervisions' texts in order of time), ``speaker``, ``language``, ``gender``,
    the custom values of cut and supervisions, and fields kept as JSON lines."""
    skip_incomplete: bool = False
    """Leave cuts out that have no recording, instead of refusing the folder."""


@sources.register("shar")
class Shar(Asking):
    """The cuts of a Lhotse Shar folder, read in place. Nothing is installed for it.

    Every recording is asked each of ``questions`` (``What is said or heard?``), one per row. They and ``answer`` are
    filled from columns: ``{column}``, or ``{column[0]}`` for the first of a list.

    Raises:
        DataError: a file is missing, compressed, cut off or out of step with the cuts; a cut has no recording.
        SpecError: a template names a column that is not there.
    """

    Options: ClassVar[type[Spec]] = SharOptions

    def __init__(self, options: SharOptions) -> None:
        folder = expand(options.path)
        self._options = options
        self._tars: list[Path] = []
        self._firsts = array("q")  # the number of each tar's first recording
        self._recordings: list[Member] = []
        self._said: list[bytes] = []  # columns as JSON, which is smaller than objects
        self._spans: dict[int, tuple[float, float]] = {}
        for cuts, tar, fields in _shards(folder, options.field):
            self._firsts.append(len(self._recordings))
            self._tars.append(tar)
            self._read(cuts, tar, fields)
        super().__init__(options, str(folder), len(self._recordings))

    def columns(self, at: int) -> Columns:
        """What the cut and its supervisions say."""
        found: dict[str, Any] = json.loads(self._said[at])
        return found

    def audio(self, at: int) -> Audio:
        """The cut's recording, where it lies in its tar."""
        name, offset, num_bytes = self._recordings[at]
        audio = Audio.from_part(self._tar_of(at), offset, num_bytes, name=name)
        return audio.clip(*self._spans[at]) if at in self._spans else audio

    def place(self, at: int) -> str:
        """Tar and name."""
        return f"{self._tar_of(at)}/{self._recordings[at].name}"

    def _tar_of(self, at: int) -> Path:
        return self._tars[bisect_right(self._firsts, at) - 1]

    def _read(self, cuts: Path, tar: Path, fields: dict[str, Path]) -> None:
        """Take in one shard: its cuts, where their recordings lie, and what its other fields say of them."""
        columns = [_lines(path) for path in fields.values()]
        for number, (cut, recording, *values) in enumerate(zip_longest(_lines(cuts), _recordings(tar), *columns), 1):
            where = f"{cuts}, line {number}"
            if cut is None or recording is None or None in values:
                raise DataError(f"{where}: cuts, recordings and fields are not equally many; write the folder again.")
            name = recording.name.rpartition(".")[0]
            if any(name != other for other in (cut.get("id"), *(value.get("cut_id") for value in values))):
                raise DataError(f"{where}: is the cut {cut.get('id')!r}, but {tar.name} has {recording.name} there.")
            if recording.name.endswith(_ABSENT):
                if self._options.skip_incomplete:
                    continue
                raise DataError(
                    f"{where}: the cut {name!r} has no {self._options.field}; leave such cuts out with "
                    "skip_incomplete: true."
                )
            span = _span(cut, self._options.field, where)
            if span is not None:
                self._spans[len(self._recordings)] = span
            given = {field: value[field] for field, value in zip(fields, values, strict=True) if field in value}
            self._recordings.append(recording)
            self._said.append(json.dumps({**_columns(cut), **given}, ensure_ascii=False).encode())


def _columns(cut: dict[str, Any]) -> dict[str, Any]:
    """The words of a cut: custom values first, so that none hides a column that every cut has."""
    said = supervisions_of(cut)
    found: dict[str, Any] = {}
    for one in (cut, *(cut.get("supervisions") or ())):
        custom = one.get("custom") or {}
        found |= {key: value for key, value in custom.items() if isinstance(value, str | int | float)}
    for key in _SAID:
        if values := dict.fromkeys(one[key] for one in said if one.get(key)):
            found[key] = ", ".join(map(str, values))
    return {**found, "id": cut["id"], "text": text_of(said)}


def _span(cut: dict[str, Any], field: str, where: str) -> tuple[float, float] | None:
    """The part of its recording that the cut is, in seconds; None for all of it. Raises DataError."""
    recording = cut.get("recording") or {}
    held, taken = recording.get("channel_ids"), cut.get("channel")
    if cut.get("type") not in ("MonoCut", "MultiCut", None):
        raise DataError(f"{where}: is a {cut['type']}, which is put together as it is read; save its audio first.")
    if field == "recording" and None not in (held, taken) and held != (taken if isinstance(taken, list) else [taken]):
        raise DataError(f"{where}: takes channel {taken} of a recording that has {held}; write the folder again.")
    start, duration = cut.get("start", 0.0), cut.get("duration")
    if not isinstance(start, int | float) or not isinstance(duration, int | float):
        raise DataError(f"{where}: a cut needs 'start' and 'duration' in seconds.")
    whole = start == 0 and (field != "recording" or duration == recording.get("duration", duration))
    return None if whole else (float(start), float(start + duration))


def _recordings(tar: Path) -> Iterator[Member]:
    """The recordings of a Shar tar: of its members, which come in pairs, the first. Raises DataError."""
    members = members_of(tar)
    for data in members:
        name, _, suffix = data.name.rpartition(".")
        about = next(members, None)
        if about is None or about.name != f"{name}.{'nometa' if suffix == 'nodata' else 'json'}":
            raise DataError(f"{tar}: {data.name} has no {name}.json behind it; write the folder again.")
        yield data


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file. Raises DataError."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise DataError(f"{path}, line {number}: should be a JSON object.")
                    yield row
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read to its end ({error}); copy it again.") from None
    except ValueError as error:
        raise DataError(f"{path}, line {number}: is not valid JSON ({error}).") from None


def _shards(folder: Path, field: str) -> Iterator[tuple[Path, Path, dict[str, Path]]]:
    """Cuts, recordings, and other fields of JSON lines by name, shard by shard. Raises DataError."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; check the path of this source.")
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    cuts = _by_shard(files, "cuts", _LINES)
    if not cuts:
        raise DataError(f"{folder}: has no cuts.000000.jsonl.gz; is it a Lhotse Shar folder?")
    tars = _by_shard(files, field, (".tar",))
    names = sorted({file.name.partition(".")[0] for file in files})
    if not tars:
        known = [name for name in names if _by_shard(files, name, (".tar",))]
        raise DataError(
            f"{folder}: has no tars of the field {field!r}.{nearest(field, known)} It has {', '.join(known) or 'none'}."
        )
    fields = {name: _by_shard(files, name, _LINES) for name in names if name != "cuts"}
    for shard, file in cuts.items():
        if shard not in tars:
            raise DataError(f"{file}: has no {field}{shard}.tar beside it; copy the folder again.")
        if lacking := [name for name, those in fields.items() if those and shard not in those]:
            raise DataError(f"{file}: has no {lacking[0]}{shard}.jsonl.gz beside it; copy the folder again.")
        yield file, tars[shard], {name: those[shard] for name, those in fields.items() if those}


def _by_shard(files: Sequence[Path], field: str, endings: tuple[str, ...]) -> dict[str, Path]:
    """The files of a field by what stands between its name and their ending, such as ``.000000``."""
    found = {}
    for file in files:
        for ending in endings:
            middle = file.name.removeprefix(field).removesuffix(ending)
            if file.name == f"{field}{middle}{ending}" and (not middle or middle.startswith(".")):
                found[middle] = file
    return found
