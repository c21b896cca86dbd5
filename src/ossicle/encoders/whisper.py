"""The encoder of Whisper (Radford et al. 2022, arXiv 2212.04356)."""

from torch import nn
from transformers import PreTrainedModel, WhisperConfig, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ossicle.encoders._tower import Tower
from ossicle.encoders.base import encoders


@encoders.register("whisper")
class Whisper(Tower):
    """50 frames per second."""

    config_class, model_class = WhisperConfig, WhisperModel
    best_known = "openai/whisper-small"
    licence = "Apache-2.0"
    pooled = False

    def _make(self) -> nn.Module:
        return WhisperEncoder(self.config)

    def kept(self, source: PreTrainedModel) -> tuple[nn.Module, str]:
        """The encoder alone."""
        return source.encoder, "encoder."
