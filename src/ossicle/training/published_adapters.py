"""Adapters learnt on a published model, as peft reads them over the whole of it in transformers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from ossicle.models.folders import model_folder, weights_files
from ossicle.models.parts import Parts, parts_of_folder
from ossicle.models.published import LAYOUTS
from ossicle.support.errors import ModelError
from ossicle.support.extras import require
from ossicle.training.lora import write_adapters
from ossicle.training.recipe import Recipe, Stage, load_recipe

PEFT = "base_model.model."
"""What peft sets before the names of a model's modules."""


def export_adapters(run: Path, folder: Path) -> None:
    """Write what a finished run of one stage has learnt by adapters. A projector that it trained in full goes with
    them, as one of peft's ``modules_to_save``.

    Args:
        run: folder of the training run.
        folder: complete, or as it was.

    Raises:
        ModelError: it is no finished run on a published model, or has learnt more than adapters can say.
        MissingExtraError: peft is not installed.
    """
    peft = require("peft", extra="lora")
    recipe, stage = _of_run(run)
    config, parts = parts_of_folder(model_folder(recipe.model["base"]))
    if config.published is None:
        raise ModelError(f"{run} goes on from {recipe.model['base']}, which is no published model: {_INSTEAD}")
    tensors: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    alphas: dict[str, float] = {}
    for part, spec in stage.adapters().items():
        kept = load_file(run / "adapters" / stage.name / part / "adapter_model.safetensors")
        found = _renamed({name.removeprefix(PEFT): tensor for name, tensor in kept.items()}, part, parts, config)
        tensors |= found
        layers = {name.rsplit(".lora_", 1)[0] for name in found}
        ranks |= dict.fromkeys(sorted(layers), spec.rank)
        alphas |= dict.fromkeys(sorted(layers), 2.0 * spec.rank if spec.alpha is None else spec.alpha)
    in_full = ["projector"] if stage.train.get("projector") == "full" else []
    if in_full:
        tensors |= _renamed(_projector_of(run / "model"), "projector", parts, config)
    described = peft.LoraConfig(
        r=max(ranks.values()),
        rank_pattern=ranks,
        alpha_pattern=alphas,
        target_modules=sorted(ranks),
        modules_to_save=[_place(part, config).rpartition(".")[2] for part in in_full] or None,
        base_model_name_or_path=recipe.model["base"].removeprefix("hf:"),
        inference_mode=True,
    )
    write_adapters({PEFT + name: tensor for name, tensor in tensors.items()}, described, folder)


_INSTEAD = "export the whole model (without --adapters), or take adapters/ in the folder of the run."


def _of_run(run: Path) -> tuple[Recipe, Stage]:
    """The recipe of a finished run and its only stage. Raises ModelError if adapters are not all that it has learnt."""
    if not (run / "recipe.yaml").is_file() or not (run / "model" / "config.json").is_file():
        raise ModelError(f"{run} is not the folder of a finished training run; its adapters are kept there.")
    recipe = load_recipe(run / "recipe.yaml")
    if "base" not in recipe.model or recipe.model.get("projector") is not None:
        raise ModelError(f"{run} does not go on from a published model as it is: {_INSTEAD}")
    stage = recipe.stages[0]
    whole = [part for part, how in stage.train.items() if how == "full" and part != "projector"]
    if len(recipe.stages) > 1 or whole or stage.renew or not stage.adapters():
        learnt = f"has {len(recipe.stages)} stages" if len(recipe.stages) > 1 else "learnt more than adapters, or none"
        raise ModelError(f"{run} {learnt}, so adapters over the published model are not what it learnt: {_INSTEAD}")
    return recipe, stage


def _renamed(tensors: Mapping[str, Tensor], part: str, parts: Parts, config: Any) -> dict[str, Tensor]:
    """Tensors of one of our parts by the names that they have in the whole of the published model."""
    if part == "projector":
        layout = LAYOUTS[config.published["model_type"]]
        layers = {ours.rpartition(".")[0]: theirs.rpartition(".")[0] for ours, theirs in layout.names.items()}
        renamed = {}
        for name, tensor in tensors.items():
            layer = next((layer for layer in layers if name.startswith(f"{layer}.")), "")
            renamed[layers.get(layer, "") + name.removeprefix(layer)] = tensor
    elif part == "encoder":
        renamed = {name.removeprefix(f"{_inner(parts.encoder)}."): tensor for name, tensor in tensors.items()}
    else:
        prefix = f"{parts.language_model.base_model_prefix}."
        renamed = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return {f"{_place(part, config)}.{name}": tensor for name, tensor in renamed.items()}


def _place(part: str, config: Any) -> str:
    """Where transformers keeps a part of this published model."""
    layout = LAYOUTS[config.published["model_type"]]
    places = {"encoder": layout.tower[0], "projector": layout.bridge, "language_model": "language_model"}
    return f"model.{places[part]}"


def _inner(encoder: Any) -> str:
    """What our encoder calls the published tower within it."""
    tower: nn.Module = encoder.module()
    return next(name for name, module in encoder.named_modules() if module is tower)


def _projector_of(model: Path) -> dict[str, Tensor]:
    prefix = "model.multi_modal_projector."
    found: dict[str, Tensor] = {}
    for file in weights_files(model):
        with safe_open(file, framework="pt") as tensors:
            names = [name for name in tensors.keys() if name.startswith(prefix)]  # noqa: SIM118
            found |= {name.removeprefix(prefix): tensors.get_tensor(name) for name in names}
    return found
