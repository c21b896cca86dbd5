"""What was heard and read before is neither encoded nor read again.

K audio tokens of a window · D width of the language model
"""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ossicle.batch import Row, Window
from ossicle.encoders import Frames
from ossicle.models.cache import Past
from ossicle.models.integrations import Heard
from ossicle.models.lalm import LALM

LEAST_LIMIT = 64 * 2**20
SHARE_OF_WEIGHTS = 4
"""By default, what is kept takes no more than a quarter of what the weights take, or the least limit if it is more."""
LEAST_SHARED = 16
"""A shared beginning of fewer tokens is read again: that takes no longer than to look it up."""
WINDOWS_AT_ONCE = 32
"""Windows that are encoded together, so that an hour heard whole takes no more memory for it than a quarter of one."""
VALUES = 16
"""Values of each tensor that are looked at to see whether the weights are the same."""


class Slot(NamedTuple):
    """Where a recording stands in a row, and what cannot be read apart from it."""

    start: int
    end: int
    sound: str
    """Names all its windows."""


class Told(NamedTuple):
    """A conversation as far as the language model is concerned: ids, and which sounds are meant by the audio ids."""

    ids: np.ndarray
    slots: tuple[Slot, ...]
    turns: tuple[Slot, ...] = ()
    """What else cannot be read apart, whatever is heard there."""

    @classmethod
    def of(cls, row: Row, model: LALM, said: Sequence[int] = ()) -> "Told":
        """A prepared row and the ids of the reply so far."""
        ids = np.array([*row.ids, *said])
        at = np.flatnonzero(ids == model.config.audio_token_id).tolist()
        slots, used = [], 0
        for number, num_tokens in enumerate(row.audio_tokens):
            width = model.model.integration.placeholders(num_tokens)
            start = at[used] if used < len(at) else len(ids)
            keys = [window.key for window, of in zip(row.windows, row.recordings, strict=True) if of == number]
            span = model.model.integration.stretch(ids, start, start + width)
            slots.append(Slot(*span, "\n".join(keys)))
            used += width
        turns = tuple(Slot(*span, "") for span in model.model.integration.turns(ids))
        return cls(ids, tuple(slots), turns)

    def first(self, length: int) -> "Told":
        """Its first tokens; all recordings, as those to come may be heard already."""
        return Told(self.ids[:length], self.slots, self.turns)

    def shared(self, other: "Told", *, looks_back: bool) -> int:
        """How many tokens both begin with, that mean the same in both; no recording is cut.

        Args:
            looks_back: what precedes the first recording depends on it.
        """
        if looks_back and [slot.sound for slot in self.slots[:1]] != [slot.sound for slot in other.slots[:1]]:
            return 0
        length = min(len(self.ids), len(other.ids))
        differs = np.flatnonzero(self.ids[:length] != other.ids[:length])
        length = int(differs[0]) if len(differs) else length
        return min(self.whole(length, other), other.whole(length, self))

    def whole(self, length: int, known: "Told") -> int:
        """``length``, or less so that no recording or turn is cut, or is another than the one known to be there."""
        there = {*known.slots, *known.turns}
        for slot in sorted((*self.slots, *self.turns)):
            if slot.start < length and (slot.end > length or slot not in there):
                return slot.start
        return length


class _Read(NamedTuple):
    """A conversation that was read, and what was kept of it."""

    told: Told
    past: Past


