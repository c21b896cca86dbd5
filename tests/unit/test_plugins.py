"""Components of other people: added by entry point, and checked."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ossicle.cli import main
from ossicle.encoders import Frames
from ossicle.encoders._conformance import CHECKS
from ossicle.encoders.melnet import Melnet
from ossicle.support.checks import outcome

PACKAGE = Path(__file__).parents[1] / "plugin_package"


def installed(folder: Path) -> dict[str, str]:
    """An environment that has the plug-in, as an installer would leave it."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    (folder / "ossicle_envelope").symlink_to(PACKAGE / "ossicle_envelope")
    facts = folder / f"ossicle_envelope-{project['version']}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (facts / "entry_points.txt").write_text("".join(lines))
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_an_installed_package_adds_components_of_every_kind(tmp_path):
    """An encoder, a projector and an integration, with their options: checked, shown, trained, saved and asked."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "name: loud\n"
        "model:\n"
        "  encoder: {type: envelope, dim: 8}\n"
        "  projector: {type: loudest, stride: 5}\n"
        "  integration: {type: turned_up, gain: 2.0}\n"
        "  tokenizer: {vocab_size: 600}\n"
        "  language_model: {type: qwen3, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1,\n"
        "    num_attention_heads: 2, num_key_value_heads: 1, head_dim: 16}\n"
        "stages:\n"
        "  - {name: one, train: {projector: full}, data: {s: {type: scenes, procedural: 2, pairs: 0.0,\n"
        "     scenes: {duration_s: [0.5, 1.0], layouts: {bare: 1}}}}, objective: {type: next_token}, steps: 1,\n"
        "     seconds_per_batch: 3, optimiser: {lr: 0.1}}\n"
    )
    soundfile.write(tmp_path / "clip.wav", np.zeros(16_000, np.float32), 16_000)
    run, clip = str(tmp_path / "run"), str(tmp_path / "clip.wav")
    words = [
        ["check", "encoder", "envelope", "--json"],
        ["check", "projector", "loudest", "--json"],
        ["show", str(recipe)],
        ["train", str(recipe), "--out", run, "--workers", "0"],
        ["ask", clip, "What?", "--model", run, "--max-new-tokens", "2", "--json"],
    ]
    script = (
        f"from ossicle.cli import main\nfor words in {words!r}:\n    assert main(words) == 0, words\n    print('===')\n"
        "from ossicle import load\n"
        f"print(load({run!r}).bundle.model.model.integration.gain.item())"
    )
    done = subprocess.run([sys.executable, "-c", script], env=installed(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    encoder, projector, shown, _, answer, gain = done.stdout.split("===\n")
    assert [check["wrong"] for check in json.loads(encoder)["checks"]] == [None] * len(list(CHECKS))
    assert {check["wrong"] for check in json.loads(projector)["checks"]} == {None}
    for part in (
        "encoder         envelope",
        "projector       loudest",
        "integration     turned_up",
        "10 audio tokens/s",
    ):
        assert part in shown
    assert json.loads(answer)["usage"]["audio_tokens"] == 10
    assert float(gain) not in (1.0, 2.0), "trained and saved with the rest"


class Leaky(Melnet):
    """Counts one frame too many, and lets the loudest window of a batch drown the others."""

    def num_frames(self, num_samples):
        return super().num_frames(num_samples) + 1

    def forward(self, features, lengths_B):
        frames = super().forward(features, lengths_B)
        return Frames(frames.x_BFD / frames.x_BFD.abs().max(), frames.lengths_B)


class Idle(Melnet):
    """Has a layer that it never uses, and divides by the loudest sample."""

    def __init__(self, *args):
        super().__init__(*args)
        self.spare = torch.nn.Linear(2, 2)

    def prepare(self, samples_CT):
        return super().prepare(samples_CT) / samples_CT.max()


def test_checks_say_what_is_wrong():
    found = {check.promise: outcome(check, Leaky) for check in CHECKS}
    assert found["frames are counted exactly before they exist"] == "num_frames(1) says 2, and forward's lengths_B [1]."
    assert "padding leaks into it" in found["a batch gives what each window gives alone"]
    assert found["silence is finite"] is None
    found = {check.promise: outcome(check, Idle) for check in CHECKS}
    assert found["gradients reach every parameter"].startswith("no gradient reaches spare.weight, spare.bias")
    assert found["silence is finite"] == "silence gives frames that are not finite; add a floor."


def test_the_command_exits_with_what_it_found(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text("from ossicle.encoders.melnet import Melnet\nclass Same(Melnet):\n    pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["check", "encoder", "mine:Same"]) == 0
    assert capsys.readouterr().out.count("✓") == len(list(CHECKS))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["encodr", "melnet"], "Did you mean 'encoder'"),
        (["encoder", "melnett"], "Did you mean 'melnet'"),
        (["encoder", "nowhere:Thing"], "no module 'nowhere'"),
        (["encoder", "json:Thing"], "json has no 'Thing'"),
        (["encoder", "json:JSONDecoder"], "is no encoder"),
    ],
)
def test_what_cannot_be_checked_is_named(arguments, words, capsys):
    assert main(["check", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.fixture
def broken_plugins(tmp_path, monkeypatch):
    """An installed package whose parts cannot be imported, or are none."""
    facts = tmp_path / "sad-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: sad\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[ossicle.encoders]\nzzz = sad_and_gone.parts:Thing\nlost = json:Thing\nnone = json:dumps\n"
        "[ossicle.projectors]\nhasty = sad_hasty:Thing\n[ossicle.formats]\naaa = sad_and_gone:Rows\n"
    )
    (tmp_path / "sad_hasty.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (
            "encoder",
            "zzz",
            "sad_and_gone.parts:Thing of package sad) cannot be imported: ModuleNotFoundError: No module",
        ),
        ("encoder", "lost", "(entry point json:Thing of package sad) cannot be imported: AttributeError"),
        ("encoder", "none", "(entry point json:dumps of package sad) is no class"),
        ("projector", "hasty", "cannot be imported: ZeroDivisionError: division by zero; mend that package"),
    ],
)
def test_a_broken_package_is_told_in_a_sentence(broken_plugins, kind, name, words, capsys):
    assert main(["check", kind, name]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {kind} {name!r} (entry point ") and words in said and said.count("\n") == 1


def test_the_others_work_beside_a_broken_package(broken_plugins, tmp_path, capsys):
    assert main(["show", "components", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for kind, names in (("encoders", {"zzz", "lost", "none"}), ("projectors", {"hasty"})):
        rows = {one["type"]: one for one in found[kind]}
        assert {name for name, row in rows.items() if row.get("broken")} == names
        assert all("mend that package" in rows[name]["about"] for name in names)
    assert "No module named 'sad_and_gone'" in {one["type"]: one for one in found["encoders"]}["zzz"]["about"]
    (tmp_path / "rows.json").write_text('[{"strange": 1}]')
    assert main(["data", "import", str(tmp_path / "rows.json"), str(tmp_path / "out.jsonl")]) == 2
    said = capsys.readouterr().err
    assert "no format recognises a row" in said and "Not asked: format 'aaa'" in said
