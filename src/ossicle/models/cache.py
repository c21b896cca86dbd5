"""Keys and values of several conversations side by side: they grow in place, and conversations join and leave.

n rows · H heads · L slots · D width of a head · M audio tokens that a row may look at
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from ossicle.models.integrations import Memory

ROOM = 64
"""Slots that are made at a time."""


class Past(NamedTuple):
    """What a language model keeps of the tokens of one conversation."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    """Keys and values [H, L, D] of each layer."""

    @property
    def length(self) -> int:
        """Tokens."""
        return self.layers[0][0].shape[1]

    @property
    def num_bytes(self) -> int:
        """Of all layers."""
        return sum(part.nbytes for pair in self.layers for part in pair)

    def first(self, length: int) -> "Past":
        """That of its first ``length`` tokens, which does not depend on those after them."""
        return Past(tuple((keys[:, :length], values[:, :length]) for keys, values in self.layers))

    def copied(self) -> "Past":
        """The same by itself, where this is a part of a larger tensor."""
        return Past(tuple((keys.clone(), values.clone()) for keys, values in self.layers))


class GrowingLayer(DynamicLayer):
    """As transformers' layer of a cache, but a new token is written beside the others; they are not copied for it."""

    def __init__(self) -> None:
        super().__init__()
        self._made: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Add keys and values [n, H, L, D]; all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        begin = self.get_seq_length()
        end = begin + key_states.shape[2]
        if not self._has_room(end):
            self._make_room(key_states, value_states, begin, end)
        keys, values = self._made
        keys[:, :, begin:end], values[:, :, begin:end] = key_states, value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    def fill(self, rows: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Begin with these rows, keys and values [H, L, D] each; shorter ones are padded on the left."""
        longest = max(keys.shape[1] for keys, _ in rows)
        made = []
        for parts in zip(*rows, strict=True):
            heads, _, width = parts[0].shape
            whole = parts[0].new_zeros(len(parts), heads, longest + ROOM, width)
            for number, part in enumerate(parts):
                whole[number, :, longest - part.shape[1] : longest] = part
            made.append(whole)
        self.lazy_initialization(*made)
        self._made = (made[0], made[1])
        self.keys, self.values = (whole[:, :, :longest] for whole in made)

    def drop_first(self, count: int) -> None:
        """Forget the first slots."""
        self.keys, self.values = self.keys[:, :, count:], self.values[:, :, count:]
        self._made = None

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._made = None

    def _has_room(self, end: int) -> bool:
        """Whether what is held still lies where it was written (rows may have been chosen since), with room behind."""
        if self._made is None or self.keys.untyped_storage().data_ptr() != self._made[0].untyped_storage().data_ptr():
            return False
        return end <= self._made[0].shape[2]

    def _make_room(self, keys: Tensor, values: Tensor, begin: int, end: int) -> None:
        made = []
        for new, held in ((keys, self.keys), (values, self.values)):
            count, heads, _, width = new.shape
            whole = new.new_zeros(count, heads, end + ROOM, width)
            if begin:
                whole[:, :, :begin] = held
            made.append(whole)
        self._made = (made[0], made[1])


class RowsCache(DynamicCache):
    """A cache whose rows remember what they heard and were asked; of plain layers, they can be taken out, and joined
    with others.

    Args:
        config: of the language model.
        whole: layers that look at a sliding window are plain, too: they keep what has left it, which transformers then
            masks. It counts slots for that, so that the padding of a row must stand before all of its tokens.
    """

    memory: Memory | None = None
    ids: Sequence[Sequence[int]] | None = None
    """All ids of each row, where what it begins with was read before, and nothing of it is remembered yet."""

    def __init__(self, config: PreTrainedConfig, *, whole: bool = False) -> None:
        super().__init__(config=config)
        # Chunks, of which transformers knows no more than of windows, begin anew in a place that depends on padding.
        slides = whole and getattr(config, "attention_chunk_size", None) is None
        plain = {DynamicLayer, DynamicSlidingWindowLayer} if slides else {DynamicLayer}
        # What is recurrent keeps its own kind of layer, and its rows stay together.
        self.layers = [GrowingLayer() if type(layer) in plain else layer for layer in self.layers]

    @property
    def is_plain(self) -> bool:
        """Whether every layer keeps each token's keys and values apart from the others'."""
        return all(isinstance(layer, GrowingLayer) for layer in self.layers)

    @classmethod
    def of(cls, config: PreTrainedConfig, pasts: Sequence[Past]) -> tuple["RowsCache", Tensor]:
        """Rows that begin with these; and which of its slots [n, L] are no padding."""
        cache = cls(config, whole=True)
        for number, layer in enumerate(cache.layers):
            layer.fill([past.layers[number] for past in pasts])
        return cache, _ends([past.length for past in pasts], pasts[0].layers[0][0].device)

    def past(self, row: int, mask_L: Tensor) -> Past:
        """What a row holds in its slots that are no padding."""
        at = _where(mask_L)
        return Past(tuple((layer.keys[row][:, at], layer.values[row][:, at]) for layer in self.layers))

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows."""
        super().batch_select_indices(indices)
        if self.memory is not None:
            self.memory = self.memory.select(indices)

    def drop_first(self, count: int) -> None:
        """Forget the first slots of all rows, where they are padding."""
        for layer in self.layers:
            layer.drop_first(count)


def joined(config: PreTrainedConfig, parts: Sequence[tuple[RowsCache, Tensor]]) -> tuple[RowsCache, Tensor]:
    """The rows of several plain caches as one cache, with no more padding than their lengths need.

    Args:
        config: of the language model.
        parts: each cache with its slots [n, L] that are no padding; they are empty afterwards.

    Returns:
        The cache, and its slots that are no padding.
    """
    at = [[_where(mask_L) for mask_L in mask_nL] for _, mask_nL in parts]
    lengths = [int(count) for _, mask_nL in parts for count in mask_nL.sum(1)]
    whole = RowsCache(config, whole=True)
    for number, layer in enumerate(whole.layers):
        held = [
            (cache.layers[number], row, slots)
            for (cache, _), rows in zip(parts, at, strict=True)
            for row, slots in enumerate(rows)
        ]
        layer.fill([(of.keys[row][:, slots], of.values[row][:, slots]) for of, row, slots in held])
        for cache, _ in parts:  # both are never held of more than one layer
            cache.layers[number].reset()
    memories = [cache.memory for cache, _ in parts]
    known = next((memory for memory in memories if memory is not None), None)
    if known is not None:
        whole.memory = type(known).joined(memories, [len(mask_nL) for _, mask_nL in parts])
    return whole, _ends(lengths, parts[0][1].device)


def _where(mask_L: Tensor) -> slice | Tensor:
    """The slots that count: a slice where they are the last ones."""
    first = len(mask_L) - int(mask_L.sum())
    return slice(first, None) if bool(mask_L[first:].all()) else mask_L.nonzero()[:, 0]


def _ends(lengths: Sequence[int], device: torch.device) -> Tensor:
    """[n, L] with so many ones at the end of each row."""
    longest = max(lengths)
    return torch.tensor([[0] * (longest - length) + [1] * length for length in lengths], device=device)
