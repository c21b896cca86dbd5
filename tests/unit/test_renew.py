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


def test_new_weights_are_those_of_a_model_made_from_nothing():
    """Drawn as the model draws them; a projector meets the language model's words again."""
    bundle = random_bundle(projector={"type": "cross_attention", "stride": 3, "heads": 2, "words": 50})
    projector = bundle.model.model.multi_modal_projector
    words = 8 * projector.words_VD  # random_bundle widens the words that it is compared with
    projector.words_VD.zero_()
    renew(bundle.model, ["projector"], seed=3)
    torch.testing.assert_close(projector.words_VD, words)
    assert projector.q_proj.bias.abs().max() == 0 and 0.01 < projector.q_proj.weight.std() < 0.03
    before = torch.random.get_rng_state()
    renew(bundle.model, [], seed=9)
    assert torch.equal(torch.random.get_rng_state(), before), "nothing is made where nothing is renewed"


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
