"""Audio tokens stand among the embeddings of the prompt, one for each audio id."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ossicle.models.integrations.base import Heard, Integration, integrations

if TYPE_CHECKING:
    from ossicle.models.lalm import OssicleModel


@integrations.register("prompt")
class Prompt(Integration):
    """As in Pengi, LTU, SALMONN, Qwen-Audio and Audio Flamingo 3: an ordinary prompt, some of which is sound."""

    @staticmethod
    def placeholders(num_tokens: int) -> int:
        """One for every token."""
        return num_tokens

    def join(self, model: "OssicleModel", input_ids: Tensor, heard: Heard | None, cache: Any) -> dict[str, Any]:
        """Embeddings of words and sound."""
        return {"inputs_embeds": model.embed(input_ids, None if heard is None else torch.cat(heard.runs()))}
