"""Align every audio token with the words for what sounds at that moment.

W windows · K tokens · D width · E labels
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ossicle.batch import Batch, Window
from ossicle.encoders.base import Options
from ossicle.training.objectives.base import Objective, objectives


class FrameTextOptions(Options):
    """``positive_weight`` makes up for how rarely a label sounds; ``next_token`` adds that much of the reply's loss."""

    positive_weight: float = Field(default=3.0, gt=0)


@objectives.register("frame_text")
class FrameText(Objective):
    """Frame-wise sigmoid contrast between audio tokens and label embeddings.

    As FLAM (Wu et al. 2025, arXiv 2505.05335) with the text tower replaced by the language model's own token
    embeddings, so that a token which passes the projector already means its words to the language model.
    The labels of the batch are one another's negatives. ``meta["events"]`` gives, for each recording of a row, what
    sounds from when to when: ``tags`` are true of it, and ``unsure`` can neither be claimed nor denied.
    """

    Options = FrameTextOptions

    def __init__(self, options: FrameTextOptions, bundle) -> None:
        super().__init__(options, bundle)
        self.renderer = bundle.renderer
        self.log_scale = nn.Parameter(torch.tensor(2.3))
        self.bias = nn.Parameter(torch.tensor(-4.0))

    def forward(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Binary cross entropy over tokens × labels."""
        inputs = batch.inputs(pad_id=self.pad_id)
        device = next(model.parameters()).device
        tokens = model.model.encode(inputs["input_features"].to(device), inputs["feature_lengths"].to(device))
        events = _events_of_windows(batch)
        labels = sorted({tag for window in events for event in window for tag in event["tags"]})
        if not labels:
            return {"loss": tokens.x_BFD.sum() * 0.0}
        text_ED = self._embed_labels(model, labels)
        audio_WKD = F.normalize(tokens.x_BFD.float(), dim=-1)
        logits_WKE = self.log_scale.exp() * audio_WKD @ F.normalize(text_ED, dim=-1).T + self.bias
        truth_WKE, known_WKE = _truth(batch.windows, events, labels, tokens.lengths_B.tolist(), logits_WKE.shape[1])
        weight_WKE = (known_WKE * (1 + (self.options.positive_weight - 1) * truth_WKE)).to(device)
        raw = F.binary_cross_entropy_with_logits(logits_WKE, truth_WKE.to(device), weight_WKE, reduction="sum")
        loss = raw / (truth_WKE.sum().clamp(min=1).to(device) * 4)
        return {"loss": loss, "frame_text": loss.detach()}

    def _embed_labels(self, model: nn.Module, labels: list[str]) -> Tensor:
        table = model.get_input_embeddings()
        means = []
        for label in labels:
            ids = torch.tensor(self.renderer.encode_text(" " + label), device=table.weight.device)
            means.append(table(ids).float().mean(0))
        return torch.stack(means)


def _events_of_windows(batch: Batch) -> list[list[dict]]:
    """The events of each window's recording."""
    found: dict[str, list[dict]] = {}
    for row in batch.rows:
        for window, recording in zip(row.windows, row.recordings, strict=True):
            found[window.key] = row.meta["events"][recording]
    return [found[window.key] for window in batch.windows]


def _truth(
    windows: tuple[Window, ...], events: list[list[dict]], labels: list[str], lengths: list[int], num_tokens: int
) -> tuple[Tensor, Tensor]:
    """What is true of each token, and where it is known, both [W, K, E]."""
    column = {label: index for index, label in enumerate(labels)}
    truth_WKE = torch.zeros(len(windows), num_tokens, len(labels))
    known_WKE = torch.zeros_like(truth_WKE)
    for w, (window, heard) in enumerate(zip(windows, events, strict=True)):
        known_WKE[w, : lengths[w]] = 1.0
        rate = lengths[w] / (window.end_s - window.start_s)
        for event in heard:
            first = max(0, int((event["start_s"] - window.start_s) * rate))
            last = min(lengths[w], max(first + 1, round((event["end_s"] - window.start_s) * rate)))
            for tag in event.get("unsure", ()):
                if tag in column:
                    known_WKE[w, first:last, column[tag]] = 0.0
        for event in heard:
            first = max(0, int((event["start_s"] - window.start_s) * rate))
            last = min(lengths[w], max(first + 1, round((event["end_s"] - window.start_s) * rate)))
            for tag in event["tags"]:
                truth_WKE[w, first:last, column[tag]] = 1.0
                known_WKE[w, first:last, column[tag]] = 1.0
    return truth_WKE, known_WKE
