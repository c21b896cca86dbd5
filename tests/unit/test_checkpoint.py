"""Checkpoints: complete or absent, the last two, and what is said when the disk or the files are not in order."""

import errno
import json
import resource
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_run import losses, make_tones, recipe, stop_once
from torch import nn

from ossicle.support.errors import DataError, ModelError
from ossicle.training import TrainingStoppedError, checkpoint, train
from ossicle.training.checkpoint import (
    Saver,
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
from ossicle.training.loop import StageRun
from ossicle.training.tensor_files import Saved


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
    assert loaded["average"].tensors == {}
    assert all(torch.equal(loaded["model"].tensors[name], value) for name, value in tensors["model"].items())


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
    assert load_checkpoint(latest_checkpoint(tmp_path))[1]["model"].tensors["x"][0] == 1.0
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


def stored(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> Saved:
    save_file(tensors, tmp_path / "stored.safetensors")  # refuses tensors that share memory
    return Saved(tmp_path / "stored.safetensors")


def test_shared_weights_are_kept_once_and_restored_into_both(tmp_path):
    model, other = tied(), tied()
    kept = tensors_of(model)
    assert set(kept) == {"0.weight", "2.weight", "2.bias", "2.running_mean", "2.running_var", "2.num_batches_tracked"}
    with torch.no_grad():
        model[0].weight.add_(1.0)
    restore(tensors_of(other), stored(tmp_path, tensors_of(model)), "model")
    assert torch.equal(other[1].weight, model[0].weight)
    assert other[1].weight is other[0].weight


def test_tensors_of_another_model_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"'2\.weight' differs"):
        restore({"2.weight": torch.zeros(3)}, stored(tmp_path, {}), "model")
    with pytest.raises(ModelError, match="'a' differs"):
        restore({"a": torch.zeros(3)}, stored(tmp_path, {"a": torch.zeros(1)}), "model")


def adamw(parameters):
    return torch.optim.AdamW([{"params": parameters, "numbers": list(range(len(parameters)))}], lr=0.1, fused=True)


def test_a_restored_optimiser_goes_on_as_if_nothing_had_happened(tmp_path):
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
    restore(tensors_of(second), stored(tmp_path, tensors_of(first)), "model")
    moments = stored(tmp_path, optimiser_tensors(first_optimiser))
    restore_optimiser(second_optimiser, moments)
    go(second, second_optimiser, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))
    with pytest.raises(ModelError, match="other parameters"):
        restore_optimiser(adamw([nn.Parameter(torch.zeros(1))]), moments)


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


def saver_in(folder: Path, log: list[str] | None = None) -> Saver:
    return Saver(folder, {"note": "x"}, lambda: None if log is None else log.append("sync"))


class Gate:
    """Holds back a file that is to be written until it is opened."""

    def __init__(self, patch: pytest.MonkeyPatch, log: list[str] | None = None) -> None:
        self.log = [] if log is None else log
        self.reached, self.opened = threading.Event(), threading.Event()
        self._write = checkpoint.save_file
        patch.setattr(checkpoint, "save_file", self)

    def __call__(self, tensors, file) -> None:
        self.reached.set()
        assert self.opened.wait(60)
        self.log.append(f"write {file.parent.name.split('.')[1]}")
        self._write(tensors, file)


def test_it_is_written_while_the_run_goes_on(tmp_path, monkeypatch):
    gate, state, save = Gate(monkeypatch), State(total_steps=1, sums={"loss": 2.0}), saver_in(tmp_path)
    save(state, lambda: {"model": {"x": torch.ones(2)}})
    assert gate.reached.wait(60) and save.failed() is None and latest_checkpoint(tmp_path) is None
    state.total_steps, state.sums["loss"] = 7, 9.0
    gate.opened.set()
    save.wait()
    again, _, facts = load_checkpoint(tmp_path / "step-00000001")
    assert again == State(total_steps=1, sums={"loss": 2.0}) and facts == {"note": "x"}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("checkpoint")]


