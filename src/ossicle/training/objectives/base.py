"""What an objective is: a model and a batch → losses. It may own parameters, which live as long as its stage."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel
from torch import Tensor, nn

from ossicle.batch import Batch
from ossicle.encoders.base import Options
from ossicle.registry import Registry

if TYPE_CHECKING:
    from ossicle.models.build import Bundle


class Objective(nn.Module):
    """Base of all objectives, built from ``(options, bundle)``."""

    Options: ClassVar[type[BaseModel]] = Options
    type_name: ClassVar[str]

    def __init__(self, options: BaseModel, bundle: "Bundle") -> None:
        super().__init__()
        self.options = options
        self.pad_id = bundle.pad_id

    def forward(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Losses by name; the one called ``loss`` is minimised."""
        raise NotImplementedError


objectives: Registry[Objective] = Registry("objective", "ossicle.training.objectives")
