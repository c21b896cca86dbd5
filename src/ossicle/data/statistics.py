"""What a data set holds: rows, sound, replies."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from ossicle.audio import Audio
from ossicle.data.halves import is_taught
from ossicle.data.source import Source
from ossicle.support.errors import DataError
from ossicle.support.progress import Progress

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


class Statistics(NamedTuple):
    """Of all rows of a finite source."""

    rows: int
    recordings: int
    seconds: float
    """Of all recordings, each counted once."""
    durations_s: np.ndarray
    """Of each recording."""
    reply_words: np.ndarray
    """Of each reply."""
    replies: Counter[str]
    sample_rates: Counter[int]
    channels: Counter[int]

    def summary(self) -> dict[str, object]:
        """As JSON: counts, quantiles (least, 5%, median, 95%, most), and the commonest replies."""
        return {
            "rows": self.rows,
            "recordings": self.recordings,
            "hours": round(self.seconds / 3600, 4),
            "duration_s": _quantiles(self.durations_s),
            "reply_words": _quantiles(self.reply_words),
            "different_replies": len(self.replies),
            "commonest_replies": dict(self.replies.most_common(10)),
            "sample_rates": dict(self.sample_rates.most_common()),
            "channels": dict(self.channels.most_common()),
        }


def statistics_of(source: Source, progress: Progress) -> Statistics:
    """Read every row and every header.

    Raises:
        DataError, AudioError: a row or recording that cannot be read; a source without end.
    """
    if source.num_rows is None:
        raise DataError("this source makes rows without end; only finite ones can be counted.")
    audios: dict[str, Audio] = {}
    replies: Counter[str] = Counter()
    words, rows = [], 0
    for index in range(source.num_rows):
        for chat in source.rows(index):
            if not is_taught(chat.meta):
                continue
            rows += 1
            audios |= {audio.digest: audio for audio in chat.audios}
            for message in chat.messages:
                if message.role == "assistant":
                    text = " ".join(part for part in message.parts if isinstance(part, str))
                    replies[text] += 1
                    words.append(len(text.split()))
        progress.advance()
    durations_s = np.array([audio.duration_s for audio in audios.values()])
    return Statistics(
        rows,
        len(audios),
        float(durations_s.sum()),
        durations_s,
        np.array(words, dtype=np.int64),
        replies,
        Counter(audio.sample_rate for audio in audios.values()),
        Counter(audio.num_channels for audio in audios.values()),
    )


def _quantiles(values: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in np.quantile(values, QUANTILES)] if len(values) else []
