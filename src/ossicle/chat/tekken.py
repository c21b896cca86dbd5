"""Tekken, the tokenizer of Mistral's models: ``tekken.json`` alone, without the library that they publish it for."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

FILE = "tekken.json"
NAMED = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
CHAT = (
    "{{ '<s>' }}{% for m in messages %}"
    "{% if m['role'] == 'system' %}[SYSTEM_PROMPT]{{ m['content'] }}[/SYSTEM_PROMPT]"
    "{% elif m['role'] == 'user' %}[INST]{{ m['content'] }}[/INST]"
    "{% else %}{{ m['content'] }}</s>{% endif %}{% endfor %}"
)
"""Of version 7, as mistral-common 1.13 encodes it. That Voxtral was trained on that version is from memory."""


def is_tekken(folder: Path) -> bool:
    """Whether a model folder has this tokenizer and none of transformers' own."""
    return (folder / FILE).is_file() and not (folder / "tokenizer.json").is_file()


def read_tekken(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, with its control tokens and chat.

    Raises:
        OSError, ValueError, ImportError: transformers cannot convert the file (an old one without a list of its control
            tokens needs mistral-common).
    """
    tokenizer = AutoTokenizer.from_pretrained(
        folder, trust_remote_code=False, mistral_format=False, fix_mistral_regex=True
    )
    control = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    others = [token for token in control if token not in NAMED.values()]
    tokenizer.add_special_tokens({**NAMED, "additional_special_tokens": others})
    tokenizer.chat_template = CHAT
    return tokenizer
