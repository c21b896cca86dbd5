"""Earn more with replies of one's own.

R prompts · G replies to each, a group · N tokens of all replies · V vocabulary
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from ossicle.batch import Batch, Row
from ossicle.data.halves import is_taught
from ossicle.models.lalm import LALM
from ossicle.training.objectives._earning import LEAST_STD, EarningOptions, Groups, groups_of
from ossicle.training.objectives._replies import draw, evaluating, log_likelihood
from ossicle.training.objectives.base import Remembering, Seen, objectives

if TYPE_CHECKING:
    from ossicle.models.build import Bundle

Average = Literal["reply", "token", "constant"]
Scale = Literal["std", "none"]


class GrpoOptions(EarningOptions):
    """What earns how much, how many replies are drawn, and which of the usual variants.

    As they stand, those of DeepSeekMath without its ``kl: 0.04``. Dr. GRPO (Liu et al. 2025, arXiv 2503.20783):
    ``scale: none, average: constant``. DAPO (Yu et al. 2025, arXiv 2503.14476):
    ``average: token, clip: [0.2, 0.28], mask_cut: true``.
    """

    group: int = Field(default=8, ge=2)
    """Replies to each prompt, which are compared with one another."""
    scale: Scale = "std"
    """``std``: a group's rewards are divided by their standard deviation; ``none``: they are not, so that prompts that
    are nearly always or never answered rightly weigh less."""
    average: Average = "reply"
    """``reply``: the mean over a reply's tokens, then over replies; ``token``: over all tokens of a group, so that a
    token of a long reply counts as much as one of a short; ``constant``: sums over a reply, divided by
    ``max_new_tokens``."""
    clip: tuple[float, float] = (0.2, 0.2)
    """How far below and above 1 the ratio of new to old probability of a token may go and still teach. It leaves 1 only
    with ``draw_every`` above 1."""
    draw_every: int = Field(default=1, ge=1)
    """Replies to so many batches are drawn by the model as it was before the first of them, a copy kept for it; 1:
    always by the present one, without a copy."""
    kl: float = Field(default=0.0, ge=0)
    """Weight of the divergence from the model as it was when the stage began, kept beside it where this is above 0."""
    mask_cut: bool = False
    """Whether a reply that is cut at ``max_new_tokens`` teaches nothing."""

    @field_validator("clip")
    @classmethod
    def _is_a_range(cls, clip: tuple[float, float]) -> tuple[float, float]:
        if not 0 < clip[0] <= 1 or not clip[1] > 0:
            raise ValueError(f"clip should be two numbers above 0, the first at most 1, not {list(clip)}")
        return clip


def advantages(reward_RG: Tensor, scale: Scale = "std", counted_RG: Tensor | None = None) -> Tensor:
    """How much better than the mean of its group a reply is, [R, G]; 0 throughout a group that earned alike.

    ``(r − mean(r)) / std(r)`` (Shao et al. 2024, DeepSeekMath, arXiv 2402.03300, section 4.1.2), with the standard
    deviation of a sample; without it Dr. GRPO's.

    Args:
        reward_RG: what each reply earned.
        scale: whether to divide.
        counted_RG: what of it counts, by default all. Its scale is still that of all, for else a group would be blown
            up again just because little of what it earned counts.
    """
    counted_RG = reward_RG if counted_RG is None else counted_RG
    std_R1 = reward_RG.std(1, keepdim=True)
    divisor_R1 = std_R1.clamp(min=LEAST_STD) if scale == "std" else 1.0
    return torch.where(std_R1 < LEAST_STD, 0.0, (counted_RG - counted_RG.mean(1, keepdim=True)) / divisor_R1)


def clipped_loss(log_p_N: Tensor, old_N: Tensor, advantage_N: Tensor, clip: tuple[float, float] = (0.2, 0.2)) -> Tensor:
    """``−min(ρ·A, clip(ρ, 1 − ε₁, 1 + ε₂)·A)`` of each token, [N], with ``ρ = p / p_old``.

    DeepSeekMath, equation 3; with ``ε₂ > ε₁`` DAPO's clip-higher, section 3.1.
    """
    ratio_N = (log_p_N - old_N).exp()
    return -torch.minimum(ratio_N * advantage_N, ratio_N.clamp(1 - clip[0], 1 + clip[1]) * advantage_N)


def is_clipped(log_p_N: Tensor, old_N: Tensor, advantage_N: Tensor, clip: tuple[float, float]) -> Tensor:
    """Which tokens have gone so far that they teach nothing more, [N]."""
    ratio_N = (log_p_N - old_N).exp()
    return ((ratio_N > 1 + clip[1]) & (advantage_N > 0)) | ((ratio_N < 1 - clip[0]) & (advantage_N < 0))


def k3(log_p_N: Tensor, reference_N: Tensor) -> Tensor:
    """``p_ref / p − log(p_ref / p) − 1`` of each token, [N]: unbiased for the divergence from the reference, and never
    below 0 (Schulman 2020, "Approximating KL Divergence"; DeepSeekMath, equation 4)."""
    log_ratio_N = reference_N - log_p_N
    return log_ratio_N.exp() - log_ratio_N - 1


def token_weights(lengths_RG: Tensor, average: Average, longest: int) -> Tensor:
    """What a token of each reply weighs in the mean over prompts, [R, G].

    ``reply``: ``1 / (R G |o|)`` (DeepSeekMath, equation 3); ``token``: ``1 / (R Σ|o|)``, summed over the group (DAPO,
    section 3.3); ``constant``: ``1 / (R G longest)`` (Dr. GRPO, section 3).
    """
    number, group = lengths_RG.shape
    if average == "token":
        return (1 / (number * lengths_RG.sum(1, keepdim=True).clamp(min=1))).expand(number, group)
    lengths = lengths_RG.clamp(min=1) if average == "reply" else torch.full_like(lengths_RG, longest)
    return 1 / (number * group * lengths)


@objectives.register("grpo")
class Grpo(Remembering):
    """Group relative policy optimisation: of several replies that the model draws to one prompt, those that earn more
    than the mean of their group become likelier, the others less likely.

    Rewards compare a reply with the row's own, and with ``targets`` and ``choices`` of its ``meta``. The value of
    ``loss`` is what is missed of the greatest reward (and the weighted divergence); its gradient is that of ``grpo``,
    the clipped loss, whose own value says little. Likelihoods are those at the temperature of the draws. Chance is
    keyed by step and row, so that a run that was stopped draws the same replies again, and so do several processes.
    They are drawn in evaluation mode: freeze parts that have dropout or batch norms, or what learns is a little other
    than what spoke.
    """

    Options = GrpoOptions
    options: GrpoOptions
    batches: Tensor
    """How many batches there were."""
    end_ids: Tensor

    @classmethod
    def copies(cls, options: GrpoOptions) -> int:
        """The reference, and who draws."""
        return int(options.kl > 0) + int(options.draw_every > 1)

    @classmethod
    def remembers(cls, options: GrpoOptions) -> bool:
        """The reference."""
        return options.kl > 0

    def __init__(self, options: GrpoOptions, bundle: "Bundle") -> None:
        super().__init__(options, bundle)
        self.bundle = bundle
        self.drawer = copy.deepcopy(bundle.model).requires_grad_(False) if options.draw_every > 1 else None
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        ends = torch.tensor(sorted(bundle.renderer.end_ids))
        self.register_buffer("end_ids", ends, persistent=False)

    def kept(self) -> Sequence[LALM]:
        """Who draws, if that is a copy, and the reference."""
        return (() if self.drawer is None else (self.drawer,)) + tuple(super().kept())

    def share(self, batch: Batch) -> float:
        """Its prompts."""
        return float(sum(is_taught(row.meta) for row in batch.rows))

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """``grpo``; ``reward``, of each kind too, and ``swapped``, that with other recordings; shares of groups that
        earned ``alike``, of replies that ``ended`` and of tokens that were ``clipped``; ``reply_tokens``; ``kl``."""
        options = self.options
        drawer = self._drawer(seen.model)
        groups = self._groups(drawer, [row for row in seen.batch.rows if is_taught(row.meta)], seen.chance)
        advantage_RG = advantages(groups.reward_RG, options.scale, groups.counted_RG)
        lengths_RG = groups.lengths(options.mask_cut)
        weight_RG = token_weights(lengths_RG, options.average, options.max_new_tokens) * (lengths_RG > 0)
        # A group that teaches nothing need not be read again.
        read = [n for n, row_G in enumerate(advantage_RG) if options.kl or bool(row_G.any())] or [0]
        end_id = int(self.end_ids[0])
        batch = Batch.pack([one.after(groups.prompts[n], end_id) for n in read for one in groups.drawn[n]])
        replies = Seen(seen.model, batch, seen.pad_id)
        log_p_N = self._log_likelihood(replies)
        of_N, device = replies.packed.row_of_target, log_p_N.device
        advantage_N, weight_N = (x_RG[read].flatten()[of_N].to(device) for x_RG in (advantage_RG, weight_RG))
        old_N, told = log_p_N.detach(), groups.told()
        if self.drawer is not None:
            old_N = self._log_likelihood_by(drawer, replies)
            told["clipped"] = is_clipped(log_p_N.detach(), old_N, advantage_N, options.clip).float().mean()
        policy = (weight_N * clipped_loss(log_p_N, old_N, advantage_N, options.clip)).sum()
        missed = sum(options.rewards.values()) - told["reward"].to(device)
        loss, told["grpo"] = missed + policy - policy.detach(), policy.detach()
        if self.earlier is not None:
            kl = (weight_N * k3(log_p_N, self._log_likelihood_by(self.earlier, replies))).sum()
            loss, told["kl"] = loss + options.kl * kl, kl.detach()
        return {"loss": loss, **told}

    def idle(self, seen: Seen) -> Tensor:
        """0, after drawing no reply while others draw theirs, and asking each model as ``forward`` does."""
        draw(replace(self.bundle, model=self._drawer(seen.model)), [], [], 1.0, 1)
        return super().idle(Seen(seen.model, seen.batch, seen.pad_id))  # not what other objectives have seen

    def skip(self, model: LALM) -> None:
        """Have the copy be made anew when it is in other processes."""
        self._drawer(model)

    @torch.no_grad()
    def _drawer(self, model: LALM) -> LALM:
        """Who draws: the present model, or the copy, made anew where it is time to."""
        if self.drawer is None:
            return model
        if int(self.batches) % self.options.draw_every == 0:
            self.drawer.load_state_dict(model.state_dict())
        self.batches += 1
        return self.drawer

    def _groups(self, drawer: LALM, rows: list[Row], chance: int = 0) -> Groups:
        """Draw replies and see what they earn. Raises DataError where a row has no reply."""
        who = replace(self.bundle, model=drawer)
        return groups_of(rows, self.options.group, self.options, who, self.type_name, chance)

    def _log_likelihood(self, seen: Seen) -> Tensor:
        """``log p`` of each drawn token, [N]."""
        return log_likelihood(seen, self.end_ids, self.options.temperature)

    @torch.no_grad()
    def _log_likelihood_by(self, model: LALM, replies: Seen) -> Tensor:
        """That by another model."""
        with evaluating(model):
            return self._log_likelihood(Seen(model, replies.batch, replies.pad_id))
