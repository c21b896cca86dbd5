"""A projector of its own for each encoder, or each level of one: what they make of the same moments, side by side.

B windows · F frames · K tokens · D width
"""

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from ossicle.encoders.base import Frames, Options
from ossicle.projectors.base import ByLevel, Projector, projectors
from ossicle.spec import build_options
from ossicle.support.errors import SpecError

WHERE = "model.projector.projector"


class EachOptions(Options):
    """What each is, and how wide."""

    projector: dict[str, Any]
    """Every encoder has one like this, with weights of its own."""
    width: int = Field(default=2048, ge=1)
    """Of what each makes; one matrix leads from all of them to the language model. WavLLM has 2048."""

    @field_validator("projector")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        """With everything written out."""
        inner, options = build_options(projectors, given, WHERE)
        if inner.reads != "frames":
            raise SpecError(f"{WHERE}: {inner.type_name} reads codes, and encoders beside others give frames.")
        if inner.meet is not Projector.meet:
            raise SpecError(
                f"{WHERE}: {inner.type_name} makes whole tokens, like words of the language model, and each gives a "
                "part of one here; choose another, such as conv, or set model.projector to it."
            )
        return {"type": inner.type_name, **options.model_dump(mode="json")}


@projectors.register("each")
class Each(ByLevel):
    """K is that of one of them, as they are alike: WavLLM's adapters of Whisper and of WavLM (Hu et al. 2024, arXiv
    2404.00656, section 3.1), joined along the width before one more matrix.

    The encoder is ``{type: concat, encoders: [...]}``, or ``{type: layers, join: side_by_side}``.
    """

    Options = EachOptions

    def __init__(self, options: EachOptions, dims: Sequence[int], dim_out: int) -> None:
        super().__init__(options, dims, dim_out)
        cls, inner = build_options(projectors, options.projector, WHERE)
        self.projectors = nn.ModuleList(cls.of(inner, (dim,), options.width) for dim in dims)
        self.unheard_frames = self.projectors[0].unheard_frames
        self.proj = nn.Linear(options.width * len(dims), dim_out)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Each":
        """Two stacks of three frames, of a quarter and of three quarters of the width."""
        inner = {"type": "mlp", "stride": 3, "hidden": 16}
        return cls(cls.Options(projector=inner, width=12), (dim_in // 4, dim_in - dim_in // 4), dim_out)

    @classmethod
    def reference(cls, dim_in: int, dim_out: int) -> "Each":
        """WavLLM's adapters of two encoders of this width."""
        inner = {"type": "conv", "stride": 4, "hidden": 1024, "bottleneck": 512}
        return cls(cls.Options(projector=inner), (dim_in, dim_in), dim_out)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Those of one."""
        return self.projectors[0].lengths(num_frames)

    def forward(self, frames: Frames) -> Frames:
        """Give each its own features."""
        own = zip(self.projectors, frames.x_BFD.split(self.dims, dim=-1), strict=True)
        parts = [projector(Frames(x_BFD, frames.lengths_B)).x_BFD for projector, x_BFD in own]
        return Frames(self.proj(torch.cat(parts, dim=-1)), self.lengths(frames.lengths_B))
