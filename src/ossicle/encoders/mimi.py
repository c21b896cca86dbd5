"""Mimi's encoder (Défossez et al. 2024, arXiv 2410.00037, section 3.3), before quantisation or as codes.

B windows · C channels · T samples · E steps of 40 ms · F frames (80 ms) · D width
"""

from math import prod
from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import MimiConfig, MimiModel, PreTrainedModel
from transformers.models.mimi.modeling_mimi import (
    MimiConv1d,
    MimiEncoder,
    MimiSplitResidualVectorQuantizer,
    MimiTransformerModel,
)

from ossicle.encoders._codec import Codec
from ossicle.encoders.base import encoders

PARTS = ("encoder.", "encoder_transformer.", "downsample.")
"""How their tensors' names begin, where transformers keeps them together and where it doesn't."""


class Path(nn.Module):
    """Convolutions, a causal transformer that hears 10 s back, and a last convolution that halves the rate."""

    def __init__(self, convolutions: nn.Module, transformer: nn.Module, downsample: nn.Module) -> None:
        super().__init__()
        self.convolutions, self.transformer, self.downsample = convolutions, transformer, downsample

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Samples [B, C, T] → frames [B, D, F]."""
        x_BED = self.transformer(self.convolutions(x_BCT).transpose(1, 2)).last_hidden_state
        return self.downsample(x_BED.transpose(1, 2))


@encoders.register("mimi")
class Mimi(Codec):
    """12.5 frames per second from samples at 24 kHz; nothing is heard before it sounds."""

    config_class, model_class = MimiConfig, MimiModel
    quantiser_class = MimiSplitResidualVectorQuantizer
    best_known = "kyutai/mimi"
    licence = "CC-BY-4.0"
    overrides: ClassVar[dict[str, Any]] = {"attn_implementation": "sdpa"}

    def _make(self) -> nn.Module:
        config = self.config
        width, halving = config.hidden_size, self.hop // prod(config.upsampling_ratios)
        last = MimiConv1d(config, width, width, 2 * halving, halving, bias=False, pad_mode="replicate")
        return Path(MimiEncoder(config), MimiTransformerModel(config), last)

    @property
    def num_codebooks(self) -> tuple[int, int]:
        """At least those that hold what is said, which come first."""
        return self.config.num_semantic_quantizers, self.config.num_quantizers

    def _codes(self, x_BDF: Tensor) -> Tensor:
        return self.quantiser.encode(x_BDF, len(self.codebooks))

    @property
    def hop(self) -> int:
        """Samples of one frame."""
        return self.config.frame_size

    @classmethod
    def tiny(cls) -> "Mimi":
        """Four convolutions up to width 64 and two layers of width 32, hearing 4 s at once."""
        sizes = {"num_filters": 4, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64}
        heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "upsample_groups": 32}
        codes = {"codebook_size": 16, "codebook_dim": 8, "vector_quantization_hidden_dimension": 8, "num_quantizers": 2}
        return cls(cls.Options(config={**sizes, **heads, **codes}, window_s=4.0))

    def _kept(self, source: PreTrainedModel) -> tuple[nn.Module, tuple[str, ...]]:
        # Wherever this version of transformers has them.
        named = dict(source.named_modules())
        first = {type(part): part for part in reversed(named.values())}
        last = next(part for name, part in named.items() if name.rpartition(".")[2] == "downsample")
        return Path(first[MimiEncoder], first[MimiTransformerModel], last), PARTS
