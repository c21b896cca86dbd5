"""Audio tokens stand among the embeddings of the prompt, one for each audio id."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ossicle.models.integrations.base import (
    Heard,
    Integration,
    by_row,
    check_room,
    check_silent,
    integrations,
)

if TYPE_CHECKING:
    from ossicle.models.lalm import OssicleModel


@integrations.register("prompt")
class Prompt(Integration):
    """As in Pengi (Deshmukh et al. 2023, arXiv 2305.11834), LTU, SALMONN, Qwen-Audio and Audio Flamingo 3: an ordinary
    prompt, some of which is sound."""

    @staticmethod
    def placeholders(num_tokens: int) -> int:
        """One for every token."""
        return num_tokens

    def join(self, model: "OssicleModel", input_ids: Tensor, heard: Heard | None, cache: Any) -> dict[str, Any]:
        """Embeddings of words and sound."""
        if heard is None:
            check_silent(input_ids == model.config.audio_token_id, cache)
            return {"inputs_embeds": model.embed(input_ids)}
        return {"inputs_embeds": model.embed(input_ids, torch.cat(self.fitting(model, input_ids, heard)))}

    @staticmethod
    def fitting(model: "OssicleModel", input_ids: Tensor, heard: Heard) -> list[Tensor]:
        """The runs of audio tokens [K, D], for which each row has room. Raises DataError if one has not."""
        runs = heard.runs()
        room, counts = by_row((input_ids == model.config.audio_token_id).sum(1), heard, len(runs))
        check_room(room, [len(run_KD) for run_KD in runs], counts)
        return runs
