"""Align every audio token with the words for what sounds at that moment.

W windows · K tokens · D width · E labels
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ossicle.batch import Batch, Window
from ossicle.encoders.base import Options
from ossicle.support.errors import DataError
from ossicle.training.objectives.base import Objective, Seen, objectives

if TYPE_CHECKING:
    from ossicle.models.build import Bundle


class FrameTextOptions(Options):
    """Weights beside that of a whole event, which is 1."""

    moment: float = Field(default=0.3, ge=0)
    """Of an event's single moments: they say when, but many of them could be anything."""
    silence: float = Field(default=0.5, ge=0)
    """Of a recording's moments without any sound."""
    word: float = Field(default=0.5, ge=0)
    """Of a word that is said somewhere."""


@objectives.register("frame_text")
class FrameText(Objective):
    """Contrast between audio tokens, event by event and moment by moment, and label embeddings.

    As FLAM (Wu et al. 2025, arXiv 2505.05335) aligns frames with captions, but the text tower is the language model's
    own token embeddings, so that a token which passes the projector already means its words to the language model; and
    each positive is set against the batch's other labels by a softmax (InfoNCE) rather than a sigmoid.
    ``meta["events"]`` gives, for each recording of a row, what sounds from when to when: ``tags`` are true of all of
    it, ``words`` are said somewhere in it, ``timed`` are words with their begin and end; ``rivals`` are labels that it
    could have had and has not, which a small batch may hold no sound of. A learnt level stands for "nothing".
    """

    Options = FrameTextOptions

    def __init__(self, options: FrameTextOptions, bundle: "Bundle") -> None:
        super().__init__(options, bundle)
        self.renderer = bundle.renderer
        self.log_scale = nn.Parameter(torch.tensor(2.7))
        self.nothing = nn.Parameter(torch.tensor(0.0))

    def share(self, batch: Batch) -> float:
        """Its windows and what sounds in them; 0 where nothing is to be heard."""
        return float(len(batch.windows) + sum(map(len, events_of_windows(batch))))

    def idle(self, seen: Seen) -> Tensor:
        """0; of the language model, only its table of words is asked."""
        return torch.zeros((), device=seen.model.device)

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """Mean of ``−log p(label | event)`` and its companions."""
        if not seen.batch.windows:
            raise DataError("objective frame_text: this batch has no recording to align; give it rows with sound.")
        tokens = seen.tokens
        events = events_of_windows(seen.batch)
        labels = sorted({name for window in events for event in window for name in names_in(event)})
        if not labels:
            return {"loss": tokens.x_BFD.sum() * 0.0}
        text_ED = self.log_scale.exp() * F.normalize(self._embed(seen.model, labels), dim=-1)
        x_WKD = tokens.x_BFD.float()
        logits_WKE = F.normalize(x_WKD, dim=-1) @ text_ED.T
        known = truth(seen.batch.windows, events, labels, tokens.lengths_B.tolist(), logits_WKE, self.options)
        loss = contrast(logits_WKE, self.nothing, known.weight_WKE, known.is_false_WKE, known.silent_WK)
        if known.spans:
            whole_ND = torch.stack([x_WKD[w, first:last].mean(0) for w, first, last in known.spans])
            # A label that is false of every moment of an event is false of the event.
            is_false_NE = torch.stack([known.is_false_WKE[w, first:last].all(0) for w, first, last in known.spans])
            logits_NE = F.normalize(whole_ND, dim=-1) @ text_ED.T
            loss = loss * self.options.moment + contrast(logits_NE, self.nothing, known.tags_NE, is_false_NE)
        return {"loss": loss, "frame_text": loss.detach()}

    def _embed(self, model: nn.Module, labels: list[str]) -> Tensor:
        """The mean of each label's token embeddings [E, D]."""
        ids = [torch.tensor(self.renderer.encode_text(" " + label)) for label in labels]
        padded = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-1).to(model.device)
        is_real = (padded >= 0)[..., None]
        x_ESD = model.get_input_embeddings()(padded.clamp(min=0)).float()
        return (x_ESD * is_real).sum(1) / is_real.sum(1)


