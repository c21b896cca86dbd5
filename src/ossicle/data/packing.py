"""Rows about one recording share its tokens: the language model reads them once, and each question after them.

P packed rows · L tokens · N trained tokens
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ossicle.batch import Batch, Row, recordings_of


@dataclass(frozen=True)
class Packed:
    """A batch in as few rows as it has different beginnings.

    A packed row is a beginning (everything up to the end of the last recording) and then what follows it in each row
    that begins so. A continuation sees the beginning and itself, at the positions which it has in its own row, so that
    every hidden state is that of the row by itself.
    """

    input_ids: Tensor
    """[P, L]"""
    position_ids: Tensor
    """[P, L]"""
    segments: Tensor
    """[P, L]: 0 for the beginning, 1, 2, … for what follows, −1 for padding."""
    window_of_slot: tuple[int, ...]
    """Which window fills each run of audio tokens, as in :class:`~ossicle.batch.Batch`."""
    recording_of_slot: tuple[int, ...]
    """Of which recording that window is a part, counted over the packed rows."""
    before: tuple[Tensor, Tensor]
    """Row and position of the token before each trained one, [N] both."""
    targets: Tensor
    """The trained tokens, [N]."""
    row_of_target: Tensor
    """Which row of the batch each of them is from, [N]."""

    def allowed(self) -> Tensor:
        """Which token sees which, [P, 1, L, L]. Padding sees itself, so that no softmax is empty."""
        length = self.segments.shape[1]
        causal_LL = torch.ones(length, length, dtype=torch.bool, device=self.segments.device).tril()
        one, other = self.segments[:, :, None], self.segments[:, None, :]
        itself_LL = torch.eye(length, dtype=torch.bool, device=self.segments.device)
        return (causal_LL & ((other == 0) | ((one == other) & (one > 0)) | itself_LL))[:, None]


def pack(batch: Batch, *, pad_id: int, shared: bool = True) -> Packed:
    """Join the rows that begin alike; with ``shared=False`` each row stays by itself, padded on the right."""
    groups: dict[object, list[int]] = {}
    for number, row in enumerate(batch.rows):
        groups.setdefault(_beginning(row) if shared else number, []).append(number)
    slots = _slots(batch)
    ids: list[list[int]] = []
    positions: list[list[int]] = []
    segments: list[list[int]] = []
    window_of_slot: list[int] = []
    before: list[tuple[int, int]] = []
    targets: list[int] = []
    row_of_target: list[int] = []
    for place, numbers in enumerate(groups.values()):
        first = batch.rows[numbers[0]]
        start = first.prefix
        joined, at, part = list(first.ids[:start]), list(range(start)), [0] * start
        window_of_slot += slots[numbers[0]]
        for segment, number in enumerate(numbers, 1):
            row = batch.rows[number]
            # Where each token of this row stands in the packed one.
            stands = [*range(start), *range(len(joined), len(joined) + len(row.ids) - start)]
            joined += row.ids[start:]
            at += range(start, len(row.ids))
            part += [segment] * (len(row.ids) - start)
            for token in range(1, len(row.ids)):
                if row.trained[token]:
                    before.append((place, stands[token - 1]))
                    targets.append(row.ids[token])
                    row_of_target.append(number)
        ids.append(joined)
        positions.append(at)
        segments.append(part)
    rows_N, positions_N = torch.tensor(before, dtype=torch.long).reshape(-1, 2).unbind(1)
    return Packed(
        _padded(ids, pad_id),
        _padded(positions, 0),
        _padded(segments, -1),
        tuple(window_of_slot),
        tuple(recordings_of([batch.rows[numbers[0]] for numbers in groups.values()])),
        (rows_N, positions_N),
        torch.tensor(targets, dtype=torch.long),
        torch.tensor(row_of_target, dtype=torch.long),
    )


def _beginning(row: Row) -> tuple[object, ...]:
    return row.ids[: row.prefix], row.trained[: row.prefix], tuple(window.key for window in row.windows)


def _slots(batch: Batch) -> list[tuple[int, ...]]:
    """The windows of each row, by their number in the batch."""
    order = iter(batch.window_of_slot)
    return [tuple(next(order) for _ in row.windows) for row in batch.rows]


def _padded(rows: list[list[int]], fill: int) -> Tensor:
    length = max(len(row) for row in rows)
    return torch.tensor([row + [fill] * (length - len(row)) for row in rows])