class Recall:
    """Audio tokens of recordings, and keys and values of conversations, for as long as the weights are the same.

    A further question about a recording, and the next turn of a dialogue, then read only what is new. Logits are the
    same as without, but for the rounding of another order of summing. What was used longest ago is forgotten first.
    Language models with recurrent layers keep no beginnings apart: with those, only the sound is recalled. In training
    mode, nothing is. What changes a model and no weight of it, such as switching an adapter off, is not seen here:
    :meth:`clear` then.

    Args:
        model: who hears and reads.
        limit: bytes that may be kept, on the model's device; 0 keeps nothing. By default a quarter of what the weights
            take, and at least 64 MiB.
    """

    def __init__(self, model: LALM, limit: int | None = None) -> None:
        self.model = model
        weights = sum(tensor.nbytes for tensor in model.parameters())
        self.limit = max(LEAST_LIMIT, weights // SHARE_OF_WEIGHTS) if limit is None else limit
        self.num_bytes = 0
        """What is kept now takes so much."""
        self._kept: OrderedDict[str | int, Tensor | _Read] = OrderedDict()
        self._numbers = itertools.count()
        self._weights: tuple[list[tuple[int, int]], list[Tensor]] | None = None
        self._epoch = 0
        self._lock = threading.RLock()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self.num_bytes = 0
            self._epoch += 1

    def epoch(self) -> int:
        """A number that is another one whenever the weights are; what was kept of others is forgotten."""
        with self._lock:
            if self.limit > 0:
                now = _state(self.model)
                if self._weights is None or not _same(self._weights, now):
                    self.clear()
                self._weights = now
            return self._epoch

    def heard(self, rows: Sequence[Row], cuts: Sequence[int] | None = None) -> Heard | None:
        """The sound of a batch of rows, encoded where it is not known.

        Args:
            rows: prepared.
            cuts: tokens of each row that are known already, with what was heard in them; none by default.
        """
        looks_back = self.model.model.integration.looks_back
        wanted: list[tuple[Window, int]] = []
        counts: list[int] = []
        before = 0
        for row, cut in zip(rows, cuts or [0] * len(rows), strict=True):
            known = 0 if looks_back else sum(slot.start < cut for slot in Told.of(row, self.model).slots)
            new = [(w, before + n) for w, n in zip(row.windows, row.recordings, strict=True) if n >= known]
            wanted += new
            counts.append(len(new))
            before += len(row.audio_tokens)
        if not wanted:
            return None
        windows = {window.key: window for window, _ in wanted}
        tokens = self._tokens(windows.values())
        number = {key: index for index, key in enumerate(windows)}
        x_WKD = pad_sequence([tokens[key] for key in windows], batch_first=True)
        lengths_W = torch.tensor([len(tokens[key]) for key in windows], device=x_WKD.device)
        return Heard(
            Frames(x_WKD, lengths_W),
            torch.tensor([number[window.key] for window, _ in wanted]),
            torch.tensor([recording for _, recording in wanted]),
            torch.tensor(counts),
        )

    def past(self, row: Row, epoch: int) -> Past | None:
        """What is known of the longest beginning that a row shares with a conversation before; its last token is new.

        None if that is not worth it.

        Args:
            row: what is asked.
            epoch: of the weights that will read the rest.
        """
        if not self._recalls:
            return None
        told = Told.of(row, self.model)
        looks_back = self.model.model.integration.looks_back
        with self._lock:
            if epoch != self._epoch:
                return None
            read = {key: kept for key, kept in self._kept.items() if isinstance(kept, _Read)}
            shared = {key: told.shared(kept.told, looks_back=looks_back) for key, kept in read.items()}
            if not shared:
                return None
            key = max(shared, key=shared.__getitem__)
            length = told.whole(min(shared[key], len(told.ids) - 1), told)
            if length < LEAST_SHARED:
                return None
            self._kept.move_to_end(key)
            return read[key].past.first(length)

    def keep(self, row: Row, said: Sequence[int], past: Past, epoch: int) -> None:
        """Remember a conversation.

        Args:
            row: what was asked.
            said: ids of the reply so far.
            past: of all those tokens, or of all but the last ones.
            epoch: when the model began to read them.
        """
        if not self._recalls or past.num_bytes > self.limit:
            return
        told = Told.of(row, self.model, said).first(past.length)
        looks_back = self.model.model.integration.looks_back
        with self._lock:
            if epoch != self.epoch():
                return
            for key, kept in list(self._kept.items()):
                if not isinstance(kept, _Read):
                    continue
                shared = told.shared(kept.told, looks_back=looks_back)
                if shared == len(told.ids):
                    self._kept.move_to_end(key)
                    return
                if 4 * shared >= 3 * len(kept.told.ids):  # the rest of it is soon read again
                    self._drop(key)
            self._put(next(self._numbers), _Read(told, past.copied()))

    @property
    def _recalls(self) -> bool:
        return self.limit > 0 and not self.model.training

    def _tokens(self, windows: Iterable[Window]) -> dict[str, Tensor]:
        """The tokens [K, D] of each window, by its key."""
        found: dict[str, Tensor] = {}
        missing: list[Window] = []
        with self._lock:
            epoch = self.epoch()
            for window in windows:
                kept = self._kept.get(window.key) if self._recalls else None
                if isinstance(kept, Tensor):
                    found[window.key] = kept
                    self._kept.move_to_end(window.key)
                else:
                    missing.append(window)
        if not missing:
            return found
        # Those of about one length are encoded together.
        missing.sort(key=lambda window: len(window.features))
        for start in range(0, len(missing), WINDOWS_AT_ONCE):
            some = missing[start : start + WINDOWS_AT_ONCE]
            features = pad_sequence([window.features for window in some], batch_first=True)
            lengths_W = torch.tensor([len(window.features) for window in some])
            given = features.to(self.model.device, self.model.dtype)
            frames = self.model.model.encode(given, lengths_W.to(self.model.device))
            for window, x_KD, length in zip(some, frames.x_BFD, frames.lengths_B.tolist(), strict=True):
                found[window.key] = x_KD[:length].clone()
        if self._recalls:
            with self._lock:
                if epoch == self._epoch:
                    for window in missing:
                        self._put(window.key, found[window.key])
        return found

    def _put(self, key: str | int, value: Tensor | _Read) -> None:
        """Keep something new, and forget what there is no more room for."""
        size = _size(value)
        if size > self.limit or key in self._kept:
            return
        self._kept[key] = value
        self.num_bytes += size
        while self.num_bytes > self.limit:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str | int) -> None:
        self.num_bytes -= _size(self._kept.pop(key))


def _size(value: Tensor | _Read) -> int:
    return value.nbytes if isinstance(value, Tensor) else value.past.num_bytes + value.told.ids.nbytes


def _state(model: nn.Module) -> tuple[list[tuple[int, int]], list[Tensor]]:
    """What tells whether weights have changed: where they lie, how often they were written to, and some of the values.

    Writing through ``.data``, as adapters are merged, and fused optimisers leave torch's count of writings as it was;
    they show in the values.
    """
    tensors = [tensor.detach() for tensor in itertools.chain(model.parameters(), model.buffers())]
    marks = [(tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in tensors]
    values: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        flat = tensor.reshape(-1)[:: max(1, tensor.numel() // VALUES)]
        values.setdefault((tensor.device, tensor.dtype), []).append(flat)
    return marks, [torch.cat(parts) for parts in values.values()]


def _same(one: tuple[list[tuple[int, int]], list[Tensor]], other: tuple[list[tuple[int, int]], list[Tensor]]) -> bool:
    return one[0] == other[0] and all(torch.equal(a, b) for a, b in zip(one[1], other[1], strict=True))
