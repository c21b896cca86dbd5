"""wav2vec 2.0: contrastive learning over masked latents (Baevski et al. 2020, arXiv 2006.11477)."""

from transformers import Wav2Vec2Config, Wav2Vec2Model

from ossicle.encoders._waveform import Waveform
from ossicle.encoders.base import encoders


@encoders.register("wav2vec2")
class Wav2Vec2(Waveform):
    """50 frames per second from samples at 16 kHz."""

    config_class, model_class = Wav2Vec2Config, Wav2Vec2Model
    best_known = "facebook/wav2vec2-base"
    licence = "Apache-2.0"
