"""Several levels of one encoder: their learnt sum, or all of them side by side.

B windows · F frames · L levels · D width
"""

from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ossicle.encoders._inner import inner, resolved
from ossicle.encoders.base import Encoder, Frames, Options, Span, encoders
from ossicle.support.errors import SpecError


class LayersOptions(Options):
    """Which encoder, which of its levels, and how they are joined."""

    encoder: dict[str, Any]
    levels: tuple[int, ...] | None = Field(default=None, min_length=1)
    """1 is what leaves the first transformer layer; −1, and the number of layers, is the encoder's own output, its last
    norm included. Default all."""
    join: Literal["sum", "side_by_side"] = "sum"
    """``sum``: weights that sum to 1 are learnt, as in SUPERB (Yang et al. 2021, arXiv 2105.01051, section 2.2);
    ``side_by_side``: the projector gets every level (GAMA; WavLLM)."""


@encoders.register("layers")
class Layers(Encoder):
    """Frames of the inner encoder, made of several of its levels (SUPERB, Yang et al. 2021, arXiv 2105.01051)."""

    Options = LayersOptions

    def __init__(self, options: LayersOptions) -> None:
        super().__init__()
        self.options = options
        self.encoder = inner(options.encoder, "encoder (layers).encoder")
        self.sample_rate, self.channels = self.encoder.sample_rate, self.encoder.channels
        self.window_samples, self.spectral = self.encoder.window_samples, self.encoder.spectral
        self.unheard_samples = self.encoder.unheard_samples
        self.numbers = self._numbers(options.levels)
        if options.join == "sum":
            self.weights = nn.Parameter(torch.zeros(len(self.numbers)))
            self.dim = self.encoder.dim
        else:
            self.dim = self.encoder.dim * len(self.numbers)

    @property
    def dims(self) -> tuple[int, ...]:
        """One width, or that of every level."""
        return (self.encoder.dim,) * (self.dim // self.encoder.dim)

    @classmethod
    def tiny(cls) -> "Layers":
        """The sum of both levels of a tiny wav2vec 2.0."""
        small = encoders.get("wav2vec2").tiny()
        return cls(LayersOptions(encoder={"type": small.type_name, **small.options.model_dump(mode="json")}))

    @classmethod
    def reference(cls) -> "Layers":
        """The learnt sum of all levels of WavLM."""
        return cls(LayersOptions(encoder={"type": "wavlm", "config": {}}))

    @classmethod
    def resolve(cls, options: LayersOptions) -> LayersOptions:
        """With the inner encoder's options written out."""
        return options.model_copy(update={"encoder": resolved(options.encoder, "encoder (layers).encoder")})

    def load_pretrained(self) -> None:
        """The inner encoder's weights."""
        self.encoder.load_pretrained()

    def windows(self, num_samples: int) -> tuple[Span, ...]:
        """As the inner encoder cuts."""
        return self.encoder.windows(num_samples)

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """As the inner encoder does."""
        return self.encoder.prepare(samples_CT)

    def num_frames(self, num_samples: int) -> int:
        """As many as the inner encoder's."""
        return self.encoder.num_frames(num_samples)

    def forward(self, features: Tensor, lengths_B: Tensor) -> Frames:
        """Run the inner encoder once, and join what its layers said on the way."""
        heard: dict[int, Tensor] = {}
        last = len(self.encoder.levels)
        hooks = [
            self.encoder.levels[number - 1].register_forward_hook(_keep(heard, number))
            for number in self.numbers
            if number != last
        ]
        try:
            out = self.encoder(features, lengths_B)
        finally:
            for hook in hooks:
                hook.remove()
        heard[last] = out.x_BFD
        levels = [heard[number][:, : out.x_BFD.shape[1]] for number in self.numbers]
        if self.options.join == "side_by_side":
            return Frames(torch.cat(levels, dim=-1), out.lengths_B)
        shares_L = self.weights.softmax(0)
        return Frames(sum(share * x_BFD for share, x_BFD in zip(shares_L, levels, strict=True)), out.lengths_B)

    def _numbers(self, given: tuple[int, ...] | None) -> tuple[int, ...]:
        """Levels as 1 … L."""
        depth = len(self.encoder.levels)
        if depth == 0:
            raise SpecError(f"encoder (layers): {self.encoder.type_name} has no levels to choose from.")
        if given is None:
            return tuple(range(1, depth + 1))
        for number in given:
            if number == 0 or abs(number) > depth:
                raise SpecError(f"encoder (layers).levels: {number} is not among 1 to {depth}, or −{depth} to −1.")
        return tuple(number if number > 0 else depth + 1 + number for number in given)


def _keep(heard: dict[int, Tensor], number: int) -> Any:
    """A hook that keeps what a layer gives."""

    def hook(module: nn.Module, inputs: Any, out: Any) -> None:
        heard[number] = out[0] if isinstance(out, tuple) else out

    return hook
