"""One decode loop: requests join and leave between tokens.

n rows of a group · L tokens · V vocabulary
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedConfig

from ossicle.batch import Row
from ossicle.chat import Sampling
from ossicle.chat.stopping import stop_at
from ossicle.models.build import Bundle
from ossicle.models.cache import Past, RowsCache, joined
from ossicle.models.recall import Recall, Told
from ossicle.support.errors import ModelError

TOKENS_AT_ONCE = 1024
"""Tokens that are read together: enough to keep a processor busy; more of them would only bring more padding."""


@dataclass(eq=False)
class Request:
    """One reply in the making."""

    row: Row
    sampling: Sampling
    ids: list[int] = field(default_factory=list)
    finish_reason: str | None = None
    generator: torch.Generator | None = None
    epoch: int = 0
    """Of the weights that read the row."""
    leads: bool = False
    """Whether others wait for what is known once it is read."""

    def draw(self, logits_V: Tensor) -> int:
        """The next token, drawn; the draw depends on this request's seed alone."""
        if self.generator is None:
            self.generator = torch.Generator().manual_seed(self.sampling.seed)
        return drawn(logits_V, self.sampling, self.generator)


def drawn(logits_V: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """A token by its probability at ``sampling.temperature``, among the likeliest that make up ``top_p``."""
    probabilities_V = (logits_V.float().cpu() / sampling.temperature).softmax(-1)
    ordered, index = probabilities_V.sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered >= sampling.top_p] = 0.0
    return int(index[torch.multinomial(ordered, 1, generator=generator)])


class _Begin(NamedTuple):
    """A request that is to be read, from where what is known of it ends."""

    request: Request
    past: Past | None

    @property
    def cut(self) -> int:
        """Tokens that are known."""
        return 0 if self.past is None else self.past.length

    @property
    def rest(self) -> tuple[int, ...]:
        """Ids that are to be read."""
        return self.request.row.ids[self.cut :]


@dataclass(eq=False)
class _Group:
    """Requests that go on together and share a cache."""

    requests: list[Request]
    cache: RowsCache
    mask_nL: Tensor
    logits_nV: Tensor


