"""What a recipe may write of a language model that is made from scratch: the keys of its transformers configuration."""

import dataclasses
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import CONFIG_MAPPING, PreTrainedTokenizerBase

from ossicle.support.errors import SpecError, nearest

OURS = ("type", "init")
"""Keys that are not the configuration's."""
_SETTLED = {
    "vocab_size": "the tokenizer's size, model.tokenizer.vocab_size",
    "pad_token_id": "the tokenizer's",
    "eos_token_id": "the tokenizer's",
    "bos_token_id": "none, as no text begins with one",
    "tie_word_embeddings": "true for a language model made from scratch",
}
_ROTARY = ("rope_theta", "rope_scaling", "partial_rotary_factor")
"""Other names of what ``rope_parameters`` holds, which transformers reads, too."""


def check_keys(spec: Mapping[str, Any]) -> None:
    """See that ``model.language_model`` says nothing that would be passed over.

    Raises:
        ValueError: neither an id nor a type that transformers knows, or a key that has no effect; the nearest is named.
    """
    if "id" in spec:
        if others := sorted(spec.keys() - {"id"}):
            raise ValueError(
                f"a pretrained language model takes its id and nothing else; leave out {', '.join(others)}"
            )
        return
    if "type" not in spec:
        raise ValueError("needs an id (pretrained) or a type such as qwen3 (from scratch)")
    if spec["type"] not in CONFIG_MAPPING:
        hint = nearest(str(spec["type"]), CONFIG_MAPPING.keys())
        raise ValueError(f"type {spec['type']!r} is not a transformers model type{_offered(hint)}")
    if spec.get("init", "mimetic") != "mimetic":
        raise ValueError(f"init is {spec['init']!r}; it may be 'mimetic' or left out")
    cls = CONFIG_MAPPING[spec["type"]]
    known = keys_of(cls)
    for key in spec:
        if key in _SETTLED:
            raise ValueError(f"{key} is {_SETTLED[key]}; leave it out here")
        if key not in known and key not in OURS and not _is_asked_for(cls, key):
            hint = nearest(key, sorted({*known, *OURS} - _SETTLED.keys()))
            raise ValueError(f"unknown key {key!r} for a language model of type {spec['type']}{_offered(hint)}")


def keys_of(cls: type[Any]) -> set[str]:
    """The keys that a configuration class of transformers reads."""
    if dataclasses.is_dataclass(cls):
        found = {field.name for field in dataclasses.fields(cls) if not field.name.startswith("_")}
    else:
        parameters = inspect.signature(cls.__init__).parameters.values()
        found = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD} - {"self"}
    return found | set(cls.attribute_map) | (set(_ROTARY) if "rope_parameters" in found else set())


def _is_asked_for(cls: type[Any], key: str) -> bool:
    """Whether the model's code looks for a key that its configuration does not declare, as several do for head_dim."""
    wanted = re.compile(rf'config(?:\.|,\s*"){re.escape(key)}\b')
    files = Path(inspect.getfile(cls)).parent.glob("modeling_*.py")
    return any(wanted.search(file.read_text(encoding="utf-8")) for file in files)


def text_config(spec: Mapping[str, Any], vocab_size: int, tokenizer: PreTrainedTokenizerBase) -> Any:
    """The configuration of a language model from scratch, whose spec :func:`check_keys` has seen.

    Raises:
        SpecError: a value that this type of model cannot have.
    """
    options = {key: value for key, value in spec.items() if key not in OURS}
    try:
        return CONFIG_MAPPING[spec["type"]](
            vocab_size=vocab_size,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            tie_word_embeddings=True,
            **options,
        )
    except (StrictDataclassError, ValueError, TypeError) as error:
        said = str(error).strip().splitlines()[-1].strip().removeprefix("TypeError: ").removeprefix("ValueError: ")
        raise SpecError(f"model.language_model ({spec['type']}): {said.rstrip('.')}.") from error


def _offered(hint: str) -> str:
    """``"; did you mean 'x'"`` of what :func:`nearest` says."""
    return f"; did you mean {hint[len(' Did you mean ') : -1]}" if hint else ""
