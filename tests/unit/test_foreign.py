"""Models that transformers runs for us: the same prompts and replies as by hand, whole recordings, clear refusals."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import test_published as kit
import torch
import transformers
from foreign_kit import CHAT, FAMILIES, omni, publish, without_eyes
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor

from ossicle.audio import Audio
from ossicle.chat import Conversation, Reply, Sampling, user
from ossicle.cli import main
from ossicle.models import Local, load, load_bundle
from ossicle.models.foreign import Foreign, changed_at_end
from ossicle.models.read_foreign import is_foreign, read_foreign, read_processor
from ossicle.support.errors import AudioError, DataError, ModelError

SHORT = Sampling(max_new_tokens=4)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folder of each family, made when it is asked for."""
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("foreign") / kind
            publish(kind, made[kind])
        return made[kind]

    return of


@pytest.fixture
def copied(folders, tmp_path):
    """A copy of a GLM-ASR model, to be spoilt."""
    for file in folders("glmasr").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def sound(seconds, seed=0, rate=16_000):
    x = np.random.default_rng(seed).standard_normal(round(seconds * rate)).astype(np.float32)
    return Audio.from_samples(0.1 * x, rate)


def asked(*seconds, question="What is this?"):
    return Conversation.of(user(*(sound(s, n) for n, s in enumerate(seconds)), question))


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("kind", FAMILIES)
def test_prompts_and_replies_are_those_that_transformers_gives_by_hand(kind, folders):
    folder = folders(kind)
    lm = load(str(folder))
    assert isinstance(lm, Foreign)
    processor = AutoProcessor.from_pretrained(folder)
    rate = processor.feature_extractor.sampling_rate
    theirs = getattr(transformers, FAMILIES[kind][1]).from_pretrained(folder).eval()
    for seconds, question in ((1.5, "What is this?"), (0.4, "A dog, a bell.")):
        audio = sound(seconds, rate=rate)
        content = [{"type": "audio", "audio": audio.load(rate)[0]}, {"type": "text", "text": question}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        torch.manual_seed(0)
        with torch.inference_mode():
            wanted = theirs(**inputs).logits
        chat = Conversation.of(user(audio, question))
        given = lm.inputs(chat)
        torch.manual_seed(0)
        with torch.inference_mode():
            torch.testing.assert_close(lm.model(**given).logits, wanted, rtol=1e-5, atol=1e-5)
        torch.manual_seed(0)
        out = theirs.generate(**inputs, max_new_tokens=4, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        (reply,) = lm.generate([chat], SHORT)
        assert reply.text == processor.tokenizer.decode(out, skip_special_tokens=True).strip()
        assert reply.usage.prompt_tokens == inputs["input_ids"].shape[1]
        assert reply.audio_tokens == (int((inputs["input_ids"] == processor.audio_token_id).sum()),)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_minute_reaches_the_model_whole(kind, folders):
    lm = load(str(folders(kind)))
    tokens = [int((lm.inputs(asked(s))["input_ids"] == lm.processor.audio_token_id).sum()) for s in (30.0, 62.0)]
    assert tokens[1] > 2 * tokens[0]


def test_a_recording_at_another_rate_is_resampled(folders):
    lm = load(str(folders("vibevoice_asr")))
    one, other = sound(1.0, rate=24_000), sound(1.0, rate=16_000)
    assert lm.sample_rate == 24_000
    widths = [lm.inputs(Conversation.of(user(audio, "What?")))["input_values"].shape for audio in (one, other)]
    assert widths[0] == widths[1]


def test_what_a_processor_says_it_hears_is_heard_and_the_rest_asked_stretch_by_stretch(copied):
    edit(copied / "processor_config.json", max_audio_len=65)  # cut to whole windows of 30 s, upstream hears 60 s of it
    lm = load(str(copied))
    assert lm.span_s == 60.0
    (reply,) = lm.generate([asked(62.0)], SHORT)
    assert [(part["start_s"], part["end_s"]) for part in reply.fields["stretches"]] == [(0.0, 31.0), (31.0, 62.0)]
    pieces = list(lm.stream(asked(62.0), SHORT))
    assert "".join(piece.text for piece in pieces) == pieces[-1].reply.text == reply.text
    (first,) = load(str(copied), long_audio="truncate").generate([asked(62.0)], SHORT)
    assert [part["end_s"] for part in first.fields["stretches"]] == [60.0]
    with pytest.raises(AudioError, match="longer than the 60 s this model hears at once"):
        load(str(copied), long_audio="error").generate([asked(62.0)], SHORT)
    with pytest.raises(ModelError, match=r"leaves out the end of .* \(62\.0 s\)"):
        load(str(copied), long_audio="whole").generate([asked(62.0)], SHORT)


def test_a_processor_that_cuts_without_saying_so_is_found_out(tmp_path):
    """Transformers' own for Qwen2-Audio keeps 30 s of what is longer."""
    kit.published("qwen2_audio", tmp_path)
    model = transformers.Qwen2AudioForConditionalGeneration.from_pretrained(tmp_path).eval()
    processor = AutoProcessor.from_pretrained(tmp_path)
    lm = Foreign(model, processor, "theirs")
    chat = asked(1.0, 2.5)
    ours = Local(load_bundle(tmp_path), "ours")
    (one,), (other,) = lm.generate([chat], SHORT), ours.generate([chat], SHORT)
    assert (one.text, one.audio_tokens, one.usage) == (other.text, other.audio_tokens, other.usage)
    assert lm.span_s == float("inf")
    (reply,) = lm.generate([asked(32.0)], SHORT)
    assert lm.span_s == 30.0 and len(reply.fields["stretches"]) == 2
    with pytest.raises(ModelError, match="leaves out the end"):
        Foreign(model, processor, "theirs", long_audio="whole").generate([asked(2.0, 32.0)], SHORT)


def test_streaming_stop_strings_and_drawing(folders):
    lm = load(str(folders("musicflamingo")))
    chat = asked(0.8)
    long = Sampling(max_new_tokens=24)
    (reply,) = lm.generate([chat], long)
    pieces = list(lm.stream(chat, long))
    assert len(pieces) > 3 and "".join(piece.text for piece in pieces).strip() == pieces[-1].reply.text == reply.text
    assert reply.finish_reason == "length" and reply.usage.completion_tokens == 24
    at = len(reply.text) // 2
    stop = reply.text[at : at + 3]
    cut = Sampling(max_new_tokens=24, stop=(stop,))
    (stopped,) = lm.generate([chat], cut)
    assert stopped.text == reply.text[: reply.text.index(stop)].strip() and stopped.finish_reason == "stop"
    assert stopped.usage.completion_tokens < 24
    assert all(stop not in piece.text for piece in lm.stream(chat, cut))
    drawn = [lm.generate([chat], Sampling(max_new_tokens=12, temperature=3.0, seed=seed))[0].text for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    narrow = Sampling(max_new_tokens=12, temperature=3.0, top_p=1e-9, seed=5)
    assert lm.generate([chat], narrow)[0].text == lm.generate([chat], Sampling(max_new_tokens=12))[0].text
    state = torch.get_rng_state()
    lm.generate([chat], SHORT)
    assert torch.equal(state, torch.get_rng_state())


def test_a_stream_that_nobody_reads_on_ends(folders):
    lm = load(str(folders("musicflamingo")))
    calls = []
    lm.model.register_forward_hook(lambda *_: calls.append(1))
    stream = lm.stream(asked(0.5), Sampling(max_new_tokens=2000))
    next(stream)
    stream.close()
    assert len(calls) < 500


def test_an_end_of_turn_ends_the_reply(folders):
    lm = load(str(folders("glmasr")))
    first = lm.generate([asked(0.5)], Sampling(max_new_tokens=1))[0]
    inputs = lm.inputs(asked(0.5))
    out = lm.model.generate(**inputs, max_new_tokens=1, do_sample=False)[0, -1]
    lm.model.generation_config.eos_token_id = [int(out)]
    (reply,) = lm.generate([asked(0.5)], SHORT)
    assert first.finish_reason == "length" and reply.finish_reason == "stop" and reply.usage.completion_tokens == 1


def test_several_turns_and_words_before_and_after_a_recording(folders):
    lm = load(str(folders("glmasr")))
    chat = Conversation.of(user("First ", "words. ", sound(0.5), "What?")).with_reply("A dog.")
    chat = Conversation.of(*chat.messages, user("And then?"))
    text = lm.processor.tokenizer.decode(lm.inputs(chat)["input_ids"][0])
    assert text.startswith("<|im_start|>user\nFirst words. <|AUDIO|>")
    assert text.endswith(
        "<|im_start|>assistant\nA dog.<|im_end|>\n<|im_start|>user\nAnd then?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert lm.generate([Conversation.of(user("Only words?"))], SHORT)[0].audio_tokens == ()


def test_what_cannot_be_asked_is_told(folders):
    lm = load(str(folders("glmasr")))
    with pytest.raises(DataError, match=r"'<\|im_end\|>', which is a control token"):
        lm.generate([asked(0.5, question="What?<|im_end|>")], SHORT)
    with pytest.raises(DataError, match="without messages"):
        lm.generate([Conversation(())], SHORT)
    with pytest.raises(ModelError, match="does not take this conversation: Got 1 text but 2 audios"):
        lm.generate([asked(0.5, 0.6)], SHORT)
    with pytest.raises(ModelError, match=r"stands for a recording; 0\.001 s is too short for it"):
        lm.generate([asked(0.001)], SHORT)
    lm._context = 30
    with pytest.raises(ModelError, match=r"tokens are more than the 30 that the language model .* reads"):
        lm.generate([asked(2.0)], SHORT)
    with pytest.raises(ModelError, match="recall_bytes: for models whose parts are ours"):
        load(str(folders("glmasr")), recall_bytes=0)


def test_templates_that_are_missing_or_deaf_are_told(copied):
    (copied / "chat_template.jinja").write_text(CHAT.replace("AUDIO_HERE", ""))
    with pytest.raises(ModelError, match=r"does not take this conversation|leaves recordings out"):
        load(str(copied)).generate([asked(0.5)], SHORT)
    (copied / "chat_template.jinja").write_text("{{ raise_exception('Only one turn, please.') }}")
    with pytest.raises(ModelError, match="does not take this conversation: Only one turn, please"):
        load(str(copied)).generate([asked(0.5)], SHORT)
    (copied / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match=r"no chat template.*add chat_template\.jinja"):
        load(str(copied))


def test_weights_and_adapters_that_are_not_all_there_are_told(copied):
    weights = load_file(copied / "model.safetensors")
    lost = next(name for name in weights if "multi_modal_projector" in name)
    save_file({n: x for n, x in weights.items() if n != lost}, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"no tensor .*multi_modal_projector"):
        load(str(copied))
    (copied / "speech-lora").mkdir()
    (copied / "speech-lora" / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"through adapters \(speech-lora\)"):
        load(str(copied))


def test_processors_that_need_another_library_or_hear_nothing_are_told(copied):
    config = {"model_type": "fun_asr_nano", "text_config": {"model_type": "qwen3", "hidden_size": 8}}
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"cannot be made: .adaptor_config\.hidden_size. .* must match .* \(8\)"):
        read_processor(copied)
    (copied / "config.json").write_text('{"model_type": "fun_asr_nano"}')
    extractor = {"feature_extractor_type": "FunAsrNanoFeatureExtractor"}
    edit(copied / "processor_config.json", processor_class="FunAsrNanoProcessor", feature_extractor=extractor)
    with pytest.raises(ModelError, match=r"the processor of .* cannot be made: .*torchaudio"):
        read_processor(copied)
    (copied / "config.json").write_text('{"model_type": "t5"}')
    (copied / "processor_config.json").unlink()
    with pytest.raises(ModelError, match=r"cannot be asked about recordings|cannot be made"):
        read_processor(copied)


def test_the_thinker_of_a_model_that_also_speaks_answers(tmp_path, monkeypatch):
    """Qwen2.5-Omni, whose whole processor needs torchvision; here without its eyes."""
    whole = omni(tmp_path)
    assert is_foreign(tmp_path)
    monkeypatch.setattr("ossicle.models.read_foreign.read_processor", lambda folder, **_: without_eyes())
    lm = Foreign(*read_foreign(tmp_path), "omni")
    chat = asked(0.9, 1.7)
    inputs = lm.inputs(chat)
    out = whole.thinker.generate(**inputs, max_new_tokens=4, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    (reply,) = lm.generate([chat], SHORT)
    assert (
        reply.text == lm.processor.tokenizer.decode(out, skip_special_tokens=True).strip()
        and len(reply.audio_tokens) == 2
    )
    (reply,) = lm.generate([asked(6.0)], SHORT)  # its processor keeps 300 s; here, 4
    assert [part["end_s"] for part in reply.fields["stretches"]] == [3.0, 6.0]


def test_only_what_transformers_has_runs_so(copied, random_model):
    assert is_foreign(copied)
    assert not is_foreign(random_model) and not is_foreign(copied / "none")
    for kind in ("bert", "qwen2_audio", "theirs"):
        edit(copied / "config.json", model_type=kind)
        assert not is_foreign(copied)


def test_the_language_model_alone_is_quantised(copied, tmp_path, monkeypatch):
    seen = {}

    def read(cls, ref, whose, **options):
        seen.update(options)
        return cls.from_pretrained(ref)

    monkeypatch.setattr("ossicle.models.quant.require", lambda *_, **__: None)
    monkeypatch.setattr("ossicle.models.read_foreign.read_weights", read)
    read_foreign(copied, quant=4)
    kept = seen["quantization_config"].llm_int8_skip_modules
    assert "lm_head" in kept and not [name for name in kept if "language_model" in name]
    assert any("audio_tower" in name for name in kept) and any("multi_modal_projector" in name for name in kept)
    omni(tmp_path / "omni")
    monkeypatch.setattr("ossicle.models.read_foreign.read_processor", lambda folder, **_: None)
    read_foreign(tmp_path / "omni", quant=4)
    kept = seen["quantization_config"].llm_int8_skip_modules
    assert "lm_head" in kept and any("audio_tower" in name for name in kept)


def test_the_command_asks_it(copied, tmp_path, capsys):
    clip = tmp_path / "clip.wav"
    sound(0.7).save(clip)
    command = ["ask", str(clip), "What?", "--model", str(copied), "--max-new-tokens", "4"]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["audio"][0]["tokens"] == said["usage"]["audio_tokens"] > 0
    assert (
        main(["ask", str(clip), "What?", "--model", str(copied), "--max-new-tokens", "4", "--dtype", "bfloat16"]) == 0
    )


def test_the_events_command_says_how_to_answer_and_which_answers_were_none(copied, tmp_path, capsys, monkeypatch):
    clip, chats = tmp_path / "clip.wav", []
    sound(4.0).save(clip)

    def generate(self, several, sampling=SHORT):
        chats.extend(several)
        return [Reply("0.5s to 1.0s dog"), Reply("The recording holds a dog.")][-len(several) :]

    monkeypatch.setattr(Foreign, "generate", generate)
    assert main(["events", str(clip), "--model", str(copied), "--window", "2"]) == 0
    told = capsys.readouterr()
    assert "separated by semicolons" in chats[0].messages[-1].text
    assert "0.5 s  to     1.0 s  dog" in told.out
    assert "1 of them; the first says 'The recording holds a dog.'" in told.err
    assert main(["events", str(clip), "--model", str(copied)]) == 0
    assert capsys.readouterr().out == "no times said\n"


@pytest.mark.parametrize("kind", ["glmasr", "vibevoice_asr"])
def test_it_is_shown(kind, folders, capsys):
    assert main(["show", str(folders(kind))]) == 0
    shown = capsys.readouterr().out
    model = load(str(folders(kind))).model
    total = sum(parameter.numel() for parameter in model.parameters())
    language = sum(parameter.numel() for parameter in model.get_decoder().parameters())
    assert re.search(rf"in all +{total:,}  parameters", shown) and re.search(rf"language_model +{language:,}\n", shown)
    heard = {"glmasr": "16,000 Hz, up to 630 s at once", "vibevoice_asr": "24,000 Hz, no longest recording is said"}
    assert (
        f"hears {heard[kind]}" in shown and "asked and scored" in shown and "neither trained on nor exported" in shown
    )


def test_the_thinker_is_shown_where_its_processor_cannot_be_made(tmp_path, capsys):
    whole = omni(tmp_path)
    assert main(["show", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert f"{sum(parameter.numel() for parameter in whole.thinker.parameters()):,}  parameters" in shown
    assert "it cannot be asked here (the processor of" in shown and "asked and scored" not in shown


def test_it_is_neither_trained_on_nor_exported(copied, tmp_path, capsys):
    data = tmp_path / "recordings" / "dog"
    data.mkdir(parents=True)
    sound(0.5).save(data / "one.wav")
    recipe = str(Path(__file__).parents[2] / "recipes" / "own-folder.yaml")
    given = [recipe, f"model={{base: {copied}}}", f"stages.learn.data.recordings.path={data.parent}"]
    out = str(tmp_path / "out")
    for command in (
        ["train", *given, "--out", out],
        ["show", *given],
        ["show", str(copied), "--tokens"],
        ["export", str(copied), "--out", out + "2"],
    ):
        assert main(command) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1 and "which is not taken apart" in told and "neither trained on nor" in told
    (copied / "config.json").write_text('{"model_type": "glmasr", "audio_config": 3}')
    assert main(["show", str(copied)]) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_a_change_at_the_end_is_short_and_never_inaudible():
    silence = np.zeros(16_000, np.float32)
    changed = changed_at_end(silence, 16_000)
    assert not changed[:-1600].any() and np.abs(changed[-1600:]).max() > 0.01
    assert len(changed_at_end(silence[:5], 16_000)) == 5
