"""Experts chosen by sound and question: they differ, they hear the question of their turn, and never the reply."""

import pytest
import torch

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, assistant, user
from ossicle.models import build
from ossicle.models.integrations import Heard
from ossicle.support.errors import DataError, SpecError
from ossicle.training.objectives import Seen, objectives
from random_bundle import SPEC, random_bundle

TASK_AWARE = {"type": "task_aware", "experts": 3, "hidden": 16}


def sound(seconds, seed=0):
    torch.manual_seed(seed)
    return Audio.from_samples(0.1 * torch.randn(round(16_000 * seconds)).numpy(), 16_000)


@pytest.fixture(scope="module")
def bundle():
    return random_bundle(integration=TASK_AWARE)


def heard_as(bundle, *messages):
    """The embeddings of the recordings of a conversation [K, D], as the language model is given them."""
    batch = Batch.pack([bundle.preparer()(Conversation.of(*messages), reply=messages[-1].role == "user")])
    inputs = batch.inputs(pad_id=bundle.pad_id)
    model = bundle.model.model
    with torch.inference_mode():
        tokens = model.encode(inputs["input_features"], inputs["feature_lengths"])
        joined = model.join(inputs["input_ids"], Heard(tokens, inputs["audio_windows"]))
    return joined["inputs_embeds"][inputs["input_ids"] == model.config.audio_token_id]


def test_experts_are_modules_of_their_own_mixed_token_by_token(bundle):
    mixture = bundle.model.model.integration
    assert len({parameter.data_ptr() for parameter in mixture.parameters()}) == len(list(mixture.parameters()))
    first = [expert[0].weight for expert in mixture.experts]
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[1], first[2])
    audio_KD, asked_KD = torch.randn(5, 32), torch.randn(5, 32)
    with torch.inference_mode():
        weights_KE = mixture.weights(audio_KD, asked_KD)
        mixed_KD = mixture.mixed(audio_KD, asked_KD)
        for k in range(5):
            alone_D = sum(w * expert(audio_KD[k]) for w, expert in zip(weights_KE[k], mixture.experts, strict=True))
            torch.testing.assert_close(mixed_KD[k], alone_D)
    torch.testing.assert_close(weights_KE.sum(-1), torch.ones(5))
    assert weights_KE.std(0).min() > 0


def test_a_question_changes_what_is_heard_and_its_reply_does_not(bundle):
    one = sound(1.0)
    asked = heard_as(bundle, user(one, "Is it a dog?"))
    assert (asked - heard_as(bundle, user(one, "Is it a bell?"))).abs().max() > 1e-3
    assert torch.equal(asked, heard_as(bundle, user(one, "Is it a dog?"), assistant("No, a bell.")))
    more = heard_as(bundle, user(one, "Is it a dog?"), assistant("No."), user("What then?"))
    torch.testing.assert_close(asked, more)
    before = heard_as(bundle, user("Is it ", one, " a dog?"))
    assert (asked - before).abs().max() > 1e-4, "words before the recording are a part of the turn"


def test_each_recording_hears_the_question_of_its_own_turn(bundle):
    one, two = sound(1.0, 1), sound(0.7, 2)
    first, second = heard_as(bundle, user(one, "Is it a dog?")), heard_as(bundle, user(two, "How many times?"))
    both = heard_as(bundle, user(one, "Is it a dog?"), assistant("No."), user(two, "How many times?"))
    torch.testing.assert_close(both, torch.cat([first, second]), rtol=1e-4, atol=1e-5)


def test_rows_about_one_recording_learn_as_apart(bundle):
    one = sound(0.7)
    chats = [
        Conversation.of(user(one, "What is it?"), assistant("A dog.")),
        Conversation.of(user(one, "Is there a bell?"), assistant("No.")),
        Conversation.of(user(sound(5.3, 4), "Or ", one, "?"), assistant("A bell.")),
        Conversation.of(user("Hello"), assistant("Good day.")),
    ]
    batch = Batch.pack([bundle.preparer()(chat) for chat in chats])
    inputs = batch.inputs(pad_id=bundle.pad_id)
    labels = inputs["input_ids"].masked_fill(~batch.trained_mask(), -100)
    seen = Seen(bundle.model, batch, bundle.pad_id)
    ours = objectives.get("next_token")(objectives.get("next_token").Options(), bundle)(seen)["loss"]
    assert seen.packed.input_ids.shape[0] == 4
    torch.testing.assert_close(ours, bundle.model(**inputs, labels=labels).loss)


def test_every_part_of_the_mixture_learns():
    bundle = build({**SPEC, "integration": TASK_AWARE}, ["Some text."] * 20)
    row = bundle.preparer()(Conversation.of(user(sound(1.0), "What?"), assistant("A dog.")))
    objective = objectives.get("next_token")(objectives.get("next_token").Options(), bundle)
    objective(Seen(bundle.model, Batch.pack([row]), bundle.pad_id))["loss"].backward()
    grads = {name: parameter.grad for name, parameter in bundle.model.model.integration.named_parameters()}
    assert all(grad is not None and grad.abs().max() > 0 for grad in grads.values())
    assert {id(p) for p in bundle.model.model.integration.parameters()} <= {
        id(p) for p in bundle.model.parts()["projector"].parameters()
    }


def test_too_few_places_for_the_sound_are_an_error(bundle):
    inputs = Batch.pack([bundle.preparer()(Conversation.of(user(sound(1.0), "?")))]).inputs(pad_id=bundle.pad_id)
    inputs["input_ids"] = inputs["input_ids"][:, :-3][inputs["input_ids"][:, :-3] != -1][None, 5:]
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with pytest.raises(DataError, match="room for"):
        bundle.model(**inputs)


def test_a_template_that_does_not_end_a_question_is_refused(monkeypatch):
    from ossicle.models import build as build_module
    from ossicle.models.build import train_tokenizer

    def plain(texts, spec):
        tokenizer = train_tokenizer(texts, spec)
        tokenizer.chat_template = (
            "{% for m in messages %}{% if m.role == 'user' %}USER: {{ m.content }}{% else %} ASSISTANT:"
            "{% generation %} {{ m.content }}</s>{% endgeneration %}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
        )
        return tokenizer

    monkeypatch.setattr(__import__("sys").modules[build_module.__module__], "train_tokenizer", plain)
    with pytest.raises(SpecError, match="sets no control token between question and reply"):
        build({**SPEC, "integration": TASK_AWARE}, ["Some text."] * 20)
