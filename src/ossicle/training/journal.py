"""metrics.jsonl: one line per few steps, the same after any number of interruptions."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ossicle.support.errors import DataError
from ossicle.support.extras import require
from ossicle.training.checkpoint import State


def board_writer(folder: Path, **how: Any) -> Any:
    """TensorBoard's writer. Raises MissingExtraError where the library is not installed."""
    require("tensorboard", extra="tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), **how)


class Journal:
    """Gathers what steps report and appends their means.

    A line holds ``stage``, ``step`` (of the stage), ``total_steps``, the mean of each loss over the steps that tell it,
    of the gradient's length (before clipping), of tokens and of seconds of audio per batch, the last ``lr``,
    ``audio_s`` (trained on so far) and ``wall_s``; ``audio_gain`` where it was measured since the last line; ``flops``,
    the model's operations per second, and ``mfu``, the share of what the devices could do, where that is known (see
    :mod:`ossicle.training.flops`).

    Args:
        path: of the file.
        length: bytes that the checkpoint knows of; what is beyond them will be written again, so it is cut off.
        board: folder in which TensorBoard finds the same values, or None.
    """

    def __init__(self, path: Path, length: int, board: Path | None = None) -> None:
        self.path, self.board = path, board
        self._writer: Any = None
        path.touch()
        if path.stat().st_size < length:
            raise DataError(f"{path}: is shorter than its checkpoint says; was it edited? Start in another folder.")
        os.truncate(path, length)

    def add(self, state: State, values: Mapping[str, float]) -> None:
        """Gather one step's values in ``state``, where a checkpoint keeps them."""
        for name, value in values.items():
            state.sums[name] = value if name == "lr" else state.sums.get(name, 0.0) + value
            state.counts[name] = 1 if name == "lr" else state.counts.get(name, 0) + 1

    def write(self, stage: str, state: State, peak: float | None = None) -> dict[str, float | str]:
        """Append the means since the last line.

        Args:
            peak: operations per second of which all devices together are capable, if that is known.
        """
        flops, step_s = (state.sums.pop(name, 0.0) for name in ("flops", "step_s"))
        rate = {"flops": flops / step_s} if flops and step_s else {}
        if rate and peak:
            rate["mfu"] = round(rate["flops"] / peak, 4)
        means = {name: value / state.counts[name] for name, value in state.sums.items()}
        state.sums, state.counts = {}, {}
        line = {
            "stage": stage,
            "step": state.step,
            "total_steps": state.total_steps,
            **means,
            **rate,
            "audio_s": round(state.audio_s, 3),
            "wall_s": round(state.wall_s, 3),
        }
        data = (json.dumps(line) + "\n").encode()
        with self.path.open("ab") as file:
            file.write(data)
        state.metrics_bytes += len(data)
        self._show(line)
        return line

    def _show(self, line: Mapping[str, float | str]) -> None:
        if self.board is None:
            return
        step = int(line["total_steps"])
        if self._writer is None:
            # What an interrupted run has shown beyond its checkpoint is shown again.
            self._writer = board_writer(self.board, purge_step=step)
        for name, value in line.items():
            if name not in ("stage", "step", "total_steps"):
                self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def sync(self) -> None:
        """Have the disk hold every line, before a checkpoint relies on them."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