def test_the_next_waits_for_the_one_before_and_the_journal_comes_first(tmp_path, monkeypatch):
    log: list[str] = []
    gate, save = Gate(monkeypatch, log), saver_in(tmp_path, log)
    save(State(total_steps=1), lambda: {"model": {}})
    assert gate.reached.wait(60)
    threading.Timer(0.2, gate.opened.set).start()
    save(State(total_steps=2), lambda: log.append("copy") or {"model": {}})
    save.wait()
    assert log == ["sync", "write step-00000001", "copy", "sync", "write step-00000002"]


def test_whoever_leaves_waits_for_the_writer(tmp_path, monkeypatch):
    gate = Gate(monkeypatch)
    with pytest.raises(ModelError, match="no number"), saver_in(tmp_path) as save:
        save(State(total_steps=3), lambda: {"model": {}})
        threading.Timer(0.2, gate.opened.set).start()
        raise ModelError("no number")
    assert latest_checkpoint(tmp_path).name == "step-00000003"


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_later_and_again(tmp_path, monkeypatch):
    save = saver_in(tmp_path)
    save(State(total_steps=1), lambda: {"model": {}})
    save.wait()
    monkeypatch.setattr(checkpoint, "save_file", full)
    save(State(total_steps=2), lambda: {"model": {}})
    with pytest.raises(ModelError, match="the one of step 1 is intact; make room"):
        save.wait()
    assert isinstance(save.failed(), ModelError)
    with pytest.raises(ModelError, match="the one of step 1 is intact"):
        save(State(total_steps=3), lambda: {"model": {}})
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


def plan(tones: Path, **changes) -> dict:
    given = recipe(tones)
    return {**given, "stages": [{**given["stages"][1], "renew": [], "steps": 8, "save_every_steps": 2, **changes}]}


def test_a_run_that_finds_the_disk_full_ends_at_once_and_goes_on_later(tones, tmp_path, monkeypatch):
    train(plan(tones), tmp_path / "whole", workers=0, quiet=True)
    writes = checkpoint.save_file

    def full_later(tensors, file):
        return full() if "step-00000004" in str(file) else writes(tensors, file)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full_later)
        with pytest.raises(ModelError, match=r"step-00000004: .* space left.* of step 2 is intact; make room"):
            train(plan(tones), tmp_path / "run", workers=0, quiet=True)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-00000002"]
    train(plan(tones), tmp_path / "run", workers=0, quiet=True)
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_a_run_that_is_stopped_waits_for_its_checkpoint(tones, tmp_path, monkeypatch):
    writes = checkpoint.save_file

    def slowly(tensors, file):
        time.sleep(0.2)
        writes(tensors, file)

    monkeypatch.setattr(checkpoint, "save_file", slowly)
    stop_once(monkeypatch, 3)
    with pytest.raises(TrainingStoppedError, match="everything is saved"):
        train(plan(tones, save_every_steps=None), tmp_path / "run", workers=0, quiet=True)
    state, tensors, _ = load_checkpoint(tmp_path / "run" / "checkpoints" / "step-00000003")
    assert state.step == 3 and tensors["optimiser"].tensors


def test_what_is_written_is_a_copy(tones, tmp_path, monkeypatch):
    """What the loop does while a checkpoint is written changes nothing in it."""
    gate = Gate(monkeypatch)
    seen: list[dict] = []
    step = StageRun.step

    def watched(run, *batches, **more):
        if run.state.step == 4:
            seen.append({name: value.clone() for name, value in run.model.state_dict().items()})
        if run.state.step == 6:  # one of step 4 is held back until two more are done
            gate.opened.set()
        return step(run, *batches, **more)

    monkeypatch.setattr(StageRun, "step", watched)
    train(plan(tones, save_every_steps=4), tmp_path / "run", workers=0, quiet=True)
    _, tensors, _ = load_checkpoint(tmp_path / "run" / "checkpoints" / "step-00000004")
    assert all(torch.equal(value, seen[0][name]) for name, value in tensors["model"].tensors.items())
