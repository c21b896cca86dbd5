"""A language model whose layers are cut up among processes (FSDP2), for those that no single device holds.

Each layer's weights, gradients and moments lie in parts, and are put together while the layer works. Encoder,
projector, embeddings and head are small beside the layers, and whole in every process.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer

from ossicle.models.lalm import LALM
from ossicle.support.errors import ModelError, SpecError
from ossicle.training.processes import Processes


def check_shards(shards: int, among: Processes) -> None:
    """Raise SpecError unless ``shards`` processes can share one copy of the layers."""
    if shards < 1 or among.size % shards:
        raise SpecError(
            f"--shard {shards}: {among.size} process(es) are not so many groups of {shards}; give a number that "
            "divides them, and start them with torchrun."
        )


def layers_of(language_model: nn.Module) -> list[nn.Module]:
    """What is cut up. Raises ModelError where it is not known."""
    layers = [module for module in language_model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ModelError(f"{type(language_model).__name__} has no layers that are known to be such; leave --shard out.")
    return layers


def shard(language_model: nn.Module, shards: int, among: Processes, device: str) -> None:
    """Cut the layers into ``shards`` parts; where there are more processes, groups of so many neighbours, as those of
    one machine are, hold the same (HSDP).

    Raises:
        ModelError: its layers are not known.
    """
    layers = layers_of(language_model)
    kind, groups = torch.device(device).type, among.size // shards
    if groups == 1:
        mesh = init_device_mesh(kind, (shards,), mesh_dim_names=("shard",))
    else:
        mesh = init_device_mesh(kind, (groups, shards), mesh_dim_names=("replicate", "shard"))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    others = set(language_model.parameters()) - {p for layer in layers for p in layer.parameters()}
    fully_shard(language_model, mesh=mesh, ignored_params=others)


def shard_copy(model: LALM, shards: int, among: Processes, device: str) -> LALM:
    """A copy on ``device`` whose layers are cut up. Those of ``model`` are empty until :func:`take_back`, so that no
    process holds all of them meanwhile.

    Raises:
        ModelError: its layers are not known.
    """
    weights = [parameter for layer in layers_of(model.model.language_model) for parameter in layer.parameters()]
    shared = {id(weight): nn.Parameter(weight.data, weight.requires_grad) for weight in weights}
    copied = copy.deepcopy(model, shared)
    shard(copied.model.language_model, shards, among, device)
    for weight in weights:
        weight.data = weight.data.new_empty(0)
    return copied.to(device)


@torch.no_grad()
def take_back(model: LALM, cut_up: LALM) -> None:
    """Bring the weights of a copy, as :func:`shard_copy` made it, back into ``model``; all of the processes at once."""
    own = dict(model.state_dict(keep_vars=True))
    for name, value in cut_up.state_dict(keep_vars=True).items():
        if is_part(value):
            own[name].data = entire(value.detach()).to(own[name].device, own[name].dtype)
        else:
            own[name].copy_(value)


def is_part(tensor: Tensor | None) -> bool:
    """Whether this process holds only a part of it."""
    return isinstance(tensor, DTensor)


def entire(tensor: Tensor) -> Tensor:
    """All of it, where this process holds only a part; all of the processes ask at once."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part_of(full: Tensor, like: Tensor) -> Tensor:
    """This process's part of ``full``, which every process has, where it holds only a part of ``like``."""
    if not isinstance(like, DTensor):
        return full
    return distribute_tensor(full.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


@contextmanager
def in_step(language_model: nn.Module) -> Iterator[None]:
    """Let each process ask the language model as often as it has to: those that share its layers, and are done, ask
    along for nothing until all are. All of them enter at once; nothing within takes gradients."""
    part = next((parameter for parameter in language_model.parameters() if isinstance(parameter, DTensor)), None)
    if part is None:
        yield
        return
    group, nothing = part.device_mesh.get_group("shard"), torch.zeros((1, 1), dtype=torch.long, device=part.device)

    @torch.no_grad()
    def ask_for_nothing() -> None:
        language_model(input_ids=nothing, use_cache=False)

    def asked(again: bool) -> bool:
        """Say whether this process asks once more; whether any does."""
        number = torch.tensor(int(again), device=part.device)
        dist.all_reduce(number, group=group)
        return bool(number)

    def one_more(*_: object) -> None:
        asked(True)

    ask_for_nothing()  # where layers are put together for the first time in inference mode, they cannot learn later
    hook = language_model.register_forward_pre_hook(one_more)
    try:
        yield
    finally:
        hook.remove()
    while asked(False):
        ask_for_nothing()


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
