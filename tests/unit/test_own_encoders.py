"""Encoders whose layers are ours say what their authors' code says, from the tensors as their authors publish them.

The golden values were made by other implementations (named beside each) of the same weights, which are filled by a
formula, and the same sound, which is one too.
"""

import json
import math
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import HubertModel, Wav2Vec2FeatureExtractor

from ossicle import Audio
from ossicle.encoders import encoders
from ossicle.encoders._fbank import fbank
from ossicle.models import Local, build, load_bundle, save
from ossicle.spec import build_options
from ossicle.support.errors import ModelError
from random_bundle import SPEC

OWN = ("beats", "ced", "cnn14")
SIZES = {
    "beats": {
        "dim": 32,
        "layers": 3,
        "heads": 2,
        "ffn": 48,
        "patch_dim": 16,
        "kernel": 16,
        "groups": 4,
        "buckets": 16,
        "max_distance": 20,
    },
    "ced": {"dim": 128, "layers": 2, "heads": 2, "ffn": 96, "positions": 20},
    "cnn14": {"channels": (4, 4, 8, 8, 16, 24)},
}
NOT_TOLD = {"beats": {"max_distance": 20}, "ced": {}, "cnn14": {}}
HEADS = {
    "beats": {"predictor.weight": (5, 32), "predictor.bias": (5,)},
    "ced": {"outputlayer.0.weight": (128,), "outputlayer.1.weight": (5, 128), "front_end.0.mel_scale.fb": (257, 64)},
    "cnn14": {"logmel_extractor.melW": (513, 64), "fc1.weight": (24, 24), "fc_audioset.bias": (7,)},
}


