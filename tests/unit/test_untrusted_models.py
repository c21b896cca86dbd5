"""Model folders of others: their code never runs, nor is anybody asked whether it may; pickles are never opened."""

import json

import hub_kit
import numpy as np
import pytest
import soundfile
import test_published as kit
import torch
from safetensors.torch import load_file

from ossicle.cli import main
from ossicle.models import load, load_bundle, save
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


THEIRS = """
import ossicle.models
open({sprung!r}, "w")
class TheirsConfig(ossicle.models.OssicleConfig):
    model_type = "theirs"
    def __init__(self, **given):
        super().__init__(**given)
class Theirs(ossicle.models.LALM):
    config_class = TheirsConfig
    def can_generate(self):
        return {generates}
"""


@pytest.fixture
def coded(tmp_path, random_model, monkeypatch):
    """Makes a model folder that answers by code of its own, which tells when it runs."""

    def asked(*_):
        raise AssertionError("asked whether to run code")

    def make(generates=True):
        monkeypatch.setattr("builtins.input", asked)
        folder, sprung = tmp_path / f"coded{generates}", tmp_path / "sprung"
        folder.mkdir()
        for file in random_model.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        config = json.loads((folder / "config.json").read_text())
        own = {"AutoConfig": "theirs.TheirsConfig", "AutoModelForCausalLM": "theirs.Theirs"}
        config |= {"model_type": "theirs", "architectures": ["Theirs"], "auto_map": own}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "theirs.py").write_text(THEIRS.format(sprung=str(sprung), generates=generates))
        monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
        return folder, sprung

    return make


def test_code_of_their_own_runs_for_those_who_ask_for_it(coded, tmp_path, capsys):
    folder, sprung = coded()
    soundfile.write(tmp_path / "clip.wav", np.zeros(16_000, np.float32), 16_000)
    words = ["ask", str(tmp_path / "clip.wav"), "What?", "--model", str(folder), "--max-new-tokens", "3"]
    assert main(words) == 2
    assert "is not run unasked; read it, then ask for it with --trust-remote-code" in capsys.readouterr().err
    assert not sprung.exists()
    assert main([*words, "--trust-remote-code"]) == 0
    assert sprung.exists() and capsys.readouterr().out.strip()


def test_where_code_of_their_own_will_not_do_the_reason_is_said(coded):
    folder, sprung = coded(generates=False)
    with pytest.raises(ModelError, match=r"quant: which layers of .* only its own code knows; leave it out"):
        load(str(folder), quant=8, trust_remote_code=True)
    assert not sprung.exists()
    with pytest.raises(ModelError, match="its Theirs does not generate text"):
        load(str(folder), trust_remote_code=True)
    with pytest.raises(ModelError, match="trust_remote_code: for models that run here"):
        load("openai:http://127.0.0.1:9/v1#m", trust_remote_code=True)
    with pytest.raises(ModelError, match="code of its own, which is never run; Ossicle reads"):
        load_bundle(folder)


def test_code_is_fetched_only_for_those_who_ask_for_it(coded, tmp_path, monkeypatch):
    folder, _ = coded()
    with hub_kit.running({"someone/coded": folder}) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        with pytest.raises(ModelError, match="is not run unasked"):
            load("hf:someone/coded")
        assert "theirs.py" not in hub.fetched()
        assert load("hf:someone/coded", trust_remote_code=True).name == "hf:someone/coded"
