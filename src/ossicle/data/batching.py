"""Batches by seconds of audio: which rows go together, as a pure function of the seed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ossicle.data.keys import key_of, shuffled
from ossicle.data.mixture import Mixture

_FILL = 0.95  # of seconds_per_batch, on average: rows don't fit together exactly


class Position(NamedTuple):
    """The next batch: number ``batch`` of chunk ``chunk``. The whole state of a stream of batches."""

    chunk: int = 0
    batch: int = 0


class PlannedBatch(NamedTuple):
    """Rows of the stream that form one batch."""

    rows: tuple[int, ...]
    seconds: float
    """Audio in it, s."""
    after: Position
    """Where the stream goes on once this batch was used."""


@dataclass(frozen=True)
class BatchPlan:
    """Cuts a mixture's stream into batches.

    ``chunk_rows`` rows at a time are put in order of length (by third of an octave; within one the order is the
    mixture's, so that rows of one source don't gather because they happen to be equally long), cut into batches of
    about equal seconds, none with more than ``seconds_per_batch`` (a longer row goes alone), and the batches shuffled.

    Args:
        mixture: the rows.
        seconds_per_batch: most audio in one batch, s, > 0.
        rows_per_batch: most recordings in one batch, or None.
        chunk_rows: rows that are sorted together.
    """

    mixture: Mixture
    seconds_per_batch: float
    rows_per_batch: int | None = None
    chunk_rows: int = 256

    def batches(self, start: Position = Position()) -> Iterator[PlannedBatch]:
        """The endless stream of batches from ``start`` on."""
        chunk, batch = start
        while True:
            yield from self.chunk(chunk)[batch:]
            chunk, batch = chunk + 1, 0

    def chunk(self, chunk: int) -> list[PlannedBatch]:
        """The batches of one chunk, in the order in which they are used."""
        start = chunk * self.chunk_rows
        lengths = [(k, self.mixture.seconds(self.mixture.place(k))) for k in range(start, start + self.chunk_rows)]
        lengths.sort(key=lambda item: _third(item[1]))
        batches = self._cut(lengths)
        key = key_of(self.mixture.seed, "batches", chunk)
        afters = [*(Position(chunk, n) for n in range(1, len(batches))), Position(chunk + 1, 0)]
        return [PlannedBatch(*batches[shuffled(n, len(batches), key)], after) for n, after in enumerate(afters)]

    def _cut(self, lengths: list[tuple[int, float]]) -> list[tuple[tuple[int, ...], float]]:
        """Equal shares, so that no small batch is left over whose few rows would weigh as much as many."""
        whole = sum(seconds for _, seconds in lengths)
        share = whole / max(1, math.ceil(whole / (_FILL * self.seconds_per_batch)))
        batches: list[tuple[tuple[int, ...], float]] = []
        rows: list[int] = []
        total = before = 0.0
        for k, seconds in lengths:
            full = total + seconds > self.seconds_per_batch or len(rows) == self.rows_per_batch
            if rows and (full or before + seconds / 2 > share * (len(batches) + 1)):
                batches.append((tuple(rows), total))
                rows, total = [], 0.0
            rows.append(k)
            total += seconds
            before += seconds
        return [*batches, (tuple(rows), total)]


def _third(seconds: float) -> int:
    """Rows of one third of an octave waste about a tenth of their batch on padding."""
    return math.floor(3 * math.log2(max(seconds, 0.5)))
