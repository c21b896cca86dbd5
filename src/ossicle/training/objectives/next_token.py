"""Predict the next token of the reply."""

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ossicle.encoders.base import Options
from ossicle.support.errors import DataError
from ossicle.training.objectives.base import Objective, Seen, objectives


class NextTokenOptions(Options):
    """Label smoothing in [0, 1)."""

    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)


def next_token_loss(hidden_ND: Tensor, head: nn.Module, targets_N: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy of the tokens that are trained; only their logits are ever made."""
    return F.cross_entropy(head(hidden_ND).float(), targets_N, label_smoothing=label_smoothing)


@objectives.register("next_token")
class NextToken(Objective):
    """``−log p(reply | sound, words before)``, averaged over the trained tokens of the batch."""

    Options = NextTokenOptions

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """One pass over the rows."""
        if not any(any(row.trained) for row in seen.batch.rows):
            raise DataError("objective next_token: no row of this batch has a reply to learn; add assistant messages.")
        hidden_ND = seen.hidden_ND
        targets_N = seen.packed.targets.to(hidden_ND.device)
        loss = next_token_loss(hidden_ND, seen.model.lm_head, targets_N, self.options.label_smoothing)
        return {"loss": loss, "next_token": loss.detach()}
