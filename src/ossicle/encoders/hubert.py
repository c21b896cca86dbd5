"""HuBERT: prediction of masked cluster ids (Hsu et al. 2021, arXiv 2106.07447)."""

from transformers import HubertConfig, HubertModel

from ossicle.encoders._waveform import Waveform
from ossicle.encoders.base import encoders


@encoders.register("hubert")
class Hubert(Waveform):
    """50 frames per second from samples at 16 kHz."""

    config_class, model_class = HubertConfig, HubertModel
    best_known = "facebook/hubert-base-ls960"
    licence = "Apache-2.0"
