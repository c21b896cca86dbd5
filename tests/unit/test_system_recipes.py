"""Every published system is a recipe: read, made at its smallest, and stepped through all of its stages."""

import json
from pathlib import Path

import pytest
import torch

from ossicle.cli import main
from ossicle.models import load
from ossicle.support.errors import SpecError
from ossicle.training import load_recipe, tiny_form, train
from ossicle.training.tiny_form import check_options

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


@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_the_full_form_has_only_options_that_exist(path):
    check_options(load_recipe(path))


@pytest.mark.parametrize(
    ("system", "override", "words"),
    [
        ("ltu", "model.encoder={type: astt}", r"model\.encoder: there is no encoder 'astt'\. Did you mean 'ast'"),
        ("ltu", "model.enkoder={type: ast}", "unknown key 'enkoder'; did you mean 'encoder'"),
        (
            "qwen_audio",
            "model.projector.strid=3",
            r"model\.projector \(pool\): strid: unknown key 'strid'; did you mean",
        ),
        ("qwen_audio", "model.projector.stride=many", 'expected a whole number, not "many"'),
        ("qwen_audio", "model.encoder.mod=trim", "unknown key 'mod'; did you mean 'mode'"),
        ("salmonn", "model.encoder.encoders.1.band=mean", r"model\.encoder\.encoders\.1 \(beats\): band: unknown key"),
        ("gama", "model.encoder.encoder.mod=trim", r"model\.encoder\.encoder \(ast\): mod: unknown key"),
        ("audio_flamingo_2", "model.integration.evry=2", "unknown key 'evry'; did you mean 'every'"),
        (
            "qwen_audio",
            "stages.chat.data.dialogues.pth=x",
            r"stages\.chat\.data\.dialogues \(conversations\): pth: unkn",
        ),
        ("audiopalm", "stages.tasks.objective.sounds=1", r"stages\.tasks\.objective \(next_token\): sounds: unknown"),
        (
            "qwen_audio",
            "evaluate.x.data={type: conversations, pat: x}",
            r"evaluate\.x\.data \(conversations\): pat: unk",
        ),
    ],
)
def test_what_the_full_form_does_not_know_is_refused_before_it_becomes_small(system, override, words):
    with pytest.raises(SpecError, match=words):
        tiny_form(load_recipe(FOLDER / f"{system}.yaml", [override]))


def test_projectors_beside_one_another_stay_so_in_the_smallest_form():
    small = tiny_form(load_recipe(FOLDER / "gama.yaml")).model["projector"]
    assert [one["type"] for one in small["projectors"]] == ["qformer", "aggregator"]
    assert small["projectors"][0]["hidden"] == 32


def test_another_encoder_is_chosen_by_one_key(capsys):
    """The options of the old one go; what the line itself sets stays."""
    recipe = str(FOLDER.parent / "own-folder.yaml")
    assert main(["show", recipe, "model.encoder.type=ced", "model.encoder.dim=96"]) == 0
    shown = capsys.readouterr()
    assert "note: model.encoder.type is now ced; what was set for melnet went with it: channels, dim," in shown.err
    assert "encoder         ced" in shown.out and "dim=96" in shown.out
    assert main(["show", recipe, "--tiny", "model.encoder.type=layers", "model.encoder.encoder.type=melnet"]) == 0
    assert main(["show", recipe, "--tiny", "model.encoder.type=layers"]) == 2
    assert "model.encoder (layers): encoder: this key is missing." in capsys.readouterr().err


def test_the_smallest_form_of_what_does_not_go_together_is_refused(capsys):
    recipe = str(FOLDER / "qwen_audio.yaml")
    assert main(["train", recipe, "--tiny", "model.projector.strid=3", "--out", "none"]) == 2
    assert "did you mean 'stride'?" in capsys.readouterr().err
    assert main(["show", recipe, "--tiny", "model.integration=codes"]) == 2
    shown = capsys.readouterr()
    assert "codes needs an encoder that gives codes, and whisper gives frames" in shown.err
    assert not shown.out


def test_a_sweep_is_shown_by_its_own_command(capsys):
    for study in sorted((FOLDER.parent / "studies").glob("*.yaml")):
        assert main(["show", str(study), "--tiny"]) == 2
        assert f"ossicle sweep {study} --tiny --out FOLDER" in capsys.readouterr().err
