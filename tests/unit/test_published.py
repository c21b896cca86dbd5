"""Published audio language models, of random weights in their true layout: taken apart, asked, trained, given back."""

from fnmatch import fnmatch

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_run import make_tones, recipe
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    AudioFlamingo3Processor,
    AutoProcessor,
    GraniteSpeechConfig,
    GraniteSpeechForConditionalGeneration,
    GraniteSpeechPlusConfig,
    GraniteSpeechPlusForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    VoxtralConfig,
    VoxtralForConditionalGeneration,
    WhisperFeatureExtractor,
)

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, Sampling, assistant, user
from ossicle.cli import main
from ossicle.models import Local, load_bundle, save
from ossicle.models.build import export
from ossicle.models.folders import model_folder, weights_files, weights_of
from ossicle.models.published import LAYOUTS, take_apart
from ossicle.support.errors import ModelError
from ossicle.training import train
from random_bundle import random_bundle

HEARD = {"num_mel_bins": 16, "num_hidden_layers": 1, "max_source_positions": 1500}
WHISPER = {"d_model": 32, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, **HEARD}
TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'audio' %}<sound>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONFORMER = {"input_dim": 32, "hidden_dim": 32, "num_heads": 2, "output_dim": 8, "context_size": 20, "max_pos_emb": 32}
QFORMER = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
GRANITE = {
    "granite_speech": (GraniteSpeechConfig, GraniteSpeechForConditionalGeneration, {"num_layers": 2}),
    "granite_speech_plus": (
        GraniteSpeechPlusConfig,
        GraniteSpeechPlusForConditionalGeneration,
        {"num_layers": 4, "cat_hidden_layers": [0, 2, 3]},
    ),
}
TOKENS = ["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<sound>", "<|im_start|>", "<|im_end|>"]


def tokenizer_with(template):
    tokenizer = random_bundle().tokenizer
    tokenizer.add_special_tokens({"additional_special_tokens": TOKENS, "eos_token": "<|im_end|>"})
    tokenizer.chat_template = template
    return tokenizer


def published(kind, folder):
    """A model as its makers publish it: weights, tokenizer and processor."""
    torch.manual_seed(3)
    tokenizer = tokenizer_with(CHAT)
    size = len(tokenizer)
    if kind == "qwen2_audio":
        text = {"model_type": "qwen2", "vocab_size": size, "num_key_value_heads": 1, **TEXT}
        config = Qwen2AudioConfig(
            audio_config=WHISPER, text_config=text, audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>")
        )
        model, processor_class = Qwen2AudioForConditionalGeneration(config), Qwen2AudioProcessor
        tokenizer.chat_template = Qwen2AudioProcessor(WhisperFeatureExtractor(16), tokenizer).default_chat_template
    elif kind == "audioflamingo3":
        text = {"model_type": "qwen2", "vocab_size": size, "num_key_value_heads": 1, **TEXT}
        heard = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, **HEARD}
        sound = tokenizer.convert_tokens_to_ids("<sound>")
        config = AudioFlamingo3Config(audio_config=heard, text_config=text, audio_token_id=sound)
        model, processor_class = AudioFlamingo3ForConditionalGeneration(config), AudioFlamingo3Processor
    elif kind in GRANITE:
        text = {"model_type": "granite", "vocab_size": size, "num_key_value_heads": 1, "embedding_multiplier": 3.0}
        text |= {"attention_multiplier": 0.3, "residual_multiplier": 0.22, **TEXT}
        config_class, model_class, heights = GRANITE[kind]
        width = 32 * (1 + len(heights.get("cat_hidden_layers", ())))
        config = config_class(
            text_config=text,
            encoder_config={**CONFORMER, **heights},
            projector_config={"model_type": "blip_2_qformer", "encoder_hidden_size": width, **QFORMER},
            audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
            has_lora_adapter=False,
            tie_word_embeddings=False,
        )
        model, processor_class = model_class(config), None
    else:
        text = {"model_type": "llama", "vocab_size": size, "head_dim": 16, "num_key_value_heads": 1, **TEXT}
        heard = {"hidden_size": 32, "intermediate_size": 128, "num_attention_heads": 2, **HEARD}
        sound = tokenizer.convert_tokens_to_ids("<sound>")
        model = VoxtralForConditionalGeneration(
            VoxtralConfig(audio_config=heard, text_config=text, audio_token_id=sound)
        )
        processor_class = None
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.generation_config.max_new_tokens = 77
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if processor_class is not None:
        processor_class(WhisperFeatureExtractor(16), tokenizer, chat_template=tokenizer.chat_template).save_pretrained(
            folder
        )
    return model


