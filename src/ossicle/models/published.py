"""Published audio language models, taken apart into our encoder, projector and language model, and put together again.

The parts are the published weights themselves; nothing is copied but the projector's few matrices and the tower.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
import transformers
from torch import nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ossicle.chat import tekken
from ossicle.encoders import encoders
from ossicle.models.adapters import merge_adapter
from ossicle.models.config import OssicleAudioConfig, OssicleConfig
from ossicle.models.lalm import LALM, build_audio
from ossicle.support.errors import ModelError
from ossicle.support.hub import reason
from ossicle.support.weights import read_weights


class Layout(NamedTuple):
    """How one architecture's parts are ours."""

    model: str
    """Its class in transformers."""
    processor: str | None
    """Its processor's class; None where that needs a library to be made, and is read from its files alone."""
    encoder: str
    projector: Callable[[Any], dict[str, Any]]
    """Its spec, from the published configuration."""
    names: Mapping[str, str] = MappingProxyType({})
    """What our projector's tensors are called there, where that is otherwise than with us."""
    around: tuple[str, str] = ("", "")
    """What stands before and after each recording in a prompt; ``{n}`` counts them."""
    keeps: tuple[str, ...] = ("generation_config.json",)
    """Files of its folder that are given back as they are."""
    hears_s: float | None = None
    """The longest recording that it learnt to hear in one prompt, by its paper; None: one window of the encoder."""
    options: Mapping[str, Any] = MappingProxyType({})
    """More for our encoder than its sizes."""
    tower: tuple[str, str] = ("audio_tower", "audio_config")
    """What encoder and its configuration are called there,"""
    bridge: str = "multi_modal_projector"
    """and the projector."""


_PREPARING = ("preprocessor_config.json", "processor_config.json")
LAYOUTS: dict[str, Layout] = {
    "qwen2_audio": Layout(
        "Qwen2AudioForConditionalGeneration",
        "Qwen2AudioProcessor",
        "qwen2_audio",
        lambda config: {"type": "linear"},
        {"proj.weight": "linear.weight", "proj.bias": "linear.bias"},
        ("Audio {n}: <|audio_bos|>", "<|audio_eos|>\n"),
        # Its layers don't attend to the padding up to 30 s, so that need not be computed.
        options={"mode": "trim"},
    ),
    "audioflamingo3": Layout(
        "AudioFlamingo3ForConditionalGeneration",
        "AudioFlamingo3Processor",
        "audioflamingo3",
        lambda config: {"type": "mlp", "hidden": config.text_config.hidden_size, "bias": config.projector_bias},
        {f"net.{a}.{x}": f"linear_{b}.{x}" for a, b in ((0, 1), (2, 2)) for x in ("weight", "bias")},
        hears_s=600.0,
        options={"mode": "trim"},
    ),
    "voxtral": Layout(
        "VoxtralForConditionalGeneration",
        None,
        "voxtral",
        lambda config: {"type": "mlp", "stride": 4, "hidden": config.text_config.hidden_size, "bias": False},
        {"net.0.weight": "linear_1.weight", "net.2.weight": "linear_2.weight"},
        ("[BEGIN_AUDIO]", ""),
        ("generation_config.json", tekken.FILE),
        hears_s=2400.0,
    ),
    "granite_speech": Layout(
        "GraniteSpeechForConditionalGeneration",
        None,
        "granite_speech",
        lambda config: {
            "type": "granite_speech",
            "stretch": config.window_size,
            "queries": config.window_size // config.downsample_rate,
            "config": config.projector_config.to_diff_dict(),
        },
        keeps=("generation_config.json", *_PREPARING),
        # Upstream hears a recording whole, however long it is, and its blocks of 4 s go on where a cut would be.
        options={"window_s": 300.0},
        tower=("encoder", "encoder_config"),
        bridge="projector",
    ),
}
"""By transformers' model type."""
LAYOUTS["granite_speech_plus"] = LAYOUTS["granite_speech"]._replace(
    model="GraniteSpeechPlusForConditionalGeneration", encoder="granite_speech_plus"
)


def config_of(theirs: PreTrainedConfig) -> OssicleConfig:
    """Our configuration of a published model.

    Raises:
        ModelError: an architecture that we don't take apart.
    """
    layout = LAYOUTS.get(theirs.model_type)
    if layout is None:
        known = ", ".join(LAYOUTS)
        raise ModelError(f"{theirs.model_type} models cannot be taken apart; those of type {known} can.")
    cls = encoders.get(layout.encoder)
    options = cls.Options(config=getattr(theirs, layout.tower[1]).to_diff_dict(), **layout.options)
    with torch.device("meta"):
        encoder = cls(options)
    audio = OssicleAudioConfig(
        encoder={"type": cls.type_name, **options.model_dump(mode="json")},
        projector=layout.projector(theirs),
        max_source_positions=encoder.num_frames(encoder.window_samples),
    )
    published = theirs.to_dict()
    if "has_lora_adapter" in published:  # by then it is part of the weights
        published["has_lora_adapter"] = False
    return OssicleConfig(
        audio_config=audio,
        text_config=theirs.text_config,
        audio_token_id=theirs.audio_token_id,
        audio_around=layout.around,
        hears_s=layout.hears_s,
        published=published,
        tie_word_embeddings=bool(getattr(theirs, "tie_word_embeddings", theirs.text_config.tie_word_embeddings)),
    )


