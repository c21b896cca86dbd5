"""Forty tokens of the question follow those of a recording, made by a frozen text encoder and a mapper that learns."""

import copy
import shutil

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    CLIPTextModel,
    GPT2Config,
    PreTrainedTokenizerFast,
    T5Config,
)

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, assistant, user
from ossicle.models import build, load_bundle
from ossicle.models.build import save
from ossicle.models.integrations import Heard, integrations
from ossicle.models.integrations.question_prefix import TOKENS
from ossicle.support.errors import DataError, ModelError, SpecError
from random_bundle import INTEGRATIONS, SPEC, random_bundle

SMALL = INTEGRATIONS["question_prefix"]["integration"]
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
MAPPER = {"layers": 1, "heads": 2, "hidden": 16}
TEXTS = ["What is this? Is it a dog, a bell, a knock? How many times?"] * 20


def sound(seconds, seed=0):
    torch.manual_seed(seed)
    return Audio.from_samples(0.1 * torch.randn(round(16_000 * seconds)).numpy(), 16_000)


@pytest.fixture(scope="module")
def bundle():
    return random_bundle(integration=SMALL)


def heard_as(bundle, *messages):
    """The embeddings in the places of each recording, as the language model is given them, and its tokens before."""
    row = bundle.preparer()(Conversation.of(*messages), reply=messages[-1].role == "user")
    inputs = Batch.pack([row]).inputs(pad_id=bundle.pad_id)
    model = bundle.model.model
    with torch.inference_mode():
        heard = Heard(
            model.encode(inputs["input_features"], inputs["feature_lengths"]),
            *(inputs[name] for name in ("audio_windows", "audio_recordings", "audio_runs")),
        )
        joined = model.join(inputs["input_ids"], heard)["inputs_embeds"]
    places_KD = joined[inputs["input_ids"] == model.config.audio_token_id]
    return places_KD.split([count + TOKENS for count in row.audio_tokens]), heard.runs()


def test_a_recording_is_followed_by_the_tokens_of_its_question(bundle):
    one = sound(1.0)
    (asked,), (tokens,) = heard_as(bundle, user(one, "Is it a dog?"))
    assert torch.equal(asked[:-TOKENS], tokens)
    integration = bundle.model.model.integration
    with torch.inference_mode():
        words = tuple(bundle.renderer.encode_text("Is it a dog?"))
        made = integration.mapper(integration.text_encoder([words])).x_BFD[0]
    torch.testing.assert_close(asked[-TOKENS:], made)
    (other,), _ = heard_as(bundle, user(one, "How many times?"))
    assert torch.equal(other[:-TOKENS], tokens) and (other - asked)[-TOKENS:].abs().max() > 1e-2
    (told,), _ = heard_as(bundle, user(one, "Is it a dog?"), assistant("No, a bell."), user("What then?"))
    torch.testing.assert_close(told, asked)


def test_recordings_of_several_windows_and_turns_each_have_their_own_question(bundle):
    long, short = sound(9.3, 1), sound(0.7, 2)  # three windows, and one
    (first,), runs = heard_as(bundle, user(long, "Is it a dog?"))
    assert len(runs) == 3 and torch.equal(first[:-TOKENS], torch.cat(runs))
    (second,), _ = heard_as(bundle, user(short, "How many times?"))
    both, _ = heard_as(bundle, user(long, "Is it a dog?"), assistant("No."), user(short, "How many times?"))
    for found, wanted in zip(both, (first, second), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    pair, _ = heard_as(bundle, user(short, long, "How many times?"))
    assert torch.equal(pair[0][-TOKENS:], pair[1][-TOKENS:])


def test_too_little_room_for_sound_and_question_is_an_error(bundle):
    row = bundle.preparer()(Conversation.of(user(sound(1.0), "What?")))
    inputs = Batch.pack([row]).inputs(pad_id=bundle.pad_id)
    at = row.ids.index(bundle.model.config.audio_token_id)
    ids = inputs.pop("input_ids")
    del inputs["attention_mask"]
    with pytest.raises(DataError, match=f"row 0 has room for {row.audio_tokens[0]} audio tokens"):
        bundle.model(input_ids=torch.cat([ids[:, :at], ids[:, at + TOKENS :]], 1), **inputs)


# --- Published text encoders ------------------------------------------------------------------------------------


def clips_tokenizer():
    """Of CLIP's kind: lower case, words that end in </w>, control tokens around every text."""
    core = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.decoder = decoders.BPEDecoder(suffix="</w>")
    control = ["<|startoftext|>", "<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=120, special_tokens=control, end_of_word_suffix="</w>", show_progress=False
    )
    core.train_from_iterator([text.lower() for text in TEXTS], trainer)
    ids = [(one, core.token_to_id(one)) for one in control]
    core.post_processor = processors.TemplateProcessing(f"{control[0]} $A {control[1]}", special_tokens=ids)
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token=control[0], eos_token=control[1])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A whole CLIP, of which the text encoder is one half."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(1)
    tokenizer = clips_tokenizer()
    text = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 24, "bos_token_id": 0, "eos_token_id": 1}
    vision = {**SIZES, "image_size": 8, "patch_size": 4}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def composed(folder):
    torch.manual_seed(0)
    return build({**SPEC, "integration": {"type": "question_prefix", "id": str(folder), **MAPPER}}, TEXTS)


