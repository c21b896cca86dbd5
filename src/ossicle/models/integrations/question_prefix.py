"""Audio tokens in the prompt, each recording's followed by forty that a text encoder and a mapper make of the question.

N rows · L tokens · Q questions · K tokens · D width
"""

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from ossicle.models.integrations._text_encoder import TextEncoder, made_config, published_config, written_tokenizers
from ossicle.models.integrations._turns import TurnOptions, resolved, turns_of
from ossicle.models.integrations.base import Heard, by_row, check_room, integrations
from ossicle.models.integrations.prompt import Prompt
from ossicle.projectors.prefix import Prefix, PrefixOptions
from ossicle.support.errors import SpecError

if TYPE_CHECKING:
    from ossicle.models.lalm import OssicleModel

TOKENS = 40
"""Of each question; a data worker must know how many without asking the model."""
CLIP = {"model_type": "clip_text_model"}
"""With the sizes that transformers has by default, those of CLIP ViT-B."""


class QuestionPrefixOptions(TurnOptions):
    """Who reads the question, and the mapper's sizes; those of Pengi by default."""

    id: str | None = None
    """Hub id or folder of the text encoder, such as ``openai/clip-vit-base-patch32``; it stays frozen."""
    config: dict[str, Any] | None = None
    """What was resolved from ``id``; or the sizes of an untrained one, which reads the language model's own ids, to try
    what follows without a download."""
    tokenizers: tuple[int, int] | None = None
    """Bytes of the tokenizers that the model keeps for it; found from ``id``."""
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=8, ge=1)
    hidden: int = Field(default=1024, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)


