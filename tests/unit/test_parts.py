"""Checkpoints of layers that are cut up: each process writes its own, any number reads them."""

import errno
import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from test_processes import plain, values, weights
from test_resume import kill_after_touches
from tiny_run import losses, make_tones
from together_kit import together
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from ossicle.support.errors import ModelError
from ossicle.training import checkpoint, train
from ossicle.training.checkpoint import State, load_checkpoint, save_checkpoint
from ossicle.training.processes import Processes, processes
from ossicle.training.tensor_files import Saved, write_parts

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


def whole(seed: int = 0) -> dict[str, Tensor]:
    """Shapes that two, three and four processes cannot share alike, and what none of them cuts."""
    torch.manual_seed(seed)
    cut = {"cut.five": torch.randn(5, 3), "cut.one": torch.randn(1, 4), "cut.half": torch.randn(6, 2).bfloat16()}
    return {**cut, "whole": torch.randn(4, 4).T, "step": torch.tensor(3.0), "count": torch.tensor(7)}


def held(tensors: dict[str, Tensor], among: Processes, groups: int = 1) -> dict[str, Tensor]:
    """What this process holds of them."""
    mesh, placements = init_device_mesh("cpu", (among.size,), mesh_dim_names=("shard",)), [Shard(0)]
    if groups > 1:
        shape = (groups, among.size // groups)
        mesh = init_device_mesh("cpu", shape, mesh_dim_names=("replicate", "shard"))
        placements = [Replicate(), Shard(0)]
    return {
        name: distribute_tensor(tensor, mesh, placements) if name.startswith("cut") else tensor
        for name, tensor in tensors.items()
        if among.is_first or name.startswith("cut")
    }


def write(folder: Path, step: int, rank: int, groups: int = 1, before: Callable[[], None] = lambda: None) -> None:
    """Save a checkpoint of step ``step`` in one of several processes."""
    with processes("cpu") as (among, _):
        tensors = {"model": held(whole(step), among, groups), "average": {}}
        before()
        save_checkpoint(folder, State(total_steps=step), tensors, {"step": step}, among)


def read_by(path: Path, rank: int) -> None:
    with processes("cpu") as (among, _):
        room = held({name: torch.zeros_like(tensor) for name, tensor in whole().items()}, among)
        Saved(path).into(room)
        for name, tensor in whole().items():
            if name in room:
                found = room[name].full_tensor() if isinstance(room[name], DTensor) else room[name]
                assert torch.equal(found, tensor), name


def check_read(path: Path, seed: int) -> None:
    state, tensors, facts = load_checkpoint(path)
    assert state.total_steps == facts["step"] == seed and tensors["average"].tensors == {}
    room = {name: torch.zeros_like(tensor) for name, tensor in whole(seed).items()}
    assert {name: t.dtype for name, t in tensors["model"].tensors.items()} == {n: t.dtype for n, t in room.items()}
    tensors["model"].into(room)
    assert all(torch.equal(room[name], tensor) for name, tensor in whole(seed).items())


@pytest.mark.parametrize(("size", "groups"), [(2, 1), (4, 2), (4, 1)])
def test_what_several_wrote_any_number_reads(tmp_path, size, groups):
    assert together(size, lambda rank: write(tmp_path, 0, rank, groups)) == [0] * size
    (path,) = tmp_path.iterdir()
    check_read(path, 0)
    files = sorted((path / "model").iterdir())
    assert len(files) == size
    for file in files:  # none of them had all of it
        with safe_open(file, "pt") as opened:
            shapes = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
        assert shapes.get("cut.five", [0])[0] < 5 and shapes.get("cut.half", [0])[0] < 6
    assert together(3, lambda rank: read_by(path / "model", rank)) == [0] * 3


def test_what_one_wrote_several_read(tmp_path):
    path = save_checkpoint(tmp_path, State(), {"model": whole()}, {}) / "model.safetensors"
    assert together(2, lambda rank: read_by(path, rank)) == [0, 0]


def test_what_is_missing_or_cut_short_is_named(tmp_path):
    assert together(2, lambda rank: write(tmp_path, 0, rank)) == [0, 0]
    (path,) = tmp_path.iterdir()
    second = sorted((path / "model").iterdir())[1]
    content = second.read_bytes()
    second.write_bytes(content[:-1])
    with pytest.raises(ModelError, match=r"step-00000000: is damaged .* delete it"):
        load_checkpoint(path)
    first = sorted((path / "model").iterdir())[0]
    second.write_bytes(content)
    first.unlink()
    with pytest.raises(ModelError, match=r"is damaged \(a part of 'cut\.\w+' is missing\); delete it"):
        load_checkpoint(path)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def fails(folder: Path, says: str, rank: int, **given: object) -> None:
    with pytest.raises(ModelError, match=says):
        write(folder, 2, rank, **given)


def test_a_disk_that_is_full_in_one_process_stops_all(tmp_path):
    def second(rank: int) -> None:
        before = (lambda: setattr(os, "fsync", full)) if rank else (lambda: None)
        fails(tmp_path, r"No space left on device.*, the one of step 1 is intact; make room", rank, before=before)

    assert together(2, lambda rank: write(tmp_path, 1, rank)) == [0, 0]
    assert together(2, second) == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    check_read(tmp_path / "step-00000001", 1)


def test_processes_that_do_not_see_one_disk_are_told_at_once(tmp_path):
    def elsewhere(rank: int) -> None:
        if rank:
            checkpoint.write_parts = lambda folder, *rest: write_parts(tmp_path / "other" / folder.name, *rest)
        fails(tmp_path / "run", "run: what other processes write does not arrive there; all of them must see", rank)

    assert together(2, elsewhere) == [0, 0]
    assert not list((tmp_path / "run").iterdir())


# --- runs ------------------------------------------------------------------------------------------------------------


def run(given: dict, out: Path, size: int, shards: int, kill: tuple[int, int] | None = None) -> bool:
    """Train in several processes, of which one may be killed at one of its changes to the disk; whether it finished."""

    def do(rank: int) -> None:
        if kill is not None and rank == kill[0]:
            kill_after_touches(kill[1])
        train(given, out, workers=0, device="cpu", shards=shards, quiet=True)

    ended = together(size, do)
    # The others may fail for want of the one that is gone, before they are ended.
    killed = kill is not None and os.WIFSIGNALED(ended[kill[0]])
    assert killed or not any(ended), "the run failed by itself"
    return not killed


def assert_intact(out: Path) -> None:
    """The checkpoints that are there are complete."""
    for path in (out / "checkpoints").glob("step-*"):
        state, tensors, _ = load_checkpoint(path)
        assert path.name == f"step-{state.total_steps:08d}"
        for saved in tensors.values():
            saved.into({name: torch.zeros(t.shape, dtype=t.dtype) for name, t in saved.tensors.items()})


def kill_often(given: dict, out: Path, num_kills: int, seed: int) -> int:
    """Kill one or the other of two processes, most often while they save; how often that was."""
    chance, kills = random.Random(seed), 0
    for _ in range(num_kills):
        rank = chance.randrange(2)
        if run(given, out, 2, 2, (rank, chance.randint(1, 6) if rank else chance.randint(5, 60))):
            break
        kills += 1
        assert_intact(out)
    return kills


def averaged(tones: Path) -> dict:
    """A run of which weights, moments and averages are in parts."""
    given = plain(tones, ema=0.5, steps=3, save_every_steps=1)
    return {**given, "stages": given["stages"][1:]}


def test_killed_with_layers_in_parts_it_goes_on_to_the_last_bit(tones, tmp_path):
    given = averaged(tones)
    assert run(given, tmp_path / "whole", 2, 2)
    assert kill_often(given, tmp_path / "run", 2, seed=0) == 2
    assert run(given, tmp_path / "run", 2, 2)
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    mine, theirs = weights(tmp_path / "run"), weights(tmp_path / "whole")
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "shards"), [(1, 1), (2, 1), (2, 2), (4, 4), (4, 2)])
def test_killed_very_often_with_layers_in_parts_it_goes_on_as_any_number(tones, tmp_path, size, shards):
    given = averaged(tones)
    assert run(given, tmp_path / "whole", 2, 2)
    assert kill_often(given, tmp_path / "run", 20, seed=10 * size + shards) >= 4
    assert run(given, tmp_path / "run", size, shards)
    same = np.testing.assert_array_equal if (size, shards) == (2, 2) else partial(np.testing.assert_allclose, rtol=1e-5)
    same(values(tmp_path / "run"), values(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_every_instant_of_a_save_in_parts(tones, tmp_path, rank):
    given = averaged(tones)
    assert run(given, tmp_path / "whole", 2, 2)
    for count in range(1, 40 if rank == 0 else 8):
        out = tmp_path / str(count)
        run(given, out, 2, 2, (rank, count))
        assert_intact(out)
        assert run(given, out, 2, 2)
        assert losses(out) == losses(tmp_path / "whole")
