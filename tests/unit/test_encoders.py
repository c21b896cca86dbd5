"""Published encoders, written to disk as their makers publish them, hear through us what they hear upstream."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoFeatureExtractor, Wav2Vec2FeatureExtractor

from ossicle.encoders import encoders
from ossicle.support.errors import ModelError

WAVEFORM = ["wav2vec2", "hubert", "wavlm"]
NORMS = [("group", False), ("layer", True)]


def sound(num_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(num_samples).astype(np.float32) * 0.3 + 0.1


def publish(name: str, folder, normalize: bool = True, **sizes):
    """A model of random weights with its preprocessor."""
    torch.manual_seed(0)
    cls = encoders.get(name)
    tiny = cls.tiny().options.config
    model = cls.model_class(cls.config_class(**{**tiny, **sizes})).eval()
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
    return model


def load(name: str, folder):
    cls = encoders.get(name)
    encoder = cls(cls.resolve(cls.Options(id=str(folder)))).eval()
    encoder.load_pretrained()
    return encoder


@pytest.mark.parametrize("name", WAVEFORM)
@pytest.mark.parametrize(("norm", "stable"), NORMS)
@pytest.mark.parametrize("normalize", [True, False])
def test_waveform_encoders_equal_transformers(name, norm, stable, normalize, tmp_path):
    upstream = publish(name, tmp_path, normalize, feat_extract_norm=norm, do_stable_layer_norm=stable)
    encoder = load(name, tmp_path)
    samples = sound(9_000)
    theirs = AutoFeatureExtractor.from_pretrained(tmp_path)(samples, sampling_rate=16_000, return_tensors="pt")
    ours = encoder.prepare(samples[None])
    torch.testing.assert_close(ours, theirs.input_values[0], rtol=1e-5, atol=1e-5)
    with torch.inference_mode():
        wanted = upstream(theirs.input_values).last_hidden_state
        found = encoder(ours[None], torch.tensor([len(ours)]))
    torch.testing.assert_close(found.x_BFD, wanted, rtol=1e-4, atol=1e-5)
    assert found.lengths_B.tolist() == [encoder.num_frames(9_000)] == [wanted.shape[1]]


@pytest.mark.parametrize("name", WAVEFORM)
def test_unequal_windows_are_heard_apart_whatever_the_norm(name, tmp_path):
    publish(name, tmp_path, feat_extract_norm="group")
    encoder = load(name, tmp_path)
    windows = [encoder.prepare(sound(n, n)[None]) for n in (4_000, 9_000)]
    with torch.inference_mode():
        together = encoder(torch.nn.utils.rnn.pad_sequence(windows, batch_first=True), torch.tensor([4_000, 9_000]))
        alone = encoder(windows[0][None], torch.tensor([4_000])).x_BFD[0]
    torch.testing.assert_close(together.x_BFD[0, : len(alone)], alone, rtol=1e-4, atol=1e-5)


def test_a_published_model_rebuilds_without_its_folder(tmp_path):
    publish("hubert", tmp_path / "hub", normalize=False)
    encoder = load("hubert", tmp_path / "hub")
    assert encoder.options.normalize is False
    again = type(encoder)(encoder.options.model_copy(update={"id": None}))
    again.load_state_dict(encoder.state_dict())


def test_broken_weights_are_named(tmp_path):
    publish("hubert", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    key = "feature_projection.projection.weight"
    save_file({k: v for k, v in weights.items() if k != key}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=f"no tensor '{key}'"):
        load("hubert", tmp_path)
    save_file({**weights, key: torch.zeros(3, 8)}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"feature_projection.projection.weight' has shape \(3, 8\), and \(32, 8\)"):
        load("hubert", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load("hubert", tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="set normalize"):
        load("hubert", tmp_path)


def test_pickled_weights_are_refused(tmp_path):
    model = publish("hubert", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load("hubert", tmp_path)


def test_another_kind_of_model_is_refused(tmp_path):
    publish("hubert", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    cls = encoders.get("hubert")
    with pytest.raises(ModelError, match="is a bert model, not a hubert"):
        cls.resolve(cls.Options(id=str(tmp_path)))