def test_clip_reads_a_question_as_transformers_does(clip):
    bundle = composed(clip)
    encoder, renderer = bundle.model.eval().model.integration.text_encoder, bundle.renderer
    tokenizer, theirs = AutoTokenizer.from_pretrained(clip), CLIPTextModel.from_pretrained(clip).eval()
    questions = ["Is it a dog?", "How many times? Is this a bell, a knock?"]
    found = encoder([tuple(renderer.encode_text(text)) for text in questions])
    assert found.x_BFD.shape == (2, 1, 16) and found.lengths_B.tolist() == [1, 1]
    for number, text in enumerate(questions):
        with torch.inference_mode():
            wanted = theirs(**tokenizer(text, return_tensors="pt")).pooler_output
        torch.testing.assert_close(found.x_BFD[number], wanted)
    with pytest.raises(DataError, match="tokens of the text encoder, which reads 24 at most; ask in fewer words"):
        encoder([tuple(renderer.encode_text("a bell " * 20))])


def test_a_model_folder_needs_no_other(clip, tmp_path):
    gone = tmp_path / "clip"
    shutil.copytree(clip, gone)
    bundle = composed(gone)
    save(bundle, tmp_path / "model")
    shutil.rmtree(gone)
    again = load_bundle(tmp_path / "model")
    row = bundle.preparer()(Conversation.of(user(sound(1.0), "Is it a dog?")), reply=True)
    inputs = Batch.pack([row]).inputs(pad_id=bundle.pad_id)
    with torch.inference_mode():
        before, after = (one.model.eval()(**inputs).logits for one in (bundle, again))
    torch.testing.assert_close(before, after)
    questions = [tuple(bundle.renderer.encode_text("Is it a dog?"))]
    encoders = [one.integration.text_encoder for one in (bundle.model.model, again.model.model)]
    assert torch.equal(*(encoder(questions).x_BFD for encoder in encoders))
    assert torch.equal(copy.deepcopy(encoders[0])(questions).x_BFD, encoders[0](questions).x_BFD)
    half = load_bundle(tmp_path / "model", dtype=torch.bfloat16).model.model.integration.text_encoder
    assert half(questions).x_BFD.dtype == torch.bfloat16 and torch.equal(half.words, encoders[0].words)


def test_the_mapper_learns_and_the_text_encoder_never(clip):
    bundle = composed(clip)
    integration = bundle.model.model.integration
    row = bundle.preparer()(Conversation.of(user(sound(1.0), "Is it a dog?"), assistant("A bell.")))
    inputs = Batch.pack([row]).inputs(pad_id=bundle.pad_id)
    labels = inputs["input_ids"].masked_fill(~Batch.pack([row]).trained_mask(), -100)
    bundle.model(**inputs, labels=labels).loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in integration.mapper.parameters())
    assert all(p.grad is None for p in integration.text_encoder.parameters())
    trained = {id(p) for part in bundle.model.parts().values() for p in part.parameters()}
    assert {id(p) for p in integration.mapper.parameters()} <= trained
    assert not trained & {id(p) for p in integration.text_encoder.parameters()}


def test_berts_reader_sees_a_question_alone_as_beside_a_longer_one(tmp_path):
    tokenizer = clips_tokenizer()
    torch.manual_seed(2)
    BertModel(BertConfig(vocab_size=len(tokenizer), **SIZES)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    bundle = composed(tmp_path)
    encoder = bundle.model.eval().model.integration.text_encoder
    short, long = (tuple(bundle.renderer.encode_text(text)) for text in ("a dog?", "How many times? Is it a bell?"))
    torch.testing.assert_close(encoder([short, long]).x_BFD[:1], encoder([short]).x_BFD)
    with torch.inference_mode():
        theirs = AutoModel.from_pretrained(tmp_path).eval()(**tokenizer("a dog?", return_tensors="pt"))
    torch.testing.assert_close(encoder([short]).x_BFD[0], theirs.last_hidden_state[:, -1])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, SpecError, "question_prefix needs a text encoder; give its id"),
        (
            {"id": "/nowhere/at/all"},
            ModelError,
            "the text encoder '/nowhere/at/all' cannot be found: there is no such folder",
        ),
        (
            {"config": {"model_type": "clip_text"}},
            SpecError,
            r"config: model_type 'clip_text' is none of transformers\. Did you mean 'clip_text_model'\?",
        ),
        (
            {"config": {"model_type": "bert", "hidden_size": 15}},
            SpecError,
            r"model\.integration\.config \(bert\) cannot be made with these sizes: .*15",
        ),
        ({"idd": "x"}, SpecError, "unknown key 'idd'; did you mean 'id'"),
    ],
)
def test_text_encoders_that_are_not_there(options, error, words):
    with pytest.raises(error, match=words):
        build({**SPEC, "integration": {"type": "question_prefix", **options}}, TEXTS)


def test_a_text_encoder_that_also_writes_is_refused(tmp_path):
    T5Config(d_model=16).save_pretrained(tmp_path)
    with pytest.raises(SpecError, match=r"\(t5\) writes what it reads; name a model that only reads"):
        build({**SPEC, "integration": {"type": "question_prefix", "id": str(tmp_path)}}, TEXTS)


def test_by_default_it_is_as_large_as_pengis():
    cls = integrations.get("question_prefix")
    with torch.device("meta"):
        made = cls(cls.Options(id="x", config={"model_type": "clip_text_model"}), GPT2Config())
    assert tuple(made.mapper.constants.shape) == (TOKENS, 768) and len(made.mapper.layers.layers) == 4
    assert made.text_encoder.model.config.hidden_size == 512 and made.mapper.inner.in_features == 512
