"""Files of rows that pyarrow reads: Arrow streams, as ``datasets`` saves them, and Parquet.

Values only: what is opened is kept by this module, so that a source travels to data workers without it.
"""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ossicle.support.errors import DataError
from ossicle.support.extras import require

KEPT_GROUPS = 2
"""Row groups of Parquet files that stay in memory."""


class ArrowFile(NamedTuple):
    """One file, as it was when it was first looked at."""

    path: Path
    version: tuple[int, int]

    @classmethod
    def at(cls, path: Path) -> "ArrowFile":
        """Raises DataError where there is no such file."""
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
        return cls(path, (status.st_size, status.st_mtime_ns))

    @property
    def is_parquet(self) -> bool:
        """By its name."""
        return self.path.suffix == ".parquet"

    @property
    def schema(self) -> Any:
        """Columns and their types."""
        return _parquet(self).schema_arrow if self.is_parquet else _stream(self).schema

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        return int(_parquet(self).metadata.num_rows if self.is_parquet else _stream(self).num_rows)

    def words(self, columns: Sequence[str], row: int) -> dict[str, Any]:
        """Values of some columns, none of them sound; in a Parquet file these are read once and kept."""
        table = _columns(self, tuple(columns)) if self.is_parquet else _stream(self)
        return {name: table.column(name)[row].as_py() for name in columns}

    def sound(self, column: str, row: int) -> Any:
        """The value of a column of sound."""
        with _sentence(self.path):
            if not self.is_parquet:
                return _stream(self).column(column)[row].as_py()
            group, first = self._group(row)
            return _row_group(self, group, column)[row - first].as_py()

    def neighbours(self, row: int) -> range:
        """Rows whose sound is read together with that of ``row``."""
        if not self.is_parquet:
            return range(row, row + 1)
        group, first = self._group(row)
        return range(first, first + _groups(self)[group][0])

    @property
    def row_groups(self) -> tuple[int, ...]:
        """Bytes of each row group of a Parquet file, of which one is read whole to reach any of its rows."""
        return tuple(size for _, size in _groups(self)) if self.is_parquet else ()

    def _group(self, row: int) -> tuple[int, int]:
        """The row group that holds a row, and its first row."""
        first = 0
        for group, (num_rows, _) in enumerate(_groups(self)):
            if row < first + num_rows:
                return group, first
            first += num_rows
        raise IndexError(row)


def features_of(schema: Any) -> Mapping[str, Any]:
    """What ``datasets`` wrote of the columns (its ``_type`` for each); empty for other writers' files."""
    about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features: Mapping[str, Any] = (about.get("info") or {}).get("features") or {}
    return features


@functools.lru_cache(maxsize=1024)
def _stream(file: ArrowFile) -> Any:
    """The table of an Arrow stream, in memory only where it is looked at."""
    pyarrow = pyarrow_for(file.path)
    with _sentence(file.path):
        mapped = pyarrow.memory_map(str(file.path))
        try:
            return pyarrow.ipc.open_stream(mapped).read_all()
        except pyarrow.ArrowInvalid:
            mapped.seek(0)
            return pyarrow.ipc.open_file(mapped).read_all()


@functools.lru_cache(maxsize=1024)
def _parquet(file: ArrowFile) -> Any:
    pyarrow_for(file.path)
    with _sentence(file.path):
        return require("pyarrow.parquet", extra="hf").ParquetFile(file.path, memory_map=True)


@functools.lru_cache(maxsize=1024)
def _columns(file: ArrowFile, columns: tuple[str, ...]) -> Any:
    with _sentence(file.path):
        return _parquet(file).read(columns=list(columns), use_threads=False)


@functools.lru_cache(maxsize=KEPT_GROUPS)
def _row_group(file: ArrowFile, group: int, column: str) -> Any:
    return _parquet(file).read_row_group(group, columns=[column], use_threads=False).column(column)


@functools.lru_cache(maxsize=1024)
def _groups(file: ArrowFile) -> tuple[tuple[int, int], ...]:
    """Rows and bytes of each row group."""
    about = _parquet(file).metadata
    found = [about.row_group(number) for number in range(about.num_row_groups)]
    return tuple((group.num_rows, group.total_byte_size) for group in found)


def pyarrow_for(path: Path) -> Any:
    """The library. Raises MissingExtraError, which names the extra."""
    return require("pyarrow", extra="hf")


@contextmanager
def _sentence(path: Path) -> Iterator[None]:
    """What pyarrow refuses becomes a sentence."""
    pyarrow = pyarrow_for(path)
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        said = str(error).splitlines()[0]
        raise DataError(f"{path}: is damaged, or neither Arrow nor Parquet ({said}); write it again.") from None
