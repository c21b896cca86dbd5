"""More published encoders, written to disk as their makers publish them, hear through us what they hear upstream."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    DacConfig,
    DacFeatureExtractor,
    DacModel,
    EncodecConfig,
    EncodecFeatureExtractor,
    EncodecModel,
    GraniteSpeechConfig,
    GraniteSpeechForConditionalGeneration,
    MimiConfig,
    MimiModel,
    PeAudioConfig,
    PeAudioFeatureExtractor,
    PeAudioModel,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
)
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from ossicle.encoders import encoders
from ossicle.encoders._alone import alone
from ossicle.spec import build_options
from ossicle.support.errors import AudioError, ModelError, SpecError

SPECTRAL = ["ast", "clap", "granite_speech", "w2v_bert"]
CODECS = ["dac", "encodec", "mimi"]
STEREO = {
    "audio_channels": 2,
    "sampling_rate": 48_000,
    "normalize": True,
    "chunk_length_s": 1.0,
    "overlap": 0.01,
    "use_causal_conv": False,
    "norm_type": "time_group_norm",
}
TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 99}
IDS = {f"{kind}_token_id": 0 for kind in ("pad", "bos", "eos", "cls", "sep")}


def sound(num_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(num_samples).astype(np.float32) * 0.3 + 0.1


def publish(name: str, folder, **changes):
    """A whole model of random weights in its published form, with its preprocessor; the part that is the encoder."""
    torch.manual_seed(0)
    sizes = {**encoders.get(name).tiny().options.config, **changes}
    whole, extract = PUBLISHED[name](sizes)
    with torch.no_grad():
        for key, tensor in [*whole.named_parameters(), *whole.named_buffers()]:
            if any(part in key for part in (".codebook.embed", "position_embeddings", "_token", "batch_norm.running")):
                tensor.uniform_(0.1, 1.0)
    whole.eval().save_pretrained(folder)
    if extract is not None:
        extract.save_pretrained(folder)
    return whole


def _clap(sizes):
    text = {**TEXT, "max_position_embeddings": 16}
    model = ClapModel(ClapConfig(audio_config=sizes, text_config=text, projection_dim=16))
    kind = "fusion" if sizes.get("enable_fusion") else "rand_trunc"
    return model, ClapFeatureExtractor(feature_size=16, max_length_s=2, frequency_min=50, truncation=kind)


def _encodec(sizes):
    chunk = {key: sizes.get(key) for key in ("chunk_length_s", "overlap")}
    config = EncodecConfig(**{**sizes, "codebook_dim": 16})
    return EncodecModel(config), EncodecFeatureExtractor(config.audio_channels, config.sampling_rate, **chunk)


def _granite(sizes):
    qformer = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "encoder_hidden_size": 32}
    text = {**TEXT, "num_key_value_heads": 1}
    config = GraniteSpeechConfig(encoder_config=sizes, projector_config=qformer, text_config=text)
    return GraniteSpeechForConditionalGeneration(config), None


PUBLISHED = {
    "ast": lambda sizes: (
        ASTForAudioClassification(ASTConfig(**sizes)),
        ASTFeatureExtractor(num_mel_bins=32, max_length=400, mean=-3.0, std=2.0),
    ),
    "clap": _clap,
    "dac": lambda sizes: (
        DacModel(DacConfig(**{**sizes, "n_codebooks": 2, "decoder_hidden_size": 32})),
        DacFeatureExtractor(hop_length=320),
    ),
    "encodec": _encodec,
    "granite_speech": _granite,
    "mimi": lambda sizes: (MimiModel(MimiConfig(**sizes)), EncodecFeatureExtractor()),
    "pe_audio": lambda sizes: (
        PeAudioModel(PeAudioConfig(audio_config=sizes, text_config={"model_type": "modernbert", **TEXT, **IDS})),
        PeAudioFeatureExtractor(),
    ),
    "w2v_bert": lambda sizes: (
        Wav2Vec2BertForCTC(Wav2Vec2BertConfig(**{**sizes, "vocab_size": 9})),
        SeamlessM4TFeatureExtractor(feature_size=16, num_mel_bins=16, padding_value=1),
    ),
}


def load(name: str, folder, **options):
    cls, options = build_options(encoders, {"type": name, "id": str(folder), **options}, "encoder")
    encoder = cls(cls.resolve(options)).eval()
    encoder.load_pretrained()
    return encoder


def heard(encoder, *windows):
    features = [encoder.prepare(np.atleast_2d(samples)) for samples in windows]
    lengths = torch.tensor([len(f) for f in features])
    with torch.inference_mode():
        return encoder(torch.nn.utils.rnn.pad_sequence(features, batch_first=True), lengths)


def close(found, wanted, atol=1e-5):
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("num_samples", [9_000, 9_100, 30_077])
def test_w2v_bert_equals_transformers(num_samples, tmp_path):
    upstream = publish("w2v_bert", tmp_path).wav2vec2_bert
    encoder = load("w2v_bert", tmp_path)
    samples = sound(num_samples)
    extract = SeamlessM4TFeatureExtractor.from_pretrained(tmp_path)
    theirs = extract(samples, sampling_rate=16_000, return_tensors="pt")
    frames = int(theirs.attention_mask.sum())
    close(encoder.prepare(samples[None]).reshape(frames, -1), theirs.input_features[0, :frames], 1e-3)
    with torch.inference_mode():
        wanted = upstream(**theirs).last_hidden_state
    found = heard(encoder, samples)
    assert found.lengths_B.tolist() == [frames] == [encoder.num_frames(num_samples)]
    close(found.x_BFD, wanted[:, :frames], 1e-4)


def columns(x_BSD):
    """Frames of AST's tokens, which run through frequency first."""
    return x_BSD[:, 2:].unflatten(1, (2, -1)).mean(1)


