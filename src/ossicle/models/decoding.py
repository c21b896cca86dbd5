"""One decode loop: requests join and leave between tokens.

n rows of a group · L tokens · V vocabulary
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ossicle.batch import Batch, Row
from ossicle.chat import Sampling
from ossicle.models.build import Bundle
from ossicle.models.integrations.cross_attention import MemoryCache


@dataclass(eq=False)
class Request:
    """One reply in the making."""

    row: Row
    sampling: Sampling
    ids: list[int] = field(default_factory=list)
    finish_reason: str | None = None
    generator: torch.Generator | None = None

    def choose(self, logits_V: Tensor) -> int:
        """The next token: the likeliest, or a draw that depends on this request's seed alone."""
        if self.sampling.temperature <= 0:
            return int(logits_V.argmax())
        if self.generator is None:
            self.generator = torch.Generator().manual_seed(self.sampling.seed)
        probabilities_V = (logits_V.float().cpu() / self.sampling.temperature).softmax(-1)
        ordered, index = probabilities_V.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered >= self.sampling.top_p] = 0.0
        return int(index[torch.multinomial(ordered, 1, generator=self.generator)])


@dataclass(eq=False)
class _Group:
    """Requests that were prefilled together and share a cache."""

    requests: list[Request]
    cache: MemoryCache
    mask_nL: Tensor
    logits_nV: Tensor


class DecodeLoop:
    """``add`` requests, call ``step`` until none is left, ``cancel`` any at any time.

    Requests added between two steps are prefilled together at the next one.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.model, self.pad_id = bundle.model, bundle.pad_id
        self.end_ids = bundle.renderer.end_ids
        self._waiting: list[Request] = []
        self._groups: list[_Group] = []

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._waiting or self._groups)

    def add(self, row: Row, sampling: Sampling) -> Request:
        """Queue a prepared prompt."""
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
        if self._waiting:
            self._groups.append(self._prefill(self._waiting))
            self._waiting = []
        for group in self._groups:
            self._advance(group)
        self._groups = [group for group in self._groups if group.requests]

    def _prefill(self, requests: list[Request]) -> _Group:
        inputs = Batch.pack([request.row for request in requests]).inputs(pad_id=self.pad_id, side="left")
        inputs = {key: value.to(self.model.device) for key, value in inputs.items()}
        if "input_features" in inputs:
            inputs["input_features"] = inputs["input_features"].to(self.model.dtype)
        cache = MemoryCache(config=self.model.config.text_config)
        mask_nL = inputs["attention_mask"]
        out = self.model(
            **inputs, position_ids=_positions(mask_nL), past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        return _Group(requests, cache, mask_nL, out.logits[:, -1])

    def _advance(self, group: _Group) -> None:
        for request, logits_V in zip(group.requests, group.logits_nV, strict=True):
            if request.finish_reason is None:
                self._take(request, request.choose(logits_V))
        self._drop_finished(group)
        if not group.requests:
            return
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

    def _take(self, request: Request, token: int) -> None:
        if token in self.end_ids:
            request.finish_reason = "stop"
            return
        request.ids.append(token)
        if len(request.ids) >= request.sampling.max_new_tokens:
            request.finish_reason = "length"

    @staticmethod
    def _drop_finished(group: _Group) -> None:
        keep = [index for index, request in enumerate(group.requests) if request.finish_reason is None]
        if len(keep) == len(group.requests):
            return
        group.requests = [group.requests[index] for index in keep]
        if keep:
            rows = torch.tensor(keep, device=group.mask_nL.device)
            group.cache.batch_select_indices(rows)
            group.mask_nL = group.mask_nL[rows]


def _positions(mask_nL: Tensor) -> Tensor:
    """Positions that count real tokens only, so that padding moves nothing."""
    return (mask_nL.cumsum(-1) - 1).clamp(min=0)


def score(bundle: Bundle, rows: list[Row]) -> list[tuple[float, int]]:
    """Log probability of the trained tokens of each row, and how many there are.

    Args:
        rows: prepared with a reply in them.
    """
    batch = Batch.pack(rows)
    inputs: dict[str, Any] = {k: v.to(bundle.model.device) for k, v in batch.inputs(pad_id=bundle.pad_id).items()}
    if "input_features" in inputs:
        inputs["input_features"] = inputs["input_features"].to(bundle.model.dtype)
    with torch.inference_mode():
        logits_NLV = bundle.model(**inputs, use_cache=False).logits[:, :-1].float()
    targets_NL = inputs["input_ids"][:, 1:]
    log_p_NL = logits_NLV.log_softmax(-1).gather(-1, targets_NL[..., None])[..., 0]
    trained_NL = batch.trained_mask()[:, 1:].to(log_p_NL.device)
    totals, counts = (log_p_NL * trained_NL).sum(1), trained_NL.sum(1)
    return list(zip(totals.tolist(), counts.tolist(), strict=True))
