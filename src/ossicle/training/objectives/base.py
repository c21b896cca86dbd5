"""What an objective is: a model that has seen a batch → losses. It may own parameters, which live as long as its stage.

N rows · L tokens · W windows · D width
"""

import abc
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel
from torch import Tensor, nn

from ossicle.batch import Batch
from ossicle.encoders.base import Frames, Options
from ossicle.models.lalm import LALM, flatten_runs
from ossicle.registry import Registry

if TYPE_CHECKING:
    from ossicle.models.build import Bundle


class Seen:
    """What a model makes of a batch: each thing is computed when first asked for, and once for all objectives."""

    def __init__(self, model: LALM, batch: Batch, pad_id: int) -> None:
        self.model, self.batch = model, batch
        inputs = batch.inputs(pad_id=pad_id)
        self.inputs = {name: tensor.to(model.device, non_blocking=True) for name, tensor in inputs.items()}

    @cached_property
    def tokens(self) -> Frames:
        """Audio tokens of each window [W, K, D]."""
        return self.model.model.encode(self.inputs["input_features"], self.inputs["feature_lengths"])

    @cached_property
    def hidden_NLD(self) -> Tensor:  # noqa: N802
        """Last hidden states of every row."""
        audio_KD = flatten_runs(self.tokens, self.inputs["audio_windows"]) if self.batch.windows else None
        return self.model.model(
            inputs_embeds=self.model.model.embed(self.inputs["input_ids"], audio_KD),
            attention_mask=self.inputs["attention_mask"],
            use_cache=False,
        ).last_hidden_state


class Objective(nn.Module, abc.ABC):
    """Base of all objectives, built from ``(options, bundle)``."""

    Options: ClassVar[type[BaseModel]] = Options
    type_name: ClassVar[str]

    def __init__(self, options: BaseModel, bundle: "Bundle") -> None:
        super().__init__()
        self.options = options

    @abc.abstractmethod
    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """Losses by name; the one called ``loss`` is minimised."""


objectives: Registry[Objective] = Registry("objective", "ossicle.training.objectives")
