"""Answer to the sound as the language model answers to its words.

N trained tokens of the rows with sound · V vocabulary
"""

from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ossicle.batch import Batch, Row
from ossicle.encoders.base import Options
from ossicle.support.errors import DataError
from ossicle.training.objectives.base import Remembering, Seen, objectives


class DistilOptions(Options):
    """Who teaches, and how softly."""

    temperature: float = Field(default=2.0, gt=0)
    """Logits are divided by it."""
    teacher: Literal["itself", "initial"] = "itself"
    """``itself``: the language model as it is at this step, right where it is frozen; ``initial``: as it was when the
    stage began, kept beside it, where it is trained."""
    next_token: float = Field(default=0.0, ge=0)
    """Weight of the replies' own loss beside the distillation."""


def distil_loss(student_NV: Tensor, teacher_NV: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean over tokens of ``T² · KL(softmax(teacher / T) ‖ softmax(student / T))``.

    BLSP-Emo (Wang et al. 2024, arXiv 2406.03872, section 3) without ``T²``, which keeps the length of the gradient
    (Hinton et al. 2015, arXiv 1503.02531, section 2).
    """
    student_NV, teacher_NV = (F.log_softmax(x.float() / temperature, -1) for x in (student_NV, teacher_NV))
    return temperature**2 * F.kl_div(student_NV, teacher_NV, log_target=True, reduction="batchmean")


@objectives.register("distil")
class Distil(Remembering):
    """Distillation from words to sound (BLSP-Emo; Ultravox): the next-token distributions over one reply, once after
    the sound and once after its words, are to be alike. Nothing is learnt through the words.

    The two are rows of a batch with the same ``meta["pair"]``, and ``meta["reads"]`` true of the one in words:
    conversations with ``transcripts`` in JSON lines, and scenes with ``described: true``, make them so.
    """

    Options = DistilOptions
    scenes = MappingProxyType({"described": True})

    @classmethod
    def copies(cls, options: DistilOptions) -> int:
        """An earlier teacher."""
        return int(options.teacher == "initial")

    def share(self, batch: Batch) -> float:
        """Tokens of its replies."""
        return sum(sum(row.trained[1:]) for row in batch.rows) / 2

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """``distil``, and how often both expect the same token."""
        hears, reads = lessons_of(seen.batch.rows)
        heard_N, read_N = (_targets_of(seen, rows) for rows in (hears, reads))
        targets_N = seen.packed.targets[heard_N]
        if len(heard_N) != len(read_N) or not torch.equal(targets_N, seen.packed.targets[read_N]):
            raise DataError("objective distil: a reply has other tokens after the sound than after its words.")
        device = seen.hidden_ND.device
        student_NV = seen.model.logits(seen.hidden_ND[heard_N.to(device)]).float()
        with torch.no_grad():
            taught = seen if self.earlier is None else Seen(self.earlier, seen.batch, seen.pad_id)
            teacher_NV = taught.model.logits(taught.hidden_ND[read_N.to(device)].detach()).float()
        loss = distil_loss(student_NV, teacher_NV, self.options.temperature)
        same = (student_NV.argmax(-1) == teacher_NV.argmax(-1)).float().mean()
        told = {"distil": loss.detach(), "same": same}
        if not self.options.next_token:
            return {"loss": loss, **told}
        own = F.cross_entropy(student_NV, targets_N.to(device))
        return {"loss": loss + self.options.next_token * own, **told, "next_token": own.detach()}


def _targets_of(seen: Seen, rows: list[int]) -> Tensor:
    """Where the trained tokens of these rows stand among all, row after row."""
    row_of_target = seen.packed.row_of_target
    return torch.cat([(row_of_target == row).nonzero()[:, 0] for row in rows])


def lessons_of(rows: tuple[Row, ...]) -> tuple[list[int], list[int]]:
    """The numbers of the rows that hear, and of those that read the same.

    Raises:
        DataError: a row is no half of a lesson, or its other half is not there.
    """
    sides: dict[str, dict[bool, int]] = {}
    for number, row in enumerate(rows):
        if "pair" not in row.meta or "reads" not in row.meta:
            raise DataError(
                f"objective distil: row {row.meta.get('id', '?')} has no words beside its sound; give conversations "
                'with "transcripts", or scenes with described: true.'
            )
        sides.setdefault(str(row.meta["pair"]), {})[bool(row.meta["reads"])] = number
    for pair, numbers in sides.items():
        if len(numbers) < 2:
            raise DataError(f"objective distil: of {pair}, this batch has only the sound or only the words.")
    return [side[False] for side in sides.values()], [side[True] for side in sides.values()]
