"""Adapters: what they change, what they leave alone, what peft makes of them."""

import json

import pytest
import torch
from peft import PeftModel
from tiny_run import losses, make_tones, recipe
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from ossicle.models import load_bundle
from ossicle.support.errors import MissingExtraError, SpecError
from ossicle.training import TrainingStoppedError, train
from ossicle.training import run as run_module
from ossicle.training.lora import adapter_size, adapters_of, attach, linear_layers, merge
from ossicle.training.recipe import LoraSpec
from random_bundle import random_bundle


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def published(request, tmp_path_factory):
    """A language model from disk."""
    tokenizer = random_bundle().tokenizer
    torch.manual_seed(1)
    ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    if request.param == "llama":
        sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        model = LlamaForCausalLM(LlamaConfig(**sizes, **ids))
    else:
        model = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=256, **ids))
    folder = tmp_path_factory.mktemp("published") / request.param
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def plan(tones, model=None, **how):
    """One stage with adapters."""
    given = recipe(tones, train={"projector": "full", **how})
    stages = [{**given["stages"][1], "dtype": "float32", "optimiser": {"lr": 0.01}}]
    return {**given, "stages": stages, "model": {**given["model"], **(model or {})}}


def test_the_rest_stays_and_the_adapters_are_what_changed(tones, tmp_path):
    how = {"language_model": {"lora": {"rank": 4, "alpha": 6.0}}, "encoder": {"lora": {"rank": 2, "targets": ["fc1"]}}}
    given = plan(tones, **how)
    train({**given, "stages": [{**given["stages"][0], "steps": 1, "optimiser": {"lr": 1e-20}}]}, tmp_path / "a")
    train(given, tmp_path / "b", workers=0, quiet=True)
    before, after = (load_bundle(tmp_path / run / "model").model.state_dict() for run in "ab")
    adapters = load_adapters(tmp_path / "b" / "adapters" / "tune" / "language_model")
    assert all("lora" not in name for name in after)
    layers = {name.split(".lora_")[0].removeprefix("base_model.model.model.") for name in adapters}
    assert "layers.0.mlp.down_proj" in layers and "layers.0.self_attn.q_proj" in layers
    for name in layers:
        down, up = (adapters[f"base_model.model.model.{name}.lora_{x}.weight"] for x in "AB")
        assert down.shape[0] == up.shape[1] == 4 and up.abs().max() > 0
        key = f"model.language_model.{name}.weight"
        torch.testing.assert_close(after[key] - before[key], 1.5 * up @ down, atol=1e-6, rtol=1e-4)
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    allowed = {f"model.language_model.{name}.weight" for name in layers}
    assert {key for key in changed if "language_model" in key} == allowed
    assert {key for key in changed if "audio_tower" in key} == {"model.audio_tower.layers.0.fc1.weight"}


def load_adapters(folder):
    from safetensors.torch import load_file

    assert json.loads((folder / "adapter_config.json").read_text())["peft_type"] == "LORA"
    return load_file(folder / "adapter_model.safetensors")


def test_peft_reads_the_adapters_into_the_published_model(published, tones, tmp_path):
    given = plan(tones, {"language_model": {"id": str(published)}}, language_model={"lora": {"rank": 3}})
    train(given, tmp_path / "run", workers=0, quiet=True)
    adapters = tmp_path / "run" / "adapters" / "tune" / "language_model"
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(published), adapters).eval()
    bundle = load_bundle(tmp_path / "run" / "model")
    ids = torch.tensor([bundle.renderer.encode_text("What is this? A dog.")])
    with torch.inference_mode():
        wanted = theirs(ids).logits
        torch.testing.assert_close(bundle.model(input_ids=ids).logits[..., : wanted.shape[-1]], wanted)
        plain = AutoModelForCausalLM.from_pretrained(published).eval()(ids).logits
    assert (plain - wanted).abs().max() > 1e-4
    assert json.loads((adapters / "adapter_config.json").read_text())["base_model_name_or_path"] == str(published)


def test_a_stopped_run_continues_with_its_adapters(tones, tmp_path, monkeypatch):
    given = plan(tones, language_model={"lora": {"rank": 4, "dropout": 0.2}})
    train(given, tmp_path / "whole", workers=0, quiet=True)
    step = run_module.StageRun.step

    def stop_at_five(self, batch, **how):
        if self.state.step == 5:
            raise TrainingStoppedError("enough")
        return step(self, batch, **how)

    monkeypatch.setattr(run_module.StageRun, "step", stop_at_five)
    with pytest.raises(TrainingStoppedError):
        train(given, tmp_path / "parts", workers=0, quiet=True)
    monkeypatch.undo()
    train(given, tmp_path / "parts", workers=0, quiet=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    a, b = (load_bundle(tmp_path / run / "model").model.state_dict() for run in ("whole", "parts"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_attached_they_change_nothing_yet_and_merged_they_are_gone():
    bundle = random_bundle()
    ids = torch.tensor([bundle.renderer.encode_text("What is this?")])
    with torch.inference_mode():
        before = bundle.model(input_ids=ids).logits
    for part in bundle.model.trunks().values():
        size, layers = adapter_size(part, LoraSpec(rank=2))
        assert layers == len(list(linear_layers(part))) > 0
        attach(part, LoraSpec(rank=2), "here")
        assert sum(value.numel() for value in adapters_of(part).values()) == size
    bundle.model.eval()
    with torch.inference_mode():
        assert torch.equal(bundle.model(input_ids=ids).logits, before)
    for part in bundle.model.trunks().values():
        merge(part)
    assert not [name for name in bundle.model.state_dict() if "lora" in name or "base_layer" in name]
    with torch.inference_mode():
        assert torch.equal(bundle.model(input_ids=ids).logits, before)


def test_targets_that_are_not_there_are_named(tones, tmp_path):
    given = plan(tones, language_model={"lora": {"targets": ["query"]}})
    with pytest.raises(SpecError, match=r"train.language_model.lora.targets: none of query is there; .*q_proj"):
        train(given, tmp_path / "run", workers=0, quiet=True)


def test_without_peft_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"ossicle\[lora\]"):
        attach(random_bundle().model.trunks()["projector"], LoraSpec(), "here")
