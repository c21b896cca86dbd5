"""Let every audio token of a sound say when that sound begins and ends, and how often it is heard.

W windows · K tokens · D width · N tokens that belong to one event · C choices
"""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ossicle.batch import Window
from ossicle.chat.timeline import write_time
from ossicle.encoders.base import Options
from ossicle.support.errors import DataError, SpecError
from ossicle.training.objectives.base import Objective, Seen, objectives
from ossicle.training.objectives.frame_text import events_of_windows, span_of

if TYPE_CHECKING:
    from ossicle.models.build import Bundle

_MAX_COUNT = 9


class FrameFactsOptions(Options):
    """Weights of the three facts."""

    start: float = Field(default=1.0, ge=0)
    end: float = Field(default=1.0, ge=0)
    count: float = Field(default=0.5, ge=0)
    sigma_s: float = Field(default=0.1, gt=0)
    """Spread of the times that count as right, s."""
    max_time_s: float = Field(default=30.0, gt=0)
    """The vocabulary's last time, s."""


@objectives.register("frame_facts")
class FrameFacts(Objective):
    """Divergence from the truth of onset, offset and number of occurrences, read from each audio token of an event.

    A question about a named sound then takes one look at a token that means this sound: the answer is in it, a rotation
    (none for the onset, a fixed one each for offset and number) away from the language model's own token for that time
    or number. ``meta["events"]`` gives the truth, as for ``frame_text``. Moments that two events share say nothing of
    either, and windows that do not begin with their recording cannot know its clock; both are left out. Made for this
    toolkit; there is no paper behind it.
    """

    Options = FrameFactsOptions

    def __init__(self, options: FrameFactsOptions, bundle: "Bundle") -> None:
        super().__init__(options, bundle)
        encode = bundle.renderer.encode_text
        times = [encode(write_time(i / 10)) for i in range(round(options.max_time_s * 10) + 1)]
        counts = [encode(str(i)) for i in range(1, _MAX_COUNT + 1)]
        if any(len(ids) != 1 for ids in (*times, *counts)):
            raise SpecError(
                f"objective frame_facts: the tokenizer has no single token for each time up to {options.max_time_s:g} "
                "s; use one made from scratch whose tokenizer.max_time_s is as large, or leave this objective out."
            )
        self.time_ids, self.count_ids = ([ids[0] for ids in found] for found in (times, counts))
        width = bundle.model.config.text_config.hidden_size
        chance = torch.Generator().manual_seed(0)
        for name in ("end", "count"):
            rotation_DD = torch.linalg.qr(torch.randn(width, width, generator=chance, dtype=torch.float64))[0].float()
            self.register_buffer(name, rotation_DD, persistent=False)
        self.log_scale = nn.Parameter(torch.tensor(2.7))

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """Weighted mean over the events of a batch."""
        if not seen.batch.windows:
            raise DataError("objective frame_facts: this batch has no recording; give it rows with sound.")
        x_WKD, lengths_W = seen.tokens
        places, weights, starts, ends, counts = clear_moments(
            seen.batch.windows, events_of_windows(seen.batch), lengths_W.tolist()
        )
        if not places:
            return {"loss": x_WKD.sum() * 0.0}
        device = x_WKD.device
        w_N, k_N = torch.tensor(places, device=device).unbind(1)
        x_ND = x_WKD[w_N, k_N].float()
        weight_N = torch.tensor(weights, device=device)
        weight_N = weight_N / weight_N.sum()
        embeddings = seen.model.get_input_embeddings().weight.float()
        times_CD, counts_CD = (embeddings[ids] for ids in (self.time_ids, self.count_ids))
        options = self.options
        asked = (
            (options.start, x_ND, times_CD, self._near(starts, device)),
            (options.end, x_ND @ self.end, times_CD, self._near(ends, device)),
            (
                options.count,
                x_ND @ self.count,
                counts_CD,
                F.one_hot(torch.tensor(counts, device=device) - 1, _MAX_COUNT),
            ),
        )
        total = x_ND.new_zeros(())
        for weight, turned_ND, choices_CD, truth_NC in asked:
            logits_NC = self.log_scale.exp() * (F.normalize(turned_ND, dim=-1) @ F.normalize(choices_CD, dim=-1).T)
            loss_N = F.kl_div(logits_NC.log_softmax(-1), truth_NC.float(), reduction="none").sum(-1)
            total = total + weight * (loss_N * weight_N).sum()
        return {"loss": total, "frame_facts": total.detach()}

    def _near(self, seconds: list[float], device: torch.device) -> Tensor:
        """For each of N times, how right each of C times is: a bell that sums to 1."""
        grid_C = torch.arange(len(self.time_ids), device=device) / 10
        away_NC = (torch.tensor(seconds, device=device)[:, None] - grid_C) / self.options.sigma_s
        return torch.softmax(-0.5 * away_NC**2, dim=-1)


def clear_moments(
    windows: tuple[Window, ...], events: list[list[dict[str, Any]]], lengths: list[int]
) -> tuple[list[tuple[int, int]], list[float], list[float], list[float], list[int]]:
    """The tokens during which one event sounds and no other.

    Returns:
        For each its (window, token), its weight (an event's tokens share 1), its event's onset and offset, s, and how
        many events of that label the recording holds.
    """
    places: list[tuple[int, int]] = []
    weights: list[float] = []
    starts: list[float] = []
    ends: list[float] = []
    counts: list[int] = []
    for w, (window, heard) in enumerate(zip(windows, events, strict=True)):
        if window.start_s > 0:
            continue
        spans = [span_of(event, window, lengths[w]) for event in heard]
        cover = [0] * lengths[w]
        for first, last in spans:
            for k in range(first, last):
                cover[k] += 1
        labels = [event["label"] for event in heard]
        for event, (first, last) in zip(heard, spans, strict=True):
            clear = [k for k in range(first, last) if cover[k] == 1]
            number = labels.count(event["label"])
            if not clear or number > _MAX_COUNT:
                continue
            places += [(w, k) for k in clear]
            weights += [1.0 / len(clear)] * len(clear)
            starts += [event["start_s"]] * len(clear)
            ends += [event["end_s"]] * len(clear)
            counts += [number] * len(clear)
    return places, weights, starts, ends, counts
