"""The tower of Voxtral (Liu et al. 2025, arXiv 2507.13264): Whisper large-v3; its projector stacks four frames."""

from transformers import VoxtralEncoder, VoxtralEncoderConfig

from ossicle.encoders._tower import Tower
from ossicle.encoders.base import encoders


@encoders.register("voxtral")
class Voxtral(Tower):
    """50 frames per second; of 30 s, however short the recording is, unless ``mode`` is ``trim``."""

    config_class, model_class = VoxtralEncoderConfig, VoxtralEncoder
    best_known = "mistralai/Voxtral-Mini-3B-2507"
    licence = "Apache-2.0"
    whole, tower = "voxtral", "audio_tower"
    passes_silence = True
    pooled = False
