"""A byte-level BPE tokenizer trained on the texts of a recipe, for language models trained from scratch."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field, model_validator
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, AUDIO, USER, ASSISTANT, SYSTEM, END = (
    "<|pad|>",
    "<|audio|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|end|>",
)

CONTROL = [PAD, AUDIO, USER, ASSISTANT, SYSTEM, END]

# Special tokens stand on both sides of every text, so that a text has the same ids alone and inside the chat.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}"
    "{% macro body(message) %}{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'audio' %}<|audio|>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{% endif %}{% endmacro %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ body(message) }}<|end|>{% endgeneration %}"
    "{% else %}{{ body(message) }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

# Words take their leading space; digits stay single; punctuation and white space stand apart.
_PRE_TOKENS = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


class TokenizerSpec(BaseModel):
    """A tokenizer made from the recipe's own texts.

    Times on the grid 0.0, 0.1 … ``max_time_s`` are one token each: "when" is then one choice, not three digits. They,
    the 256 bytes and the control tokens need room in ``vocab_size``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    vocab_size: int = 2048
    max_time_s: float = Field(default=30.0, ge=0, le=3600)

    @model_validator(mode="after")
    def _has_room(self) -> "TokenizerSpec":
        least = 256 + len(CONTROL) + len(self.times())
        if self.vocab_size < least:
            raise ValueError(
                f"vocab_size {self.vocab_size} is too small: bytes, control tokens and times up to "
                f"{self.max_time_s:g} s take {least}"
            )
        return self

    def times(self) -> list[str]:
        """Those that are a token."""
        return [f"{tenths / 10:.1f}" for tenths in range(round(self.max_time_s * 10) + 1)]


def train_tokenizer(texts: Iterable[str], spec: TokenizerSpec = TokenizerSpec()) -> PreTrainedTokenizerFast:
    """Train a tokenizer; the same texts in the same order give the same vocabulary."""
    times = spec.times()
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PRE_TOKENS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocab_size - len(times),
        special_tokens=CONTROL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.add_tokens([AddedToken(time, normalized=False, single_word=False) for time in times])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[AUDIO, USER, ASSISTANT, SYSTEM],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