@pytest.mark.parametrize("num_samples", [500, 9_000, 63_360])
@pytest.mark.parametrize("scaled", [True, False])
def test_ast_equals_transformers(num_samples, scaled, tmp_path):
    upstream = publish("ast", tmp_path).audio_spectrogram_transformer
    extract = ASTFeatureExtractor.from_pretrained(tmp_path, do_normalize=scaled)
    extract.save_pretrained(tmp_path)
    encoder = load("ast", tmp_path)
    samples = sound(num_samples)
    theirs = extract(samples, sampling_rate=16_000, return_tensors="pt").input_values
    ours = encoder.prepare(samples[None])
    close(ours, theirs[0, : len(ours)], 1e-4)
    with torch.inference_mode():
        out = upstream(theirs, output_hidden_states=True)
    found = heard(encoder, samples)
    frames = encoder.num_frames(num_samples)
    assert found.lengths_B.tolist() == [frames] == [min(39, -(-len(ours) // 10))]
    close(found.x_BFD, columns(out.last_hidden_state)[:, :frames])
    beside = {"encoder": encoder.options.model_dump() | {"type": "ast"}, "join": "side_by_side"}
    levels = build(type="layers", levels=[1, -1], **beside)
    levels.encoder.load_state_dict(encoder.state_dict())
    wanted = torch.cat([columns(out.hidden_states[1]), columns(out.last_hidden_state)], -1)
    close(heard(levels, samples).x_BFD, wanted[:, :frames])


def build(**spec):
    torch.manual_seed(0)
    cls, options = build_options(encoders, spec, "encoder")
    return cls(cls.resolve(options)).eval()


def test_trimmed_patches_are_heard_nearly_as_padded_ones_and_each_alone(tmp_path):
    publish("ast", tmp_path)
    exact, trim = load("ast", tmp_path), load("ast", tmp_path, mode="trim")
    windows = [sound(30_000, 1), sound(51_111, 2), sound(100, 3), sound(trim.window_samples, 4)]
    together = heard(trim, *windows)
    for row, samples in enumerate(windows):
        alone_FD = heard(trim, samples).x_BFD[0]
        close(together.x_BFD[row, : len(alone_FD)], alone_FD, 1e-4)
        assert len(alone_FD) == exact.num_frames(len(samples))
    near = torch.cosine_similarity(heard(exact, windows[1]).x_BFD[0], heard(trim, windows[1]).x_BFD[0], dim=-1)
    assert near.median() > 0.9
    close(heard(trim, windows[3]).x_BFD, heard(exact, windows[3]).x_BFD)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
@pytest.mark.parametrize("num_samples", [7_000, 40_001, 96_000])
def test_clap_equals_transformers(fused, padding, num_samples, tmp_path):
    upstream = publish("clap", tmp_path, enable_fusion=fused).audio_model
    extract = ClapFeatureExtractor.from_pretrained(tmp_path, padding=padding)
    extract.save_pretrained(tmp_path)
    encoder = load("clap", tmp_path)
    samples = sound(num_samples)
    theirs = extract(samples, sampling_rate=48_000, return_tensors="pt").input_features.float()
    close(encoder.prepare(samples[None])[:201], theirs[0, 0], 1e-2 if padding == "pad" else 1e-3)
    with torch.inference_mode():
        out = upstream(theirs, is_longer=torch.tensor([[False]]))
    found = heard(encoder, samples)
    frames = encoder.num_frames(num_samples)
    assert found.lengths_B.tolist() == [frames] == [-(-num_samples // 3_000)]
    close(found.x_BFD, out.last_hidden_state.mean(2).mT[:, :frames], 1e-4)
    if frames == 32:
        close(found.x_BFD.mean(1), out.pooler_output, 1e-4)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("num_samples", [5, 3_840, 9_001])
def test_codecs_give_what_upstream_quantises(name, num_samples, tmp_path):
    upstream = publish(name, tmp_path)
    encoder = load(name, tmp_path)
    samples = sound(num_samples)
    extract = (DacFeatureExtractor if name == "dac" else EncodecFeatureExtractor).from_pretrained(tmp_path)
    theirs = extract(samples, sampling_rate=encoder.sample_rate, return_tensors="np").input_values
    theirs = torch.from_numpy(np.asarray(theirs))
    with torch.inference_mode():
        codes = upstream.encode(theirs).audio_codes.flatten()
        found = heard(encoder, samples)
        latents_BDF = found.x_BFD.mT
        if name == "dac":
            again = upstream.quantizer(latents_BDF)[1]
        else:
            again = upstream.quantizer.encode(latents_BDF).transpose(0, 1)
    assert found.lengths_B.tolist() == [encoder.num_frames(num_samples)] == [-(-num_samples // encoder.hop)]
    assert len(codes.unique()) > 1 or num_samples == 5
    assert torch.equal(again.flatten()[: len(codes)], codes)


def test_stereo_encodec_hears_a_second_at_once(tmp_path):
    upstream = publish("encodec", tmp_path, **STEREO)
    encoder = load("encodec", tmp_path)
    assert (encoder.channels, encoder.sample_rate, encoder.window_samples) == (2, 48_000, 48_000)
    samples_CT = np.stack([sound(9_000, 1), sound(9_000, 2)])
    with torch.inference_mode():
        scaled, scale = torch.from_numpy(samples_CT)[None], np.sqrt(np.mean(samples_CT.mean(0) ** 2)) + 1e-8
        wanted = upstream.encoder(scaled / scale).mT
    close(heard(encoder, samples_CT).x_BFD, wanted)
    both, one = heard(encoder, np.stack([samples_CT[0]] * 2)), heard(encoder, samples_CT[0])
    assert torch.equal(both.x_BFD, one.x_BFD)
    together = heard(encoder, samples_CT[:, :5_000], samples_CT).x_BFD
    close(together[0, : encoder.num_frames(5_000)], heard(encoder, samples_CT[:, :5_000]).x_BFD[0])
    with pytest.raises(AudioError, match="hears 2 channels and the recording has 3"):
        encoder.prepare(np.zeros((3, 100), np.float32))


@pytest.mark.parametrize("num_samples", [400, 9_000, 30_077])
def test_granite_speech_equals_transformers(num_samples, tmp_path):
    upstream = publish("granite_speech", tmp_path).model.encoder
    encoder = load("granite_speech", tmp_path)
    samples = sound(num_samples)
    # torchaudio's MelSpectrogram by another way: the same frames, whose phase alone differs.
    log_mel = spectrogram(
        samples,
        window_function(400, "hann"),
        400,
        160,
        512,
        power=2.0,
        mel_filters=mel_filter_bank(257, 16, 0, 8_000, 16_000, norm=None, mel_scale="htk"),
        log_mel="log10",
    ).T
    log_mel = np.maximum(log_mel, log_mel.max() - 8) / 4 + 1
    theirs = torch.from_numpy(log_mel[: len(log_mel) // 2 * 2].reshape(1, -1, 32))
    close(encoder.prepare(samples[None]).reshape(-1, 32), theirs[0], 1e-4)
    with torch.inference_mode():
        wanted = upstream(theirs)
    found = heard(encoder, samples)
    assert found.lengths_B.tolist() == [encoder.num_frames(num_samples)] == [(num_samples // 160 + 1) // 2]
    close(found.x_BFD, wanted.last_hidden_state, 1e-4)


@pytest.mark.parametrize("num_samples", [1_920, 30_077])
def test_pe_audio_equals_transformers(num_samples, tmp_path):
    upstream = publish("pe_audio", tmp_path).audio_encoder
    encoder = load("pe_audio", tmp_path)
    samples = sound(num_samples)
    extract = PeAudioFeatureExtractor.from_pretrained(tmp_path)
    theirs = torch.from_numpy(np.asarray(extract(samples, sampling_rate=48_000, return_tensors="np").input_values))
    assert torch.equal(encoder.prepare(samples[None]), theirs.flatten())
    with torch.inference_mode():
        wanted = upstream(theirs).last_hidden_state
    found = heard(encoder, samples)
    assert found.lengths_B.tolist() == [encoder.num_frames(num_samples)] == [-(-num_samples // 1_920)]
    close(found.x_BFD, wanted)


@pytest.mark.parametrize("name", ["ast", "granite_speech", "pe_audio", "w2v_bert"])
def test_levels_are_frames_of_unequal_windows_too(name):
    tiny = encoders.get(name).tiny()
    spec = {"type": name, **tiny.options.model_dump(mode="json")}
    levels = build(type="layers", encoder=spec, join="side_by_side")
    windows = [sound(30_000, 1), sound(9_000, 2), sound(30_000, 3)]
    together = heard(levels, *windows)
    for row, samples in enumerate(windows):
        alone_FD = heard(levels, samples).x_BFD[0]
        close(together.x_BFD[row, : len(alone_FD)], alone_FD, 1e-4)
        assert not torch.allclose(*alone_FD.chunk(2, -1))


def test_rows_of_one_length_are_encoded_together():
    calls = []

    def encode(x_bT):
        calls.append(tuple(x_bT.shape))
        yield x_bT[..., None]
        yield -x_bT[..., None]

    features = torch.tensor([[1.0, 2, 0], [3, 4, 5], [6, 7, 0]])
    first, second = alone(encode, features, torch.tensor([2, 3, 2]))
    assert sorted(calls) == [(1, 3), (2, 2)]
    assert torch.equal(first[..., 0], features) and torch.equal(second, -first)


USED = {
    "ast": "embeddings.patch_embeddings.projection.weight",
    "clap": "patch_embed.proj.weight",
    "dac": "encoder.conv1.bias",
    "encodec": "encoder.layers.0.conv.bias",
    "granite_speech": "input_linear.weight",
    "mimi": "downsample.conv.weight",
    "pe_audio": "embedder.data_proj.weight",
    "w2v_bert": "feature_projection.projection.weight",
}
UNUSED = {"clap": "text_model.", "dac": "decoder.", "encodec": "decoder.", "granite_speech": "language_model."}


@pytest.mark.parametrize("name", PUBLISHED)
def test_broken_weights_are_named(name, tmp_path):
    publish(name, tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    (key,) = (key for key in weights if key.endswith(USED[name]))
    told = USED[name].replace(".", r"\.")
    save_file({k: v for k, v in weights.items() if k != key}, file, {"format": "pt"})
    with pytest.raises(ModelError, match=f"no tensor '[a-z_.]*{told}'"):
        load(name, tmp_path)
    save_file({**weights, key: torch.zeros(3)}, file, {"format": "pt"})
    with pytest.raises(ModelError, match=rf"{told}' has shape \(3,\), and "):
        load(name, tmp_path)
    unused = UNUSED.get(name, "classifier.")
    save_file({k: v for k, v in weights.items() if not k.startswith(unused)}, file, {"format": "pt"})
    encoder = load(name, tmp_path)
    again = type(encoder)(encoder.options.model_copy(update={"id": None}))
    again.load_state_dict(encoder.state_dict())
    file.unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(name, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(ModelError, match="is a bert model"):
        load(name, tmp_path)


@pytest.mark.parametrize("name", ["ast", "clap"])
def test_features_that_are_not_described_are_asked_for(name, tmp_path):
    publish(name, tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="give extractor"):
        load(name, tmp_path)
    load(name, tmp_path, extractor=encoders.get(name).tiny().options.extractor or {"mean": -4.0})
    with pytest.raises(SpecError, match=r"no 'paddin'. Did you mean 'padding"):
        load(name, tmp_path, extractor={"paddin": 1})


def test_clap_fills_windows_only_as_is_known():
    with pytest.raises(SpecError, match="'mirror', not 'repeatpad'"):
        build(type="clap", config={}, extractor={"padding": "mirror"})


@pytest.mark.parametrize(
    ("name", "rate", "frames", "width", "window_s"),
    [
        ("ast", 16_000, 100, 768, 10.16),
        ("clap", 48_000, 32, 768, 10),
        ("dac", 44_100, 862, 1_024, 10),
        ("encodec", 24_000, 750, 128, 10),
        ("granite_speech", 16_000, 500, 1_024, 30),
        ("mimi", 24_000, 125, 512, 10),
        ("pe_audio", 48_000, 250, 1_792, 30),
        ("w2v_bert", 16_000, 499, 1_024, 30),
    ],
)
def test_published_sizes_have_their_published_rates(name, rate, frames, width, window_s):
    with torch.device("meta"):
        encoder = encoders.get(name).reference()
    assert (encoder.sample_rate, encoder.num_frames(10 * rate), encoder.dim) == (rate, frames, width)
    assert encoder.window_samples == round(window_s * rate)


@pytest.mark.parametrize("name", SPECTRAL)
def test_the_shortest_sounds_have_a_frame(name):
    encoder = encoders.get(name).tiny().eval()
    assert [encoder.num_frames(n) for n in (1, 160)] == [1, 1]
    assert bool(heard(encoder, sound(1)).x_BFD.isfinite().all())


def test_a_type_alone_means_the_best_known_weights():
    from ossicle.encoders import encoders
    from ossicle.encoders._upstream import Upstream

    named = {name: cls for name in encoders.names() if issubclass(cls := encoders.get(name), Upstream)}
    assert len(named) > 14
    for name, cls in named.items():
        if cls.best_known is None:
            with pytest.raises(ValueError, match="give id"):
                cls.Options()
            continue
        assert cls.Options().id == cls.Options(id=None, config=None).id == cls.best_known, name
        assert cls.Options(config={}).id is None, name
        assert cls.Options(id="elsewhere").id == "elsewhere", name
    assert named["wavlm"].Options().id != named["hubert"].Options().id
    assert named["granite_speech_plus"].best_known is None


def test_an_encoder_is_swapped_by_its_type_on_the_command_line(capsys, monkeypatch):
    from pathlib import Path

    from ossicle.cli import main

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    recipe = Path(__file__).parents[2] / "recipes" / "own-folder.yaml"
    assert main(["show", str(recipe), "model.encoder.type=wavlm"]) == 2
    assert "the wavlm model 'microsoft/wavlm-base-plus'" in capsys.readouterr().err
