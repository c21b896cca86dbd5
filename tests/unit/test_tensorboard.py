"""What TensorBoard shows is what metrics.jsonl holds, also after an interruption; without the library, one sentence."""

import json
import sys

import pytest
import torch
from tiny_run import make_tones, recipe, stop_once

from ossicle.cli import main
from ossicle.training import TrainingStoppedError, train


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


def test_it_shows_what_the_journal_holds(tones, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    given = recipe(tones, save_every_steps=None)
    stop_once(monkeypatch, 9)
    with pytest.raises(TrainingStoppedError):
        train(given, tmp_path / "run", workers=0, tensorboard=True, quiet=True)
    train(given, tmp_path / "run", workers=0, tensorboard=True, quiet=True)
    shown = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    shown.Reload()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    for name in ("loss", "lr", "grad_norm"):
        points = {event.step: event.value for event in shown.Scalars(name)}
        assert list(points) == [line["total_steps"] for line in lines]
        assert points == pytest.approx({line["total_steps"]: line[name] for line in lines}, rel=1e-6)


def test_without_the_library_nothing_is_begun(tones, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    (tmp_path / "r.yaml").write_text(json.dumps(recipe(tones)))
    assert main(["train", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "run"), "--tensorboard"]) == 2
    assert "pip install 'ossicle[tensorboard]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
