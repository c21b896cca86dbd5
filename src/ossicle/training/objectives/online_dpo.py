"""Prefer the better of one's own replies to the worse.

R prompts · G replies to each · N tokens of the preferred and the other replies
"""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import Tensor

from ossicle.batch import Batch, Row
from ossicle.data.halves import is_taught
from ossicle.training.objectives._earning import LEAST_STD, EarningOptions, Groups, groups_of
from ossicle.training.objectives._replies import draw, log_likelihood
from ossicle.training.objectives.base import Seen, objectives
from ossicle.training.objectives.dpo import Dpo, DpoOptions

if TYPE_CHECKING:
    from ossicle.models.build import Bundle


class OnlineDpoOptions(EarningOptions, DpoOptions):
    """What earns how much, how many replies are drawn, and all that ``dpo`` may be told."""

    samples: int = Field(default=2, ge=2)
    """Replies to each prompt, of which the one that earns most is preferred to the one that earns least."""


def best_and_worst(earned: Sequence[float]) -> tuple[int, int] | None:
    """Number of the reply that earned most, and of the one that earned least; of several the first. None where all
    earned alike."""
    if max(earned) - min(earned) < LEAST_STD:
        return None
    return earned.index(max(earned)), earned.index(min(earned))


@objectives.register("online_dpo")
class OnlineDpo(Dpo):
    """Online direct preference optimisation: the model draws several replies to each prompt, and of the one that earns
    most and the one that earns least, the first is to become likelier, by the loss of ``dpo``.

    Guo et al. 2024 (arXiv 2402.04792, section 3) draw two, have a model judge them and take the losses that are here
    ``sigmoid``, ``ipo`` and ``hinge``; Voxtral (arXiv 2507.13264) is trained so, too. Here rewards judge, those of
    ``grpo``: they compare a reply with the row's own, and with ``targets`` and ``choices`` of its ``meta``. A prompt
    whose replies all earn alike teaches nothing, and adds to ``loss`` what a reply loses beside itself. Likelihoods are
    those at temperature 1, whatever that of the draws. Chance is keyed by step and row, so that a run that was stopped
    draws the same replies again, and so do several processes. They are drawn in evaluation mode: freeze parts that have
    dropout or batch norms, or what learns is a little other than what spoke.
    """

    Options = OnlineDpoOptions
    scenes = MappingProxyType({})
    options: OnlineDpoOptions
    end_ids: Tensor

    def __init__(self, options: OnlineDpoOptions, bundle: "Bundle") -> None:
        super().__init__(options, bundle)
        self.bundle = bundle
        self.register_buffer("end_ids", torch.tensor(sorted(bundle.renderer.end_ids)), persistent=False)

    def share(self, batch: Batch) -> float:
        """Its prompts."""
        return float(sum(is_taught(row.meta) for row in batch.rows))

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """What ``dpo`` tells of the pairs; ``reward``, of each kind too, and ``swapped``, that with other recordings;
        the share of prompts whose replies earned ``alike``, and of replies that ``ended``; ``reply_tokens``."""
        rows = [row for row in seen.batch.rows if is_taught(row.meta)]
        drawer = replace(self.bundle, model=seen.model)
        groups = groups_of(rows, self.options.samples, self.options, drawer, self.type_name, seen.chance)
        halves = self._halves(groups)
        share = len(halves) / 2 / len(rows)
        told = {**groups.told(), "alike": torch.tensor(1.0 - share)}
        nothing = torch.zeros(1, device=seen.model.device)
        alike = self._losses(nothing, nothing)[0]
        if not halves:  # a gradient of 0 for all that learns
            return {"loss": alike + super().idle(Seen(seen.model, Batch.pack(groups.prompts[:1]), seen.pad_id)), **told}
        found = super().forward(Seen(seen.model, Batch.pack(halves), seen.pad_id))
        return {**found, "loss": share * found["loss"] + (1.0 - share) * alike, **told}

    def idle(self, seen: Seen) -> Tensor:
        """0, after drawing no reply while others draw theirs, and asking each model as ``forward`` does."""
        draw(replace(self.bundle, model=seen.model), [], [], 1.0, 1)
        return super().idle(Seen(seen.model, seen.batch, seen.pad_id))  # not what other objectives have seen

    def _halves(self, groups: Groups) -> list[Row]:
        """Two rows for each prompt whose replies did not earn alike, as ``dpo`` wants them."""
        end_id, halves = int(self.end_ids[0]), []
        for number, earned in enumerate(groups.counted_RG.tolist()):
            pair = best_and_worst(earned)
            for reply in pair or ():
                row = groups.drawn[number][reply].after(groups.prompts[number], end_id)
                halves.append(replace(row, meta={"pair": number, "chosen": reply == pair[0]}))
        return halves

    def _log_p(self, seen: Seen) -> Tensor:
        return log_likelihood(seen, self.end_ids)
