"""WavLM: HuBERT's targets under added noise and speakers (Chen et al. 2022, arXiv 2110.13900).

B windows · H heads · F frames (20 ms) · D width
"""

from torch import Tensor
from transformers import WavLMConfig, WavLMModel
from transformers.models.wavlm.modeling_wavlm import WavLMAttention

from ossicle.encoders._waveform import Waveform, WaveformOptions
from ossicle.encoders.base import encoders


@encoders.register("wavlm")
class WavLM(Waveform):
    """50 frames per second from samples at 16 kHz."""

    config_class, model_class = WavLMConfig, WavLMModel
    best_known = "microsoft/wavlm-base-plus"
    licence = "MIT"

    def __init__(self, options: WaveformOptions) -> None:
        super().__init__(options)
        for layer in self.levels:
            layer.attention.__class__ = OneMask


class OneMask(WavLMAttention):
    """Transformers' own, which gives torch what is padding as flags and positions as numbers: torch warns of that."""

    def torch_multi_head_self_attention(
        self, hidden_states: Tensor, attention_mask: Tensor | None, gated_position_bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Frames [B, F, D] and the bias of positions [B · H, F, F], where padding is now as far as can be."""
        if attention_mask is not None:
            padding_BF = attention_mask.ne(1)
            padding_NF = padding_BF.repeat_interleave(self.num_heads, dim=0)
            gated_position_bias = gated_position_bias.masked_fill(padding_NF[:, None], float("-inf"))
        return super().torch_multi_head_self_attention(hidden_states, None, gated_position_bias)
