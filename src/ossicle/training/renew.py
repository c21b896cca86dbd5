"""Parts of a model that begin anew when a stage begins."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ossicle.models.lalm import LALM, build_audio
from ossicle.support.errors import SpecError


def renew(model: LALM, names: Sequence[str], seed: int) -> None:
    """Give the named modules the weights that they would have in a model made from nothing.

    What was learnt first from few recordings is learnt by heart; letting go of the later layers and learning them again
    generalises better than going on (Zhou et al. 2022, "Fortuitous Forgetting in Connectionist Networks", section 4).

    Args:
        names: ``encoder``, ``projector`` or a module within one of them, e.g. ``encoder.layers``.
        seed: of the new weights.
    """
    if not names:
        return
    torch.manual_seed(seed)
    fresh = _made_again(model)
    for module in (inner for part in fresh.values() for inner in part.modules()):
        model._init_weights(module)
    fresh["projector"].meet(model.get_input_embeddings().weight.detach().cpu())
    for name in names:
        part, _, inner = name.partition(".")
        model.trunks()[part].get_submodule(inner).load_state_dict(fresh[part].get_submodule(inner).state_dict())


def check_renewed(model: LALM, names: Sequence[str], where: str) -> None:
    """Raise SpecError, with what there is, for a name that no module of encoder and projector has.

    Args:
        where: of ``names`` in the recipe.
    """
    with torch.device("meta"):
        parts = _made_again(model)
    for name in names:
        _find(parts, name, where)


def _made_again(model: LALM) -> dict[str, nn.Module]:
    encoder, projector = build_audio(model.config.audio_config, model.config.text_config.hidden_size)
    return {"encoder": encoder, "projector": projector}


def _find(parts: Mapping[str, nn.Module], name: str, where: str) -> None:
    part, *steps = name.split(".")
    if part not in parts:
        raise SpecError(f"{where}: {name} begins with neither encoder nor projector.")
    module, path = parts[part], part
    for step in steps:
        children = dict(module.named_children())
        if step not in children:
            known = f"has {', '.join(children)}" if children else "has no modules within it"
            raise SpecError(f"{where}: there is no {name}; {path} {known}.")
        module, path = children[step], f"{path}.{step}"
