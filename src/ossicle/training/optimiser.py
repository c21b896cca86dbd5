"""AdamW over the parts that a stage trains, its learning rate, and the average of its weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ossicle.support.errors import SpecError
from ossicle.training.recipe import OptimiserSpec, Stage
from ossicle.training.sharding import is_part


def freeze(parts: Mapping[str, nn.Module], model: nn.Module, stage: Stage) -> None:
    """Let only the parts that ``stage`` trains have gradients and dropout; of a part with adapters, those.

    Raises:
        SpecError: the model has no such part, or nothing of it can be trained.
    """
    unknown = set(stage.train) - set(parts)
    if unknown:
        known = ", ".join(parts)
        raise SpecError(f"stages.{stage.name}.train: the model has no part {min(unknown)!r}; it has {known}.")
    if stage.train.get("encoder", "frozen") != "frozen" and getattr(parts["encoder"], "codebooks", ()):
        raise SpecError(f"stages.{stage.name}.train: an encoder that gives codes passes no gradient; freeze it.")
    model.requires_grad_(False).eval()
    for name, how in stage.train.items():
        if how == "full":
            parts[name].requires_grad_(True).train()
        elif how != "frozen":
            for adapter in (m for n, m in parts[name].named_modules() if n.rpartition(".")[2].startswith("lora_")):
                adapter.requires_grad_(True).train()


def make_optimiser(parts: Mapping[str, nn.Module], objective: nn.Module, stage: Stage) -> torch.optim.AdamW:
    """AdamW in groups by part and by whether they are decayed (and cut up among processes); each group keeps its
    ``scale`` of the learning rate, and the ``numbers`` of its parameters, the same however they are cut up."""
    spec = stage.optimiser
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    seen: set[int] = set()
    for name, module in {**parts, "objective": objective}.items():
        for parameter in module.parameters():
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                key = (spec.lr_scale.get(name, 1.0), parameter.ndim > 1)  # type: ignore[call-overload]
                groups.setdefault(key, []).append(parameter)
    numbers = {id(p): number for number, p in enumerate(p for params in groups.values() for p in params)}
    divided = [
        (scale, decayed, alike)
        for (scale, decayed), parameters in groups.items()
        for in_parts in (False, True)
        if (alike := [parameter for parameter in parameters if is_part(parameter) == in_parts])
    ]
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "numbers": [numbers[id(parameter)] for parameter in parameters],
                "scale": scale,
                "weight_decay": spec.weight_decay if decayed else 0.0,
            }
            for scale, decayed, parameters in divided
        ],
        lr=spec.lr,
        betas=spec.betas,
        eps=spec.eps,
        fused=True,
    )


def lr_at(step: int, steps: int, spec: OptimiserSpec) -> float:
    """Learning rate of ``step`` in [0, steps): a straight climb over the warm-up, then the schedule."""
    if step < spec.warmup_steps:
        return spec.lr * (step + 1) / spec.warmup_steps
    done = (step - spec.warmup_steps) / max(1, steps - spec.warmup_steps)
    left = {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1.0 + math.cos(math.pi * done))}[spec.schedule]
    return spec.lr * (spec.final_lr + (1.0 - spec.final_lr) * left)


def set_lr(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its share of ``lr``."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group["scale"]


class Average:
    """Exponential average of weights (Polyak & Juditsky 1992), which forgets faster at first.

    Args:
        parameters: by name, those that are trained.
        decay: share kept per step, in (0, 1); None averages nothing.
    """

    def __init__(self, parameters: Mapping[str, Tensor], decay: float | None) -> None:
        self._live = dict(parameters) if decay is not None else {}
        self.tensors = {name: value.detach().clone() for name, value in self._live.items()}
        self._decay = decay or 0.0

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` steps."""
        if self._live:
            kept = min(self._decay, (1 + step) / (10 + step))
            for in_parts in (False, True):
                names = [name for name, value in self._live.items() if is_part(value) == in_parts]
                if names:
                    live = [self._live[name].detach() for name in names]
                    torch._foreach_lerp_([self.tensors[name] for name in names], live, 1.0 - kept)

    @torch.no_grad()
    def apply(self) -> None:
        """Make the average the weights."""
        for name, value in self._live.items():
            value.copy_(self.tensors[name])
