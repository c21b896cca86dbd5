"""Modules that begin anew with a stage."""

import pytest
import torch
from tiny_run import make_tones, recipe

from ossicle.support.errors import SpecError
from ossicle.training import train
from ossicle.training.renew import renew
from random_bundle import random_bundle


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_what_is_named_begins_anew_and_the_rest_stays():
    model = random_bundle().model
    for parameter in model.parameters():
        parameter.data.fill_(0.5)
    before = weights(model)
    renew(model, ["encoder.layers", "projector"], seed=3)
    after = weights(model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("audio_tower.layers." in name for name in changed)
    assert any("projector" in name for name in changed)
    assert all("audio_tower.layers." in name or "projector" in name for name in changed)
    renew(model, ["encoder.layers", "projector"], seed=3)
    assert all(torch.equal(value, after[name]) for name, value in weights(model).items())
    renew(model, ["encoder.layers"], seed=4)
    assert not all(torch.equal(value, after[name]) for name, value in weights(model).items())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("encoder.layer", "stages.tune.renew: there is no encoder.layer; encoder has stem, downs, blocks,"),
        ("encoder.stem.x", "there is no encoder.stem.x; encoder.stem has no modules within it"),
        ("language_model", "language_model begins with neither encoder nor projector"),
    ],
)
def test_a_name_that_is_not_there_is_said_before_anything_is_trained(tmp_path, name, says):
    tones = make_tones(tmp_path / "tones")
    with pytest.raises(SpecError) as caught:
        train(recipe(tones, renew=[name]), tmp_path / "out", workers=0, quiet=True)
    assert says in str(caught.value)
    assert not any((tmp_path / "out").glob("checkpoints/*"))
