"""Model folders that bring code of their own, run for those who ask for it: ``trust_remote_code``."""

import json
from pathlib import Path

import torch
import transformers
from transformers import CONFIG_MAPPING, PreTrainedModel, ProcessorMixin

from ossicle.models.read_foreign import read_processor
from ossicle.support.errors import ModelError
from ossicle.support.weights import read_weights

_MAKERS = (
    "AutoModelForMultimodalLM",
    "AutoModelForSpeechSeq2Seq",
    "AutoModelForSeq2SeqLM",
    "AutoModelForCausalLM",
    "AutoModel",
)


def brings_code(folder: Path) -> str | None:
    """The Auto class of transformers by which a folder's own code makes the model; None where it brings none.

    A type of model that transformers knows, or we, needs none, and a folder's own is left alone.
    """
    file = folder / "config.json"
    raw = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if raw.get("model_type") in CONFIG_MAPPING:
        return None
    return next((name for name in _MAKERS if name in raw.get("auto_map", {})), None)


def read_trusted(
    folder: Path, *, device: str, dtype: torch.dtype, quant: int | None, trust_remote_code: bool
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Model and processor of a folder that :func:`brings_code`, made by that code.

    Args:
        folder: of the model.
        device: of torch.
        dtype: of the weights.
        quant: must be None.
        trust_remote_code: whether somebody has asked for the code to be run.

    Raises:
        ModelError: nobody has, or what it makes does not generate, or its weights or processor do not do.
    """
    maker = brings_code(folder)
    if not trust_remote_code:
        raise ModelError(
            f"{folder} brings code of its own, which could do anything here and is not run unasked; read it, then "
            "ask for it with --trust-remote-code (in Python, trust_remote_code=True)."
        )
    if quant is not None:
        raise ModelError(
            f"quant: which layers of {folder} are its language model only its own code knows; leave it out."
        )
    processor = read_processor(folder, trust_remote_code=trust_remote_code)
    model = read_weights(
        getattr(transformers, str(maker)),
        folder,
        f"the model {str(folder)!r}",
        dtype=dtype,
        trust_remote_code=trust_remote_code,
    )
    if not model.can_generate():
        raise ModelError(f"{folder}: its {type(model).__name__} does not generate text, so it cannot be asked.")
    return model.to(device), processor
