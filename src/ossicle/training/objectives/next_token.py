"""Predict the next token of the reply."""

from collections.abc import Callable

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ossicle.encoders.base import Options
from ossicle.support.errors import DataError
from ossicle.training.objectives.base import Objective, Seen, objectives


class NextTokenOptions(Options):
    """How the tokens of the replies count."""

    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    length_power: float = Field(default=0.0, ge=0.0, le=1.0)
    """A token of a row with n trained tokens weighs n^−p. 0: every token the same, so that long replies outweigh short
    ones; 1: every row the same."""


def next_token_loss(
    hidden_ND: Tensor,
    head: Callable[[Tensor], Tensor],
    targets_N: Tensor,
    weights_N: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Weighted mean cross entropy of the tokens that are trained; only their logits are ever made."""
    logits_NV = head(hidden_ND).float()
    if weights_N is None:
        return F.cross_entropy(logits_NV, targets_N, label_smoothing=label_smoothing)
    loss_N = F.cross_entropy(logits_NV, targets_N, label_smoothing=label_smoothing, reduction="none")
    return (loss_N * weights_N).sum() / weights_N.sum()


def length_weights(row_of_target_N: Tensor, power: float) -> Tensor | None:
    """``n^−power`` for each token of a row with n trained tokens; None where all weigh the same."""
    if power == 0:
        return None
    return row_of_target_N.bincount()[row_of_target_N].float() ** -power


@objectives.register("next_token")
class NextToken(Objective):
    """``−log p(reply | sound, words before)``, averaged over the trained tokens of the batch."""

    Options = NextTokenOptions

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """One pass over the rows."""
        if not any(any(row.trained) for row in seen.batch.rows):
            raise DataError("objective next_token: no row of this batch has a reply to learn; add assistant messages.")
        hidden_ND, options = seen.hidden_ND, self.options
        targets_N, row_of_target_N = (t.to(hidden_ND.device) for t in (seen.packed.targets, seen.packed.row_of_target))
        weights_N = length_weights(row_of_target_N, options.length_power)
        loss = next_token_loss(hidden_ND, seen.model.logits, targets_N, weights_N, options.label_smoothing)
        return {"loss": loss, "next_token": loss.detach()}
