"""``ossicle show RUN``: how far a run is, and how its losses went."""

import json

import numpy as np
import pytest
import torch
from tiny_run import make_tones, recipe, stop_once

from ossicle.cli import main
from ossicle.support.charts import (
    Course,
    Histogram,
    Panel,
    Spread,
    _running_mean,
    plot_courses,
    plot_histograms,
    plot_panels,
)
from ossicle.training import TrainingStoppedError, train


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


def test_a_run_that_is_finished_and_one_that_is_not(tones, tmp_path, capsys, monkeypatch):
    held = {"tones": {"data": {"type": "folder", "path": str(tones)}, "rows": 4}}
    given = {**recipe(tones), "evaluate": held}
    given["stages"][1]["audio_gain_every"] = 2
    stop_once(monkeypatch, 9)
    with pytest.raises(TrainingStoppedError):
        train(given, tmp_path / "run", workers=0, quiet=True)
    assert main(["show", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "a run of tones, 9 of 15 steps, 60% done; the same command continues it" in said
    assert "stage align: 7 of 7 steps; " in said and "stage tune: 2 of 8 steps; " in said and "parameters" not in said
    train(given, tmp_path / "run", workers=0, quiet=True)
    plot = tmp_path / "course.png"
    assert main(["show", str(tmp_path / "run"), "--plot", str(plot)]) == 0
    said = capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    tune = [line["loss"] for line in lines if line["stage"] == "tune"]
    assert f"loss {np.mean(tune[:5]):.3g} → {np.mean(tune[-5:]):.3g}" in said
    gains = [line["audio_gain"] for line in lines if line["stage"] == "tune" and "audio_gain" in line]
    assert f"audio_gain {np.mean(gains[:5]):.3g} → {np.mean(gains[-5:]):.3g}" in said
    assert "15 of 15 steps, finished" in said and "tones: exact " in said and "parameters" in said
    assert plot.stat().st_size > 10_000


def test_a_course_is_for_runs(capsys, tmp_path):
    assert main(["show", "tiny", "--plot", str(tmp_path / "x.png")]) == 2
    assert "tiny is no training run" in capsys.readouterr().err


def test_running_means():
    assert _running_mean([1.0, 2.0, 3.0, 4.0], 2).tolist() == [1.0, 1.5, 2.5, 3.5]
    assert _running_mean([5.0], 4).tolist() == [5.0] and _running_mean([], 3).tolist() == []


def test_charts_of_little_or_nothing(tmp_path):
    pytest.importorskip("matplotlib")
    plot_courses([Course("y", {"a": ([], []), "b": ([1], [2.0])}, [1, 5])], "x", tmp_path / "a.svg", "t")
    plot_histograms([Histogram("x", "y", np.array([])), Histogram("x", "y", np.array([3]))], tmp_path / "b.png")
    plot_panels([Panel("x", "y", {"one": [Spread(1.0, 0.5, 0.4, 0.7)]}, is_log=True)], tmp_path / "c.pdf", "$t$")
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("a.svg", "b.png", "c.pdf"))
