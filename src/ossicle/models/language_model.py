"""What a recipe may write of a language model that is made from scratch: the keys of its transformers configuration."""

from collections.abc import Mapping
from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedTokenizerBase

from ossicle.support.sizes import keys_of, making, offered, unknown_key

OURS = ("type", "init")
"""Keys that are not the configuration's."""
_SETTLED = {
    "vocab_size": "the tokenizer's size, model.tokenizer.vocab_size",
    "pad_token_id": "the tokenizer's",
    "eos_token_id": "the tokenizer's",
    "bos_token_id": "none, as no text begins with one",
    "tie_word_embeddings": "true for a language model made from scratch",
}


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
    if not isinstance(spec["type"], str) or spec["type"] not in CONFIG_MAPPING:
        hint = offered(str(spec["type"]), CONFIG_MAPPING.keys())
        raise ValueError(f"type {spec['type']!r} is not a transformers model type{hint}")
    if spec.get("init", "mimetic") != "mimetic":
        raise ValueError(f"init is {spec['init']!r}; it may be 'mimetic' or left out")
    for key in spec:
        if key in _SETTLED:
            raise ValueError(f"{key} is {_SETTLED[key]}; leave it out here")
    cls = CONFIG_MAPPING[spec["type"]]
    if key := unknown_key(cls, (key for key in spec if key not in OURS)):
        hint = offered(key, sorted({*keys_of(cls), *OURS} - _SETTLED.keys()))
        raise ValueError(f"unknown key {key!r} for a language model of type {spec['type']}{hint}")


def text_config(spec: Mapping[str, Any], vocab_size: int, tokenizer: PreTrainedTokenizerBase) -> Any:
    """The configuration of a language model from scratch, whose spec :func:`check_keys` has seen.

    Raises:
        SpecError: a value that this type of model cannot have.
    """
    options = {key: value for key, value in spec.items() if key not in OURS}
    with making(f"model.language_model ({spec['type']})"):
        made = CONFIG_MAPPING[spec["type"]](
            vocab_size=vocab_size,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            tie_word_embeddings=True,
            **options,
        )
        if made.hidden_size < 1:  # torch makes layers of no width
            raise ValueError(f"hidden_size must be at least 1, not {made.hidden_size}")
        return made
