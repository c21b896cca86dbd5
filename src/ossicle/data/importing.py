"""A file of somebody's rows → a file of ours, complete or absent."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ossicle.data.importers.base import Importer, Json, importers
from ossicle.data.sources.conversations import read_rows
from ossicle.support.errors import DataError, OssicleError, RegistryError
from ossicle.support.files import atomic_write
from ossicle.support.progress import progress

QUESTION = "What is said or heard?"


class Imported(NamedTuple):
    """What was made of a file."""

    type_name: str
    rows: int
    skipped: tuple[str, ...]
    """Why each row that was left out was."""


def convert(
    file: str | Path,
    out: str | Path,
    *,
    type_name: str | None = None,
    audio_root: str | Path | None = None,
    question: str = QUESTION,
    skip: bool = False,
    quiet: bool = False,
) -> Imported:
    """Make conversations of a JSON or JSON-lines file (``.gz`` too).

    Args:
        file: theirs.
        out: ours, which the source ``conversations`` reads.
        type_name: of the format; by default the one that recognises the first row.
        audio_root: folder to which relative paths of recordings belong; by default that of ``file``.
        question: asked where a row asks nothing itself (``slam``, ``lhotse``).
        skip: leave rows out that cannot be used, instead of refusing the file.
        quiet: show no progress.

    Raises:
        DataError: a row that cannot be used, by its number; a format that nobody recognises; nothing is left.
    """
    file, out = Path(file), Path(out)
    root = file.parent if audio_root is None else Path(audio_root)
    importer: Importer | None = importers.get(type_name)() if type_name else None
    skipped: list[str] = []
    count = 0
    with atomic_write(out) as temporary, Path(temporary).open("w", encoding="utf-8") as written:
        with progress(None, "rows", f"import {file.name}", quiet=quiet) as bar:
            for number, theirs in _read(file):
                where = f"{file}, row {number}"
                importer = importer or _recognised(theirs, where)
                try:
                    ours = _placed(importer.row(theirs, question), root, out.parent)
                    line = json.dumps(ours, ensure_ascii=False)
                    read_rows(line, where, out.parent)
                except OssicleError as error:
                    said = str(error) if str(error).startswith(where) else f"{where}: {error}"
                    if not skip:
                        raise DataError(said) from None
                    skipped.append(said)
                    continue
                written.write(line + "\n")
                count += 1
                bar.advance()
        if importer is None or not count:
            raise DataError(f"{file}: no row could be used" + (f"; the first: {skipped[0]}" if skipped else "."))
    return Imported(importer.type_name, count, tuple(skipped))


def _read(file: Path) -> Iterator[tuple[int, Json]]:
    """Rows with their numbers from 1: of a JSON list, or one a line."""
    opened: Any = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8") as text:
            first = text.read(1)
            while first.isspace():
                first = text.read(1)
            text.seek(0)
            if first == "[":
                rows: Any = json.load(text)
            else:
                rows = (json.loads(line) for line in text if line.strip())
            for number, row in enumerate(rows, 1):
                if not isinstance(row, dict):
                    raise DataError(f"{file}, row {number}: should be a JSON object.")
                yield number, row
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from None
    except EOFError:
        raise DataError(f"{file}: ends in the middle; was it written to its end?") from None
    except UnicodeDecodeError:
        raise DataError(f"{file}: is no text in UTF-8.") from None
    except ValueError as error:
        raise DataError(f"{file}: is not valid JSON ({error}).") from None


def _recognised(row: Json, where: str) -> Importer:
    broken = ""
    for name in importers.names():
        try:
            cls = importers.get(name)
        except RegistryError as error:
            broken += f" Not asked: {error}"
            continue
        if cls.recognises(row):
            return cls()
    known = ", ".join(importers.names())
    raise DataError(f"{where}: no format recognises a row with the keys {', '.join(row)}; name one of {known}.{broken}")


def _placed(row: Json, root: Path, home: Path) -> Json:
    """The row with its recordings' paths relative to ``home``, where our file will be. Raises DataError."""
    for message in row["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] != "audio":
                continue
            path = Path(part["path"])
            path = path if path.is_absolute() else root / path
            if not path.is_file():
                raise DataError(f"there is no recording {path}; say where they lie with --audio-root.")
            part["path"] = path.resolve().as_posix()
            if path.resolve().is_relative_to(home.resolve()):
                part["path"] = os.path.relpath(path.resolve(), home.resolve()).replace(os.sep, "/")
    return row
