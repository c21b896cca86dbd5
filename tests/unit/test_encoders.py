"""Published encoders, written to disk as their makers publish them, hear through us what they hear upstream."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    AutoFeatureExtractor,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    VoxtralConfig,
    VoxtralForConditionalGeneration,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ossicle.audio import Audio
from ossicle.audio.resample import resample
from ossicle.batch import Preparer
from ossicle.data.augment import Augment
from ossicle.encoders import Frames, encoders
from ossicle.encoders.concat import packed, stretched, unpacked
from ossicle.spec import build_options
from ossicle.support.errors import ModelError, SpecError

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


@pytest.mark.parametrize("name", WAVEFORM)
def test_padding_is_masked_as_transformers_masks_it_and_torch_warns_of_nothing(name, tmp_path, recwarn):
    theirs, encoder = publish(name, tmp_path), load(name, tmp_path)
    x_BFD, real_BF = torch.randn(3, 9, encoder.dim), torch.arange(9) < torch.tensor([[9], [4], [1]])
    with torch.inference_mode():
        ours = encoder.model.encoder(x_BFD.clone(), attention_mask=real_BF).last_hidden_state
        assert not [str(one.message) for one in recwarn if "mask" in str(one.message)]
        wanted = theirs.encoder(x_BFD.clone(), attention_mask=real_BF).last_hidden_state
    assert torch.equal(ours, wanted)


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


def build(**spec):
    torch.manual_seed(0)
    cls, options = build_options(encoders, spec, "encoder")
    return cls(cls.resolve(options)).eval()


def heard(encoder, *windows):
    features = [encoder.prepare(samples[None]) for samples in windows]
    lengths = torch.tensor([len(f) for f in features])
    with torch.inference_mode():
        return encoder(torch.nn.utils.rnn.pad_sequence(features, batch_first=True), lengths)


def test_levels_are_those_of_transformers(tmp_path):
    upstream = publish("hubert", tmp_path)
    samples = sound(9_000)
    spec = {"type": "hubert", "id": str(tmp_path)}
    beside = build(type="layers", encoder=spec, levels=[1, -1], join="side_by_side")
    mixed = build(type="layers", encoder=spec)
    for encoder in (beside, mixed):
        encoder.load_pretrained()
    with torch.inference_mode():
        given = beside.prepare(samples[None])
        _, first, last = upstream(given[None], output_hidden_states=True).hidden_states
    assert beside.dims == (32, 32)
    torch.testing.assert_close(heard(beside, samples).x_BFD, torch.cat([first, last], -1), rtol=1e-4, atol=1e-5)
    assert mixed.dims == (32,)
    torch.testing.assert_close(heard(mixed, samples).x_BFD, (first + last) / 2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("levels", [[0], [3], [-3]])
def test_levels_that_are_not_there_are_refused(levels):
    small = encoders.get("hubert").tiny().options.model_dump(mode="json")
    with pytest.raises(SpecError, match="not among 1 to 2"):
        build(type="layers", encoder={"type": "hubert", **small}, levels=levels)


def test_joined_encoders_say_what_each_says():
    together = encoders.get("concat").tiny().eval()
    first, second = together.encoders
    windows = [sound(9_000, 1), sound(20_000, 2)]
    out = heard(together, *windows)
    assert out.lengths_B.tolist() == [first.num_frames(9_000), first.num_frames(20_000)]
    for row, samples in enumerate(windows):
        grid, other = heard(first, samples), heard(second, samples)
        with torch.inference_mode():
            wanted = torch.cat(
                [together.norms[0](grid.x_BFD), stretched(other._replace(x_BFD=together.norms[1](other.x_BFD)), grid)],
                dim=-1,
            )
        torch.testing.assert_close(out.x_BFD[row, : wanted.shape[1]], wanted[0], rtol=1e-4, atol=1e-4)


def test_frames_are_stretched_within_their_window():
    part = Frames(torch.tensor([[[0.0], [2.0], [4.0], [99.0]]]), torch.tensor([3]))
    grid = Frames(torch.zeros(1, 6, 1), torch.tensor([6]))
    assert stretched(part, grid)[0, :, 0].tolist() == [0.0, 0.5, 1.5, 2.5, 3.5, 4.0]


@pytest.mark.parametrize("shape", [(1,), (159,), (160,), (70_001,), (7, 64), (300, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_features_come_back(shape, dtype):
    given = torch.randn(shape)
    rows = torch.cat([packed(torch.randn(500), 0), packed(given, 1), torch.zeros(3, 163)]).to(dtype)
    assert torch.equal(unpacked(rows, 1), given.to(dtype))


def small(name):
    return {"type": name, **encoders.get(name).tiny().options.model_dump(mode="json")}


@pytest.mark.parametrize("names", [("melnet", "mimi"), ("mimi", "melnet")])
def test_encoders_of_unlike_rates_hear_the_recording_at_their_own(names):
    together = build(type="concat", encoders=[small(name) for name in names])
    assert together.sample_rate == 24_000 and together.window_samples == 4 * 24_000
    cut = together.windows(250_001)
    assert [span.num_samples for span in cut] == [96_000, 96_000, 58_001]
    samples = sound(30_001, 3)
    out = heard(together, samples)
    first, second = together.encoders
    heard_by = {24_000: samples, 16_000: np.concatenate(list(resample([samples[:, None]], 24_000, 16_000)))[:, 0]}
    grid, other = (heard(one, heard_by[one.sample_rate]) for one in (first, second))
    assert out.lengths_B.tolist() == [together.num_frames(30_001)] == grid.lengths_B.tolist()
    with torch.inference_mode():
        other = other._replace(x_BFD=together.norms[1](other.x_BFD))
        wanted = torch.cat([together.norms[0](grid.x_BFD), stretched(other, grid)], dim=-1)
    torch.testing.assert_close(out.x_BFD, wanted, rtol=1e-4, atol=1e-4)


def test_encoders_that_hear_unlike_are_not_joined():
    stereo = small("encodec")
    stereo["config"] = {**stereo["config"], "audio_channels": 2}
    with pytest.raises(SpecError, match=r"melnet hears 1 channel\(s\) and encodec 2"):
        build(type="concat", encoders=[small("melnet"), stereo])


def test_only_spectra_are_masked():
    with pytest.raises(SpecError, match="encoder hubert"):
        Preparer(None, encoders.get("hubert").tiny(), None, Augment(time_masks=1))
    Preparer(None, encoders.get("melnet").tiny(), None, Augment(time_masks=1))
    hubert = Preparer(None, encoders.get("hubert").tiny(), None, Augment(noise_snr_db=(10, 20), noise_share=1.0))
    recording = Audio.from_samples(0.1 * np.random.default_rng(0).standard_normal(8000).astype(np.float32), 16_000)
    plain, noisy, again = (hubert.windows(recording, key)[0].features for key in (None, 1, 1))
    assert plain.shape == noisy.shape and not torch.equal(plain, noisy) and torch.equal(noisy, again)


TOWERS = {
    "qwen2_audio": (Qwen2AudioConfig, Qwen2AudioForConditionalGeneration),
    "audioflamingo3": (AudioFlamingo3Config, AudioFlamingo3ForConditionalGeneration),
    "voxtral": (VoxtralConfig, VoxtralForConditionalGeneration),
}


def publish_whole(name: str, folder):
    """A whole audio language model of random weights; its tower."""
    torch.manual_seed(0)
    config, model = TOWERS[name]
    kind = {"qwen2_audio": "qwen2", "audioflamingo3": "qwen2", "voxtral": "llama"}[name]
    text = {"model_type": kind, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 99}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    tower = encoders.get(name).tiny().options.config | {"model_type": f"{name}_encoder"}
    whole = model(config(audio_config=tower, text_config={**text, **heads})).eval()
    whole.save_pretrained(folder)
    return whole.model.audio_tower


@pytest.mark.parametrize("name", TOWERS)
@pytest.mark.parametrize("num_samples", [480_000, 70_003, 1_600])
def test_towers_equal_transformers(name, num_samples, tmp_path):
    upstream = publish_whole(name, tmp_path)
    encoder = load(name, tmp_path)
    samples = sound(num_samples)
    extract = WhisperFeatureExtractor(feature_size=16)
    theirs = extract(samples, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True)
    mel, mask = theirs.input_features, theirs.attention_mask
    frames, tokens = upstream._get_feat_extract_output_lengths(mask.sum(-1))
    with torch.inference_mode():
        if name == "audioflamingo3":
            wanted = upstream(mel, input_features_mask=mask).last_hidden_state
        elif name == "qwen2_audio":
            real = (torch.arange(1500) < frames[:, None])[:, None, None]
            wanted = upstream(mel, attention_mask=torch.zeros(real.shape).masked_fill(~real, -1e30)).last_hidden_state
        else:
            wanted, tokens = upstream(mel).last_hidden_state, torch.tensor([1500])  # it passes on the silence
    found = heard(encoder, samples)
    assert found.lengths_B.tolist() == tokens.tolist() == [encoder.num_frames(num_samples)]
    torch.testing.assert_close(found.x_BFD, wanted[:, : int(tokens)], rtol=0, atol=0)


def test_exact_windows_are_those_of_transformers_to_the_last_bit(tmp_path):
    """Of sizes that are rounded differently: a few mel frames, as many as silence is not left over, and between."""
    torch.manual_seed(0)
    sizes = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
    encoder = build(type="whisper", config={**sizes, "num_mel_bins": 80})
    upstream = WhisperEncoder(encoder.config).eval()
    upstream.load_state_dict(encoder.encoder.state_dict())
    extract = WhisperFeatureExtractor(feature_size=80)
    for sizes in ([1], [399], [1600, 100], [160_000, 23_457], [479_519], [479_521, 300_001, 480_000]):
        windows = [sound(size, size) for size in sizes]
        mel = extract(windows, sampling_rate=16_000, return_tensors="pt").input_features
        features = [encoder.prepare(samples[None]) for samples in windows]
        padded = torch.nn.utils.rnn.pad_sequence(features, batch_first=True)
        with torch.inference_mode():
            assert torch.equal(encoder._with_silence(padded, torch.tensor(list(map(len, features)))), mel), sizes
            wanted = upstream(mel).last_hidden_state
        found = heard(encoder, *windows)
        for row, length in enumerate(found.lengths_B.tolist()):
            assert torch.equal(found.x_BFD[row, :length], wanted[row, :length]), sizes


def test_masks_leave_the_silence_after_a_window_silent():
    """Where the last mel frame was masked, silence is told by the loudest."""
    encoder = build(**small("whisper"))
    features = encoder.prepare(sound(9_000)[None])
    masked = features.clone()
    masked[-3:] = features.mean()
    length = torch.tensor([len(features)])
    plain, filled = (encoder._with_silence(one[None], length)[0, :, len(features) :] for one in (features, masked))
    assert len(plain.unique()) == len(filled.unique()) == 1
    assert float(plain.max()) == pytest.approx(float(features.max()) - 2) == float(filled.max())


@pytest.mark.parametrize("name", ["whisper", *TOWERS])
def test_trimmed_windows_are_heard_nearly_as_padded_ones_and_each_alone(name):
    tiny = encoders.get(name).tiny().options.model_dump(mode="json")
    exact, trim = (build(type=name, **{**tiny, "mode": mode}) for mode in ("exact", "trim"))
    trim.load_state_dict(exact.state_dict())
    windows = [sound(30_000, 1), sound(81_111, 2), sound(100, 3), sound(480_000, 4)]
    together = heard(trim, *windows)
    for row, samples in enumerate(windows):
        alone = heard(trim, samples).x_BFD[0]
        torch.testing.assert_close(together.x_BFD[row, : len(alone)], alone, rtol=1e-4, atol=1e-4)
        assert len(alone) == trim.num_frames(len(samples))
        assert exact.num_frames(len(samples)) == (1500 if trim.passes_silence else len(alone))
    left = heard(trim, windows[1]).x_BFD[0]
    padded = heard(exact, windows[1]).x_BFD[0, : len(left)]
    nearness = torch.cosine_similarity(padded, left, dim=-1)
    assert nearness.median() > 0.9
    # Where layers don't attend to the padding, leaving it out changes nothing.
    for samples in windows if trim.masked else windows[3:]:
        torch.testing.assert_close(heard(trim, samples).x_BFD, heard(exact, samples).x_BFD, rtol=1e-5, atol=1e-5)
