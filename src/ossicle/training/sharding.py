"""A language model whose layers are cut up among processes (FSDP2), for those that no single device holds.

Each layer's weights, gradients and moments lie in parts, and are put together while the layer works. Encoder,
projector, embeddings and head are small beside the layers, and whole in every process.
"""

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer

from ossicle.support.errors import ModelError, SpecError
from ossicle.training.processes import Processes


def check_shards(shards: int, among: Processes) -> None:
    """Raise SpecError unless ``shards`` processes can share one copy of the layers."""
    if shards < 1 or among.size % shards:
        raise SpecError(
            f"--shard {shards}: {among.size} process(es) are not so many groups of {shards}; give a number that "
            "divides them, and start them with torchrun."
        )


def shard(language_model: nn.Module, shards: int, among: Processes, device: str) -> None:
    """Cut the layers into ``shards`` parts; where there are more processes, so many groups hold the same parts (HSDP).

    Raises:
        ModelError: its layers are not known.
    """
    layers = [module for module in language_model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ModelError(f"{type(language_model).__name__} has no layers that are known to be such; leave --shard out.")
    kind, groups = torch.device(device).type, among.size // shards
    if groups == 1:
        mesh = init_device_mesh(kind, (shards,), mesh_dim_names=("shard",))
    else:
        mesh = init_device_mesh(kind, (groups, shards), mesh_dim_names=("replicate", "shard"))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    others = set(language_model.parameters()) - {p for layer in layers for p in layer.parameters()}
    fully_shard(language_model, mesh=mesh, ignored_params=others)


def is_part(tensor: Tensor | None) -> bool:
    """Whether this process holds only a part of it."""
    return isinstance(tensor, DTensor)


def entire(tensor: Tensor) -> Tensor:
    """All of it, where this process holds only a part; all of the processes ask at once."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def whole(tensors: dict[str, Tensor], among: Processes) -> dict[str, Tensor]:
    """Tensors by name, those in parts put together in the first process; the others give it theirs and keep nothing."""
    found = {}
    for name, tensor in tensors.items():
        if not is_part(tensor):
            found[name] = tensor
            continue
        full = entire(tensor)
        if among.is_first:
            found[name] = full.cpu()
    return found


def part_of(full: Tensor, like: Tensor) -> Tensor:
    """This process's part of ``full``, which every process has, where it holds only a part of ``like``."""
    if not isinstance(like, DTensor):
        return full
    return distribute_tensor(full.to(like.device), like.device_mesh, like.placements)


@torch.no_grad()
def add_gradients(parameters: list[nn.Parameter], among: Processes) -> None:
    """Sum each gradient over the processes; FSDP has already made the mean of those in parts."""
    for parameter in parameters:
        if is_part(parameter) and parameter.grad is not None:
            parameter.grad.mul_(among.size)
    among.add_gradients([parameter for parameter in parameters if not is_part(parameter)])


@torch.no_grad()
def divide_gradients(parameters: list[nn.Parameter], by: float) -> None:
    """Divide every gradient."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.div_(by)


@torch.no_grad()
def clip(parameters: list[nn.Parameter], longest: float) -> float:
    """Scale all gradients so that together they are no longer than ``longest``.

    Returns:
        How long they were, as one vector.
    """
    in_parts = [p.grad for p in parameters if is_part(p.grad)]
    if not in_parts:
        return float(nn.utils.clip_grad_norm_(parameters, longest))
    others = [p.grad for p in parameters if p.grad is not None and not is_part(p.grad)]
    length = entire(nn.utils.get_total_norm(in_parts))  # type: ignore[arg-type]
    if others:
        length = torch.stack([length, nn.utils.get_total_norm(others).to(length)]).norm()
    scale = min(1.0, longest / (float(length) + 1e-6))
    for gradient in (*others, *(part.to_local() for part in in_parts)):  # type: ignore[union-attr]
        gradient.mul_(scale)
    return float(length)
