"""A folder of an audio language model that transformers knows → transformers' model and processor."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoProcessor, PreTrainedModel, ProcessorMixin
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
)

from ossicle.models.adapters import CONFIG
from ossicle.models.config import OssicleConfig
from ossicle.models.published import LAYOUTS
from ossicle.models.quant import quantised
from ossicle.support.errors import ModelError
from ossicle.support.hub import reason
from ossicle.support.weights import read_weights

_THINKERS = {
    "qwen2_5_omni": "Qwen2_5OmniThinkerForConditionalGeneration",
    "qwen3_omni_moe": "Qwen3OmniMoeThinkerForConditionalGeneration",
}
"""Of models that also speak, the part that answers in words."""
_MISMADE = (OSError, ValueError, ImportError, TypeError, AttributeError, StrictDataclassError)
"""How transformers refuses what it cannot make."""


def is_foreign(folder: Path) -> bool:
    """Whether a model folder holds neither one of ours nor one that we take apart, but one that transformers runs."""
    file = folder / "config.json"
    kind = json.loads(file.read_text(encoding="utf-8")).get("model_type") if file.is_file() else None
    return kind != OssicleConfig.model_type and kind not in LAYOUTS and class_of(kind) is not None


def refuse_foreign(folder: Path) -> None:
    """Raise ModelError for a folder of which :func:`is_foreign` is true, where the parts of a model are needed."""
    if is_foreign(folder):
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
        raise ModelError(
            f"{folder} holds a {kind!r} model, which is not taken apart, so it is neither trained on nor exported: "
            f"Ossicle reads those it made, and {', '.join(LAYOUTS)} models."
        )


def class_of(model_type: str | None) -> str | None:
    """The class of transformers that answers in words for this type of model; None for a type that does not."""
    tables = (
        _THINKERS,
        MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
        MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )
    return next((str(table[model_type]) for table in tables if model_type in table), None)


def extractor_of(processor: ProcessorMixin) -> Any:
    """What turns samples into features; None in a processor that hears nothing."""
    found = (getattr(processor, name, None) for name in ("feature_extractor", "audio_processor"))
    return next((one for one in found if hasattr(one, "sampling_rate")), None)


def window_s(processor: ProcessorMixin) -> float:
    """Seconds of the windows that a processor makes features in; infinite where it has none."""
    return float(getattr(extractor_of(processor), "chunk_length", None) or math.inf)


def hears_s(processor: ProcessorMixin) -> float:
    """The longest recording that a processor takes: what it says, in whole windows where it cuts those."""
    window, most = window_s(processor), float(getattr(processor, "max_audio_len", None) or math.inf)
    return most // window * window if window <= most < math.inf else most


def read_processor(folder: Path, *, trust_remote_code: bool = False) -> ProcessorMixin:
    """The processor in a model folder; by code of the folder's own only where that is trusted.

    Raises:
        ModelError: it cannot be made, hears nothing, or has no chat template.
    """
    try:
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except _MISMADE as error:
        raise ModelError(f"the processor of {str(folder)!r} cannot be made: {_why(error)}") from error
    if extractor_of(processor) is None or getattr(processor, "audio_token_id", None) is None:
        raise ModelError(f"{folder} cannot be asked about recordings: its processor has no features or token for them.")
    if not processor.chat_template:
        raise ModelError(
            f"{folder} has no chat template, so how a question is put to it is not known; add chat_template.jinja."
        )
    return processor


def read_foreign(
    folder: Path,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    quant: int | None = None,
    trust_remote_code: bool = False,
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Model and processor of a folder of which :func:`is_foreign` is true.

    Args:
        folder: as its makers publish it.
        device: of torch.
        dtype: of the weights.
        quant: keep the language model's linear layers in so many bits, see :func:`~ossicle.models.quant.quantised`.
        trust_remote_code: run code that the processor brings along; the model is transformers' own.

    Raises:
        ModelError: one of them cannot be made, weights are missing or of another shape, or adapters lie beside them.
    """
    processor = read_processor(folder, trust_remote_code=trust_remote_code)
    adapters = sorted(str(file.parent.relative_to(folder)) for file in folder.rglob(CONFIG))
    if adapters:
        raise ModelError(
            f"{folder} answers through adapters ({', '.join(adapters)}), which are not added here; merge them with "
            "peft into its weights, save those, and give their folder."
        )
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)  # which the processor has been made from
    cls = getattr(transformers, class_of(config.model_type))
    options: dict[str, Any] = {}
    if quant is not None:
        options = quantised(quant, device, dtype)
        options["quantization_config"].llm_int8_skip_modules = _not_language(cls, config)
    model = read_weights(cls, folder, f"the model {str(folder)!r}", dtype=dtype, **options)
    return (model if quant else model.to(device)), processor


def shape_of(folder: Path) -> PreTrainedModel:
    """The model in a folder of which :func:`is_foreign` is true, on the meta device: shapes without weights.

    Raises:
        ModelError: its configuration is none of that type.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        return _on_meta(getattr(transformers, class_of(config.model_type)), config)
    except _MISMADE as error:
        raise ModelError(f"the model {str(folder)!r} cannot be made: {_why(error)}") from error


def count_parts(model: PreTrainedModel) -> dict[str, int]:
    """Parameters of its language model, and of what stands beside that, by transformers' names; tied ones once."""
    seen: set[torch.nn.Parameter] = set()
    counts: dict[str, int] = {}
    for name, part in _beside(model, model.get_decoder()):
        new = set(part.parameters()) - seen
        seen |= new
        counts[name] = sum(parameter.numel() for parameter in new)
    return counts


def _beside(module: torch.nn.Module, decoder: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    for name, child in module.named_children():
        if child is not decoder and any(inner is decoder for inner in child.modules()):
            yield from _beside(child, decoder)
        else:
            yield name, child


def _on_meta(cls: Any, config: Any) -> PreTrainedModel:
    # The class that answers in words, of a model that also speaks, is made from a configuration inside the whole one.
    inner = (getattr(config, name) for name in config.sub_configs)
    with torch.device("meta"):
        return cls(next(one for one in (config, *inner) if isinstance(one, cls.config_class)))


def _not_language(cls: Any, config: Any) -> list[str]:
    """Names of the linear layers outside the language model, and of its head."""
    model = _on_meta(cls, config)
    inside = set(model.get_decoder().modules())
    outside = ((name, module) for name, module in model.named_modules() if module not in inside)
    return [name for name, module in outside if isinstance(module, torch.nn.Linear)]


def _why(error: Exception) -> str:
    return reason(error.__cause__ if isinstance(error, StrictDataclassError) else error)
