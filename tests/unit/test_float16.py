"""float16: gradients that would vanish are learnt from, steps that overflow are left out, and a run resumes exactly."""

import math

import pytest
import torch
from tiny_run import losses, make_tones, recipe, stop_once

from ossicle.support.errors import ModelError
from ossicle.training import TrainingStoppedError, train
from ossicle.training import loop as loop_module
from ossicle.training.checkpoint import latest_checkpoint, load_checkpoint


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


def half(tones, **stage):
    """One stage whose losses float32 and float16 can be compared by."""
    given = recipe(tones, dtype="float16", renew=[], **stage)
    given["model"]["language_model"]["attention_dropout"] = 0.0
    given["stages"] = given["stages"][1:]
    return given


def test_it_learns_what_float32_learns(tones, tmp_path):
    train(half(tones, steps=20), tmp_path / "half", workers=0, quiet=True)
    full = half(tones, steps=20)
    full["stages"][0]["dtype"] = "float32"
    train(full, tmp_path / "full", workers=0, quiet=True)
    for one, other in zip(losses(tmp_path / "half"), losses(tmp_path / "full"), strict=True):
        assert dict(one)["loss"] == pytest.approx(dict(other)["loss"], rel=0.02)
        assert dict(one)["grad_norm"] == pytest.approx(dict(other)["grad_norm"], rel=0.1)


def test_a_step_that_overflows_is_left_out_and_the_factor_halved(tones, tmp_path, monkeypatch):
    real, calls = loop_module.clip, []

    def overflowing(parameters, longest):
        norm = real(parameters, longest)
        calls.append({id(p): p.detach().clone() for p in parameters})
        return math.inf if len(calls) == 2 else norm

    monkeypatch.setattr(loop_module, "clip", overflowing)
    train(half(tones, steps=4), tmp_path / "run", workers=0, quiet=True)
    before, after = calls[1], calls[2]
    assert all(torch.equal(before[key], after[key]) for key in before), "nothing is learnt from it"
    assert any(not torch.equal(after[key], calls[3][key]) for key in after)
    assert "grad_norm" not in dict(losses(tmp_path / "run")[1])
    state, _, _ = load_checkpoint(latest_checkpoint(tmp_path / "run" / "checkpoints"))
    assert state.scale == 2.0**12 and state.since_scaled == 2


def test_what_no_factor_mends_ends_the_run(tones, tmp_path, monkeypatch):
    monkeypatch.setattr(loop_module, "clip", lambda parameters, longest: math.nan)
    with pytest.raises(ModelError, match=r"step 24: the gradient is nan"):
        train(half(tones, steps=40), tmp_path / "run", workers=0, quiet=True)


def test_the_factor_grows_and_is_resumed_with(tones, tmp_path, monkeypatch):
    monkeypatch.setattr(loop_module, "_GROWS_AFTER", 3)
    given = half(tones, steps=8)
    train(given, tmp_path / "whole", workers=0, quiet=True)
    stop_once(monkeypatch, 5)
    with pytest.raises(TrainingStoppedError):
        train(given, tmp_path / "cut", workers=0, quiet=True)
    state, _, _ = load_checkpoint(latest_checkpoint(tmp_path / "cut" / "checkpoints"))
    assert (state.scale, state.since_scaled) == (2.0**14, 2)
    train(given, tmp_path / "cut", workers=0, quiet=True)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
