"""Bring what counts of a recording nearer to the words of its own reply than to those of another.

N rows · L tokens · K audio tokens of a row · A words of a reply · D width
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ossicle.batch import Batch, Row, recordings_of
from ossicle.data.halves import is_taught
from ossicle.encoders.base import Options
from ossicle.models.integrations import Heard, Integration
from ossicle.models.integrations.prompt import Prompt
from ossicle.support.errors import SpecError
from ossicle.training.objectives.base import Objective, Seen, objectives

if TYPE_CHECKING:
    from ossicle.models.build import Bundle


class SemanticContrastOptions(Options):
    """How far apart, and the width of what judges tokens; the margin is U-SAM's."""

    margin: float = Field(default=0.2, ge=0)
    hidden: int = Field(default=256, ge=1)


def significance(judged_K: Tensor, audio_KD: Tensor, words_AD: Tensor) -> Tensor:
    """``½ σ(judged) + ¼ (cos(p, mean of the words) + cos(p, mean of the tokens))`` of each audio token ``p``, stretched
    to reach from 0 to 1 [K]; 1 where all are alike."""
    means_2D = torch.stack([words_AD.mean(0), audio_KD.mean(0)])
    raw_K = 0.5 * judged_K.sigmoid() + 0.25 * (F.normalize(audio_KD, dim=-1) @ F.normalize(means_2D, dim=-1).T).sum(-1)
    low, high = raw_K.min(), raw_K.max()
    return (raw_K - low) / (high - low) if high > low else torch.ones_like(raw_K)


def likeness(s_K: Tensor, audio_KD: Tensor, words_AD: Tensor) -> Tensor:
    """How alike the significant tokens (``s > ½``) and the words are, from −1 to 1: the cosine of each token and its
    nearest word, averaged by ``s``, and that of each word and its nearest token; the mean of both."""
    kept_K = s_K > 0.5
    cosine_KA = F.normalize(audio_KD[kept_K], dim=-1) @ F.normalize(words_AD, dim=-1).T
    s_K = s_K[kept_K]
    return ((s_K * cosine_KA.amax(1)).sum() / s_K.sum() + cosine_KA.amax(0).mean()) / 2


@objectives.register("semantic_contrast")
class SemanticContrast(Objective):
    """``max(0, margin + likeness to another's reply − likeness to its own) + (mean s − ½)²``, averaged over rows: the
    semantic-aware contrastive loss of U-SAM (Wang et al. 2025, arXiv 2505.13880, section 2), beside ``next_token``.

    Words are the language model's own embeddings of a reply, without control tokens or padding; they teach and are not
    taught. Another's reply is that of the next row which says something else about another recording, so that no row
    is set against its own answer; where a batch has none, only the second term is left. In the authors' release it is
    drawn by chance from all rows, the row itself included, and what judges tokens learns from the second term alone.
    """

    Options = SemanticContrastOptions

    def __init__(self, options: SemanticContrastOptions, bundle: "Bundle") -> None:
        super().__init__(options, bundle)
        integration = bundle.model.model.integration
        if not isinstance(integration, Prompt):
            raise SpecError(
                "objective semantic_contrast: the prompt must hold the audio tokens, and with integration "
                f"{integration.type_name} it does not; set model.integration to prompt or task_aware."
            )
        self.control = frozenset(bundle.tokenizer.all_special_ids)
        dim = bundle.model.config.text_config.hidden_size
        self.judge = nn.Sequential(nn.Linear(dim, options.hidden), nn.GELU(), nn.Linear(options.hidden, 1))

    def share(self, batch: Batch) -> float:
        """Rows that hear and reply."""
        return float(len(self._rows(batch)))

    def idle(self, seen: Seen) -> Tensor:
        """0; of the language model, only its table of words is asked."""
        return torch.zeros((), device=seen.model.device)

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """``semantic_contrast``, the first term, and ``kept``, the share of significant tokens."""
        numbers = self._rows(seen.batch)
        if not numbers:
            return {"loss": sum(parameter.sum() * 0.0 for parameter in self.parameters())}
        rows = seen.batch.rows
        replies = {number: self._words(rows[number]) for number in numbers}
        table = seen.model.get_input_embeddings()
        with torch.no_grad():
            words = {n: table(torch.tensor(ids, device=seen.model.device)).float() for n, ids in replies.items()}
        audio = self._audio(seen)
        apart, spread, kept = [], [], []
        for number in numbers:
            audio_KD, words_AD = audio[number].float(), words[number]
            s_K = significance(self.judge(audio_KD)[:, 0].float(), audio_KD, words_AD)
            other = another(rows, numbers, number, replies)
            if other is not None:
                near, far = (likeness(s_K, audio_KD, x_AD) for x_AD in (words_AD, words[other]))
                apart.append(F.relu(self.options.margin + far - near))
            spread.append((s_K.mean() - 0.5) ** 2)
            kept.append((s_K > 0.5).float().mean())
        contrast = torch.stack(apart).sum() / len(numbers) if apart else torch.zeros_like(spread[0])
        return {
            "loss": contrast + torch.stack(spread).mean(),
            "semantic_contrast": contrast.detach(),
            "kept": torch.stack(kept).mean(),
        }

    def _rows(self, batch: Batch) -> list[int]:
        """The numbers of the rows that hear something and reply in words."""
        rows = enumerate(batch.rows)
        return [number for number, row in rows if row.windows and is_taught(row.meta) and self._words(row)]

    def _words(self, row: Row) -> tuple[int, ...]:
        pairs = zip(row.ids, row.trained, strict=True)
        return tuple(token for token, trained in pairs if trained and token not in self.control)

    @staticmethod
    def _audio(seen: Seen) -> list[Tensor]:
        """The audio tokens [K, D] of each row, as its prompt holds them."""
        rows, model = seen.batch.rows, seen.model.model
        ids_NL = pad_sequence([torch.tensor(row.ids) for row in rows], batch_first=True, padding_value=seen.pad_id).to(
            seen.model.device
        )
        places = seen.batch.window_of_slot, recordings_of(rows), [len(row.windows) for row in rows]
        # An integration that works in the layers has the plain prompt, and may ask them before it is joined.
        how = type(model.integration)
        join = how.join if how.run is Integration.run else Prompt.join
        heard = Heard(seen.tokens, *map(torch.tensor, places))
        joined = join(model.integration, model, ids_NL, heard, None)["inputs_embeds"]
        is_audio_NL = ids_NL == model.config.audio_token_id
        return [x_LD[is_audio_L] for x_LD, is_audio_L in zip(joined, is_audio_NL, strict=True)]


def another(
    rows: Sequence[Row], numbers: Sequence[int], number: int, replies: dict[int, tuple[int, ...]]
) -> int | None:
    """The next of ``numbers``, after the last again the first, whose row says something else about another recording;
    None if there is none."""
    heard = {window.key for window in rows[number].windows}
    at = numbers.index(number)
    for other in (*numbers[at + 1 :], *numbers[:at]):
        if replies[other] != replies[number] and heard.isdisjoint(window.key for window in rows[other].windows):
            return other
    return None
