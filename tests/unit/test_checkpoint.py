"""Checkpoints: complete or absent, the last two, and what is said when the disk or the files are not in order."""

import errno
import json
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ossicle.support.errors import DataError, ModelError
from ossicle.training import checkpoint
from ossicle.training.checkpoint import (
    State,
    latest_checkpoint,
    load_checkpoint,
    optimiser_tensors,
    restore,
    restore_optimiser,
    save_checkpoint,
    tensors_of,
)
from ossicle.training.journal import Journal


def tied() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False), nn.BatchNorm1d(5))
    model[1].weight = model[0].weight
    return model


def save_at(folder: Path, step: int, value: float = 0.0) -> Path:
    return save_checkpoint(folder, State(total_steps=step), {"model": {"x": torch.full((64,), value)}}, {"step": step})


def test_what_is_saved_is_loaded(tmp_path):
    state = State(1, 2, 30, 4, 5, 600, 1 / 3, 0.1, {"loss": 2 / 3})
    tensors = {"model": {"a": torch.randn(2, 3).T, "b": torch.tensor(7)}, "average": {}}
    path = save_checkpoint(tmp_path, state, tensors, {"note": "x"})
    assert path.name == "step-00000030"
    again, loaded, facts = load_checkpoint(path)
    assert again == state and facts == {"note": "x"}
    assert loaded["average"] == {}
    assert all(torch.equal(loaded["model"][name], value) for name, value in tensors["model"].items())


def test_the_last_two_are_kept_and_leftovers_swept(tmp_path):
    (tmp_path / ".step-00000001.new-0a").mkdir()
    for step in (1, 5, 20):
        save_at(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000005", "step-00000020"]
    assert latest_checkpoint(tmp_path).name == "step-00000020"
    assert latest_checkpoint(tmp_path / "none") is None


@pytest.mark.parametrize("fails", ["save_file", "atomic_folder"])
def test_a_full_disk_leaves_the_older_checkpoint(tmp_path, monkeypatch, fails):
    save_at(tmp_path, 1, 1.0)
    with monkeypatch.context() as patch:

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(checkpoint, fails, full)
        with pytest.raises(ModelError) as caught:
            save_at(tmp_path, 2)
    assert "No space left on device" in str(caught.value)
    assert "the one of step 1 is intact; make room" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert load_checkpoint(latest_checkpoint(tmp_path))[1]["model"]["x"][0] == 1.0
    save_at(tmp_path, 2)
    assert latest_checkpoint(tmp_path).name == "step-00000002"


def test_a_real_limit_on_file_size_is_reported_too(tmp_path):
    save_at(tmp_path, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(ModelError, match=r"could not be written .* the one of step 1 is intact"):
            save_checkpoint(tmp_path, State(total_steps=2), {"model": {"x": torch.zeros(100_000)}}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


@pytest.mark.parametrize("file", ["state.json", "model.safetensors"])
def test_a_damaged_checkpoint_is_named(tmp_path, file):
    path = save_at(tmp_path, 1)
    (path / file).write_bytes((path / file).read_bytes()[:20])
    with pytest.raises(ModelError, match=r"step-00000001: is damaged .* delete it"):
        load_checkpoint(path)


def test_shared_weights_are_kept_once_and_restored_into_both(tmp_path):
    model, other = tied(), tied()
    kept = tensors_of(model)
    assert set(kept) == {"0.weight", "2.weight", "2.bias", "2.running_mean", "2.running_var", "2.num_batches_tracked"}
    with torch.no_grad():
        model[0].weight.add_(1.0)
    save_file(tensors_of(model), tmp_path / "x.safetensors")  # refuses tensors that share memory
    restore(tensors_of(other), tensors_of(model), "model")
    assert torch.equal(other[1].weight, model[0].weight)
    assert other[1].weight is other[0].weight


def test_tensors_of_another_model_are_refused():
    with pytest.raises(ModelError, match=r"'2\.weight' differs"):
        restore({"2.weight": torch.zeros(3)}, {}, "model")
    with pytest.raises(ModelError, match="'a' differs"):
        restore({"a": torch.zeros(3)}, {"a": torch.zeros(1)}, "model")


def adamw(parameters):
    return torch.optim.AdamW([{"params": parameters, "numbers": list(range(len(parameters)))}], lr=0.1, fused=True)


def test_a_restored_optimiser_goes_on_as_if_nothing_had_happened():
    def begin():
        model = tied()
        return model, adamw(list(model.parameters()))

    def go(model, optimiser, steps):
        for step in steps:
            torch.manual_seed(step)
            model(torch.randint(5, (8,))).square().sum().backward()
            optimiser.step()
            optimiser.zero_grad()

    whole, whole_optimiser = begin()
    go(whole, whole_optimiser, range(6))
    first, first_optimiser = begin()
    go(first, first_optimiser, range(3))
    second, second_optimiser = begin()
    restore(tensors_of(second), tensors_of(first), "model")
    restore_optimiser(second_optimiser, optimiser_tensors(first_optimiser))
    go(second, second_optimiser, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))
    with pytest.raises(ModelError, match="other parameters"):
        restore_optimiser(adamw([nn.Parameter(torch.zeros(1))]), optimiser_tensors(first_optimiser))


def test_the_journal_forgets_what_no_checkpoint_knows(tmp_path):
    state = State()
    journal = Journal(tmp_path / "metrics.jsonl", 0)
    for step in (1, 2):
        state.step = step
        journal.add(state, {"loss": float(step), "lr": 0.1})
    journal.write("align", state)
    length = state.metrics_bytes
    journal.add(state, {"loss": 9.0, "lr": 0.1})
    journal.write("align", state)
    Journal(tmp_path / "metrics.jsonl", length)
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["loss"] == 1.5
    with pytest.raises(DataError, match="is shorter than"):
        Journal(tmp_path / "metrics.jsonl", length + 1)
