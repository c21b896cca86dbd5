"""Composing, answering, saving: one tiny random model, held to the promises."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    AutoModelForMultimodalLM,
    AutoProcessor,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperModel,
)

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, Sampling, assistant, user
from ossicle.encoders import Frames
from ossicle.models import Local, build, load, load_bundle, save
from ossicle.models.decoding import DecodeLoop
from ossicle.models.integrations import integrations
from ossicle.support.errors import DataError, ModelError, SpecError
from random_bundle import INTEGRATIONS, SPEC, random_bundle

GREEDY = Sampling(max_new_tokens=10)


def sound(seconds: float, seed: int = 0) -> Audio:
    x = np.random.default_rng(seed).standard_normal(round(seconds * 16_000)).astype(np.float32)
    return Audio.from_samples(x * 0.1, 16_000)


@pytest.fixture(scope="module", params=INTEGRATIONS)
def bundle(request):
    return random_bundle(**INTEGRATIONS[request.param])


@pytest.fixture(scope="module")
def chats():
    shared = sound(2.1, 3)
    return [
        Conversation.of(user(sound(1.03, 1), "What is this?")),
        Conversation.of(user(sound(3.7, 2), "Is a bell there?")),
        Conversation.of(user("No sound at all.")),
        Conversation.of(user(shared, " or ", sound(0.2, 4), "?"), assistant("One."), user(shared, "Why?")),
    ]


@pytest.fixture(scope="module")
def lm(bundle):
    return Local(bundle, "random")


def test_a_batch_replies_as_each_alone(lm, chats):
    together = [reply.text for reply in lm.generate(chats, GREEDY)]
    assert together == [lm.generate([chat], GREEDY)[0].text for chat in chats]
    assert len(set(together)) > 1


def test_streaming_says_what_generate_says(lm, chats):
    for chat in chats:
        pieces = list(lm.stream(chat, GREEDY))
        assert "".join(piece.text for piece in pieces).strip() == lm.generate([chat], GREEDY)[0].text
        assert pieces[-1].reply is not None


def test_logits_of_a_batch_equal_those_of_each_row(bundle, chats):
    prepare = bundle.preparer()
    rows = [prepare(chat, reply=True) for chat in chats]
    with torch.inference_mode():
        together = bundle.model(**Batch.pack(rows).inputs(pad_id=bundle.pad_id)).logits
        for index, row in enumerate(rows):
            alone = bundle.model(**Batch.pack([row]).inputs(pad_id=bundle.pad_id)).logits[0]
            torch.testing.assert_close(together[index, : len(row.ids)], alone, rtol=1e-4, atol=1e-4)


def test_every_way_in_is_held_to_what_follows():
    assert sorted(INTEGRATIONS) == integrations.names()


def test_left_and_right_padding_give_the_same_logits(bundle, chats):
    prepare = bundle.preparer()
    batch = Batch.pack([prepare(chat, reply=True) for chat in chats])
    found = []
    for side in ("left", "right"):
        inputs = batch.inputs(pad_id=bundle.pad_id, side=side)
        positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            logits = bundle.model(**inputs, position_ids=positions).logits
        found.append(logits[inputs["attention_mask"].bool()])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


def test_a_batch_padded_on_the_left_is_generated_by_transformers_as_each_alone(lm, bundle, chats):
    inputs = Batch.pack([bundle.preparer()(chat, reply=True) for chat in chats]).inputs(
        pad_id=bundle.pad_id, side="left"
    )
    ends, length = list(bundle.renderer.end_ids), inputs["input_ids"].shape[1]
    out = bundle.model.generate(
        **inputs, max_new_tokens=10, do_sample=False, eos_token_id=ends, pad_token_id=bundle.pad_id
    )
    for row, reply in zip(out[:, length:].tolist(), lm.generate(chats, GREEDY), strict=True):
        said = row[: next((at for at, one in enumerate(row) if one in ends), len(row))]
        assert bundle.renderer.decode(said).strip() == reply.text


def test_what_is_learnt_is_what_is_read_when_asked(bundle):
    """The prefill of a prompt, then its reply token by token, against the whole row at once."""
    row = bundle.preparer()(Conversation.of(user(sound(1.0), "Is it a dog?"), assistant("No, it is a bell.")))
    start = row.trained.index(True)
    inputs = Batch.pack([row]).inputs(pad_id=bundle.pad_id)
    ids = inputs.pop("input_ids")
    del inputs["attention_mask"]
    with torch.inference_mode():
        whole = bundle.model(input_ids=ids, **inputs).logits[0]
        out = bundle.model(input_ids=ids[:, :start], **inputs, use_cache=True)
        found = [out.logits[0]]
        for at in range(start, ids.shape[1]):
            out = bundle.model(input_ids=ids[:, at : at + 1], past_key_values=out.past_key_values, use_cache=True)
            found.append(out.logits[0])
    torch.testing.assert_close(torch.cat(found), whole, rtol=1e-4, atol=1e-4)


def test_the_cache_changes_nothing(lm, bundle, chats):
    text = lm.generate(chats[:1], GREEDY)[0].text
    row = bundle.preparer()(chats[0], reply=True)
    ids = list(row.ids)
    for _ in range(GREEDY.max_new_tokens):
        inputs = Batch.pack([row]).inputs(pad_id=bundle.pad_id)
        inputs["input_ids"] = torch.tensor([ids])
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.inference_mode():
            ids.append(int(bundle.model(**inputs, use_cache=False).logits[0, -1].argmax()))
        if ids[-1] in bundle.renderer.end_ids:
            break
    said = [i for i in ids[len(row.ids) :] if i not in bundle.renderer.end_ids]
    assert bundle.renderer.decode(said).strip() == text


def test_requests_join_and_leave_between_tokens(lm, bundle, chats):
    alone = [lm.generate([chat], GREEDY)[0].text for chat in chats]
    loop = DecodeLoop(bundle)
    prepare = bundle.preparer()
    first = loop.add(prepare(chats[0], reply=True), GREEDY)
    gone = loop.add(prepare(chats[1], reply=True), GREEDY)
    loop.step()
    late = loop.add(prepare(chats[3], reply=True), GREEDY)
    loop.step()
    loop.cancel(gone)
    while loop.busy:
        loop.step()
    assert bundle.renderer.decode(first.ids).strip() == alone[0]
    assert bundle.renderer.decode(late.ids).strip() == alone[3]
    assert gone.finish_reason == "cancelled"
    assert len(gone.ids) < GREEDY.max_new_tokens


def test_a_seeded_draw_does_not_depend_on_its_neighbours(lm, chats):
    warm = Sampling(max_new_tokens=10, temperature=1.5, top_p=0.9, seed=7)
    together = [reply.text for reply in lm.generate(chats, warm)]
    assert together == [lm.generate([chat], warm)[0].text for chat in chats]


def test_scores_prefer_what_the_model_says(lm, chats):
    said = lm.generate(chats[:1], Sampling(max_new_tokens=3))[0].text
    (scores,) = lm.score(chats[:1], [[said, "Zebra xylophone quartz"]])
    assert scores[0] > scores[1]


def test_usage_counts_what_reached_the_model(lm):
    reply = lm.generate([Conversation.of(user(sound(1.0), sound(2.0), "?"))], GREEDY)[0]
    codes = lm.bundle.model.config.integration == "codes"
    assert reply.audio_tokens == ((26, 50) if codes else (7, 13))
    assert reply.usage.audio_tokens == sum(reply.audio_tokens)
    assert reply.usage.audio_s == pytest.approx(3.0)


def test_a_long_recording_is_asked_stretch_by_stretch(lm):
    reply = lm.ask(sound(9.5), "What is this?", max_new_tokens=5)
    assert [s["start_s"] for s in reply.fields["stretches"]] == pytest.approx([0, 9.5 / 3, 19 / 3])
    assert reply.fields["stretches"][-1]["end_s"] == 9.5
    assert reply.usage.audio_s == pytest.approx(9.5)
    assert (
        "".join(d.text for d in lm.stream(Conversation.of(user(sound(9.5), "What is this?")), Sampling(5)))
        == reply.text
    )


def test_a_long_recording_can_be_refused(bundle):
    from ossicle.support.errors import AudioError

    with pytest.raises(AudioError, match="longer than the 4 s"):
        Local(bundle, "strict", long_audio="error").ask(sound(5.0), "?")


def test_a_long_recording_can_be_cut_and_the_beginning_is_heard_whole(bundle):
    reply = Local(bundle, "brief", long_audio="truncate").ask(sound(9.0), "?", max_new_tokens=3)
    assert reply.usage.audio_s == pytest.approx(4.0)
    assert reply.text.startswith("[0:00-0:04]")


def test_a_long_recording_can_be_heard_whole(bundle):
    """One prompt with the tokens of every window, and one answer; what learnt to hear so long does so unasked."""
    chat = Conversation.of(user(sound(9.5), "What is this?"))
    whole = Local(bundle, "whole", long_audio="whole")
    reply = whole.generate([chat], Sampling(5))[0]
    assert reply.audio_tokens == whole.prepare(chat, reply=True).audio_tokens
    assert reply.usage.audio_s == pytest.approx(9.5)
    assert "stretches" not in reply.fields
    assert "".join(delta.text for delta in whole.stream(chat, Sampling(5))) == reply.text
    learnt = replace(bundle, model=copy.deepcopy(bundle.model))
    learnt.model.config.hears_s = 10.0
    assert Local(learnt, "learnt").generate([chat], Sampling(5))[0] == reply
    assert len(Local(learnt, "learnt").ask(sound(11.0), "?", max_new_tokens=2).fields["stretches"]) == 2


def test_more_than_the_language_model_reads_is_refused_and_a_full_context_ends_the_reply(bundle):
    lm = Local(bundle, "whole", long_audio="whole")
    chat = Conversation.of(user(sound(9.5), "What is this?"))
    num_tokens = len(lm.prepare(chat, reply=True).ids)
    short = replace(bundle, model=copy.deepcopy(bundle.model))
    short.model.config.text_config.max_position_embeddings = num_tokens
    with pytest.raises(ModelError, match=rf"{num_tokens:,} tokens, \d+ of them for 9.5 s of sound.* {num_tokens:,} "):
        Local(short, "short", long_audio="whole").generate([chat])
    with pytest.raises(ModelError, match="shorter recordings"):
        Local(short, "short", long_audio="whole").score([chat], [["yes"]])
    short.model.config.text_config.max_position_embeddings = num_tokens + 2
    reply = Local(short, "short", long_audio="whole").generate([chat], Sampling(max_new_tokens=9))[0]
    assert reply.usage.completion_tokens == 2 and reply.finish_reason == "length"


def test_saved_and_loaded_it_is_the_same(bundle, lm, chats, tmp_path):
    save(bundle, tmp_path / "m", files={"recipe.yaml": "name: x\n"})
    again = load(str(tmp_path / "m"))
    assert [r.text for r in again.generate(chats, GREEDY)] == [r.text for r in lm.generate(chats, GREEDY)]
    assert (tmp_path / "m" / "recipe.yaml").read_text() == "name: x\n"


def test_transformers_alone_says_the_same(bundle, lm, tmp_path):
    save(bundle, tmp_path / "m")
    model = AutoModelForMultimodalLM.from_pretrained(tmp_path / "m").eval()
    processor = AutoProcessor.from_pretrained(tmp_path / "m")
    audio, rate = sound(1.37), bundle.model.model.audio_tower.sample_rate
    content = [{"type": "audio", "audio": audio.load(rate)[0]}, {"type": "text", "text": "What is this?"}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"audio_kwargs": {"sampling_rate": rate}},
    )
    row = bundle.preparer()(Conversation.of(user(audio, "What is this?")), reply=True)
    assert inputs["input_ids"][0].tolist() == list(row.ids)
    out = model.generate(**inputs, max_new_tokens=10, do_sample=False)[0, len(row.ids) :]
    said = [i for i in out.tolist() if i not in bundle.renderer.end_ids]
    assert bundle.renderer.decode(said).strip() == lm.ask(audio, "What is this?", max_new_tokens=10).text


def test_gradients_reach_all_parts(bundle):
    row = bundle.preparer()(Conversation.of(user(sound(1.0), "?"), assistant("A dog.")))
    inputs = Batch.pack([row]).inputs(pad_id=bundle.pad_id)
    labels = inputs["input_ids"].masked_fill(~Batch.pack([row]).trained_mask(), -100)
    bundle.model.zero_grad()
    bundle.model(**inputs, labels=labels).loss.backward()
    for name, part in bundle.model.parts().items():
        if name == "encoder" and bundle.model.model.audio_tower.codebooks:
            continue  # no gradient passes a code
        assert all(p.grad is not None for p in part.parameters()), name


def test_a_window_shared_by_rows_is_encoded_once(bundle):
    audio = sound(1.0)
    prepare = bundle.preparer()
    batch = Batch.pack([prepare(Conversation.of(user(audio, text), assistant("x"))) for text in "abc"])
    assert len(batch.windows) == 1
    assert batch.window_of_slot == (0, 0, 0)


def test_a_wrong_count_of_audio_tokens_is_refused(bundle):
    inputs = Batch.pack([bundle.preparer()(Conversation.of(user(sound(1.0), "?")))]).inputs(pad_id=bundle.pad_id)
    inputs["input_ids"] = inputs["input_ids"][:, 2:]
    inputs["attention_mask"] = inputs["attention_mask"][:, 2:]
    with pytest.raises(DataError, match=r"room for|names 0 recordings"):
        bundle.model(**inputs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoder": {"type": "melnett"}}, "Did you mean 'melnet'"),
        ({"encoder": {"type": "melnet", "layer": 2}}, "layers"),
        ({"projector": {"type": "mlp", "dim_out": 8}}, "dim_out"),
        ({"language_model": {"type": "qwenn3"}}, "'qwenn3' is not a transformers model type; did you mean 'qwen3'"),
        (
            {"language_model": {"type": "qwen3", "hiden_size": 3}},
            "unknown key 'hiden_size' for a language model of type qwen3; did you mean 'hidden_size'",
        ),
        ({"language_model": {"type": "gpt2", "n_embed": 3}}, "of type gpt2; did you mean 'n_embd'"),
        (
            {"language_model": {"type": "qwen3", "vocab_size": 9}},
            r"vocab_size is .* model\.tokenizer\.vocab_size; leave",
        ),
        ({"language_model": {"type": "qwen3", "hidden_size": "32"}}, r"\(qwen3\) .*: Field 'hidden_size' expected int"),
        ({"language_model": {"type": "qwen3", "init": "zeros"}}, "init is 'zeros'; it may be 'mimetic' or left out"),
        ({"language_model": {"hidden_size": 3}}, "needs an id"),
        ({"language_model": {"id": "x", "hidden_size": 3}}, "takes its id and nothing else; leave out hidden_size"),
        ({"language_model": {"id": "/no/such/folder"}}, "/no/such/folder"),
    ],
)
def test_a_spec_that_cannot_be_built_says_why(change, words):
    from ossicle.support.errors import OssicleError

    with pytest.raises(OssicleError, match=words):
        build({**SPEC, **change}, ["text"] * 20)


@pytest.mark.parametrize(
    "sizes",
    [
        {"type": "gpt2", "hidden_size": 16, "n_layer": 1, "n_head": 2, "n_positions": 64},
        {"type": "llama", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "num_key_value_heads": 1, "rope_theta": 5e5},
    ],
    ids=lambda sizes: sizes["type"],
)  # fmt: skip
def test_every_name_that_transformers_reads_is_taken(sizes):
    text = build({**SPEC, "language_model": sizes}, ["text"] * 20).model.config.text_config
    assert text.hidden_size == 16 and getattr(text, "rope_parameters", {"rope_theta": 5e5})["rope_theta"] == 5e5


def test_unknown_models_and_broken_folders_are_named(tmp_path):
    with pytest.raises(ModelError, match="no model 'tinny'"):
        load("tinny")
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(ModelError, match="Ossicle reads those it made"):
        load_bundle(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "ossicle"}')
    with pytest.raises(ModelError, match="incomplete"):
        load_bundle(tmp_path)
    with pytest.raises(ModelError, match="device"):
        load("tiny", device="cuda:99")


def test_an_integration_that_is_not_there_is_refused():
    with pytest.raises(SpecError, match="prompt"):
        build({**SPEC, "integration": "telepathy"}, ["text"] * 20)


@pytest.fixture(scope="module")
def published(tmp_path_factory, bundle):
    """A language model and a Whisper as their makers publish them, of random weights."""
    folder = tmp_path_factory.mktemp("published")
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = LlamaForCausalLM(LlamaConfig(vocab_size=60, num_key_value_heads=1, tie_word_embeddings=False, **sizes))
    text.save_pretrained(folder / "text")
    words = Tokenizer(
        WordLevel({word: i for i, word in enumerate(["[UNK]", "[END]", "What", "is", "this", "?"])}, unk_token="[UNK]")
    )
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", eos_token="[END]")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}{% endif %}"
    )
    tokenizer.save_pretrained(folder / "text")
    heard = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    unused = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32}
    ids = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
    whisper = WhisperModel(WhisperConfig(**heard, **unused, num_mel_bins=80, vocab_size=60, **dict.fromkeys(ids, 0)))
    whisper.save_pretrained(folder / "whisper")
    return folder, text, whisper


def test_a_published_encoder_and_language_model_are_composed_and_saved(published, tmp_path):
    folder, text, whisper = published
    spec = {"encoder": {"type": "whisper", "id": str(folder / "whisper")}, "projector": {"type": "mlp", "stride": 4}}
    bundle = build({**spec, "language_model": {"id": str(folder / "text")}})
    ids = bundle.renderer.encode_text("What is this ?")
    assert ids == [2, 3, 4, 5]
    with torch.inference_mode():
        logits = bundle.model.eval()(input_ids=torch.tensor([ids])).logits
        torch.testing.assert_close(logits[..., :60], text.eval()(torch.tensor([ids])).logits)
    for name, weight in whisper.encoder.state_dict().items():
        assert torch.equal(weight, bundle.model.model.audio_tower.encoder.state_dict()[name])
    chat = Conversation.of(user(sound(1.0), "What is this ?"))
    said = Local(bundle, "composed").generate([chat], GREEDY)[0]
    save(bundle, tmp_path / "model")
    again = Local(load_bundle(tmp_path / "model"), "composed").generate([chat], GREEDY)[0]
    assert (again.text, again.audio_tokens) == (said.text, said.audio_tokens) == (said.text, (13,))


def test_a_clock_tells_equal_sounds_apart_by_when_they_are():
    """Without it, the language model alone counts positions; with it, each token has its place in its window."""
    plain, timed = random_bundle(), random_bundle(clock=True)
    clock, projector = timed.model.model.clock, timed.model.model.multi_modal_projector
    assert plain.model.state_dict().keys() == timed.model.state_dict().keys() - {"model.clock.share"}
    still = Frames(torch.randn(1, 1, 32).expand(2, 40, 32), torch.tensor([40, 7]))
    moved = clock(still).x_BFD
    away = (moved - still.x_BFD).norm(dim=-1)
    torch.testing.assert_close(away, 0.5 * still.x_BFD.norm(dim=-1))
    assert torch.cdist(moved[0], moved[0])[~torch.eye(40, dtype=torch.bool)].min() > 0.1
    torch.testing.assert_close(moved[1, :7], clock(Frames(still.x_BFD[1:, :7], torch.tensor([7]))).x_BFD[0])
    assert any(clock.share is p for p in timed.model.parts()["projector"].parameters())
    assert len(list(projector.parameters())) + 1 == len(list(timed.model.parts()["projector"].parameters()))


def test_heads_that_look_for_what_is_like_themselves():
    plain, alike = (
        random_bundle(language_model={**SPEC["language_model"], **more}) for more in ({}, {"init": "mimetic"})
    )
    layers = (bundle.model.model.language_model.layers for bundle in (plain, alike))
    for before, after in zip(*layers, strict=True):
        one, other = after.self_attn.q_proj.weight.unflatten(0, (2, 16))
        assert torch.equal(other, after.self_attn.k_proj.weight)
        assert torch.equal(one, before.self_attn.q_proj.weight[:16])
    with pytest.raises(SpecError, match="phi3 has no q_proj"):
        random_bundle(language_model={**SPEC["language_model"], "type": "phi3", "init": "mimetic"})
    with pytest.raises(SpecError, match="'mimetik'"):
        random_bundle(language_model={**SPEC["language_model"], "init": "mimetik"})