@pytest.fixture(scope="module", params=LAYOUTS)
def pair(request, tmp_path_factory):
    """(architecture, transformers' model, its folder)"""
    folder = tmp_path_factory.mktemp("published") / request.param
    return request.param, published(request.param, folder), folder


def sound(seconds, seed=0):
    x = np.random.default_rng(seed).standard_normal(round(seconds * 16_000)).astype(np.float32)
    return Audio.from_samples(0.1 * x, 16_000)


def theirs_of(folder, audios, texts):
    """Transformers' own inputs for one user turn."""
    content = [{"type": "audio", "audio": audio.load(16_000)[0]} for audio in audios]
    return AutoProcessor.from_pretrained(folder).apply_chat_template(
        [{"role": "user", "content": [*content, *({"type": "text", "text": text} for text in texts)]}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"audio_kwargs": {"sampling_rate": 16_000}},
    )


def without_processor(bundle, folder, ids, audio):
    """Transformers' inputs for one recording, where its processor is not to be had. Granite Speech's needs torchaudio;
    that our front end gives the same is shown in test_more_encoders.py."""
    if bundle.model.config.published["model_type"] in GRANITE:
        features = stacked(bundle.model.model.audio_tower.prepare(audio.load(16_000)))
        return {"input_ids": torch.tensor([ids]), "input_features": features}
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    heard = extractor(audio.load(16_000)[0], sampling_rate=16_000, return_tensors="pt")
    return {"input_ids": torch.tensor([ids]), "input_features": heard["input_features"]}


def stacked(features):
    """Two mel frames [T, M] in one, as Granite Speech hears them [1, F, 2 M]."""
    return features.unflatten(0, (-1, 2)).flatten(1)[None]


# Voxtral's processor in transformers is mistral-common's; its prompts are compared in test_tekken.py.
@pytest.mark.parametrize("pair", ["qwen2_audio", "audioflamingo3"], indirect=True)
def test_prompts_logits_and_replies_are_transformers_own(pair):
    kind, theirs, folder = pair
    bundle = load_bundle(folder)
    audios = [sound(1.5, 1)] if kind == "audioflamingo3" else [sound(1.5, 1), sound(2.3, 2)]
    inputs = theirs_of(folder, audios, ["What is this?"])
    chat = Conversation.of(user(*audios, "What is this?"))
    row = bundle.preparer()(chat, reply=True)
    assert list(row.ids) == inputs["input_ids"][0].tolist()
    with torch.inference_mode():
        ours = bundle.model(**Batch.pack([row]).inputs(pad_id=bundle.pad_id)).logits[0]
        torch.testing.assert_close(ours, theirs(**inputs).logits[0], rtol=1e-5, atol=1e-5)
        out = theirs.generate(**inputs, max_new_tokens=8, do_sample=False)[0, len(row.ids) :]
    said = bundle.renderer.decode(out.tolist()).strip()
    assert Local(bundle, "theirs").generate([chat], Sampling(max_new_tokens=8))[0].text == said


@pytest.mark.parametrize("pair", ["qwen2_audio", "audioflamingo3"], indirect=True)
def test_unequal_conversations_at_once_and_turn_by_turn_reply_as_transformers_does_to_each(pair):
    _, theirs, folder = pair
    lm = Local(load_bundle(folder), "ours")
    asked = [(sound(s, seed), "What is this? " * n) for seed, (s, n) in enumerate([(0.3, 9), (4.1, 1), (1.7, 2)])]
    wanted = []
    for audio, text in asked:
        inputs = theirs_of(folder, [audio], [text])
        out = theirs.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        wanted.append(lm.bundle.renderer.decode(out.tolist()).strip())
    chats = [Conversation.of(user(audio, text)) for audio, text in asked]
    for _ in range(2):  # the second time, from memory
        assert [reply.text for reply in lm.generate(chats, Sampling(max_new_tokens=6))] == wanted


