"""Model folders of others: their code never runs, nor is anybody asked whether it may; pickles are never opened."""

import json

import pytest
import test_published as kit
import torch
from safetensors.torch import load_file

from ossicle.cli import main
from ossicle.models import load_bundle, save
from ossicle.support.errors import ModelError
from random_bundle import random_bundle


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A folder with code that tells when it ran; any question to the person at the terminal fails the test."""

    def asked(*_):
        raise AssertionError("asked whether to run code")

    monkeypatch.setattr("builtins.input", asked)
    folder, sprung = tmp_path / "theirs", tmp_path / "sprung"
    folder.mkdir()
    (folder / "theirs.py").write_text(f"open({str(sprung)!r}, 'w')\nclass Theirs: pass\n")
    yield folder
    assert not sprung.exists()


def test_an_architecture_of_their_own_is_refused(trap, capsys):
    auto_map = {"AutoConfig": "theirs.Theirs", "AutoModel": "theirs.Theirs"}
    (trap / "config.json").write_text(json.dumps({"model_type": "theirs", "auto_map": auto_map}))
    with pytest.raises(ModelError, match=r"code of its own, which is never run; Ossicle reads .* qwen2_audio"):
        load_bundle(trap)
    assert main(["show", str(trap)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_tokenizer_of_their_own_is_refused(trap):
    save(random_bundle(), trap.parent / "ours")
    for file in (trap.parent / "ours").iterdir():
        if file.name not in ("tokenizer.json", "tokenizer_config.json"):
            file.rename(trap / file.name)
    auto_map = {"AutoTokenizer": ["theirs.Theirs", None]}
    (trap / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Theirs", "auto_map": auto_map}))
    with pytest.raises(ModelError, match=r"the tokenizer of .* cannot be loaded: it brings code of its own"):
        load_bundle(trap)


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_pickled_weights_are_never_opened(trap, whose):
    if whose == "ours":
        save(random_bundle(), trap.parent / "made")
    else:
        kit.published("qwen2_audio", trap.parent / "made")
    folder = trap.parent / "made"
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no model\.safetensors|pickled ones could run code and are refused"):
        load_bundle(folder)
