"""Batches by seconds of audio: which rows go together, as a pure function of the seed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ossicle.data.keys import key_of, shuffled
from ossicle.data.mixture import Mixture


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

    ``chunk_rows`` rows at a time are put in order of length (by octave; within one the order is the mixture's, so
    that rows of one source don't gather because they happen to be equally long), cut so that no batch holds more than
    ``seconds_per_batch`` (a longer row goes alone), and the batches shuffled.

    Args:
        mixture: the rows.
        seconds_per_batch: most audio in one batch, s, > 0.
        rows_per_batch: most recordings in one batch, or None.
        chunk_rows: rows that are sorted together.
    """

    mixture: Mixture
    seconds_per_batch: float
    rows_per_batch: int | None = None
    chunk_rows: int = 512

    def batches(self, start: Position = Position()) -> Iterator[PlannedBatch]:
        """The endless stream of batches from ``start`` on."""
        chunk, batch = start
        while True:
            planned = self.chunk(chunk)
            for number in range(batch, len(planned)):
                last = number + 1 == len(planned)
                after = Position(chunk + 1, 0) if last else Position(chunk, number + 1)
                rows, seconds = planned[number]
                yield PlannedBatch(rows, seconds, after)
            chunk, batch = chunk + 1, 0

    def chunk(self, chunk: int) -> list[tuple[tuple[int, ...], float]]:
        """The batches of one chunk, in the order in which they are used: stream rows and seconds."""
        start = chunk * self.chunk_rows
        lengths = [(k, self.mixture.seconds(self.mixture.place(k))) for k in range(start, start + self.chunk_rows)]
        lengths.sort(key=lambda item: _octave(item[1]))
        batches = self._cut(lengths)
        key = key_of(self.mixture.seed, "batches", chunk)
        return [batches[shuffled(n, len(batches), key)] for n in range(len(batches))]

    def _cut(self, lengths: list[tuple[int, float]]) -> list[tuple[tuple[int, ...], float]]:
        batches: list[tuple[tuple[int, ...], float]] = []
        rows: list[int] = []
        total = 0.0
        for k, seconds in lengths:
            full = total + seconds > self.seconds_per_batch or len(rows) == self.rows_per_batch
            if rows and full:
                batches.append((tuple(rows), total))
                rows, total = [], 0.0
            rows.append(k)
            total += seconds
        return [*batches, (tuple(rows), total)]


def _octave(seconds: float) -> int:
    return math.floor(math.log2(max(seconds, 0.5)))
