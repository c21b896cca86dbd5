"""Audio tokens in the prompt, each made anew by experts whom the token and the question choose.

N rows · L tokens · K audio tokens of all rows · T turns of all rows · E experts · D width
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from ossicle.chat import Conversation, assistant, user
from ossicle.chat.renderer import Renderer
from ossicle.encoders.base import Options
from ossicle.models.integrations.base import Heard, integrations
from ossicle.models.integrations.prompt import Prompt
from ossicle.support.errors import SpecError

if TYPE_CHECKING:
    from ossicle.models.lalm import OssicleModel


class TaskAwareOptions(Options):
    """How many experts, and how wide."""

    experts: int = Field(default=3, ge=1)
    hidden: int | None = Field(default=None, ge=1)
    """Width of an expert's inner layer; by default that of the language model."""
    turn_ids: tuple[int, ...] | None = None
    """Ids between turns; by default the control tokens of the tokenizer."""


@integrations.register("task_aware")
class TaskAware(Prompt):
    """U-SAM's task-aware mixture (Wang et al. 2025, arXiv 2505.13880): ``p = Σ_e w_e · MLP_e(x)``, with
    ``w = softmax(W [x; V q])`` for an audio token ``x`` and ``q``, the mean embedding of the words of its turn.

    The experts are modules of their own, and mixed token by token; in the authors' release they are one module, and
    mixed over time. The words of a turn are those up to the control tokens around it, so that a reply never chooses how
    it is heard.
    """

    Options = TaskAwareOptions
    asks = True

    def __init__(self, options: TaskAwareOptions, text_config: PreTrainedConfig) -> None:
        super().__init__(options, text_config)
        dim = text_config.hidden_size
        hidden = options.hidden or dim
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)) for _ in range(options.experts)
        )
        self.question = nn.Linear(dim, dim)
        self.router = nn.Linear(2 * dim, options.experts)

    @classmethod
    def tiny_options(cls) -> dict[str, Any]:
        """Narrow experts."""
        return {"hidden": 16}

    @classmethod
    def resolve(cls, options: TaskAwareOptions, tokenizer: PreTrainedTokenizerBase, audio_token_id: int) -> Options:
        """With the ids that this tokenizer sets between turns.

        Raises:
            SpecError: it sets none between a question and its reply.
        """
        turn_ids = options.turn_ids
        if turn_ids is None:
            turn_ids = tuple(sorted(set(tokenizer.all_special_ids) - {audio_token_id}))
        renderer = Renderer(tokenizer, lambda audio: 1, audio_token=tokenizer.convert_ids_to_tokens(audio_token_id))
        asked = renderer(Conversation.of(user("a")), reply=True).ids
        told = renderer(Conversation.of(user("a b c"), assistant("a")))
        same = next(
            (n for n, (one, other) in enumerate(zip(asked, told.ids, strict=False)) if one != other), len(asked)
        )
        if not set(told.ids[same : told.trained.index(True)]) & set(turn_ids):
            raise SpecError(
                "model.integration: task_aware must know where a question ends, and this tokenizer's chat template "
                "sets no control token between question and reply; choose integration prompt or another tokenizer."
            )
        return options.model_copy(update={"turn_ids": turn_ids})

    def stretch(self, ids: np.ndarray, start: int, end: int) -> tuple[int, int]:
        """The whole turn."""
        ends = np.flatnonzero(np.isin(ids, self.options.turn_ids))
        first = max((int(at) + 1 for at in ends[ends < start]), default=0)
        return first, min((int(at) for at in ends[ends >= end]), default=len(ids))

    def join(self, model: "OssicleModel", input_ids: Tensor, heard: Heard | None, cache: Any) -> dict[str, Any]:
        """Embeddings of words and of what the experts make of the sound."""
        if heard is None:
            return super().join(model, input_ids, heard, cache)
        audio_KD = torch.cat(self.fitting(model, input_ids, heard))
        return {"inputs_embeds": model.embed(input_ids, self.mixed(audio_KD, self.asked(model, input_ids)))}

    def asked(self, model: "OssicleModel", input_ids: Tensor) -> Tensor:
        """The mean embedding [K, D] of the words of each audio token's turn; zeros where there are none."""
        between_NL = torch.isin(input_ids, torch.tensor(self.options.turn_ids, device=input_ids.device))
        is_audio_NL = input_ids == model.config.audio_token_id
        begins_NL = between_NL.clone()
        begins_NL[:, 0] = True
        turn_NL = begins_NL.flatten().cumsum(0).reshape(input_ids.shape) - 1
        is_word_NL = ~(between_NL | is_audio_NL)
        words_D = model.get_input_embeddings()(input_ids[is_word_NL])
        number = int(turn_NL[-1, -1]) + 1
        sums_TD = words_D.new_zeros(number, words_D.shape[-1]).index_add(0, turn_NL[is_word_NL], words_D)
        counts_T = torch.bincount(turn_NL[is_word_NL], minlength=number).clamp(min=1)
        return (sums_TD / counts_T[:, None].to(sums_TD))[turn_NL[is_audio_NL]]

    def weights(self, audio_KD: Tensor, asked_KD: Tensor) -> Tensor:
        """How much of each expert [K, E]; each row adds up to 1."""
        return self.router(torch.cat([audio_KD, self.question(asked_KD.to(audio_KD.dtype))], -1)).softmax(-1)

    def mixed(self, audio_KD: Tensor, asked_KD: Tensor) -> Tensor:
        """What the experts make of the tokens [K, D]."""
        made_KED = torch.stack([expert(audio_KD) for expert in self.experts], 1)
        return (self.weights(audio_KD, asked_KD)[..., None] * made_KED).sum(1)
