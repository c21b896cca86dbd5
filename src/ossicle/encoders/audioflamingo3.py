"""AF-Whisper, the tower of Audio Flamingo 3 (Goel et al. 2025, arXiv 2507.08128)."""

from transformers import AudioFlamingo3Encoder, AudioFlamingo3EncoderConfig

from ossicle.encoders._tower import Tower
from ossicle.encoders.base import encoders


@encoders.register("audioflamingo3")
class AudioFlamingo3(Tower):
    """25 frames per second."""

    config_class, model_class = AudioFlamingo3EncoderConfig, AudioFlamingo3Encoder
    best_known = "nvidia/audio-flamingo-3-hf"
    licence = "NVIDIA OneWay Noncommercial"
    whole, tower = "audioflamingo3", "audio_tower"
    masked = True
