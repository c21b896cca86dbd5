"""Every published system is a recipe: read, made at its smallest, and stepped through all of its stages."""

import json
from pathlib import Path

import pytest
import torch

from ossicle.cli import main
from ossicle.models import load
from ossicle.support.errors import RegistryError
from ossicle.training import load_recipe, tiny_form, train

FOLDER = Path(__file__).parents[2] / "recipes" / "systems"
SYSTEMS = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_a_system_fits_together(path, tmp_path):
    full = load_recipe(path)
    assert full.name == path.stem
    small = tiny_form(full)
    assert [stage.name for stage in small.stages] == [stage.name for stage in full.stages]
    assert [stage.train for stage in small.stages] == [stage.train for stage in full.stages]
    for part in ("encoder", "projector"):
        assert small.model[part]["type"] == full.model[part]["type"]
    model = train(small, tmp_path / "run", workers=0, quiet=True)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {line["stage"] for line in lines} == {stage.name for stage in full.stages}
    assert all(torch.tensor(line["loss"]).isfinite() for line in lines)
    written = json.loads((model / "config.json").read_text())
    wanted = full.model.get("integration", "prompt")
    assert (written["integration"] == "prompt") == (wanted == "prompt")


def test_recipes_name_weights_and_data_that_are_theirs():
    """Ids of a hub, and data by name; no path of any machine."""
    for path in SYSTEMS:
        recipe = load_recipe(path)
        assert "id" in recipe.model["language_model"]
        for stage in recipe.stages:
            for source in stage.data.values():
                assert source["path"].startswith("$OSSICLE_DATA/")


def test_the_smallest_form_trains_from_the_command_line_and_answers(tmp_path, capsys):
    assert main(["train", str(FOLDER / "ultravox.yaml"), "--tiny", "--out", str(tmp_path / "u"), "--workers", "0"]) == 0
    assert "ultravox fits together" in capsys.readouterr().out
    assert isinstance(load(str(tmp_path / "u")).name, str)
    assert main(["show", str(FOLDER / "audio_flamingo_2.yaml"), "--tiny"]) == 0
    shown = capsys.readouterr().out
    assert "cross_attention" in shown and "every=1" in shown
    assert main(["show", "tiny", "--tiny"]) == 2


def test_what_the_smallest_form_cannot_make_is_named():
    recipe = load_recipe(FOLDER / "ltu.yaml", ["model.encoder={type: astt}"])
    with pytest.raises(RegistryError, match="Did you mean 'ast'"):
        tiny_form(recipe)
