"""Weights that are not all there, of another shape, or cut short: told by name, never filled with random numbers."""

import shutil

import pytest
import test_published as kit
import torch
from safetensors.torch import load_file, save_file
from test_quant import needs_library
from transformers import AutoConfig, AutoModelForCausalLM, ClapAudioModelWithProjection

from ossicle.cli import main
from ossicle.encoders import encoders
from ossicle.models import build, load_bundle, save
from ossicle.support.errors import ModelError
from ossicle.support.weights import read_weights
from ossicle.training.tiny_form import LANGUAGE_MODEL
from random_bundle import SPEC, random_bundle

SIZES = {key: value for key, value in LANGUAGE_MODEL.items() if key != "type"}


def publish(name, folder, **changes):
    """A language model of random weights and its tokenizer."""
    tokenizer = random_bundle().tokenizer
    torch.manual_seed(0)
    config = AutoConfig.for_model(name, vocab_size=len(tokenizer), **{**SIZES, **changes})
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folders of three kinds of model."""
    root = tmp_path_factory.mktemp("whole")
    save(random_bundle(), root / "ours")
    kit.published("qwen2_audio", root / "published")
    publish("qwen2", root / "language_model")
    return root


def load(kind, folder, **options):
    if kind == "language_model":
        build({**{k: SPEC[k] for k in ("encoder", "projector")}, "language_model": {"id": str(folder)}})
    else:
        load_bundle(folder, **options)


def put(folder, weights):
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.fixture(params=["ours", "published", "language_model"])
def broken(request, whole, tmp_path):
    """(its kind, its folder, its weights, the name of one of them)"""
    folder = shutil.copytree(whole / request.param, tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    return request.param, folder, weights, next(k for k in weights if k.endswith("layers.0.mlp.down_proj.weight"))


def test_a_missing_tensor_is_named(broken):
    kind, folder, weights, name = broken
    put(folder, {key: value for key, value in weights.items() if key != name})
    with pytest.raises(ModelError, match=r"no tensor '[a-z._]*layers\.0\.mlp\.down_proj\.weight'"):
        load(kind, folder)


def test_a_tensor_of_another_shape_is_named_with_both(broken):
    kind, folder, weights, name = broken
    put(folder, {**weights, name: torch.zeros(3, 5)})
    with pytest.raises(ModelError, match=r"down_proj\.weight' has shape \(3, 5\), and \(32, 64\) is needed"):
        load(kind, folder)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_file_cut_short_is_named(broken, share):
    kind, folder, *_ = broken
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged or cut short .*; copy it again\."):
        load(kind, folder)


@needs_library
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("kind", ["ours", "published"])
def test_quantised_weights_are_checked_too(bits, kind, whole, tmp_path):
    folder = shutil.copytree(whole / kind, tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    name = next(k for k in weights if k.endswith("layers.0.mlp.down_proj.weight"))
    load_bundle(folder, quant=bits)
    put(folder, {**weights, name: torch.zeros(16, 128)})
    with pytest.raises(ModelError, match=r"has shape \(16, 128\), and \(32, 64\) is needed"):
        load_bundle(folder, quant=bits)
    put(folder, {key: value for key, value in weights.items() if key != name})
    with pytest.raises(ModelError, match="no tensor"):
        load_bundle(folder, quant=bits)


def test_asking_such_a_model_is_one_sentence(whole, tmp_path, capsys):
    folder = shutil.copytree(whole / "ours", tmp_path / "broken")
    kit.sound(0.5).save(tmp_path / "clip.wav")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    assert main(["ask", str(tmp_path / "clip.wav"), "What?", "--model", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: the model '{folder}' cannot be loaded: ") and said.count("\n") == 1


def test_a_tied_table_is_there_once_under_either_name(tmp_path):
    theirs = publish("qwen3", tmp_path, tie_word_embeddings=True)
    weights = load_file(tmp_path / "model.safetensors")
    table = weights.pop("model.embed_tokens.weight")
    for held in ("model.embed_tokens.weight", "lm_head.weight"):
        put(tmp_path, {**weights, held: table, "of.another.part": torch.zeros(2)})
        model = read_weights(AutoModelForCausalLM, tmp_path, "it", dtype=torch.bfloat16)
        assert model.lm_head.weight is model.model.embed_tokens.weight and not model.training
        assert torch.equal(model.lm_head.weight, theirs.lm_head.weight.bfloat16())
    put(tmp_path, weights)
    with pytest.raises(ModelError, match=r"it: its weights have no tensor '(lm_head|model\.embed_tokens)\.weight'"):
        read_weights(AutoModelForCausalLM, tmp_path, "it")


def test_experts_that_do_not_fit_together_are_refused(tmp_path):
    publish("mixtral", tmp_path, num_local_experts=2, num_experts_per_tok=1)
    weights = load_file(tmp_path / "model.safetensors")
    name = next(key for key in weights if "experts.1.w1" in key)
    for others in ({name: torch.zeros(3, 5)}, {}):
        put(tmp_path, {**{k: v for k, v in weights.items() if k != name}, **others})
        with pytest.raises(ModelError, match="those of its experts, are missing or of unlike shapes"):
            read_weights(AutoModelForCausalLM, tmp_path, "it")


def test_tables_that_a_model_makes_itself_need_not_be_there(tmp_path):
    tiny = encoders.get("clap").tiny()
    model = ClapAudioModelWithProjection(tiny.config)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    rest = {k: v for k, v in weights.items() if not k.endswith(("relative_position_index", "num_batches_tracked"))}
    assert len(rest) < len(weights)
    put(tmp_path, rest)
    again = read_weights(ClapAudioModelWithProjection, tmp_path, "it").state_dict()
    assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("ref", ["/nowhere/at/all", "../nowhere", "a/b/c"])
def test_a_folder_that_is_not_there_is_called_so(ref):
    with pytest.raises(ModelError, match=f"the language model '{ref}' cannot be loaded: there is no such folder"):
        load("language_model", ref)