@pytest.mark.parametrize("pair", ["voxtral", "granite_speech", "granite_speech_plus"], indirect=True)
def test_logits_and_replies_are_transformers_own_over_the_same_ids(pair, tmp_path):
    _, theirs, folder = pair
    bundle, audio = load_bundle(folder), sound(1.5, 1)
    WhisperFeatureExtractor(feature_size=HEARD["num_mel_bins"]).save_pretrained(tmp_path)
    chat = Conversation.of(user(audio, "What is this?"))
    row = bundle.preparer()(chat, reply=True)
    inputs = without_processor(bundle, tmp_path, list(row.ids), audio)
    with torch.inference_mode():
        ours = bundle.model(**Batch.pack([row]).inputs(pad_id=bundle.pad_id)).logits[0]
        torch.testing.assert_close(ours, theirs(**inputs).logits[0], rtol=1e-5, atol=1e-5)
        out = theirs.generate(**inputs, max_new_tokens=8, do_sample=False)[0, len(row.ids) :]
    said = bundle.renderer.decode(out.tolist()).strip()
    assert said and Local(bundle, "ours").generate([chat], Sampling(max_new_tokens=8))[0].text == said


def test_weights_are_transformers_own(pair):
    """The same ids and log-mel windows through both."""
    _, theirs, folder = pair
    ours = take_apart(folder)
    encoder = ours.model.audio_tower
    samples = 0.1 * np.random.default_rng(5).standard_normal((1, 30 * 16_000)).astype(np.float32)
    features = encoder.prepare(samples)[None]
    tokens = ours.model.encode(features, torch.tensor([features.shape[1]])).x_BFD[0]
    ids = torch.tensor([[5, *[ours.config.audio_token_id] * len(tokens), 6, 7]])
    mel = stacked(features[0]) if theirs.config.model_type in GRANITE else features[:, :3000].transpose(1, 2)
    mask = torch.ones(1, 3000, dtype=torch.long)
    more = {"qwen2_audio": {"feature_attention_mask": mask}, "audioflamingo3": {"input_features_mask": mask}}
    with torch.inference_mode():
        wanted = theirs(input_ids=ids, input_features=mel, **more.get(theirs.config.model_type, {})).logits
        got = ours(ids, features, torch.tensor([features.shape[1]])).logits
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


def test_it_is_saved_in_our_layout_and_loads_without_the_original(pair, tmp_path):
    kind, _, folder = pair
    bundle = load_bundle(folder)
    save(bundle, tmp_path / "ours")
    again = load_bundle(tmp_path / "ours")
    assert again.renderer.around == LAYOUTS[kind].around
    chat = Conversation.of(user(sound(1.0), "What?"), assistant("A dog."))
    rows = [b.preparer()(chat) for b in (bundle, again)]
    with torch.inference_mode():
        one, other = (
            b.model(**Batch.pack([r]).inputs(pad_id=b.pad_id)).logits
            for b, r in zip((bundle, again), rows, strict=True)
        )
    assert torch.equal(one, other)


def test_trained_on_and_given_back_transformers_alone_loads_it(pair, tmp_path):
    """With adapters on the language model and a trained projector; then in the architecture's own layout."""
    kind, theirs, folder = pair
    plan = recipe(make_tones(tmp_path / "tones", 1), renew=[])
    train_what = {"projector": "full", "language_model": {"lora": {"rank": 2}}}
    stage = {**plan["stages"][1], "train": train_what, "steps": 2, "dtype": "float32", "optimiser": {"lr": 0.01}}
    train({**plan, "model": {"base": str(folder)}, "stages": [stage]}, tmp_path / "run", workers=0, quiet=True)
    bundle = load_bundle(tmp_path / "run" / "model")
    export(bundle, tmp_path / "back")
    back = type(theirs).from_pretrained(tmp_path / "back").eval()
    assert {n: t.shape for n, t in back.state_dict().items()} == {n: t.shape for n, t in theirs.state_dict().items()}
    assert back.generation_config.max_new_tokens == 77
    row = bundle.preparer()(Conversation.of(user(sound(0.8), "What?")), reply=True)
    if kind == "voxtral" or kind in GRANITE:
        inputs = without_processor(bundle, tmp_path / "back", row.ids, sound(0.8))
    else:
        inputs = theirs_of(tmp_path / "back", [sound(0.8)], ["What?"])
    with torch.inference_mode():
        ours = bundle.model(**Batch.pack([row]).inputs(pad_id=bundle.pad_id)).logits[0]
        torch.testing.assert_close(ours, back(**inputs).logits[0], rtol=1e-5, atol=1e-5)
        assert (theirs(**inputs).logits[0] - ours).abs().max() > 1e-3


