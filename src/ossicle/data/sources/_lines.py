"""The lines of a JSONL file, and where each begins."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ossicle.support.errors import DataError


class Line(NamedTuple):
    """A line that is not blank: its number, from 1, and the byte at which it begins."""

    number: int
    offset: int
    data: bytes


def lines_of(path: Path) -> Iterator[Line]:
    """Every line that is not blank. Raises DataError where the file cannot be read."""
    try:
        with path.open("rb") as file:
            offset = 0
            for number, data in enumerate(file, 1):
                if data.strip():
                    yield Line(number, offset, data)
                offset += len(data)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check data.path.") from None
