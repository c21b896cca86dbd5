"""A frozen text encoder of transformers that reads what was said to the language model.

Q texts · P tokens of a text · D width
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)

from ossicle.encoders.base import Frames
from ossicle.support.errors import DataError, ModelError, SpecError, nearest
from ossicle.support.hub import reason
from ossicle.support.sizes import making
from ossicle.support.weights import read_weights

NAMES = ("words", "pieces")
"""Buffers with the tokenizers of the language model and of the text encoder."""


class TextEncoder(nn.Module):
    """Ids of the language model → text → the hidden state of its last token, which has seen all others.

    The two tokenizers are kept with the weights, as bytes, so that a model folder is all that is needed. Without them,
    the encoder reads the ids of the language model themselves.

    Args:
        config: of the encoder.
        sizes: bytes of the two tokenizers; None to do without.
    """

    def __init__(self, config: PreTrainedConfig, sizes: tuple[int, int] | None) -> None:
        super().__init__()
        with making(f"model.integration.config ({config.model_type})"):
            self.model = AutoModel.from_config(config).requires_grad_(False)
        for name, size in zip(NAMES, sizes or (), strict=False):
            self.register_buffer(name, torch.zeros(size, dtype=torch.uint8))
        self._tokenizers: tuple[Tokenizer, ...] | None = None

    def fill(self, ref: str, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take the published weights and both tokenizers. Raises ModelError if they cannot be had."""
        needed = tuple(name for name, _ in self.model.named_children() if name != "pooler")
        source = read_weights(
            type(self.model),
            ref,
            f"the text encoder {ref!r}",
            needed=lambda model: needed,
            config=self.model.config,
        )
        source.to(self.model.dtype)
        self.model.load_state_dict(source.state_dict())
        for name, written in zip(NAMES, written_tokenizers(ref, tokenizer), strict=True):
            self.get_buffer(name).copy_(torch.frombuffer(bytearray(written), dtype=torch.uint8))
        self._tokenizers = None

    @torch.no_grad()
    def forward(self, texts: Sequence[tuple[int, ...]]) -> Frames:
        """One frame [Q, 1, D] for each text, given as ids of the language model.

        Raises:
            DataError: a text is longer than the encoder reads.
        """
        own = [torch.tensor(self._own(ids)) for ids in texts]
        most, longest = getattr(self.model.config, "max_position_embeddings", None), max(map(len, own))
        if most is not None and longest > most:
            raise DataError(
                f"a question has {longest} tokens of the text encoder, which reads {most} at most; ask in fewer words."
            )
        ids_QP = pad_sequence(own, batch_first=True).to(self.model.device)
        lengths_Q = torch.tensor([len(ids) for ids in own], device=ids_QP.device)
        real_QP = torch.arange(longest, device=ids_QP.device) < lengths_Q[:, None]
        hidden_QPD = self.model(input_ids=ids_QP, attention_mask=real_QP.long()).last_hidden_state
        last_Q1D = hidden_QPD[torch.arange(len(own), device=ids_QP.device), lengths_Q - 1][:, None]
        return Frames(last_Q1D, torch.ones_like(lengths_Q))

    def _own(self, ids: tuple[int, ...]) -> list[int]:
        """The text's ids as the encoder has them."""
        if not hasattr(self, NAMES[0]):
            return list(ids or (0,))
        if self._tokenizers is None:
            written = (self.get_buffer(name).cpu().numpy().tobytes().decode() for name in NAMES)
            self._tokenizers = tuple(map(Tokenizer.from_str, written))
        words, pieces = self._tokenizers
        return pieces.encode(words.decode(list(ids))).ids


def published_config(ref: str) -> dict[str, Any]:
    """The configuration of a published model's text encoder, with its type.

    Raises:
        ModelError: it cannot be had.
        SpecError: it is of a kind that does not read a text by itself.
    """
    try:
        config = AutoConfig.from_pretrained(ref, trust_remote_code=False).get_text_config()
    except (OSError, ValueError) as error:
        raise ModelError(f"the text encoder {ref!r} cannot be found: {reason(error)}") from error
    if config.is_encoder_decoder:
        raise SpecError(
            f"model.integration.id: {ref!r} ({config.model_type}) writes what it reads; name a model that only reads, "
            "such as CLIP's or BERT."
        )
    return {"model_type": config.model_type, **config.to_diff_dict()}


def made_config(written: Mapping[str, Any], **more: Any) -> PreTrainedConfig:
    """A configuration from its keys, ``model_type`` among them. Raises SpecError for a type that is not there, or a
    value that it cannot have."""
    given = {**written, **more}
    kind = str(given.pop("model_type", None))
    if kind not in CONFIG_MAPPING:
        raise SpecError(
            f"model.integration.config: model_type {kind!r} is none of transformers.{nearest(kind, CONFIG_MAPPING)}"
        )
    with making(f"model.integration.config ({kind})"):
        return AutoConfig.for_model(kind, **given)


def written_tokenizers(ref: str, tokenizer: PreTrainedTokenizerBase) -> tuple[bytes, bytes]:
    """That of the language model and that of the published text encoder.

    Raises:
        ModelError: the latter cannot be had.
        SpecError: one of them is of a kind that cannot be written down.
    """
    try:
        own = AutoTokenizer.from_pretrained(ref, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"the tokenizer of the text encoder {ref!r} cannot be loaded: {reason(error)}") from error
    found = []
    for whose, one in (("the language model", tokenizer), (f"the text encoder {ref!r}", own)):
        backend = getattr(one, "backend_tokenizer", None)
        if backend is None:
            raise SpecError(f"model.integration: the tokenizer of {whose} has no tokenizer.json; convert it first.")
        plain = Tokenizer.from_str(backend.to_str())
        plain.no_padding()
        plain.no_truncation()
        found.append(plain.to_str().encode())
    return found[0], found[1]
