"""Replies that a model draws to the prompts of a batch, and what they earn, for objectives that learn from that.

R prompts · G replies to each, a group
"""

from typing import NamedTuple

import torch
from pydantic import Field, field_validator
from torch import Tensor

from ossicle.batch import Row
from ossicle.data.keys import key_of
from ossicle.encoders.base import Options
from ossicle.metrics import REWARDS, Truth, listening
from ossicle.models.build import Bundle
from ossicle.support.errors import DataError, nearest
from ossicle.training.objectives._replies import Drawn, Prompt, draw, over_others

LEAST_STD = 1e-6
"""Rewards of a group that differ by less are alike: what is left is rounding."""


class EarningOptions(Options):
    """What earns how much, and how replies are drawn."""

    rewards: dict[str, float] = Field(default_factory=lambda: {"exact": 1.0}, min_length=1)
    """Weights of what is added up: ``exact`` (the true reply), ``option`` (the right choice and no other), ``wer`` (1 −
    word error rate), ``time_iou`` (spans of time against the true ones), ``format``."""
    listening: int = Field(default=0, ge=0)
    """Replies to each prompt over other recordings of its batch. Where there are any, a reply counts only by what it
    earns more than they do on average: what could be said without listening teaches nothing. Prompts without a
    recording, and recordings alone in their batch, count in full."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the draws."""
    max_new_tokens: int = Field(default=128, ge=1)
    """Longest reply."""

    @field_validator("rewards")
    @classmethod
    def _are_known(cls, rewards: dict[str, float]) -> dict[str, float]:
        for name, weight in rewards.items():
            if name not in REWARDS:
                known = ", ".join(REWARDS)
                raise ValueError(f"there is no reward {name!r}.{nearest(name, REWARDS)} Known: {known}")
            if not weight > 0:
                raise ValueError(f"the weight of reward {name} should be above 0, not {weight:g}")
        return rewards


class Groups(NamedTuple):
    """The replies to the prompts of a batch, and what they earned."""

    prompts: list[Row]
    drawn: list[list[Drawn]]
    rewards: dict[str, Tensor]
    """Of each kind, [R, G]."""
    reward_RG: Tensor
    """Their weighted sum."""
    counted_RG: Tensor
    """What of it counts."""
    swapped: list[float]
    """What replies over other recordings earned."""

    def lengths(self, mask_cut: bool) -> Tensor:
        """Tokens of each reply that teach, [R, G]."""
        return torch.tensor(
            [[0 if mask_cut and not one.ended else len(one.ids) + one.ended for one in row] for row in self.drawn]
        )

    def told(self) -> dict[str, Tensor]:
        """What to say of them."""
        found = {"reward": self.reward_RG.mean(), "alike": (self.reward_RG.std(1) < LEAST_STD).float().mean()}
        if len(self.rewards) > 1:
            found |= {f"reward_{name}": value_RG.mean() for name, value_RG in self.rewards.items()}
        if self.swapped:
            found["swapped"] = torch.tensor(self.swapped).mean()
        ended = [one.ended for row in self.drawn for one in row]
        found["ended"] = torch.tensor(ended).float().mean()
        found["reply_tokens"] = self.lengths(mask_cut=False).float().mean()
        return found


def groups_of(
    rows: list[Row], number: int, options: EarningOptions, drawer: Bundle, who: str, chance: int = 0
) -> Groups:
    """Draw ``number`` replies to each row's prompt and see what they earn.

    Args:
        drawer: with the model that draws.
        who: the objective, for the error.
        chance: what is drawn depends on it, and on the row.

    Raises:
        DataError: there is no row, or one has no reply.
    """
    if not rows:
        raise DataError(f"objective {who}: no row of this batch has a reply to learn from; add assistant messages.")
    prompts = [Prompt.of(row) for row in rows]
    others = over_others([prompt.row for prompt in prompts], options.listening, drawer.model)
    asked = [
        [prompt.row] * number + [other[n % len(other)] for n in range(options.listening) if other]
        for prompt, other in zip(prompts, others, strict=True)
    ]
    keys = [key_of(chance, *prompt.row.ids, *(window.key for window in prompt.row.windows)) for prompt in prompts]
    seeds = [key_of(key, n) for key, one in zip(keys, asked, strict=True) for n in range(len(one))]
    flat = [row for one in asked for row in one]
    made = iter(draw(drawer, flat, seeds, options.temperature, options.max_new_tokens))
    drawn = [[next(made) for _ in one] for one in asked]
    earned = [_earned(prompt, replies, options, drawer) for prompt, replies in zip(prompts, drawn, strict=True)]
    sums = [[sum(options.rewards[name] * value for name, value in one.items()) for one in row] for row in earned]
    counted = [[listening(value, row[number:]) for value in row[:number]] for row in sums]
    return Groups(
        [prompt.row for prompt in prompts],
        [row[:number] for row in drawn],
        {name: torch.tensor([[one[name] for one in row[:number]] for row in earned]) for name in options.rewards},
        torch.tensor([row[:number] for row in sums]),
        torch.tensor(counted),
        [value for row in sums for value in row[number:]],
    )


def _earned(prompt: Prompt, drawn: list[Drawn], options: EarningOptions, drawer: Bundle) -> list[dict[str, float]]:
    """What each reply earns, by reward."""
    texts = [drawer.renderer.decode(list(ids)).strip() for ids in (prompt.reply, *(one.ids for one in drawn))]
    truth = Truth.of(texts[0], prompt.row.meta)
    return [{name: REWARDS[name](text, truth) for name in options.rewards} for text in texts[1:]]
