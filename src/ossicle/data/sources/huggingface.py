"""Data sets of Hugging Face on disk: folders of ``Dataset.save_to_disk``, and Parquet or Arrow files."""

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

from ossicle.audio import Audio
from ossicle.data.paths import expand
from ossicle.data.source import sources
from ossicle.data.sources._arrow import KEPT_GROUPS, ArrowFile, features_of
from ossicle.data.sources._asking import Asking, AskingOptions, Columns, wanted_columns
from ossicle.spec import Spec
from ossicle.support.errors import DataError, OssicleError, SpecError, nearest

_LARGEST_GROUP = 1 << 29  # bytes
_SOUND = re.compile(r"(\w+): (?:large_)?(?:binary|string)")
_WORDS = re.compile(r"(large_)?string|bool|u?int\d+|float|double|halffloat")


class HuggingFaceOptions(AskingOptions):
    """Which data set, and how its columns become questions and answers."""

    path: str
    """A folder of ``save_to_disk``, a folder of Parquet files, or one Parquet or Arrow file; ``~`` and ``$VARIABLES``
    are filled in."""
    split: str | None = "train"
    """Which split, where the folder has several; null for all Parquet files."""
    audio: str | None = None
    """Which column is the sound; by default the only one that is."""
    answer: str = "{text}"
    """Columns are those of the table."""


@sources.register("huggingface")
class HuggingFace(Asking):
    """The rows of a data set of Hugging Face, read in place by pyarrow (extra ``hf``).

    Class labels are given by their names. Sound is what the column ``audio`` holds, or the file that it names.

    Every recording is asked each of ``questions`` (``What is said or heard?``), one per row. They and ``answer`` are
    filled from columns: ``{column}``, or ``{column[0]}`` for the first of a list.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataError: no such file, split or column of sound; a file that is damaged, or whose row groups are too large.
        SpecError: a template names a column that is not there.
    """

    Options: ClassVar[type[Spec]] = HuggingFaceOptions

    def __init__(self, options: HuggingFaceOptions) -> None:
        self._path = expand(options.path)
        self._files = [ArrowFile.at(file) for file in _files(self._path, options.split)]
        self._ends = list(accumulate(file.num_rows for file in self._files))
        self._check_groups()
        schema = self._files[0].schema
        for file in self._files:
            if file.schema.names != schema.names:
                raise DataError(f"{file.path}: has other columns than {self._files[0].path}; read them as two sources.")
        self._audio = self._column_of_sound(schema, options.audio)
        wanted = wanted_columns(options, str(self._path))
        self._words = [
            field.name
            for field in schema
            if field.name != self._audio and (field.name in wanted or _WORDS.fullmatch(str(field.type)))
        ]
        self._names = {name: one["names"] for name, one in features_of(schema).items() if _type_of(one) == "ClassLabel"}
        super().__init__(options, str(self._path), self._ends[-1])

    def columns(self, at: int) -> Columns:
        """The columns of words and numbers, and others that a template names."""
        file, row = self._where(at)
        found = file.words(self._words, row)
        for name, names in self._names.items():
            if isinstance(found.get(name), int):
                found[name] = names[found[name]] if 0 <= found[name] < len(names) else None
        return found

    def audio(self, at: int) -> Audio:
        """The sound of a row: bytes of the file, or a file beside it."""
        file, row = self._where(at)
        held = file.sound(self._audio, row)
        held = held if isinstance(held, Mapping) else {"bytes": held} if isinstance(held, bytes) else {"path": held}
        if held.get("bytes"):
            return Audio.from_bytes(held["bytes"], name=held.get("path") or f"row {at}")
        path = held.get("path")
        if not path or "://" in path:
            raise DataError(f"{self.place(at)}: holds no sound, only {path!r}; save the data set with its sound.")
        return Audio(file.path.parent / path)

    def place(self, at: int) -> str:
        """Data set and number of the row, as ``datasets`` counts them."""
        return f"{self._path}, row {at}"

    def durations(self, at: int) -> Mapping[int, float]:
        """Of all rows of the same Parquet row group, as one is read only with the others."""
        file, row = self._where(at)
        if len(file.neighbours(row)) == 1:
            return super().durations(at)
        found: dict[int, float] = {}
        for other in file.neighbours(row):
            try:
                found |= super().durations(at - row + other)
            except OssicleError:
                if other == row:
                    raise
        return found

    def _check_groups(self) -> None:
        groups = [(size, file) for file in self._files for size in file.row_groups]
        size, file = max(groups, default=(0, None))
        if file is not None and size > _LARGEST_GROUP and len(groups) > KEPT_GROUPS:
            raise DataError(
                f"{file.path}: has a row group of {size >> 20:,} MB, all of which must be read to reach one row: write "
                "it with fewer rows a group, or load it with datasets and save_to_disk it."
            )

    def _where(self, at: int) -> tuple[ArrowFile, int]:
        number = bisect_right(self._ends, at)
        return self._files[number], at - (self._ends[number - 1] if number else 0)

    def _column_of_sound(self, schema: Any, named: str | None) -> str:
        """The column called so, or the only one of sound."""
        if named is not None:
            if named not in schema.names:
                known = ", ".join(schema.names)
                raise SpecError(
                    f"{self._path}: there is no column {named!r}.{nearest(named, schema.names)} Known: {known}."
                )
            return named
        told = [name for name, feature in features_of(schema).items() if _type_of(feature) == "Audio"]
        found = told or [one.name for one in schema if set(_SOUND.findall(str(one.type))) == {"bytes", "path"}]
        if len(found) != 1:
            said = f"columns of sound are {', '.join(found)}" if found else "no column is known to be sound"
            raise SpecError(f"{self._path}: {said}; say which with audio: NAME, of {', '.join(schema.names)}.")
        return found[0]


def _type_of(feature: Any) -> str | None:
    return feature.get("_type") if isinstance(feature, Mapping) else None


def _files(path: Path, split: str | None) -> list[Path]:
    """The files of rows, in order. Raises DataError."""
    if not path.is_dir():
        return [path]
    if (path / "dataset_dict.json").is_file():
        splits = _json(path / "dataset_dict.json").get("splits") or []
        if split not in splits:
            raise DataError(
                f"{path}: there is no split {split!r}.{nearest(split or '', splits)} Known: {', '.join(splits)}."
            )
        path = path / str(split)
    if (path / "state.json").is_file():
        state = _json(path / "state.json")
        if state.get("_indices_data_files"):
            raise DataError(f"{path}: is a selection as old versions of datasets kept it; load it and save it again.")
        return [path / file["filename"] for file in state.get("_data_files") or ()]
    files = sorted(path.rglob("*.parquet"))
    if not files:
        raise DataError(f"{path}: has neither a state.json (of save_to_disk) nor Parquet files.")
    if split is None:
        return files
    word = re.compile(rf"(?<![a-z0-9]){re.escape(split)}(?![a-z0-9])", re.IGNORECASE)
    named = [file for file in files if word.search(str(file.relative_to(path)))]
    if not named:
        raise DataError(
            f"{path}: no Parquet file is named after the split {split!r} (the first is {files[0].relative_to(path)}); "
            "for all files, say split: null."
        )
    return named


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from None
    return found
