"""One matrix: as many tokens as frames."""

from pydantic import BaseModel
from torch import Tensor, nn

from ossicle.encoders.base import Frames
from ossicle.projectors.base import Projector, projectors


@projectors.register("linear")
class Linear(Projector):
    """K = F (LLaVA, Liu et al. 2023, arXiv 2304.08485; Qwen2-Audio)."""

    def __init__(self, options: BaseModel, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        self.proj = nn.Linear(dim_in, dim_out)

    def lengths(self, num_frames: int | Tensor) -> int | Tensor:
        """Unchanged."""
        return num_frames

    def forward(self, frames: Frames) -> Frames:
        """Project each frame."""
        return Frames(self.proj(frames.x_BFD), frames.lengths_B)