def read_config(folder: Path) -> OssicleConfig:
    """Our configuration of the published model in ``folder``. Raises ModelError."""
    try:
        return config_of(AutoConfig.from_pretrained(folder, trust_remote_code=False))
    except (OSError, ValueError) as error:
        raise ModelError(f"the model {str(folder)!r} cannot be loaded: {reason(error)}") from error


def kept_of(folder: Path, model_type: str) -> dict[str, bytes]:
    """The files of a published model that are given back as they are, by name; those of them that ``folder`` has."""
    names = LAYOUTS[model_type].keeps if model_type in LAYOUTS else ()
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def take_apart(
    folder: Path, dtype: torch.dtype = torch.float32, options: Mapping[str, Any] = MappingProxyType({})
) -> LALM:
    """The published model in ``folder`` as one of ours, with the same logits.

    An adapter that upstream switches on where there is sound (Granite Speech) becomes part of the language model, so
    it is on for text alone, too.

    Args:
        folder: as its makers publish it.
        dtype: of the weights.
        options: more for ``from_pretrained``, as :func:`~ossicle.models.quant.quantised` gives them.

    Raises:
        ModelError: an architecture that we don't take apart, or weights that cannot be read or are not all there.
    """
    config = read_config(folder)
    layout = LAYOUTS[config.published["model_type"]]
    cls, whose = getattr(transformers, layout.model), f"the model {str(folder)!r}"
    # Of an adapter beside the weights transformers would report instead of the weights, and might unpickle it.
    theirs = read_weights(cls, folder, whose, dtype=dtype, adapter_kwargs={"subfolder": "none"}, **options)
    if getattr(theirs.config, "has_lora_adapter", False):
        if options:
            raise ModelError(f"{whose} hears through a LoRA adapter, which goes onto whole weights; leave --quant out.")
        merge_adapter(theirs.model.language_model, folder)
    with torch.device("meta"):
        ours = LALM(config)
    encoder, projector = build_audio(config.audio_config, config.text_config.hidden_size)
    encoder.module().load_state_dict(getattr(theirs.model, layout.tower[0]).state_dict())
    found = getattr(theirs.model, layout.bridge).state_dict()
    projector.load_state_dict({name: found[layout.names.get(name, name)] for name in projector.state_dict()})
    place = {"device": theirs.device, "dtype": dtype}
    ours.model.audio_tower, ours.model.multi_modal_projector = encoder.to(**place), projector.to(**place)
    ours.model.language_model, ours.lm_head = theirs.model.language_model, theirs.lm_head
    return ours.eval()


def put_together(
    model: LALM, tokenizer: PreTrainedTokenizerBase, kept: Mapping[str, bytes] = MappingProxyType({})
) -> tuple[PreTrainedModel, tuple[Any, ...]]:
    """A model that was taken apart, in its own architecture again: transformers' model, and what is saved beside it for
    transformers' processor.

    The weights are shared with ``model``, but for the projector's.

    Args:
        kept: files that are saved, too, as :func:`kept_of` gives them.

    Raises:
        ModelError: it was composed by us, so no architecture of transformers has its parts.
    """
    config = model.config
    if config.published is None:
        raise ModelError("this model was not taken from a published one; it is saved in Ossicle's own layout only.")
    described = AutoConfig.for_model(**config.published)
    described.text_config = config.text_config
    layout = LAYOUTS[described.model_type]
    with torch.device("meta"):
        theirs = getattr(transformers, layout.model)(described)
    dtype = model.dtype
    setattr(theirs.model, layout.tower[0], model.model.audio_tower.module())
    holder: nn.Module = type(getattr(theirs.model, layout.bridge))(described)
    ours = model.model.multi_modal_projector.state_dict()
    holder.load_state_dict({layout.names.get(name, name): tensor for name, tensor in ours.items()})
    setattr(theirs.model, layout.bridge, holder.to(model.device, dtype))
    theirs.model.language_model, theirs.lm_head = model.model.language_model, model.lm_head
    extractor = getattr(model.model.audio_tower, "extractor", None)
    if layout.processor is None:
        beside = (extractor, None if tekken.FILE in kept else tokenizer)
        return theirs.eval(), tuple(one for one in beside if one is not None)
    processor = getattr(transformers, layout.processor)
    return theirs.eval(), (processor(extractor, tokenizer, chat_template=tokenizer.chat_template),)
