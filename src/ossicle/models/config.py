"""What was resolved from a model's spec: the one place where widths and ids are written down."""

from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig


class OssicleAudioConfig(PreTrainedConfig):
    """The encoder and projector of a model: component type and options each."""

    model_type = "ossicle_audio"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        projector: dict[str, Any] | None = None,
        max_source_positions: int = 1500,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder or {"type": "melnet"}
        self.projector = projector or {"type": "linear"}
        self.max_source_positions = max_source_positions
        """Frames of the longest window, or its tokens where they are more; the model counts them when it is made. vLLM
        takes it for the most tokens of a recording."""
        super().__init__(**kwargs)


class OssicleConfig(PreTrainedConfig):
    """A composed audio-language model.

    Args:
        audio_config: encoder and projector.
        text_config: any causal language model of transformers.
        audio_token_id: the id that stands where a frame's token goes.
        integration: how sound enters: a component's name, or ``{"type": name, **options}``.
        clock: whether audio tokens say where they stand in their window.
        audio_around: text before and after each recording in a prompt; ``{n}`` counts recordings from 1.
        hears_s: seconds of the longest recording that it learnt to hear in one prompt; None where that is one window of
            its encoder.
        published: the configuration of the published model that this was taken from, or None.
        format_version: of the checkpoint folder.
    """

    model_type = "ossicle"
    sub_configs: ClassVar = {"audio_config": OssicleAudioConfig, "text_config": AutoConfig}

    def __init__(
        self,
        audio_config: OssicleAudioConfig | dict[str, Any] | None = None,
        text_config: PreTrainedConfig | dict[str, Any] | None = None,
        audio_token_id: int = 1,
        integration: str | dict[str, Any] = "prompt",
        clock: bool = False,
        audio_around: tuple[str, str] = ("", ""),
        hears_s: float | None = None,
        published: dict[str, Any] | None = None,
        format_version: int = 1,
        **kwargs: Any,
    ) -> None:
        if audio_config is None or isinstance(audio_config, dict):
            audio_config = OssicleAudioConfig(**(audio_config or {}))
        if text_config is None or isinstance(text_config, dict):
            options = dict(text_config or {"model_type": "qwen3"})
            text_config = AutoConfig.for_model(options.pop("model_type"), **options)
        self.audio_config = audio_config
        self.text_config = text_config
        self.audio_token_id = audio_token_id
        self.integration = integration
        self.clock = clock
        self.audio_around = tuple(audio_around)
        self.hears_s = hears_s
        self.published = published
        self.format_version = format_version
        super().__init__(**kwargs)
