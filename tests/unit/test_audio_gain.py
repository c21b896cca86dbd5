"""While it learns, a run tells whether the model listens; asking changes nothing of what is learnt."""

import json

import pytest
import torch
from tiny_run import losses, make_tones, recipe

from ossicle.data import make_source
from ossicle.training import train
from ossicle.training.run import _exchanged as exchanged


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def without(kept):
    return [tuple(pair for pair in line if pair[0] != "audio_gain") for line in kept]


def test_asking_changes_nothing_that_is_learnt(tones, tmp_path):
    """With dropout, masks and batch norms."""
    for name, every in (("asked", 1), ("not", 0)):
        given = recipe(tones)
        given["stages"] = [{**stage, "audio_gain_every": every} for stage in given["stages"]]
        train(given, tmp_path / name, workers=0, quiet=True)
    asked, unasked = losses(tmp_path / "asked"), losses(tmp_path / "not")
    assert without(asked) == unasked == without(unasked)
    assert all("audio_gain" in line for line in lines(tmp_path / "asked"))


@pytest.fixture(scope="module")
def learning(tones, tmp_path_factory):
    """A run that learns to tell the tones."""
    given = recipe(tones)
    stage = {**given["stages"][1], "renew": [], "steps": 120, "audio_gain_every": 4, "log_every": 10}
    stage |= {"optimiser": {"lr": 5e-3, "warmup_steps": 5}, "save_every_steps": None, "seconds_per_batch": 6.0}
    given["stages"] = [stage]
    out = tmp_path_factory.mktemp("runs") / "learning"
    train(given, out, workers=0, quiet=True)
    return lines(out)


def test_it_rises_as_the_model_begins_to_listen(learning):
    gains = [line["audio_gain"] for line in learning if "audio_gain" in line]
    assert abs(gains[0]) < 0.1 and gains[-1] > 0.3, gains


def test_it_is_the_mean_over_those_steps_that_tell_it(learning):
    assert 6 < sum("audio_gain" in line for line in learning) <= 12
    assert max(line["audio_gain"] for line in learning if "audio_gain" in line) > 0.3, "not shared with silent steps"


def test_no_gain_is_told_where_all_rows_share_a_recording(tones, tmp_path):
    given = recipe(tones)
    stage = {**given["stages"][0], "audio_gain_every": 1, "rows_per_batch": 1, "steps": 4}
    given["stages"] = [stage]
    train(given, tmp_path / "run", workers=0, quiet=True)
    assert not any("audio_gain" in line for line in lines(tmp_path / "run"))


def test_questions_about_one_recording_are_not_each_others_control(tones, tmp_path):
    """Rows of a folder hold an Audio of their own for each question."""
    given = recipe(tones)
    data = {"tones": {**given["stages"][0]["data"]["tones"], "questions": ["What?", "Which tone?"]}}
    chats = [chat for index in range(2) for chat in make_source(data["tones"], "x").rows(index)]
    assert chats[0].audios == chats[1].audios and chats[0].audios[0] is not chats[1].audios[0]
    assert exchanged(chats) == chats