def test_a_minute_is_not_cut_to_thirty_seconds(pair):
    """Two 30 s windows and what is left, where transformers' own processor of Qwen2-Audio stops at 30 s."""
    _, _, folder = pair
    bundle = load_bundle(folder)
    short, long = (bundle.renderer.count_tokens(sound(s)) for s in (30.0, 62.0))
    assert long > 2 * short


def test_commands_know_published_folders(pair, tmp_path, capsys):
    _, _, folder = pair
    clip = tmp_path / "clip.wav"
    sound(0.5).save(clip)
    assert main(["show", str(folder)]) == 0
    assert "parameters" in capsys.readouterr().out
    assert main(["ask", str(clip), "What?", "--model", str(folder), "--max-new-tokens", "3"]) == 0
    capsys.readouterr()
    assert main(["export", str(folder), "--out", str(tmp_path / "given")]) == 0
    assert main(["export", str(folder), "--out", str(tmp_path / "half"), "--dtype", "bfloat16"]) == 0
    kept = load_file(tmp_path / "half" / "model.safetensors")
    assert {tensor.dtype for tensor in kept.values() if tensor.is_floating_point()} == {torch.bfloat16}
    capsys.readouterr()
    assert main(["export", str(folder), "--out", str(tmp_path / "none"), "--dtype", "int3"]) == 2
    assert "float16" in capsys.readouterr().err
    assert main(["export", str(folder), "--out", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    with pytest.raises(ModelError, match="was not taken from a published one"):
        export(random_bundle(), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_events_are_asked_of_it_in_words_that_say_how_to_answer(pair, tmp_path, monkeypatch):
    clip, asked = tmp_path / "clip.wav", []
    sound(0.5).save(clip)
    generate = Local.generate

    def watched(self, chats):
        asked.extend(chats)
        return generate(self, chats, Sampling(max_new_tokens=2))

    monkeypatch.setattr(Local, "generate", watched)
    assert main(["events", str(clip), "--model", str(pair[-1])]) == 0
    assert main(["events", str(clip)]) == 0
    published, ours = (chat.messages[-1].text for chat in asked)
    assert "separated by semicolons" in published and "semicolons" not in ours


def test_other_architectures_are_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match=r"'bert' model; Ossicle reads .* qwen2_audio"):
        load_bundle(tmp_path)


def test_weights_in_several_files_are_known_by_all_of_them(pair, tmp_path):
    _, theirs, folder = pair
    theirs.save_pretrained(tmp_path / "split", max_shard_size="60KB")
    assert len(weights_files(tmp_path / "split")) > 1
    before = weights_of(tmp_path / "split")
    assert before != weights_of(folder)
    last = weights_files(tmp_path / "split")[-1]
    last.write_bytes(last.read_bytes()[:-1] + b"x")
    assert weights_of(tmp_path / "split") != before


def test_the_hub_is_asked_for_weights_and_small_files_only(monkeypatch, tmp_path):
    asked = {}

    def snapshot(name, *, revision, allow_patterns, ignore_patterns):
        asked.update(name=name, revision=revision, patterns=allow_patterns, without=ignore_patterns)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert model_folder("hf:someone/their-model@v1") == tmp_path
    assert (asked["name"], asked["revision"]) == ("someone/their-model", "v1")
    assert not any(fnmatch(name, p) for name in ("code.py", "model.bin", "x.pt", "x.pkl") for p in asked["patterns"])


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"hf:nobody/nothing' cannot be loaded: .*folder of a downloaded copy"):
        model_folder("hf:nobody/nothing")
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        model_folder("hf:not a name")