class DecodeLoop:
    """``add`` requests, call ``step`` until none is left, ``cancel`` any at any time.

    Requests added between two steps are read at the next one, those of about one length together, and then go on with
    all others. Those that are finished leave at once.

    Args:
        bundle: who replies.
        recall: what need not be heard and read again; nothing by default.
    """

    def __init__(self, bundle: Bundle, recall: Recall | None = None) -> None:
        self.model, self.pad_id = bundle.model, bundle.pad_id
        self.end_ids, self.decode = bundle.renderer.end_ids, bundle.renderer.decode
        self.recall = Recall(bundle.model, 0) if recall is None else recall
        self.joins = RowsCache(self._config, whole=True).is_plain
        """Whether requests that were read apart can go on together, which takes a cache of plain layers."""
        self._slides = self.joins and not RowsCache(self._config).is_plain
        self._context = context_of(self._config)
        self._waiting: list[Request] = []
        self._groups: list[_Group] = []

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._waiting or self._groups)

    def add(self, row: Row, sampling: Sampling) -> Request:
        """Queue a prepared prompt. Raises ModelError if the language model cannot read so much."""
        check_length(row, self._config)
        request = Request(row, sampling)
        self._waiting.append(request)
        return request

    def cancel(self, request: Request) -> None:
        """Stop a request; its place is freed at the next step."""
        request.finish_reason = request.finish_reason or "cancelled"
        self._waiting = [other for other in self._waiting if other is not request]

    @torch.inference_mode()
    def step(self) -> None:
        """One more token for every request."""
        self._drop_finished()
        for group in self._groups:
            self._advance(group)
        waiting, self._waiting = self._waiting, []
        self._groups += self._read_all(waiting)
        if self.joins and len(self._groups) > 1:
            self._groups = [self._joined(self._groups)]
        for group in self._groups:
            self._choose(group)
        self._drop_finished()

    @property
    def _config(self) -> Any:
        return self.model.config.text_config

    def _read_all(self, waiting: list[Request]) -> Iterator[_Group]:
        """Read the prompts; of those that begin with the same sound one first, for the others to recall."""
        while waiting:
            now, waiting = self._leaders(waiting)
            epoch = self.recall.epoch()
            for request in now:
                request.epoch = epoch
            for chunk in self._alike([_Begin(request, self.recall.past(request.row, epoch)) for request in now]):
                group = self._read(chunk)
                for index, request in enumerate(group.requests):
                    if request.leads:
                        self._remember(group, index)
                yield group

    def _leaders(self, waiting: list[Request]) -> tuple[list[Request], list[Request]]:
        """Requests to read now, and those that would do well to wait."""
        if not self.joins or self.recall.limit == 0:
            return waiting, []
        now: dict[Any, Request] = {}
        later: list[Request] = []
        for request in waiting:
            told = Told.of(request.row, self.model)
            begin = (told.ids[: told.slots[0].end].tobytes(), told.slots[0].sound) if told.slots else id(request)
            if begin in now:
                now[begin].leads = True
                later.append(request)
            else:
                now[begin] = request
        return list(now.values()), later

    def _alike(self, begins: list[_Begin]) -> Iterator[list[_Begin]]:
        """Those that are read together: of about one length and one kind."""
        chunk: list[_Begin] = []
        for begin in sorted(begins, key=lambda begin: (begin.cut > 0, len(begin.rest)), reverse=True):
            is_full = chunk and len(chunk[0].rest) * (len(chunk) + 1) > TOKENS_AT_ONCE
            if self.joins and chunk and (is_full or self._kind(chunk[0]) != self._kind(begin)):
                yield chunk
                chunk = []
            chunk.append(begin)
        if chunk:
            yield chunk

    def _kind(self, begin: _Begin) -> tuple[bool, int]:
        """Those with a past are read apart from others. Where windows slide, no padding may come between it and the
        rest."""
        return begin.cut > 0, len(begin.rest) if self._slides and begin.cut > 0 else 0

    def _read(self, begins: list[_Begin]) -> _Group:
        """Prefill."""
        rows, device = [begin.request.row for begin in begins], self.model.device
        ids_nL = _padded([begin.rest for begin in begins], self.pad_id).to(device)
        mask_nL = _padded([[1] * len(begin.rest) for begin in begins], 0).to(device)
        cache = RowsCache(self._config, whole=True)
        if begins[0].past is not None:
            cache, known_nL = RowsCache.of(self._config, [begin.past for begin in begins])
            mask_nL = torch.cat([known_nL, mask_nL], dim=1)
            cache.ids = [row.ids for row in rows]
        out = self.model(
            joined=self.model.model.join(ids_nL, self.recall.heard(rows, [begin.cut for begin in begins]), cache),
            attention_mask=mask_nL,
            position_ids=_positions(mask_nL)[:, -ids_nL.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return _Group([begin.request for begin in begins], cache, mask_nL, out.logits[:, -1])

    def _advance(self, group: _Group) -> None:
        last = torch.tensor([[request.ids[-1]] for request in group.requests], device=self.model.device)
        group.mask_nL = torch.cat([group.mask_nL, torch.ones_like(group.mask_nL[:, :1])], dim=1)
        out = self.model(
            input_ids=last,
            attention_mask=group.mask_nL,
            position_ids=_positions(group.mask_nL)[:, -1:],
            past_key_values=group.cache,
            use_cache=True,
        )
        group.logits_nV = out.logits[:, -1]

    def _joined(self, groups: list[_Group]) -> _Group:
        cache, mask_nL = joined(self._config, [(group.cache, group.mask_nL) for group in groups])
        requests = [request for group in groups for request in group.requests]
        return _Group(requests, cache, mask_nL, torch.cat([group.logits_nV for group in groups]))

    def _choose(self, group: _Group) -> None:
        likeliest = group.logits_nV.argmax(-1).tolist()
        for request, token, logits_V in zip(group.requests, likeliest, group.logits_nV, strict=True):
            token = token if request.sampling.temperature <= 0 else request.draw(logits_V)
            if token in self.end_ids:
                request.finish_reason = "stop"
                continue
            request.ids.append(token)
            stop = request.sampling.stop
            if stop and stop_at(self.decode(request.ids), stop) is not None:
                request.finish_reason = "stop"
            elif len(request.ids) >= min(request.sampling.max_new_tokens, self._context - len(request.row.ids)):
                request.finish_reason = "length"

    def _drop_finished(self) -> None:
        for group in self._groups:
            keep = [index for index, request in enumerate(group.requests) if request.finish_reason is None]
            if len(keep) == len(group.requests):
                continue
            for index, request in enumerate(group.requests):
                if request.finish_reason is not None:
                    self._remember(group, index)
            group.requests = [group.requests[index] for index in keep]
            if keep:
                rows = torch.tensor(keep, device=group.mask_nL.device)
                group.cache.batch_select_indices(rows)
                group.mask_nL = group.mask_nL[rows]
                if self.joins and (padding := int(group.mask_nL.amax(0).argmax())):
                    group.cache.drop_first(padding)
                    group.mask_nL = group.mask_nL[:, padding:]
        self._groups = [group for group in self._groups if group.requests]

    def _remember(self, group: _Group, index: int) -> None:
        if self.joins:
            request = group.requests[index]
            past = group.cache.past(index, group.mask_nL[index])
            self.recall.keep(request.row, request.ids, past, request.epoch)


def _padded(rows: list[Any], fill: int, side: str = "left") -> Tensor:
    """[n, L]."""
    parts = [torch.tensor(row) for row in rows]
    return pad_sequence(parts, batch_first=True, padding_value=fill, padding_side=side)


def _positions(mask_nL: Tensor) -> Tensor:
    """Positions that count real tokens only, so that padding moves nothing."""
    return (mask_nL.cumsum(-1) - 1).clamp(min=0)


def context_of(config: PreTrainedConfig) -> float:
    """Tokens that a language model reads, its reply among them; infinite where its configuration sets no limit."""
    return getattr(config, "max_position_embeddings", None) or math.inf


def check_length(row: Row, config: PreTrainedConfig) -> None:
    """Raises ModelError if nothing of the language model's context is left for a reply."""
    context = context_of(config)
    if len(row.ids) >= context:
        raise ModelError(
            f"{len(row.ids):,} tokens, {sum(row.audio_tokens):,} of them for {row.audio_s:.1f} s of sound, are more "
            f"than the {context:,} that the language model reads; ask about fewer or shorter recordings at once."
        )


@torch.inference_mode()
def score(bundle: Bundle, rows: list[Row], recall: Recall | None = None) -> list[tuple[float, int]]:
    """Log probability of the trained tokens of each row, and how many there are.

    Args:
        bundle: who reads them.
        rows: prepared with a reply in them.
        recall: what need not be heard again; nothing by default.

    Raises:
        ModelError: more tokens than the language model reads.
    """
    device = bundle.model.device
    for row in rows:
        check_length(row, bundle.model.config.text_config)
    ids_NL = _padded([row.ids for row in rows], bundle.pad_id, "right").to(device)
    mask_NL = _padded([[1] * len(row.ids) for row in rows], 0, "right").to(device)
    trained_NL = _padded([row.trained for row in rows], 0, "right")[:, 1:].to(device)
    heard = (Recall(bundle.model, 0) if recall is None else recall).heard(rows)
    joined_of = bundle.model.model.join(ids_NL, heard)
    out = bundle.model(joined=joined_of, attention_mask=mask_NL, use_cache=False)
    log_p_NLV = out.logits[:, :-1].float().log_softmax(-1)
    log_p_NL = log_p_NLV.gather(-1, ids_NL[:, 1:, None])[..., 0]
    totals, counts = (log_p_NL * trained_NL).sum(1), trained_NL.sum(1)
    return list(zip(totals.tolist(), counts.tolist(), strict=True))
