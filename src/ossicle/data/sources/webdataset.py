"""WebDataset tars: what belongs together has one name, and its suffix says what it is.

    shard-000.tar: a/door.flac, a/door.txt, a/door.json, b/dog.flac, …

Read where they lie: the headers are read once, then each recording and its words are one seek away. Order does not
matter, but all members of a sample lie in one tar.
"""

import json
import re
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ossicle.audio import Audio
from ossicle.data.paths import expand
from ossicle.data.source import sources
from ossicle.data.sources._asking import Asking, AskingOptions, Columns, wanted_columns
from ossicle.data.sources._tar import members_of, read_member, shards
from ossicle.data.sources.folder import _SUFFIXES
from ossicle.spec import Spec
from ossicle.support.errors import DataError, SpecError

_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)")  # WebDataset's own rule
_LARGEST_TEXT = 1 << 16  # bytes; longer members are features or pictures


class WebDatasetOptions(AskingOptions):
    """Which tars, and how their members become questions and answers."""

    path: str
    """A tar, a folder of tars, or a pattern (``shards/train-*.tar``, ``train-{000..146}.tar``); ``~`` and
    ``$VARIABLES`` are filled in."""
    audio: str | None = None
    """Suffix of the recordings, such as ``left.flac``; by default any audio format's."""
    answer: str = "{txt}"
    """Columns are the keys of a sample's ``json``, and its other members of text by their suffixes."""
    skip_incomplete: bool = False
    """Leave samples out that lack their recording or a member that a template names, instead of refusing the tar."""


class _Sample(NamedTuple):
    shard: int
    key: str
    members: dict[str, tuple[int, int]]
    """Suffix → offset and number of bytes."""


@sources.register("webdataset")
class WebDataset(Asking):
    """The samples of WebDataset tars, read in place. Nothing is installed for it.

    Every recording is asked each of ``questions`` (``What is said or heard?``), one per row. They and ``answer`` are
    filled from columns: ``{column}``, or ``{column[0]}`` for the first of a list.

    Raises:
        DataError: a tar is missing, compressed, cut off or empty; a sample lacks a member, or has one twice.
        SpecError: a template names a column that is not there.
    """

    Options: ClassVar[type[Spec]] = WebDatasetOptions

    def __init__(self, options: WebDatasetOptions) -> None:
        self._options = options
        self._shards = shards(options.path, expand(options.path))
        self._index = _Index()
        for number, shard in enumerate(self._shards):
            for key, members in _samples(shard).items():
                self._index.add(_Sample(number, key, members))
        self._kept = array("q")
        partners = self._partners(wanted_columns(options, options.path))
        for number in range(len(self._index)):
            sample = self._index[number]
            lack = self._lack(sample, partners)
            if lack is None:
                self._kept.append(number)
            elif not options.skip_incomplete:
                raise DataError(
                    f"{self._shards[sample.shard]}/{sample.key}: has no {lack} beside its {', '.join(sample.members)}; "
                    "add it, or leave such samples out with skip_incomplete: true."
                )
        super().__init__(options, options.path, len(self._kept))

    def columns(self, at: int) -> Columns:
        """The keys of the sample's ``json``, and its texts by their suffixes."""
        sample = self._index[self._kept[at]]
        recording = self._recording(sample)
        found: dict[str, Any] = {}
        texts: dict[str, Any] = {"key": sample.key}
        for suffix, (offset, num_bytes) in sample.members.items():
            if suffix == recording or num_bytes > _LARGEST_TEXT:
                continue
            data = read_member(self._shards[sample.shard], offset, num_bytes)
            if suffix == "json":
                found.update(self._object(data, at))
            elif (text := _text(data)) is not None:
                texts[suffix] = text
        return {**found, **texts}

    def audio(self, at: int) -> Audio:
        """The recording, where it lies in its tar."""
        sample = self._index[self._kept[at]]
        suffix = self._recording(sample)
        assert suffix is not None, "incomplete samples were left out"
        return Audio.from_part(self._shards[sample.shard], *sample.members[suffix], name=f"{sample.key}.{suffix}")

    def place(self, at: int) -> str:
        """Tar and name."""
        sample = self._index[self._kept[at]]
        return f"{self._shards[sample.shard]}/{sample.key}"

    def _partners(self, wanted: Sequence[str]) -> list[str]:
        """Suffixes that a sample needs beside its recording, so that the templates' columns can be there."""
        partners = [name for name in wanted if name in self._index.suffixes]
        if "json" in self._index.suffixes and set(wanted) - {"key", *partners}:
            partners.append("json")
        return partners

    def _recording(self, sample: _Sample) -> str | None:
        """The suffix of the sample's recording."""
        if self._options.audio is not None:
            return self._options.audio if self._options.audio in sample.members else None
        found = [suffix for suffix in sample.members if f".{suffix.rpartition('.')[2]}" in _SUFFIXES]
        if len(found) > 1:
            raise SpecError(
                f"{self._shards[sample.shard]}/{sample.key}: has {len(found)} recordings; say which with "
                f"audio: {' or '.join(found)}."
            )
        return found[0] if found else None

    def _lack(self, sample: _Sample, partners: Sequence[str]) -> str | None:
        """What the sample is incomplete without."""
        if self._recording(sample) is None:
            return self._options.audio or "recording"
        return next((name for name in partners if name not in sample.members), None)

    def _object(self, data: bytes, at: int) -> Mapping[str, Any]:
        try:
            found = json.loads(data)
        except ValueError as error:
            raise DataError(f"{self.place(at)}.json: is not valid JSON ({error}).") from None
        return found if isinstance(found, dict) else {"json": found}


class _Index:
    """Samples packed into arrays: some 40 bytes each, and their names."""

    def __init__(self) -> None:
        self.suffixes: list[str] = []
        self._number_of: dict[str, int] = {}
        self._keys: list[str] = []
        self._shards = array("l")
        self._ends = array("q", [0])
        self._suffixes, self._offsets, self._sizes = array("l"), array("q"), array("q")

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, sample: _Sample) -> None:
        """Append one."""
        self._keys.append(sample.key)
        self._shards.append(sample.shard)
        for suffix, (offset, num_bytes) in sample.members.items():
            if suffix not in self._number_of:
                self._number_of[suffix] = len(self.suffixes)
                self.suffixes.append(suffix)
            self._suffixes.append(self._number_of[suffix])
            self._offsets.append(offset)
            self._sizes.append(num_bytes)
        self._ends.append(len(self._offsets))

    def __getitem__(self, number: int) -> _Sample:
        where = range(self._ends[number], self._ends[number + 1])
        members = {self.suffixes[self._suffixes[n]]: (self._offsets[n], self._sizes[n]) for n in where}
        return _Sample(self._shards[number], self._keys[number], members)


def _samples(shard: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Key → suffix → place, in the order of the tar. Raises DataError."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for member in members_of(shard):
        named = _NAME.fullmatch(member.name)
        if named is None:
            continue
        members, suffix = found.setdefault(named[1], {}), named[2].lower()
        if suffix in members:
            raise DataError(f"{shard}: holds {member.name} twice; write each sample once.")
        members[suffix] = (member.offset, member.num_bytes)
    return found


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
