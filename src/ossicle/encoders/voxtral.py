"""The tower of Voxtral (Liu et al. 2025, arXiv 2507.13264): Whisper large-v3; its projector stacks four frames."""

from transformers import VoxtralEncoder, VoxtralEncoderConfig

from ossicle.encoders._tower import Tower
from ossicle.encoders.base import encoders


@encoders.register("voxtral")
class Voxtral(Tower):
    """50 frames per second."""

    config_class, model_class = VoxtralEncoderConfig, VoxtralEncoder
    whole, tower = "voxtral", "audio_tower"
    pooled = False

    @classmethod
    def tiny(cls) -> "Voxtral":
        """Two layers of width 32, by the names that this configuration has for them."""
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        return cls(cls.Options(config={**sizes, "num_mel_bins": 16}))
