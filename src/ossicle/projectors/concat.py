"""Several projectors that hear the same frames: the tokens of each, one after the other.

B windows · F frames · K tokens of all · D width
"""

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import ByLevel, projectors
from ossicle.spec import build_options
from ossicle.support.errors import SpecError


class ConcatOptions(Options):
    """The projectors, in the order in which their tokens come."""

    projectors: tuple[dict[str, Any], ...] = Field(min_length=2)

    @field_validator("projectors")
    @classmethod
    def _known(cls, given: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        """With everything written out."""
        found = []
        for number, spec in enumerate(given):
            where = f"model.projector.projectors.{number}"
            inner, options = build_options(projectors, spec, where)
            if inner.reads != "frames":
                raise SpecError(f"{where}: {inner.type_name} reads codes, and those beside it frames; leave it out.")
            found.append({"type": inner.type_name, **options.model_dump(mode="json")})
        return tuple(found)


@projectors.register("concat")
class Concat(ByLevel):
    """K = the sum of theirs, window by window.

    GAMA (Ghosh et al. 2024, arXiv 2406.11768, section 3.1) has an audio Q-Former before an aggregator.
    """

    Options = ConcatOptions

    def __init__(self, options: ConcatOptions, dims: Sequence[int], dim_out: int) -> None:
        super().__init__(options, dims, dim_out)
        self.projectors = nn.ModuleList()
        for number, spec in enumerate(options.projectors):
            cls, inner = build_options(projectors, spec, f"model.projector.projectors.{number}")
            self.projectors.append(cls.of(inner, dims, dim_out))
        self.unheard_frames = min(one.unheard_frames for one in self.projectors)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Concat":
        """Four queries, and the means of every three frames."""
        queries = {"type": "qformer", "queries": 4, "hidden": 32, "heads": 2}
        return cls(cls.Options(projectors=(queries, {"type": "pool", "stride": 3})), (dim_in,), dim_out)

    @classmethod
    def reference(cls, dim_in: int, dim_out: int) -> "Concat":
        """What the whole is like, and what follows the sound."""
        return cls(cls.Options(projectors=({"type": "qformer"}, {"type": "pool"})), (dim_in,), dim_out)

    def meet(self, embeddings_VD: Tensor) -> None:
        """All of them are shown the words."""
        for projector in self.projectors:
            projector.meet(embeddings_VD)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Those of all."""
        return sum(projector.lengths(num_frames) for projector in self.projectors)

    def forward(self, frames: Frames) -> Frames:
        """The real tokens of each in turn; padding comes last."""
        parts = [projector(frames) for projector in self.projectors]
        real_BK = torch.cat(
            [torch.arange(x_BKD.shape[1], device=x_BKD.device) < lengths_B[:, None] for x_BKD, lengths_B in parts], 1
        )
        order_BK = real_BK.logical_not().byte().argsort(dim=1, stable=True)
        lengths_B = self.lengths(frames.lengths_B)
        x_BKD = torch.cat([x_BKD for x_BKD, _ in parts], 1).take_along_dim(order_BK[..., None], 1)
        return Frames(x_BKD[:, : int(lengths_B.max())], lengths_B)