def filled(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A published tensor, by its name."""
    wave = np.cos(0.7 * np.arange(math.prod(shape)) + zlib.crc32(name.encode()) % 1000).reshape(shape)
    if name.endswith(("running_var", "weight_g", "grep_a")):
        value = 1 + 0.5 * wave
    elif len(shape) > 1:
        value = wave / math.sqrt(math.prod(shape[1:]))
    else:
        value = 0.3 * wave + name.endswith("weight")
    return torch.from_numpy(np.asarray(value)).float()


def sound(num_samples: int, rate: int) -> np.ndarray:
    """A rising tone in noise."""
    i = np.arange(num_samples)
    noise = np.modf(43_758.5453 * np.sin(12.9898 * i))[0]
    return (0.3 * np.sin(2 * np.pi * (300 + 900 * i / rate) * i / rate) + 0.02 * noise).astype(np.float32)


def published(kind: str) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, heads included, as its authors name them."""
    cls = encoders.get(kind)
    shapes = {name: tuple(x.shape) for name, x in cls(cls.Options(**SIZES[kind])).state_dict().items()}
    for ours, theirs in (("original0", "weight_g"), ("original1", "weight_v")):
        shapes = {name.replace(f"parametrizations.weight.{ours}", theirs): shape for name, shape in shapes.items()}
    return {name: filled(name, shape) for name, shape in (shapes | HEADS[kind]).items()}


def loaded(kind: str, ref, **options):
    _, given = build_options(encoders, {"type": kind, "id": str(ref), **NOT_TOLD[kind], **options}, "encoder")
    cls = encoders.get(kind)
    encoder = cls(cls.resolve(given)).eval()
    encoder.load_pretrained()
    return encoder


def heard(encoder, samples: np.ndarray) -> torch.Tensor:
    features = encoder.prepare(samples[None])
    with torch.inference_mode():
        return encoder(features[None], torch.tensor([len(features)])).x_BFD[0]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A published model of each kind."""
    made = {}
    for kind in OWN:
        made[kind] = tmp_path_factory.mktemp(kind)
        save_file(published(kind), made[kind] / "model.safetensors")
    return made


# kaldi-native-fbank 1.23: 80 bands, no dither, samples as 16-bit integers; every fourth frame and 16th band.
KALDI = [
    [9.5516, 13.222, 15.7831, 16.6313, 18.2793],
    [11.342, 16.1407, 15.2639, 15.8739, 18.1437],
    [11.2885, 22.8137, 14.8742, 17.8976, 18.1154],
]
# torchaudio 2.11, compliance.kaldi.fbank, which BEATs uses: 128 bands; every fourth frame and 25th band.
KALDI_128 = [
    [9.0975, 12.8778, 14.5251, 16.5788, 18.3742, 18.7682],
    [11.6799, 16.6726, 13.7785, 15.6346, 17.3389, 19.8644],
    [11.7037, 23.0218, 14.787, 16.6264, 18.1427, 19.1252],
]


def test_kaldi_features_are_kaldis():
    given = sound(2_000, 16_000)
    mel_TM = fbank(given, n_mels=80, window="povey", scale=2.0**15)
    assert mel_TM.shape == (11, 80)
    torch.testing.assert_close(mel_TM[::4, ::16], torch.tensor(KALDI), rtol=0, atol=2e-3)
    mel_TM = fbank(given, n_mels=128, window="povey", scale=2.0**15)
    torch.testing.assert_close(mel_TM[::4, ::25], torch.tensor(KALDI_128), rtol=0, atol=2e-3)


def test_a_kaldi_frame_knows_nothing_of_those_far_from_it():
    given = sound(60_000, 16_000)
    whole = fbank(given, n_mels=80, window="povey", scale=2.0**15)
    first = fbank(given[: 300 * 160], n_mels=80, window="povey", scale=2.0**15)
    last = fbank(given[300 * 160 :], n_mels=80, window="povey", scale=2.0**15)
    torch.testing.assert_close(first, whole[: len(first)], rtol=0, atol=1e-5)
    torch.testing.assert_close(last, whole[300:], rtol=0, atol=1e-5)


# speechbrain 1.1.2, lobes.models.beats, of the 7,200 samples and silence up to the end of the third column; every fifth
# patch and every ninth number.
BEATS = [
    [0.7628, 0.3479, -0.4242, -1.3055],
    [0.8008, 0.4566, -0.224, -0.9593],
    [0.4773, 0.1849, -0.3109, -0.9376],
    [0.9418, 0.5122, -0.3442, -1.2043],
    [0.7578, 0.3524, -0.4593, -1.3092],
]


def test_beats_equals_speechbrains(folders):
    found = heard(loaded("beats", folders["beats"]), sound(7_200, 16_000))
    assert found.shape == (24, 32)
    torch.testing.assert_close(found[::5, ::9], torch.tensor(BEATS), rtol=0, atol=5e-4)


# panns_inference 0.1.1 with torchlibrosa 0.1.0, of the 25,000 samples and silence up to the end of the third frame: mel
# (every 16th frame from the third, every 20th band from the fourth), and the last block averaged over frequency (every
# fifth number).
CNN14_MEL = [
    [9.282, -30.81, -30.191, -34.266],
    [-37.017, -33.442, -35.472, -32.141],
    [-34.266, -34.633, -35.573, -32.306],
    [-36.521, -31.538, -34.983, -34.009],
    [-31.9, 15.006, -32.572, -33.156],
]
CNN14 = [
    [0.0, 1.24429, 6.21712, 0.0, 1.053],
    [0.02086, 0.0, 6.96256, 0.54384, 0.0],
    [8.59858, 0.13979, 0.0, 4.93163, 0.89609],
]


def test_cnn14_equals_the_authors(folders):
    encoder, given = loaded("cnn14", folders["cnn14"]), sound(25_000, 32_000)
    mel_TM = encoder.prepare(given[None])
    assert mel_TM.shape == (97, 64)
    torch.testing.assert_close(mel_TM[2:70:16, 3::20], torch.tensor(CNN14_MEL), rtol=0, atol=5e-3)
    found = heard(encoder, given)
    assert found.shape == (3, 24)
    torch.testing.assert_close(found[:, ::5], torch.tensor(CNN14), rtol=1e-3, atol=1e-3)


# torchaudio 2.11, MelSpectrogram and AmplitudeToDB(top_db=120), of the 7,200 samples and silence up to the end of the
# third column; every 16th frame from the sixth, every 20th band from the fourth.
CED_MEL = [[-21.395, 4.934, -5.381, -7.988], [-25.95, 4.995, -6.158, -7.594], [-22.13, 7.948, -5.908, -8.918]]


def test_ced_hears_what_torchaudio_would(folders):
    mel_TM = loaded("ced", folders["ced"]).prepare(sound(7_200, 16_000)[None])
    assert mel_TM.shape == (48, 64)
    torch.testing.assert_close(mel_TM[5::16, 3::20], torch.tensor(CED_MEL), rtol=0, atol=2e-3)


def test_ced_keeps_120_decibels_of_each_window(folders):
    samples = np.zeros(16_000, np.float32)
    samples[:400] = sound(400, 16_000) * 3
    mel_TM = loaded("ced", folders["ced"]).prepare(samples[None])
    assert -100 < float(mel_TM.min()) == pytest.approx(float(mel_TM.max()) - 120, abs=1e-3)


def test_ced_is_a_vision_transformer(folders):
    """Against torch's own layers, patch by patch, with the columns of each row of patches one after the other."""
    encoder, weights = loaded("ced", folders["ced"]), load_file(folders["ced"] / "model.safetensors")
    mel_TM = encoder.prepare(sound(7_200, 16_000)[None])
    norm = {name: weights[f"init_bn.{name}"] for name in ("running_mean", "running_var", "weight", "bias")}
    scaled_TM = (mel_TM - norm["running_mean"]) / torch.sqrt(norm["running_var"] + 1e-5) * norm["weight"] + norm["bias"]
    patches = []
    for row in range(4):
        for column in range(3):
            cells = scaled_TM[16 * column : 16 * column + 16, 16 * row : 16 * row + 16].T
            patch = (weights["patch_embed.proj.weight"][:, 0] * cells).sum((1, 2)) + weights["patch_embed.proj.bias"]
            place = weights["time_pos_embed"][0, :, 0, column] + weights["freq_pos_embed"][0, :, row, 0]
            patches.append(patch + place)
    x_1PD = torch.stack(patches)[None]
    names = {"self_attn.in_proj_": "attn.qkv.", "self_attn.out_proj.": "attn.proj.", "linear1.": "mlp.fc1."}
    names |= {"linear2.": "mlp.fc2.", "norm1.": "norm1.", "norm2.": "norm2."}
    for number in range(2):
        layer = nn.TransformerEncoderLayer(128, 2, 96, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True).eval()
        layer.load_state_dict(
            {f"{a}{x}": weights[f"blocks.{number}.{b}{x}"] for a, b in names.items() for x in ("weight", "bias")}
        )
        x_1PD = layer(x_1PD)
    x_1PD = nn.functional.layer_norm(x_1PD, (128,), weights["norm.weight"], weights["norm.bias"], 1e-6)
    wanted_FD = x_1PD[0].unflatten(0, (4, 3)).transpose(0, 1).flatten(0, 1)
    torch.testing.assert_close(heard(encoder, sound(7_200, 16_000)), wanted_FD.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", OWN)
def test_sizes_are_those_of_the_weights(kind, folders):
    options = loaded(kind, folders[kind]).options
    assert options.model_dump(include=SIZES[kind].keys()) == SIZES[kind]
    again = encoders.get(kind).resolve(type(options)(**options.model_dump(mode="json")))
    assert again == options


@pytest.mark.parametrize("kind", OWN)
def test_every_published_layout_is_read(kind, folders, tmp_path):
    """A file; beside it BEATs with its table of distances in every layer, and CED as its authors and as transformers
    have it."""
    weights = published(kind)
    if kind == "beats":
        table = weights["encoder.layers.0.self_attn.relative_attention_bias.weight"]
        copies = {f"encoder.layers.{n}.self_attn.relative_attention_bias.weight": table.clone() for n in (1, 2)}
        others = [weights | copies]
    elif kind == "ced":
        others = [
            {name.replace("init_bn.", "init_bn.1."): x for name, x in weights.items()},
            {name if name.startswith("outputlayer") else f"encoder.{name}": x for name, x in weights.items()},
        ]
    else:
        others = [weights]
    wanted = heard(loaded(kind, folders[kind]), sound(9_000, 16_000))
    for number, other in enumerate(others):
        save_file(other, tmp_path / f"{number}.safetensors")
        assert torch.equal(heard(loaded(kind, tmp_path / f"{number}.safetensors"), sound(9_000, 16_000)), wanted)


@pytest.mark.parametrize("kind", OWN)
def test_the_last_sample_is_heard(kind):
    torch.manual_seed(0)
    encoder = encoders.get(kind).tiny().eval()
    for num_samples in (1, 700, 2_561, 10_239, 10_240, 23_001):
        samples = sound(num_samples, encoder.sample_rate)
        knocked = samples.copy()
        knocked[-1] += 0.9
        without = heard(encoder, samples)
        assert (heard(encoder, knocked) - without).abs().max() > 3e-3 * without.abs().max()


@pytest.mark.parametrize("kind", OWN)
def test_unequal_windows_are_heard_apart(kind, folders):
    encoder = loaded(kind, folders[kind])
    windows = [sound(num_samples, encoder.sample_rate) for num_samples in (23_001, 2_000, 11_000)]
    features = [encoder.prepare(samples[None]) for samples in windows]
    with torch.inference_mode():
        padded = nn.utils.rnn.pad_sequence(features, batch_first=True, padding_value=7.0)
        together = encoder(padded, torch.tensor([len(x) for x in features]))
    for row, samples in enumerate(windows):
        alone = heard(encoder, samples)
        assert len(alone) == together.lengths_B[row] == encoder.num_frames(len(samples))
        torch.testing.assert_close(together.x_BFD[row, : len(alone)], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kind", "rows"), [("beats", 8), ("ced", 4)])
def test_patches_of_a_column_are_frames_or_make_one(kind, rows, folders):
    samples = sound(7_200, 16_000)
    sequence, mean, stack = (loaded(kind, folders[kind], bands=bands) for bands in ("sequence", "mean", "stack"))
    x_FKD = heard(sequence, samples).unflatten(0, (-1, rows))
    torch.testing.assert_close(heard(mean, samples), x_FKD.mean(1))
    torch.testing.assert_close(heard(stack, samples), x_FKD.flatten(1))
    assert stack.dim == rows * mean.dim and stack.num_frames(7_200) == mean.num_frames(7_200) == 3
    assert sequence.num_frames(7_200) == 3 * rows


@pytest.mark.parametrize("kind", ["beats", "ced"])
@pytest.mark.parametrize("bands", ["sequence", "mean", "stack"])
def test_levels_are_frames_of_each_layer(kind, bands, folders):
    spec = {"type": kind, "id": str(folders[kind]), "bands": bands, **NOT_TOLD[kind]}
    cls, options = build_options(
        encoders, {"type": "layers", "encoder": spec, "levels": [1, -1], "join": "side_by_side"}, "encoder"
    )
    beside = cls(cls.resolve(options)).eval()
    beside.load_pretrained()
    first, last = heard(beside, sound(7_200, 16_000)).chunk(2, dim=-1)
    torch.testing.assert_close(last, heard(beside.encoder, sound(7_200, 16_000)))
    assert not torch.allclose(first, last, atol=0.1)


def test_a_model_keeps_what_was_published(folders, tmp_path):
    """Composed, saved and loaded by transformers, whose own names for normalised convolutions are the same."""
    encoder = {"type": "beats", "id": str(folders["beats"]), "max_distance": 20, "window_s": 2.0}
    bundle = build({**SPEC, "encoder": encoder}, ["What is this? A dog."] * 10)
    bundle.model.eval()
    tower = bundle.model.model.audio_tower
    samples = sound(7_200, 16_000)
    assert torch.equal(heard(tower.eval(), samples), heard(loaded("beats", folders["beats"]), samples))
    save(bundle, tmp_path / "model")
    again = load_bundle(tmp_path / "model")
    torch.testing.assert_close(heard(again.model.model.audio_tower, samples), heard(tower, samples))
    reply = Local(again, "own").ask(Audio.from_samples(sound(40_000, 16_000), 16_000), "?", max_new_tokens=2)
    assert reply.usage.audio_tokens == math.ceil(13 * 8 / 2) + math.ceil(3 * 8 / 2)


ANY = {
    "beats": "encoder.layers.1.fc2.weight",
    "ced": "blocks.1.mlp.fc2.weight",
    "cnn14": "conv_block3.conv1.weight",
}


@pytest.mark.parametrize("kind", OWN)
def test_broken_weights_are_named(kind, tmp_path):
    weights, name, file = published(kind), ANY[kind], tmp_path / "model.safetensors"
    save_file({k: v for k, v in weights.items() if k != name}, file)
    with pytest.raises(ModelError, match=f"weights of {kind} .* have no tensor '{name}'"):
        loaded(kind, tmp_path)
    save_file({**weights, name: torch.zeros(3, 8)}, file)
    with pytest.raises(ModelError, match=rf"tensor '{name}' has shape \(3, 8\), and \({weights[name].shape[0]}, "):
        loaded(kind, tmp_path)
    save_file({**weights, "decoder.weight": torch.zeros(3)}, file)
    with pytest.raises(ModelError, match=f"tensor 'decoder.weight' is none of a {kind} model's"):
        loaded(kind, tmp_path)
    file.write_bytes(b"not tensors at all")
    with pytest.raises(ModelError, match="no safetensors file that can be read"):
        loaded(kind, tmp_path)


TELLING = {
    "beats": "encoder.layers.0.self_attn.grep_a",
    "ced": "time_pos_embed",
    "cnn14": "conv_block6.conv2.weight",
}


@pytest.mark.parametrize("kind", OWN)
def test_tensors_that_tell_the_sizes_are_named_too(kind, tmp_path):
    weights, name, file = published(kind), TELLING[kind], tmp_path / "model.safetensors"
    save_file({k: v for k, v in weights.items() if k != name}, file)
    with pytest.raises(ModelError, match=f"have no tensor '{name}'"):
        loaded(kind, tmp_path)
    save_file({**weights, name: torch.zeros(3)}, file)
    with pytest.raises(ModelError, match=rf"tensor '{name}' has shape \(3,\); it must have 4 dimensions"):
        loaded(kind, tmp_path)


def test_pickled_weights_are_refused_with_the_way_to_convert_them(tmp_path):
    """And the way works."""
    weights = published("beats")
    torch.save({"cfg": {"embed_dim": 16}, "model": weights}, tmp_path / "BEATs.pt")
    for ref in (tmp_path, tmp_path / "BEATs.pt"):
        with pytest.raises(ModelError, match="pickled weights, which could run code and are refused") as refused:
            loaded("beats", ref)
    code = str(refused.value).partition('python -c "')[2].removesuffix('"')
    exec(code, {})
    assert loaded("beats", tmp_path).dim == 32


def test_weights_that_are_not_there_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"holds no model.safetensors, the weights of ced"):
        loaded("ced", tmp_path)
    with pytest.raises(ModelError, match="there is no file"):
        loaded("ced", tmp_path / "ced.safetensors")
    for name in "ab":
        save_file(published("ced"), tmp_path / f"{name}.safetensors")
    with pytest.raises(ModelError, match=r"holds 2 safetensors files and none is called model.safetensors"):
        loaded("ced", tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="the weights of ced 'nobody/nothing' cannot be found"):
        loaded("ced", "nobody/nothing")


def test_options_that_the_weights_contradict_are_refused(folders):
    with pytest.raises(ModelError, match="layers is 12 in the options and 3 in the weights"):
        loaded("beats", folders["beats"], layers=12)


def test_a_cnn14_for_another_rate_is_refused(tmp_path):
    save_file(published("cnn14") | {"logmel_extractor.melW": torch.zeros(257, 64)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="has 257 rows, not 513; take the Cnn14 for 32 kHz"):
        loaded("cnn14", tmp_path)


def publish_mert(folder, **switches) -> HubertModel:
    """As the authors have it: their own type and code, names of an older torch, sound at 24 kHz."""
    torch.manual_seed(0)
    cls = encoders.get("mert")
    model = HubertModel(cls.config_class(**cls.tiny().options.config)).eval()
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    own = {"sample_rate": 24_000, "feature_extractor_cqt": False, "deepnorm": False, "attention_relax": -1.0}
    code = {"AutoConfig": "configuration_MERT.MERTConfig", "AutoModel": "modeling_MERT.MERTModel"}
    config |= {"model_type": "mert_model", "architectures": ["MERTModel"], "auto_map": code, **own, **switches}
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    for ours, theirs in (("original0", "weight_g"), ("original1", "weight_v")):
        weights = {name.replace(f"parametrizations.weight.{ours}", theirs): x for name, x in weights.items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    Wav2Vec2FeatureExtractor(sampling_rate=24_000, do_normalize=True).save_pretrained(folder)
    return model


def test_mert_is_hubert_at_24_khz(tmp_path):
    upstream = publish_mert(tmp_path)
    cls = encoders.get("mert")
    encoder = cls(cls.resolve(cls.Options(id=str(tmp_path)))).eval()
    encoder.load_pretrained()
    samples = sound(24_000, 24_000)
    extract = Wav2Vec2FeatureExtractor.from_pretrained(tmp_path)
    given = extract(samples, sampling_rate=24_000, return_tensors="pt").input_values
    with torch.inference_mode():
        wanted = upstream(given).last_hidden_state[0]
    torch.testing.assert_close(heard(encoder, samples), wanted, rtol=1e-4, atol=1e-5)
    assert encoder.num_frames(24_000) == len(wanted) == 74
    again = cls(encoder.options.model_copy(update={"id": None}))
    again.load_state_dict(encoder.state_dict())


@pytest.mark.parametrize("switch", ["feature_extractor_cqt", "deepnorm"])
def test_another_mert_than_hubert_is_refused(switch, tmp_path):
    publish_mert(tmp_path, **{switch: True})
    cls = encoders.get("mert")
    with pytest.raises(ModelError, match=rf"\({switch}\), which HuBERT lacks"):
        cls.resolve(cls.Options(id=str(tmp_path)))


def test_another_kind_of_model_is_no_mert(tmp_path):
    publish_mert(tmp_path, model_type="hubert")
    cls = encoders.get("mert")
    with pytest.raises(ModelError, match="is a hubert model, not a mert_model; name another type"):
        cls.resolve(cls.Options(id=str(tmp_path)))
    with pytest.raises(ModelError, match="cannot be found"):
        cls.resolve(cls.Options(id=str(tmp_path / "nowhere")))
