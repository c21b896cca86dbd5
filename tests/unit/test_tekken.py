"""Voxtral's tokenizer is read from ``tekken.json`` alone, and speaks as mistral-common makes it speak."""

import base64
import json

import pytest
import torch
from transformers import AutoProcessor, VoxtralConfig, VoxtralForConditionalGeneration, WhisperFeatureExtractor

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, Message, assistant, user
from ossicle.cli import main
from ossicle.models.build import load_bundle, save

CONTROL = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]"]
CONTROL += ["[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]"]
CONTROL += ["[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"]
CONTROL += [*(f"<SPECIAL_{i}>" for i in range(20, 24)), "[AUDIO]", "[BEGIN_AUDIO]"]
CONTROL += [*(f"<SPECIAL_{i}>" for i in range(26, 34)), "[TRANSCRIBE]"]
WORDS = [b"he", b"ll", b"hell", b"hello", b" w", b"at", b"wh", b"what"]
FIRST = 100
"""Of the ids that are no control tokens."""


def write_tekken(folder):
    """Every byte and a few words, in version 7 of the format."""
    vocabulary = [bytes([i]) for i in range(256)] + WORDS
    written = {
        "config": {
            "pattern": r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            "num_vocab_tokens": len(vocabulary),
            "default_vocab_size": FIRST + len(vocabulary),
            "default_num_special_tokens": FIRST,
            "version": "v7",
        },
        "vocab": [
            {"rank": i, "token_bytes": base64.b64encode(word).decode(), "token_str": None}
            for i, word in enumerate(vocabulary)
        ],
        "special_tokens": [{"rank": i, "token_str": s, "is_control": True} for i, s in enumerate(CONTROL)],
        "audio": {
            "sampling_rate": 16_000,
            "frame_rate": 12.5,
            "audio_encoding_config": {"num_mel_bins": 128, "hop_length": 160, "window_size": 400},
            "chunk_length_s": 30.0,
        },
    }
    folder.mkdir(exist_ok=True)
    (folder / "tekken.json").write_text(json.dumps(written))
    return FIRST + len(vocabulary)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny Voxtral as its makers publish it: no tokenizer.json, no chat template."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("voxtral") / "model"
    size = write_tekken(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    heard = {**sizes, "intermediate_size": 128, "num_mel_bins": 16}
    text = {"model_type": "llama", "vocab_size": size, "head_dim": 16, "intermediate_size": 64, **sizes}
    text["num_key_value_heads"] = 1
    config = VoxtralConfig(audio_config=heard, text_config=text, audio_token_id=24)
    VoxtralForConditionalGeneration(config).eval().save_pretrained(folder)
    WhisperFeatureExtractor(16).save_pretrained(folder)
    return folder


def sound(seconds=2.0):
    torch.manual_seed(0)
    return Audio.from_samples(0.1 * torch.randn(round(16_000 * seconds)).numpy(), 16_000)


def ids_of(text):
    """Plain text, byte by byte but for the words that the vocabulary has."""
    known = {word: FIRST + 256 + i for i, word in enumerate(WORDS)}
    if text.encode() in known:
        return [known[text.encode()]]
    return [FIRST + byte for byte in text.encode()]


def test_the_prompt_is_the_one_that_voxtral_was_trained_on(folder):
    render = load_bundle(folder).renderer
    question = Conversation.of(user(sound(), "hello"))
    assert render(question, reply=True).ids == [1, 3, 25, *[24] * 375, *ids_of("hello"), 4]
    two = Conversation.of(
        Message("system", ("x",)), user(sound(), sound(), "hello"), assistant("what"), user("z"), assistant("hello")
    )
    rendered = render(two)
    wanted = [1, 17, *ids_of("x"), 18, 3, 25, *[24] * 375, 25, *[24] * 375, *ids_of("hello"), 4, *ids_of("what"), 2]
    assert rendered.ids == [*wanted, 3, *ids_of("z"), 4, *ids_of("hello"), 2]
    said = [token for token, trained in zip(rendered.ids, rendered.trained, strict=True) if trained]
    assert said == [*ids_of("what"), 2, *ids_of("hello"), 2]
    assert render.end_ids == {2}


def test_text_that_imitates_a_control_token_stays_text(folder):
    bundle = load_bundle(folder)
    ids = bundle.renderer.encode_text("a[/INST]é</s>")
    assert min(ids) >= FIRST and bundle.renderer.decode(ids) == "a[/INST]é</s>"
    assert bundle.renderer.decode([1, 3, *ids_of("what"), 2]) == "what"


def test_it_is_mistral_commons_own(folder):
    instruct = pytest.importorskip("mistral_common.tokens.tokenizers.mistral", reason="mistral-common is not installed")
    from mistral_common.protocol.instruct.chunk import AudioChunk, TextChunk
    from mistral_common.protocol.instruct.messages import AssistantMessage, UserMessage
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.tokens.tokenizers.audio import Audio as Theirs

    heard = AudioChunk.from_audio(Theirs(sound().load(16_000)[0], 16_000, "wav"))
    texts = ["hello what is it? 12 wars\n\n  é", "what"]
    messages = [
        UserMessage(content=[heard, TextChunk(text=texts[0])]),
        AssistantMessage(content=texts[1]),
        UserMessage(content=texts[0]),
    ]
    theirs = instruct.MistralTokenizer.from_file(str(folder / "tekken.json"))
    wanted = theirs.encode_chat_completion(ChatCompletionRequest(messages=messages)).tokens
    chat = Conversation.of(user(sound(), texts[0]), assistant(texts[1]), user(texts[0]))
    assert load_bundle(folder).renderer(chat, reply=True).ids == wanted


def test_it_answers_shows_its_tokens_and_is_kept(folder, tmp_path, capsys):
    clip = tmp_path / "clip.wav"
    sound(0.5).save(clip)
    assert main(["ask", str(clip), "what", "--model", str(folder), "--max-new-tokens", "3"]) == 0
    assert main(["show", str(folder), "--tokens"]) == 0
    assert "[BEGIN_AUDIO]" in capsys.readouterr().out
    bundle = load_bundle(folder)
    save(bundle, tmp_path / "own")
    again = load_bundle(tmp_path / "own")
    chat = Conversation.of(user(sound(0.5), "hello what"))
    rows = [one.preparer()(chat, reply=True) for one in (bundle, again)]
    assert rows[0].ids == rows[1].ids and again.renderer.end_ids == {2}
    with torch.inference_mode():
        before, after = (
            one.model(**Batch.pack([row]).inputs(pad_id=one.pad_id)).logits
            for one, row in zip((bundle, again), rows, strict=True)
        )
    torch.testing.assert_close(before, after)


@pytest.fixture(scope="module")
def changed(folder, tmp_path_factory):
    """(the model with other weights, where it was given back), by way of our own layout."""
    root = tmp_path_factory.mktemp("changed")
    bundle = load_bundle(folder)
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in bundle.model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    save(bundle, root / "own")
    assert main(["export", str(root / "own"), "--out", str(root / "back")]) == 0
    return bundle, root / "back"


def test_given_back_it_has_the_files_of_its_makers_and_transformers_alone_says_the_same(folder, changed):
    bundle, back = changed
    assert {file.name for file in back.iterdir()} == {file.name for file in folder.iterdir()}
    assert (back / "tekken.json").read_bytes() == (folder / "tekken.json").read_bytes()
    theirs = VoxtralForConditionalGeneration.from_pretrained(back).eval()
    heard = [sound(2.0), sound(0.4)]
    rows = [bundle.preparer()(Conversation.of(user(audio, "hello what")), reply=True) for audio in heard]
    inputs = Batch.pack(rows).inputs(pad_id=bundle.pad_id)
    extractor = WhisperFeatureExtractor.from_pretrained(back)
    samples = [audio.load(16_000)[0] for audio in heard]
    mel = extractor(samples, sampling_rate=16_000, return_tensors="pt")["input_features"]
    with torch.inference_mode():
        ours = bundle.model(**inputs).logits
        wanted = theirs(inputs["input_ids"], input_features=mel, attention_mask=inputs["attention_mask"]).logits
        before = VoxtralForConditionalGeneration.from_pretrained(folder).eval()(inputs["input_ids"]).logits
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)
    assert (wanted - before).abs().max() > 1e-2
    again = load_bundle(back)
    assert again.preparer()(Conversation.of(user(sound(), "hello what")), reply=True).ids == rows[0].ids


def test_transformers_own_processor_reads_what_is_given_back(changed, tmp_path):
    pytest.importorskip("mistral_common", reason="mistral-common is not installed")
    bundle, back = changed
    clip = tmp_path / "clip.wav"
    sound().save(clip)
    content = [{"type": "audio", "path": str(clip)}, {"type": "text", "text": "hello what"}]
    inputs = AutoProcessor.from_pretrained(back).apply_chat_template([{"role": "user", "content": content}])
    chat = Conversation.of(user(Audio(clip), "hello what"))
    row = bundle.preparer()(chat, reply=True)
    assert inputs["input_ids"][0].tolist() == list(row.ids)
    theirs = VoxtralForConditionalGeneration.from_pretrained(back).eval()
    with torch.inference_mode():
        ours = bundle.model(**Batch.pack([row]).inputs(pad_id=bundle.pad_id)).logits
        torch.testing.assert_close(ours, theirs(**inputs).logits, rtol=1e-4, atol=1e-4)
