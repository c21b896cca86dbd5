"""The tower of Qwen2-Audio (Chu et al. 2024, arXiv 2407.10759): Whisper large-v3, trained on."""

from transformers import Qwen2AudioEncoder, Qwen2AudioEncoderConfig

from ossicle.encoders._tower import Tower
from ossicle.encoders.base import encoders


@encoders.register("qwen2_audio")
class Qwen2Audio(Tower):
    """25 frames per second."""

    config_class, model_class = Qwen2AudioEncoderConfig, Qwen2AudioEncoder
    best_known = "Qwen/Qwen2-Audio-7B-Instruct"
    licence = "Apache-2.0"
    whole, tower = "qwen2_audio", "audio_tower"
    masked = True
