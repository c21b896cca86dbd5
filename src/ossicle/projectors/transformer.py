"""A few transformer layers over the frames, then one matrix: as many tokens as frames, each of which knows the others.

B windows · F frames · K tokens · H heads · D width · R width of a head that is turned
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from ossicle.encoders.base import Frames, Options, sinusoids
from ossicle.projectors.base import Strided, averaged, projectors
from ossicle.support.errors import SpecError


class TransformerOptions(Options):
    """Sizes; the width is the encoder's."""

    stride: int = Field(default=1, ge=1)
    """Frames that are averaged to one before the first layer."""
    layers: int = Field(default=3, ge=1)
    heads: int = Field(default=8, ge=1)
    feed_forward: int = Field(default=2048, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    positions: Literal["sinusoids", "rotary"] = "sinusoids"
    """``sinusoids`` are added to the frames (Audio Flamingo 1); ``rotary`` turns queries and keys in every layer (Audio
    Flamingo 2)."""


class RotaryLayer(nn.TransformerEncoderLayer):
    """The same layer, with queries and keys turned by where they stand (Su et al. 2021, arXiv 2104.09864, section 3.2):
    the first half of each head, at rates 4096^(−2i/R), as Audio Flamingo 2 has it."""

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Frames [B, K, D] of the same shape; ``src_key_padding_mask`` [B, K] is added to scores, as
        ``nn.TransformerEncoder`` gives it."""
        x_BKD = src + self.dropout1(self._attend(self.norm1(src), src_key_padding_mask))
        return x_BKD + self._ff_block(self.norm2(x_BKD))

    def _attend(self, x_BKD: Tensor, mask_BK: Tensor | None) -> Tensor:
        attention = self.self_attn
        joint_BKD = F.linear(x_BKD, attention.in_proj_weight, attention.in_proj_bias)
        q, k, v = (x.unflatten(2, (attention.num_heads, -1)).transpose(1, 2) for x in joint_BKD.chunk(3, -1))
        cos_1KR, sin_1KR = turns(q.shape[2], attention.head_dim // 2, x_BKD)
        width = cos_1KR.shape[-1]
        turned = apply_rotary_pos_emb(q[..., :width], k[..., :width], cos_1KR, sin_1KR)
        q, k = (torch.cat([near, x[..., width:]], -1) for near, x in zip(turned, (q, k), strict=True))
        mask = None if mask_BK is None else mask_BK[:, None, None]
        dropout = attention.dropout if self.training else 0.0
        found_BHKD = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return attention.out_proj(found_BHKD.transpose(1, 2).flatten(2))


def turns(length: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines [1, length, width] of the angles of rotary positions, where one half of the width is turned
    with the other, of the type of ``like``."""
    rates = 4096 ** (-torch.arange(0, width, 2, device=like.device) / width)
    angles_1KR = (torch.arange(length, device=like.device)[:, None] * rates).repeat(1, 2)[None]
    return angles_1KR.cos().to(like.dtype), angles_1KR.sin().to(like.dtype)


@projectors.register("transformer")
class Transformer(Strided):
    """K = ⌈F / stride⌉: the representation transformation of Audio Flamingo (Kong et al. 2024, arXiv 2402.01831,
    section 3.1), three layers of eight heads, with absolute positions; with rotary ones, that of Audio Flamingo 2
    (Ghosh et al. 2025, arXiv 2503.03983, section 3.2)."""

    Options = TransformerOptions

    def __init__(self, options: TransformerOptions, dim_in: int, dim_out: int) -> None:
        super().__init__(options, dim_in, dim_out)
        if dim_in % options.heads or dim_in % 2:
            raise SpecError(
                f"projector transformer: {options.heads} heads and 2 must divide the frames' width {dim_in}."
            )
        rotary = options.positions == "rotary"
        if rotary and dim_in % (4 * options.heads):
            raise SpecError(
                f"projector transformer: rotary positions turn half of each head, so 4 times {options.heads} heads "
                f"must divide the frames' width {dim_in}."
            )
        layer = (RotaryLayer if rotary else nn.TransformerEncoderLayer)(
            dim_in,
            options.heads,
            options.feed_forward,
            options.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, options.layers, nn.LayerNorm(dim_in), enable_nested_tensor=False)
        self.proj = nn.Linear(dim_in, dim_out)

    @classmethod
    def tiny(cls, dim_in: int = 32, dim_out: int = 24) -> "Transformer":
        """Two layers of two heads over every two frames."""
        return cls(cls.Options(stride=2, layers=2, heads=2, feed_forward=32), dim_in, dim_out)

    def forward(self, frames: Frames) -> Frames:
        """Attend among what is real."""
        x_BKD = averaged(frames, self.options.stride)
        lengths_B: Tensor = self.lengths(frames.lengths_B)
        if self.options.positions == "sinusoids":
            x_BKD = x_BKD + sinusoids(x_BKD.shape[1], x_BKD.shape[2]).to(x_BKD)
        padding_BK = torch.arange(x_BKD.shape[1], device=x_BKD.device) >= lengths_B[:, None]
        return Frames(self.proj(self.layers(x_BKD, src_key_padding_mask=padding_BK)), lengths_B)
