"""Adapters learnt on a published model: peft reads them over the whole of it, and it then says what ours says."""

import json

import pytest
import test_published as kit
import torch
from peft import PeftModel
from tiny_run import make_tones, recipe
from transformers import WhisperFeatureExtractor

from ossicle.batch import Batch
from ossicle.chat import Conversation, user
from ossicle.cli import main
from ossicle.models import load_bundle
from ossicle.models.published import LAYOUTS
from ossicle.training import train


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return make_tones(tmp_path_factory.mktemp("data") / "tones", 1)


def plan(tones, folder, **train_what):
    given = recipe(tones, renew=[])
    stage = {**given["stages"][1], "train": train_what, "steps": 2, "dtype": "float32", "optimiser": {"lr": 0.01}}
    return {**given, "model": {"base": str(folder)}, "stages": [stage]}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_peft_reads_them_over_transformers_own_model(kind, tones, tmp_path, capsys):
    theirs = kit.published(kind, tmp_path / "theirs")
    learns = {"language_model": {"lora": {"rank": 2, "alpha": 3.0}}, "encoder": {"lora": {"rank": 3}}}
    projector = {"lora": {"rank": 2}} if kind == "audioflamingo3" else "full"
    given = plan(tones, tmp_path / "theirs", **learns, projector=projector)
    train(given, tmp_path / "run", workers=0, quiet=True)
    assert main(["export", str(tmp_path / "run"), "--adapters", "--out", str(tmp_path / "adapters")]) == 0
    facts = json.loads((tmp_path / "adapters" / "adapter_config.json").read_text())
    assert facts["base_model_name_or_path"] == str(tmp_path / "theirs")
    bundle = load_bundle(tmp_path / "run" / "model")
    audio = kit.sound(0.8)
    row = bundle.preparer()(Conversation.of(user(audio, "What?")), reply=True)
    inputs = heard_by(theirs, bundle, row.ids, audio)
    with torch.inference_mode():
        before = theirs(**inputs).logits[0]
        adapted = PeftModel.from_pretrained(theirs, tmp_path / "adapters").eval()
        ours = bundle.model(**Batch.pack([row]).inputs(pad_id=bundle.pad_id)).logits[0]
        torch.testing.assert_close(adapted(**inputs).logits[0], ours, rtol=1e-4, atol=1e-4)
    assert (before - ours).abs().max() > 1e-3
    trained = {name.split(".lora_")[0] for name in adapted.state_dict() if ".lora_B." in name}
    tower, bridge = LAYOUTS[kind].tower[0], LAYOUTS[kind].bridge
    assert any(f".{tower}." in name for name in trained) and any(".language_model." in name for name in trained)
    assert any(f".{bridge}." in name for name in trained) == (projector != "full")


def heard_by(theirs, bundle, ids, audio):
    """Transformers' inputs for one recording, with the masks that the architecture takes."""
    if theirs.config.model_type in kit.GRANITE:
        return kit.without_processor(bundle, None, ids, audio)
    extractor = WhisperFeatureExtractor(16)
    heard = extractor(audio.load(16_000)[0], sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")
    masks = {"qwen2_audio": "feature_attention_mask", "audioflamingo3": "input_features_mask"}
    name = masks.get(theirs.config.model_type)
    more = {} if name is None else {name: heard["attention_mask"]}
    return {"input_ids": torch.tensor([ids]), "input_features": heard["input_features"], **more}


def test_what_adapters_cannot_say_is_refused(tones, tmp_path, capsys):
    kit.published("qwen2_audio", tmp_path / "theirs")
    lora = {"lora": {"rank": 2}}
    one = plan(tones, tmp_path / "theirs", language_model=lora)
    runs = {
        "two": {**one, "stages": [{**one["stages"][0], "name": name, "steps": 1} for name in "ab"]},
        "full": plan(tones, tmp_path / "theirs", language_model=lora, encoder="full"),
        "composed": {**recipe(tones), "stages": [{**one["stages"][0], "steps": 1}]},
    }
    for name, given in runs.items():
        train(given, tmp_path / name, workers=0, quiet=True)
    said = {
        "two": "has 2 stages",
        "full": "learnt more than adapters",
        "composed": "does not go on from a published model",
        "theirs": "not the folder of a finished training run",
    }
    for name, words in said.items():
        assert main(["export", str(tmp_path / name), "--adapters", "--out", str(tmp_path / "none")]) == 2
        assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "none").exists()
