"""What lies where in a tar, found by its headers alone, so that any member is one seek and one read away."""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ossicle.support.errors import DataError

_COMPRESSED = ((b"\x1f\x8b", "gunzip"), (b"BZh", "bunzip2"), (b"\xfd7zXZ", "unxz"), (b"\x28\xb5\x2f\xfd", "unzstd"))


class Member(NamedTuple):
    """A file inside a tar: its name, and where its bytes lie."""

    name: str
    offset: int
    num_bytes: int


def members_of(path: Path) -> Iterator[Member]:
    """The files inside an uncompressed tar, in order.

    Raises:
        DataError: it cannot be read, is compressed, is no tar, or is cut off.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
            for magic, program in _COMPRESSED:
                if head.startswith(magic):
                    raise DataError(
                        f"{path}: is compressed, so that no recording can be reached without all before it: unpack it "
                        f"to a plain tar first ({program})."
                    )
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                while (info := tar.next()) is not None:
                    if info.isreg() and not info.issparse():
                        yield Member(info.name, info.offset_data, info.size)
                    tar.members = []  # type: ignore[attr-defined]  # it would keep them all
                file.seek(tar.offset)
                if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise DataError(f"{path}: has no end after {tar.offset:,} bytes; copy it, or write it to its end.")
    except tarfile.TarError as error:
        raise DataError(f"{path}: cannot be read as a tar ({error}); copy or write it again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


def read_member(path: Path, offset: int, num_bytes: int) -> bytes:
    """The bytes of a member.

    Raises:
        DataError: the tar cannot be read any more, or is shorter than it was.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(num_bytes)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
    if len(data) != num_bytes:
        raise DataError(f"{path}: is shorter than when it was opened; copy it again.")
    return data


def shards(pattern: str, path: Path) -> list[Path]:
    """The tars that a recipe names, in order: one file, all of a folder, or a pattern.

    Args:
        pattern: as it was written, for errors.
        path: the same, filled in; ``*``, ``?`` and ``{000..146}`` are understood.

    Raises:
        DataError: there is none, or a number of a range is missing.
    """
    ranged = _ranged(str(path))
    if len(ranged) > 1:
        files = [Path(one) for one in ranged]
    elif path.is_dir():
        files = sorted(path.glob("*.tar"))
    elif re.search(r"[*?\[]", str(path)) and not path.exists():
        files = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    else:
        files = [path]
    if not files:
        raise DataError(f"{pattern}: there is no tar; check the path of this source.")
    for file in files:
        if not file.is_file():
            raise DataError(f"{file}: there is no such file; check the path of this source.")
    return files


def _ranged(path: str) -> list[str]:
    """``a{08..10}.tar`` → ``a08.tar``, ``a09.tar``, ``a10.tar``."""
    found = re.search(r"\{(\d+)\.\.(\d+)\}", path)
    if found is None:
        return [path]
    first, last = found[1], found[2]
    numbers = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return [one for number in numbers for one in _ranged(path[: found.start()] + number + path[found.end() :])]
