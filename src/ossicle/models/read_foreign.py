"""A folder of an audio language model that transformers knows → transformers' model and processor."""

import json
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


def is_foreign(folder: Path) -> bool:
    """Whether a model folder holds neither one of ours nor one that we take apart, but one that transformers runs."""
    file = folder / "config.json"
    kind = json.loads(file.read_text(encoding="utf-8")).get("model_type") if file.is_file() else None
    return kind != OssicleConfig.model_type and kind not in LAYOUTS and class_of(kind) is not None


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


def read_processor(folder: Path, *, trust_remote_code: bool = False) -> ProcessorMixin:
    """The processor in a model folder; by code of the folder's own only where that is trusted.

    Raises:
        ModelError: it cannot be made, hears nothing, or has no chat template.
    """
    try:
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, ImportError, TypeError, AttributeError, StrictDataclassError) as error:
        why = reason(error.__cause__ if isinstance(error, StrictDataclassError) else error)
        raise ModelError(f"the processor of {str(folder)!r} cannot be made: {why}") from error
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


def _not_language(cls: Any, config: Any) -> list[str]:
    """Names of the linear layers outside the language model, and of its head."""
    with torch.device("meta"):
        model = cls(config)
    inside = set(model.get_decoder().modules())
    outside = ((name, module) for name, module in model.named_modules() if module not in inside)
    return [name for name, module in outside if isinstance(module, torch.nn.Linear)]
