"""Predict the next token of the reply."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ossicle.encoders.base import Options
from ossicle.models.integrations import Heard
from ossicle.models.integrations.codes import Codes
from ossicle.support.errors import DataError, SpecError
from ossicle.training.objectives.base import Objective, Seen, objectives

if TYPE_CHECKING:
    from ossicle.models.build import Bundle


class NextTokenOptions(Options):
    """How the tokens of the replies count."""

    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    length_power: float = Field(default=0.0, ge=0.0, le=1.0)
    """A token of a row with n trained tokens weighs n^−p. 0: every token the same, so that long replies outweigh short
    ones; 1: every row the same."""
    z_loss: float = Field(default=0.0, ge=0.0)
    """Weight of the mean of ``log² Σ exp(logits)``, which keeps logits near 0 in low precision (PaLM, Chowdhery et al.
    2022, arXiv 2204.02311, section 5, where it is 1e-4)."""
    sound: float = Field(default=0.0, ge=0.0)
    """Weight of the mean loss over the codes of the recordings, each predicted from what precedes it; beside that of
    the replies, which is 1. Needs the integration ``codes``."""


def next_token_loss(
    hidden_ND: Tensor,
    head: Callable[[Tensor], Tensor],
    targets_N: Tensor,
    weights_N: Tensor | None = None,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
) -> Tensor:
    """Weighted mean cross entropy of the tokens that are trained; only their logits are ever made."""
    logits_NV = head(hidden_ND).float()
    loss_N = F.cross_entropy(logits_NV, targets_N, label_smoothing=label_smoothing, reduction="none")
    if z_loss:
        loss_N = loss_N + z_loss * logits_NV.logsumexp(-1) ** 2
    return loss_N.mean() if weights_N is None else (loss_N * weights_N).sum() / weights_N.sum()


def length_weights(row_of_target_N: Tensor, power: float) -> Tensor | None:
    """``n^−power`` for each token of a row with n trained tokens; None where all weigh the same."""
    if power == 0:
        return None
    return row_of_target_N.bincount()[row_of_target_N].float() ** -power


def sound_loss(seen: Seen) -> Tensor:
    """Mean cross entropy of the codes in a batch, but for one with which a row begins, as nothing precedes it."""
    model, packed = seen.model.model, seen.packed
    ids_N = torch.cat(Heard(seen.codes, torch.tensor(packed.window_of_slot)).runs())[:, 0]
    rows_N, places_N = (packed.input_ids == model.config.audio_token_id).nonzero().to(ids_N.device).unbind(1)
    follows_N = places_N > 0
    hidden_ND = seen.hidden_PLD[rows_N[follows_N], places_N[follows_N] - 1]
    return model.integration.losses(model, hidden_ND, ids_N[follows_N]).mean()


@objectives.register("next_token")
class NextToken(Objective):
    """``−log p(reply | sound, words before)``, averaged over the trained tokens of the batch."""

    Options = NextTokenOptions

    def __init__(self, options: NextTokenOptions, bundle: "Bundle") -> None:
        super().__init__(options, bundle)
        if options.sound and not isinstance(bundle.model.model.integration, Codes):
            raise SpecError(
                "objective next_token: sound is for models that read codes; set model.integration to codes, or leave "
                "sound out."
            )

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """One pass over the rows."""
        if not any(any(row.trained) for row in seen.batch.rows):
            raise DataError("objective next_token: no row of this batch has a reply to learn; add assistant messages.")
        hidden_ND, options = seen.hidden_ND, self.options
        targets_N, row_of_target_N = (t.to(hidden_ND.device) for t in (seen.packed.targets, seen.packed.row_of_target))
        weights_N = length_weights(row_of_target_N, options.length_power)
        loss = next_token_loss(
            hidden_ND, seen.model.logits, targets_N, weights_N, options.label_smoothing, options.z_loss
        )
        if not options.sound or not seen.batch.windows:
            return {"loss": loss, "next_token": loss.detach()}
        sound = sound_loss(seen)
        return {"loss": loss + options.sound * sound, "next_token": loss.detach(), "sound": sound.detach()}