@integrations.register("question_prefix")
class QuestionPrefix(Prompt):
    """Pengi's second prefix (Deshmukh et al. 2023, arXiv 2305.11834, section 3.1): a frozen text encoder, CLIP's there,
    reads the question, and a mapper as the projector ``prefix`` makes forty tokens of it, which follow those of the
    recording.

    Where a turn has several recordings, the tokens follow each; where it has none, its words are all that is read. The
    language model reads the words themselves, too, after the tokens or before, as they are written; Pengi's does not.
    The mapper is trained with the projector.
    """

    Options = QuestionPrefixOptions
    options: QuestionPrefixOptions
    asks = True
    numbers_recordings = True

    def __init__(self, options: QuestionPrefixOptions, text_config: PreTrainedConfig) -> None:
        super().__init__(options, text_config)
        written = options.config
        if written is None:
            written = CLIP if options.id is None else published_config(options.id)
        words = {"vocab_size": text_config.vocab_size, "bos_token_id": 0, "eos_token_id": 1}
        more = words if options.id is None else {}
        config = made_config(written, **more)
        self.text_encoder = TextEncoder(config, options.tokenizers)
        sizes = {name: getattr(options, name) for name in ("layers", "heads", "hidden", "dropout")}
        self.mapper = Prefix(PrefixOptions(tokens=TOKENS, **sizes), config.hidden_size, text_config.hidden_size)

    @classmethod
    def tiny_options(cls) -> dict[str, Any]:
        """A text encoder of one layer, from nothing, and a narrow mapper."""
        sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = {**CLIP, **sizes, "max_position_embeddings": 1024}
        return {"id": None, "config": config, "layers": 1, "heads": 2, "hidden": 16}

    @classmethod
    def resolve(
        cls, options: QuestionPrefixOptions, tokenizer: PreTrainedTokenizerBase, audio_token_id: int
    ) -> QuestionPrefixOptions:
        """With the sizes of the text encoder and of its tokenizers, and the ids that end a question.

        Raises:
            SpecError: there is no text encoder, or the chat template sets nothing around replies.
            ModelError: the text encoder cannot be had.
        """
        if options.id is None and options.config is None:
            raise SpecError(
                "model.integration: question_prefix needs a text encoder; give its id, such as "
                "openai/clip-vit-base-patch32."
            )
        update: dict[str, Any] = resolved(options, tokenizer, audio_token_id, cls.type_name)
        if options.id is not None:
            update["config"] = published_config(options.id)
            update["tokenizers"] = tuple(map(len, written_tokenizers(options.id, tokenizer)))
        return options.model_copy(update=update)

    def load_pretrained(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """The text encoder's weights, and the tokenizers."""
        if self.options.id is not None:
            self.text_encoder.fill(self.options.id, tokenizer)

    def parts(self) -> dict[str, nn.Module]:
        """The mapper; the text encoder is trained by nobody."""
        return {"projector": self.mapper}

    @staticmethod
    def placeholders(num_tokens: int) -> int:
        """One for every token of the recording, and those of the question."""
        return num_tokens + TOKENS

    def stretch(self, ids: np.ndarray, start: int, end: int) -> tuple[int, int]:
        """The whole question."""
        turns = turns_of(ids.tolist(), self.options)
        return next(((turn.start, turn.asked) for turn in turns if turn.start <= start < turn.asked), (start, end))

    def join(self, model: "OssicleModel", input_ids: Tensor, heard: Heard | None, cache: Any) -> dict[str, Any]:
        """Embeddings of words and, in the places of each recording, of sound and question."""
        if heard is None:
            return super().join(model, input_ids, heard, cache)
        is_audio_NL = input_ids == model.config.audio_token_id
        recordings = self._recordings(is_audio_NL, heard)
        questions = self._questions(input_ids, is_audio_NL, recordings, getattr(cache, "ids", None))
        numbers = {words: number for number, words in enumerate(dict.fromkeys(questions))}
        asked_QKD = self.mapper(self.text_encoder(list(numbers))).x_BFD
        pairs = zip(recordings, questions, strict=True)
        parts = [part for audio_KD, words in pairs for part in (audio_KD, asked_QKD[numbers[words]].to(audio_KD))]
        return {"inputs_embeds": model.embed(input_ids, torch.cat(parts))}

    @staticmethod
    def _recordings(is_audio_NL: Tensor, heard: Heard) -> list[Tensor]:
        """The tokens [K, D] of each recording, for which its row has room. Raises DataError if one has not."""
        runs = heard.runs()
        numbers = list(range(len(runs))) if heard.recordings is None else heard.recordings.tolist()
        groups = [list(group) for _, group in itertools.groupby(range(len(runs)), numbers.__getitem__)]
        found = [torch.cat([runs[run] for run in group]) for group in groups]
        room, counts = by_row(is_audio_NL.sum(1), heard, len(runs))
        if counts is not None:
            row_of_run = [row for row, count in enumerate(counts) for _ in range(count)]
            begun = Counter(row_of_run[group[0]] for group in groups)
            counts = [begun[row] for row in range(len(room))]
        check_room(room, [QuestionPrefix.placeholders(len(audio_KD)) for audio_KD in found], counts)
        return found

    def _questions(
        self, input_ids: Tensor, is_audio_NL: Tensor, recordings: list[Tensor], whole: list[list[int]] | None
    ) -> list[tuple[int, ...]]:
        """The words of the turn of each recording, as ids.

        Args:
            recordings: tokens of each.
            whole: all ids of each row, where ``input_ids`` are the last of them, padded on the left; None if they are
                all.
        """
        control, length = frozenset(self.options.control or ()), input_ids.shape[1]
        widths = iter([self.placeholders(len(audio_KD)) for audio_KD in recordings])
        found: list[tuple[int, ...]] = []
        for ids, is_audio in zip(whole or input_ids.tolist(), is_audio_NL.tolist(), strict=True):
            turns = list(turns_of(ids, self.options))
            places = [at + len(ids) - length for at, here in enumerate(is_audio) if here]
            while places:
                turn = next(turn for turn in turns if turn.start <= places[0] < turn.end)
                found.append(tuple(token for token in ids[turn.start : turn.asked] if token not in control))
                del places[: next(widths)]
        return found
