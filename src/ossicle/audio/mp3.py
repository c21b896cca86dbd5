"""What an mp3 file says about its length, and whether that is true.

libsndfile believes the frame count in an mp3's Xing/Info frame or, without one, guesses from the file's size;
it then stops reading there, so a wrong count loses sound without a word. Counting the frames takes a
millisecond per minute and tells whether the count can be believed.
"""

from typing import BinaryIO

_BITRATES_KBPS = {  # (version is MPEG-1, layer) -> by index; ISO 11172-3 and 13818-3
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits
_SEARCH = 1 << 16  # how far the first frame may lie behind tags and junk


def count_is_true(file: BinaryIO) -> bool:
    """True if the file states how many frames it has and has that many.

    Args:
        file: the whole mp3, a real file or one in memory.
    """
    first = first_frame(file)
    stated = _stated_count(file, first)
    return stated is not None and stated == _walk(file, first + _frame_length(file, first))[0]


def first_frame(file: BinaryIO) -> int:
    """Where the first frame begins that another (or the end) follows; the file's length if none does."""
    position, size = _tag_length(file), _size(file)
    for offset in range(position, min(position + _SEARCH, size)):
        length = _frame_length(file, offset)
        if length and (offset + length >= size or _frame_length(file, offset + length)):
            return offset
    return size


class Endless:
    """An mp3 without its own statement of length, that claims to be huge, so that all of it is decoded.

    libsndfile asks for the length (seek to the end, tell) and guesses the number of frames from it.
    """

    _FACTOR = 1000

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        first = first_frame(file)
        self._start = first if _stated_count(file, first) is None else first + _frame_length(file, first)
        end = _walk(file, self._start)[1]
        broken_end = _frame_length(file, end) > 0  # libmpg123 calls half a frame at the end an error
        self._length = (end if broken_end else _size(file)) - self._start
        self._position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's."""
        base = (0, self._position, self._length * self._FACTOR)[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """As a file's."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """As a file's; empty where the claim exceeds the truth."""
        if self._position >= self._length * self._FACTOR - 128:
            return bytes(128)[:size]  # libmpg123 gives up if it cannot look for an ID3v1 tag there
        if self._position >= self._length:
            return b""
        self._file.seek(self._start + self._position)
        data = self._file.read(size)
        self._position += len(data)
        return data


def _bytes_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Some bytes; cheap, as Python's files keep their buffer when they are moved within it."""
    file.seek(offset)
    return file.read(size)


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _tag_length(file: BinaryIO) -> int:
    """Bytes taken by ID3v2 tags at the front (each with its length in seven-bit bytes)."""
    end = 0
    while (header := _bytes_at(file, end, 10))[:3] == b"ID3" and len(header) == 10:
        a, b, c, d = header[6:]
        end += 10 + (a << 21 | b << 14 | c << 7 | d)
    return end


def _frame_length(file: BinaryIO, offset: int) -> int:
    """Bytes of the frame whose header stands at ``offset``; 0 if none does."""
    header = _bytes_at(file, offset, 4)
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate_index, rate_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or rate_index == 3 or bitrate_index in (0, 15):
        return 0
    bits_per_s = _BITRATES_KBPS[version == 3, layer][bitrate_index] * 1000
    rate = _RATES_HZ[version][rate_index]
    if layer == 1:
        return (12 * bits_per_s // rate + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits_per_s // rate + padding


def _stated_count(file: BinaryIO, first: int) -> int | None:
    """The number of frames that the Xing or Info frame at ``first`` promises to follow it."""
    header = _bytes_at(file, first, 4)
    if len(header) < 4:
        return None
    is_mpeg1, is_mono = header[1] >> 3 & 3 == 3, header[3] >> 6 == 3
    side = (17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17)
    tag = _bytes_at(file, first + 4 + side, 12)
    if tag[:4] not in (b"Xing", b"Info") or not int.from_bytes(tag[4:8], "big") & 1:
        return None
    return int.from_bytes(tag[8:12], "big")


def _walk(file: BinaryIO, offset: int) -> tuple[int, int]:
    """How many whole frames follow one another from ``offset``, and where they end."""
    count, size = 0, _size(file)
    while (length := _frame_length(file, offset)) and offset + length <= size:
        offset, count = offset + length, count + 1
    return count, offset
