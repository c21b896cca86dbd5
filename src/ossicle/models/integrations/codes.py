"""Sound as words: codes of a codec are further ids of the vocabulary, which the model reads and can learn to say.

N places · D width
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ossicle.models.head import scaled
from ossicle.models.integrations.base import integrations
from ossicle.models.integrations.prompt import Prompt
from ossicle.support.errors import SpecError

if TYPE_CHECKING:
    from ossicle.models.lalm import OssicleModel


@integrations.register("codes")
class Codes(Prompt):
    """As in AudioPaLM (Rubenstein et al. 2023, arXiv 2306.12925): a codec's codes stand in the prompt one by one.

    Codebook q of K codes takes the ids from q·K on after the words. Which of them can stand at a place is known: in
    an answer only words, in a recording the codes of the codebook whose turn it is. The others are left out of the
    softmax, so that no reply ever holds a code and no code is ever another codebook's.
    """

    def install(self, model: "OssicleModel") -> None:
        """See that there are codes to read. Raises SpecError if not."""
        if not model.audio_tower.codebooks:
            raise SpecError(
                f"model.integration: codes needs an encoder that gives codes, and {model.audio_tower.type_name} gives "
                "frames; choose a codec (encodec, dac, mimi) and set its option codebooks."
            )

    def losses(self, model: "OssicleModel", hidden_ND: Tensor, ids_N: Tensor) -> Tensor:
        """−log p of each code, among those of its codebook [N].

        Args:
            hidden_ND: last hidden states of the places before.
            ids_N: the codes, counted through all codebooks.
        """
        projector, found, first = model.multi_modal_projector, torch.zeros(len(ids_N), device=ids_N.device), 0
        for size in model.audio_tower.codebooks:
            places = ((ids_N >= first) & (ids_N < first + size)).nonzero()[:, 0]
            logits = projector.scores(hidden_ND[places], slice(first, first + size))
            logits = scaled(logits.float(), model.config.text_config)
            found = found.index_put((places,), F.cross_entropy(logits, ids_N[places] - first, reduction="none"))
            first += size
        return found
