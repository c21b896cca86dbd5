"""A LoRA adapter that a published model brings beside its weights, added to the language model that it belongs to."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ossicle.support.errors import ModelError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@torch.no_grad()
def merge_adapter(trunk: nn.Module, folder: Path) -> int:
    """``W + scale · B A`` for every layer that the adapter in ``folder`` has (Hu et al. 2021, arXiv 2106.09685, section
    4.1), with the scale that peft gives it.

    Args:
        trunk: the language model. Its layers are found by the ends of their names, as what stands before them has
            changed from one release of transformers to another.
        folder: with ``adapter_config.json`` and ``adapter_model.safetensors``.

    Returns:
        How many layers it has.

    Raises:
        ModelError: it is not there, is damaged, is of another kind than plain LoRA, or belongs to another model.
    """
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"the model {str(folder)!r} says that it hears through a LoRA adapter, and {CONFIG} or {WEIGHTS} is "
            "missing; copy it again, or set has_lora_adapter to false in its config.json if it has none."
        )
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    try:
        tensors = load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS} is damaged or cut short ({error}); copy it again.") from error
    odd = [name for name in tensors if not name.endswith((".lora_A.weight", ".lora_B.weight"))]
    if config.get("use_dora") or config.get("bias", "none") != "none" or odd:
        raise ModelError(f"the adapter of the model {str(folder)!r} is more than plain LoRA, which Ossicle cannot add.")
    layers = dict(trunk.named_modules())
    names = sorted({name.rsplit(".lora_", 1)[0] for name in tensors})
    for name in names:
        layer = next((layers[end] for end in _ends(name) if isinstance(layers.get(end), nn.Linear)), None)
        down, up = (tensors.get(f"{name}.lora_{side}.weight") for side in "AB")
        if layer is None or down is None or up is None or layer.weight.shape != (len(up), down.shape[1]):
            raise ModelError(f"the adapter of the model {str(folder)!r} belongs to another: nothing here fits {name}.")
        change = up.float() @ down.float() * _scale(config, name, len(down))
        layer.weight.copy_(layer.weight.float() + change.to(layer.weight.device))
    return len(names)


def _ends(name: str) -> Iterator[str]:
    """``a.b.c``, ``b.c``, ``c``."""
    while name:
        yield name
        name = name.partition(".")[2]


def _scale(config: dict, name: str, rank: int) -> float:
    """As peft: alpha over rank, or over its root where it is said to be stabilised (arXiv 2312.03732)."""
    own = config.get("alpha_pattern") or {}
    alpha = next((alpha for end, alpha in own.items() if name.endswith(f".{end}")), config.get("lora_alpha", 8))
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)