def events_of_windows(batch: Batch) -> list[list[dict[str, Any]]]:
    """The events of each window's recording."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in batch.rows:
        if row.windows and "events" not in row.meta:
            raise DataError(
                f"objective frame_text: row {row.meta.get('id', '?')} says in no meta.events what is heard when; "
                "use data that does, such as scenes, or the objective next_token."
            )
        for window, recording in zip(row.windows, row.recordings, strict=True):
            found[window.key] = row.meta["events"][recording]
    return [found[window.key] for window in batch.windows]


def names_in(event: dict[str, Any]) -> tuple[str, ...]:
    """Everything that is said of an event: what is true of it or of a part of it, and its rivals."""
    timed = (word for word, _, _ in event.get("timed", ()))
    return (*event["tags"], *event.get("words", ()), *timed, *event.get("rivals", ()))


def contrast(
    logits_xE: Tensor, nothing: Tensor, weight_xE: Tensor, is_false_xE: Tensor, silent_x: Tensor | float = 0.0
) -> Tensor:
    """Weighted mean of ``−log softmax`` of each positive against what is false there and "nothing".

    Args:
        logits_xE: how much each moment or event means each label.
        nothing: level of "nothing", a scalar.
        weight_xE: of each positive; 0 where a label is not true or not known.
        is_false_xE: labels that are known to be false.
        silent_x: weight of moments at which nothing sounds.
    """
    rivals_xE = logits_xE.masked_fill(~is_false_xE, float("-inf"))
    rivals_x = torch.logaddexp(rivals_xE.logsumexp(-1), nothing)
    positive = (weight_xE * F.softplus(rivals_x[..., None] - logits_xE)).sum()
    silent = (silent_x * (rivals_x - nothing)).sum()
    total = weight_xE.sum() + (silent_x.sum() if isinstance(silent_x, Tensor) else 0.0)
    return (positive + silent) / total.clamp(min=1e-6)


class Known(NamedTuple):
    """What is known of the windows of a batch. N events, E labels."""

    weight_WKE: Tensor
    """Weight of each label that is true of a moment."""
    is_false_WKE: Tensor
    silent_WK: Tensor
    """Weight of each moment at which nothing sounds."""
    spans: list[tuple[int, int, int]]
    """Window, first token and last (excluded) of each event."""
    tags_NE: Tensor
    """Weight of each label that is true of an event; 1 an event."""


@torch.no_grad()
def truth(
    windows: tuple[Window, ...],
    events: list[list[dict[str, Any]]],
    labels: list[str],
    lengths: list[int],
    logits_WKE: Tensor,
    options: FrameTextOptions,
) -> Known:
    """What sounds when.

    An event's weight is shared by its moments: a click counts as much as an engine. A word that is said somewhere in an
    event is taken to be said where the model hears it most; elsewhere in the event it is unknown (multiple-instance
    learning).
    """
    column = {label: index for index, label in enumerate(labels)}
    weight_WKE = np.zeros(logits_WKE.shape, np.float32)
    is_false_WKE = np.zeros(logits_WKE.shape, bool)
    silent_WK = np.zeros(logits_WKE.shape[:2], np.float32)
    spans: list[tuple[int, int, int]] = []
    tags: list[list[int]] = []
    for w, (window, heard) in enumerate(zip(windows, events, strict=True)):
        is_false_WKE[w, : lengths[w]] = True
        silent_WK[w, : lengths[w]] = 1.0
        for event in heard:
            first, last = span_of(event, window, lengths[w])
            if first == last:
                continue
            spans.append((w, first, last))
            tags.append([column[tag] for tag in event["tags"]])
            silent_WK[w, first:last] = 0.0
            for word in event.get("words", ()):
                is_false_WKE[w, first:last, column[word]] = False
                best = first + int(logits_WKE[w, first:last, column[word]].argmax())
                weight_WKE[w, best, column[word]] = options.word
            for word, start_s, end_s in event.get("timed", ()):
                begin, end = span_of({"start_s": start_s, "end_s": end_s}, window, lengths[w])
                if begin < end:
                    is_false_WKE[w, begin:end, column[word]] = False
                    weight_WKE[w, begin:end, column[word]] = options.word / (end - begin)
            is_false_WKE[w, first:last, tags[-1]] = False
            weight_WKE[w, first:last, tags[-1]] = 1.0 / (last - first)
        silent_WK[w] *= options.silence / max(1.0, silent_WK[w].sum())
    tags_NE = np.zeros((len(spans), len(labels)), np.float32)
    for row, columns in zip(tags_NE, tags, strict=True):
        row[columns] = 1.0 / len(columns)
    found = (weight_WKE, is_false_WKE, silent_WK, tags_NE)
    weight, is_false, silent, whole = (torch.from_numpy(array).to(logits_WKE.device) for array in found)
    return Known(weight, is_false, silent, spans, whole)


def span_of(event: dict[str, Any], window: Window, length: int) -> tuple[int, int]:
    """First and last (excluded) token of a window during which an event sounds; empty where it doesn't."""
    if event["end_s"] <= window.start_s or event["start_s"] >= window.end_s:
        return 0, 0
    rate = length / (window.end_s - window.start_s)
    first = max(0, int((event["start_s"] - window.start_s) * rate))
    return first, min(length, max(first + 1, round((event["end_s"] - window.start_s) * rate)))
