"""WavLM: HuBERT's targets under added noise and speakers (Chen et al. 2022, arXiv 2110.13900)."""

from transformers import WavLMConfig, WavLMModel

from ossicle.encoders._waveform import Waveform
from ossicle.encoders.base import encoders


@encoders.register("wavlm")
class WavLM(Waveform):
    """50 frames per second from samples at 16 kHz."""

    config_class, model_class = WavLMConfig, WavLMModel
    licence = "MIT"
