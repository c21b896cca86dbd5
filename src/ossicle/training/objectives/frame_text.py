"""Align every audio token with the words for what sounds at that moment.

W windows · K tokens · D width · E labels
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ossicle.batch import Batch, Window
from ossicle.encoders.base import Options
from ossicle.training.objectives.base import Objective, Seen, objectives

if TYPE_CHECKING:
    from ossicle.models.build import Bundle


class FrameTextOptions(Options):
    """``positive_weight`` makes up for how rarely a label sounds."""

    positive_weight: float = Field(default=3.0, gt=0)


@objectives.register("frame_text")
class FrameText(Objective):
    """Frame-wise sigmoid contrast between audio tokens and label embeddings.

    As FLAM (Wu et al. 2025, arXiv 2505.05335) with the text tower replaced by the language model's own token
    embeddings, so that a token which passes the projector already means its words to the language model.
    The labels of the batch are one another's negatives. ``meta["events"]`` gives, for each recording of a row, what
    sounds from when to when: ``tags`` are true of all of it, ``words`` are said somewhere in it.
    """

    Options = FrameTextOptions

    def __init__(self, options: FrameTextOptions, bundle: "Bundle") -> None:
        super().__init__(options, bundle)
        self.renderer = bundle.renderer
        self.log_scale = nn.Parameter(torch.tensor(2.3))
        self.bias = nn.Parameter(torch.tensor(-4.0))

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """Binary cross entropy over tokens × labels, a positive's share of which is one."""
        tokens = seen.tokens
        events = events_of_windows(seen.batch)
        labels = sorted({name for window in events for e in window for name in (*e["tags"], *e.get("words", ()))})
        if not labels:
            return {"loss": tokens.x_BFD.sum() * 0.0}
        audio_WKD = F.normalize(tokens.x_BFD.float(), dim=-1)
        text_ED = F.normalize(self._embed(seen.model, labels), dim=-1)
        logits_WKE = self.log_scale.exp() * audio_WKD @ text_ED.T + self.bias
        truth_WKE, weight_WKE = truth(seen.batch.windows, events, labels, tokens.lengths_B.tolist(), logits_WKE)
        weight_WKE = weight_WKE * (1 + (self.options.positive_weight - 1) * truth_WKE)
        raw = F.binary_cross_entropy_with_logits(logits_WKE, truth_WKE, weight_WKE, reduction="sum")
        loss = raw / (truth_WKE.sum().clamp(min=1) * self.options.positive_weight)
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
        for window, recording in zip(row.windows, row.recordings, strict=True):
            found[window.key] = row.meta["events"][recording]
    return [found[window.key] for window in batch.windows]


@torch.no_grad()
def truth(
    windows: tuple[Window, ...],
    events: list[list[dict[str, Any]]],
    labels: list[str],
    lengths: list[int],
    logits_WKE: Tensor,
) -> tuple[Tensor, Tensor]:
    """What is true of each token, and how much that is known, both [W, K, E].

    A word that is said somewhere in an event is taken to be said where the model hears it most; elsewhere in the
    event it is unknown (multiple-instance learning).
    """
    column = {label: index for index, label in enumerate(labels)}
    truth_WKE, known_WKE = np.zeros((2, *logits_WKE.shape), np.float32)
    for w, (window, heard) in enumerate(zip(windows, events, strict=True)):
        known_WKE[w, : lengths[w]] = 1.0
        rate = lengths[w] / (window.end_s - window.start_s)
        for event in heard:
            first = max(0, int((event["start_s"] - window.start_s) * rate))
            last = min(lengths[w], max(first + 1, round((event["end_s"] - window.start_s) * rate)))
            if first >= last:
                continue
            for word in event.get("words", ()):
                known_WKE[w, first:last, column[word]] = 0.0
                best = first + int(logits_WKE[w, first:last, column[word]].argmax())
                truth_WKE[w, best, column[word]] = known_WKE[w, best, column[word]] = 1.0
            for tag in event["tags"]:
                truth_WKE[w, first:last, column[tag]] = known_WKE[w, first:last, column[tag]] = 1.0
    return tuple(torch.from_numpy(x).to(logits_WKE.device) for x in (truth_WKE, known_WKE))
