"""What libsndfile doesn't get right about Ogg: the last page, and recordings chained in one file."""

import itertools
from typing import BinaryIO, NamedTuple

_LARGEST_PAGE = 65307  # bytes; RFC 3533


class Page(NamedTuple):
    """The header of a page: a stretch of one stream."""

    begins_stream: bool
    granule: int  # samples finished at its end; -1 if none is
    serial: int  # the number of its stream


def is_chained(file: BinaryIO) -> bool:
    """True if streams begin after others have ended: libsndfile would stop where the first ends."""
    known = {page.serial for page in itertools.takewhile(lambda page: page.begins_stream, first_pages(file))}
    return any(page.serial not in known for page in last_pages(file))


def seekable_until(file: BinaryIO) -> int:
    """The sample before which seeking is right; libsndfile mistakes the place of samples in the last page.

    A last page may say that it ends before its last packet does (that is how an end is exact), and the place of
    the packets in it is counted back from there.
    """
    pages = [page.granule for page in last_pages(file) if page.granule >= 0]
    return pages[-2] if len(pages) > 1 else 0


def first_pages(file: BinaryIO) -> list[Page]:
    """The pages that begin in the first 64 kB."""
    file.seek(0)
    return _pages(file.read(_LARGEST_PAGE))


def last_pages(file: BinaryIO) -> list[Page]:
    """The last pages, at least two of them if there are two."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 3 * _LARGEST_PAGE))
    return _pages(file.read())


def _pages(data: bytes) -> list[Page]:
    pages, at = [], data.find(b"OggS\0")
    while 0 <= at <= len(data) - 27:
        granule = int.from_bytes(data[at + 6 : at + 14], "little", signed=True)
        pages.append(Page(bool(data[at + 5] & 2), granule, int.from_bytes(data[at + 14 : at + 18], "little")))
        at = data.find(b"OggS\0", at + 27)
    return pages
