"""Gated cross-attention: a closed gate changes nothing, an open one lets each word hear what it may and no more."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, Sampling, assistant, user
from ossicle.models import Local, build
from ossicle.models.integrations.cross_attention import decoder_layers, places
from ossicle.support.errors import DataError, ModelError, SpecError
from ossicle.training.objectives import Seen, objectives
from random_bundle import SPEC, random_bundle

SMALL = {"type": "cross_attention", "heads": 2, "head_dim": 8}
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
FAMILIES = {
    "qwen3": {**SIZES, "num_key_value_heads": 1, "head_dim": 16},
    "llama": SIZES,
    "gemma2": {**SIZES, "num_key_value_heads": 1, "head_dim": 16},
    "phi": SIZES,
    "opt": {
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
    },
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 2},
    "gpt_neox": SIZES,
}


def sound(seconds, seed=0):
    torch.manual_seed(seed)
    return Audio.from_samples(0.1 * torch.randn(round(16_000 * seconds)).numpy(), 16_000)


@pytest.fixture(scope="module")
def bundle():
    return random_bundle(integration=SMALL)


def inputs_of(bundle, *chats):
    prepare = bundle.preparer()
    return Batch.pack([prepare(chat) for chat in chats]).inputs(pad_id=bundle.pad_id)


def checkpointing_of(bundle):
    """What transformers calls it depends on its version."""
    language_model = bundle.model.model.language_model
    new, old = (
        lambda what: getattr(language_model, f"activation_checkpointing_{what}", None),
        lambda what: getattr(language_model, f"gradient_checkpointing_{what}"),
    )
    return lambda what: new(what) or old(what)


@pytest.mark.parametrize("name", FAMILIES)
def test_before_the_first_step_it_is_the_language_model_to_the_last_bit(name):
    language_model = {"type": name, **FAMILIES[name]}
    bundle = build(
        {**SPEC, "language_model": language_model, "integration": {**SMALL, "every": 2}}, ["Some text."] * 20
    )
    bundle.model.eval()
    inputs = inputs_of(bundle, Conversation.of(user(sound(1.0), "What is it?"), assistant("A dog.")))
    text = AutoModelForCausalLM.from_config(bundle.model.config.text_config).eval()
    text.base_model.load_state_dict(bundle.model.model.language_model.state_dict())
    text.get_output_embeddings().load_state_dict(bundle.model.lm_head.state_dict())
    with torch.inference_mode():
        ours = bundle.model(**inputs).logits
        theirs = text(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        assert torch.equal(ours, theirs)
        for block in bundle.model.model.integration.blocks.values():
            block.attention_gate.fill_(1.0)
        assert not torch.equal(bundle.model(**inputs).logits, theirs)
    assert list(bundle.model.model.integration.blocks) == ["0", "2"]


def test_a_recording_takes_one_id_however_long_it_is(bundle):
    prepare = bundle.preparer()
    short, long = (prepare(Conversation.of(user(sound(s), "What?"))) for s in (0.3, 9.7))
    assert len(short.ids) == len(long.ids) and len(long.windows) == 3
    assert sum(long.audio_tokens) > 20 * sum(short.audio_tokens)


def test_the_order_of_windows_is_heard(bundle):
    """Two windows of one length, one after the other or the other way round."""
    inputs = inputs_of(bundle, Conversation.of(user(sound(8.0), "What came first?")))
    assert len(inputs["input_features"]) == 2
    swapped = {**inputs, "input_features": inputs["input_features"].flip(0)}
    place = bundle.model.model.integration.place
    share = place.share.detach().clone()
    with torch.inference_mode():
        gap = (bundle.model(**inputs).logits - bundle.model(**swapped).logits).abs().max()
        place.share.fill_(0.0)
        unplaced = (bundle.model(**inputs).logits - bundle.model(**swapped).logits).abs().max()
        place.share.copy_(share)
    assert gap > 0.01 > 1e-4 > unplaced


def test_places_are_counted_in_each_recording():
    recordings = torch.tensor([[0, 0, 0, 1, 1, 2], [0, 0, -1, -1, -1, -1], [-1, -1, -1, -1, -1, -1]])
    counted = places(recordings)
    assert counted[0].tolist() == [0, 1, 2, 0, 1, 0] and counted[1, :2].tolist() == [0, 1]
    assert places(recordings[:, :0]).shape == (3, 0)


def test_blocks_stand_where_they_are_wanted():
    first, last = (
        random_bundle(integration={**SMALL, "layers": [0]}),
        random_bundle(integration={**SMALL, "layers": [1]}),
    )
    assert [list(one.model.model.integration.blocks) for one in (first, last)] == [["0"], ["1"]]
    for wrong, words in (
        ({"layers": [0, 2]}, r"model\.integration\.layers: there is no layer 2; the language model has 2, 0 to 1"),
        ({"layers": [-1, 0]}, "there is no layer -1"),
        ({"layers": [1, 0]}, r"layers \[1, 0\] must be different numbers, from low to high"),
        ({"layers": []}, "must be different numbers"),
        ({"layers": [0], "every": 2}, "every and layers both say where the blocks stand"),
    ):
        with pytest.raises(SpecError, match=words):
            build({**SPEC, "integration": {**SMALL, **wrong}}, ["text"] * 20)


def test_words_hear_the_recordings_up_to_them_and_no_later_one(bundle):
    """Of two recordings, the first changes everything and the second only what comes after it."""
    one, two = sound(1.0, 1), sound(0.6, 2)
    batches = [inputs_of(bundle, Conversation.of(user("Hear ", a, " and ", b, " now"))) for a, b in
               ((one, two), (one, sound(0.6, 3)), (sound(1.0, 4), two))]  # fmt: skip
    with torch.inference_mode():
        base, second, first = (bundle.model(**inputs).logits[0] for inputs in batches)
    at = (batches[0]["input_ids"][0] == bundle.model.config.audio_token_id).nonzero()[:, 0].tolist()
    assert torch.equal(base[: at[1]], second[: at[1]])
    assert (base[at[1] :] - second[at[1] :]).abs().amax(-1).min() > 1e-4
    assert (base - first).abs().amax(-1).min() > 1e-4, "what precedes the first recording sees that one"


def test_rows_without_sound_are_as_by_themselves(bundle):
    silent = Conversation.of(user("No sound at all."))
    with torch.inference_mode():
        alone = bundle.model(**inputs_of(bundle, silent)).logits[0]
        beside = bundle.model(**inputs_of(bundle, silent, Conversation.of(user(sound(1.0), "?")))).logits[
            0, : len(alone)
        ]
    torch.testing.assert_close(beside, alone, rtol=1e-4, atol=1e-5)


def test_gates_learn_first_and_then_what_is_behind_them():
    bundle = build({**SPEC, "integration": SMALL}, ["Some text."] * 20)
    row = bundle.preparer()(Conversation.of(user(sound(1.0), "What?"), assistant("A dog.")))
    bundle.model.train()

    def touched():
        bundle.model.zero_grad()
        objective = objectives.get("next_token")(objectives.get("next_token").Options(), bundle)
        objective(Seen(bundle.model, Batch.pack([row]), bundle.pad_id))["loss"].backward()
        return {n: float(p.grad.abs().max()) for n, p in bundle.model.named_parameters() if ".blocks." in n}

    before = touched()
    assert all((value > 0) == name.endswith("_gate") for name, value in before.items())
    with torch.no_grad():
        for block in bundle.model.model.integration.blocks.values():
            block.attention_gate.fill_(0.1)
            block.forward_gate.fill_(0.1)
    assert min(touched().values()) > 0
    assert all(p.grad is not None for p in bundle.model.model.audio_tower.parameters())


def test_rows_that_share_a_recording_learn_as_apart(bundle):
    one = sound(0.7)
    chats = [
        Conversation.of(user(one, "What is it?"), assistant("A dog.")),
        Conversation.of(user(one, "Is there a bell?"), assistant("No.")),
        Conversation.of(user(sound(5.3, 4), "Or ", one, "?"), assistant("A bell.")),
        Conversation.of(user("Hello"), assistant("Good day.")),
    ]
    rows = [bundle.preparer()(chat) for chat in chats]
    batch = Batch.pack(rows)
    inputs = batch.inputs(pad_id=bundle.pad_id)
    labels = inputs["input_ids"].masked_fill(~batch.trained_mask(), -100)
    look = Seen(bundle.model, batch, bundle.pad_id)
    ours = objectives.get("next_token")(objectives.get("next_token").Options(), bundle)(look)["loss"]
    assert look.packed.input_ids.shape[0] == 3
    torch.testing.assert_close(ours, bundle.model(**inputs, labels=labels).loss)


def test_sound_is_read_once_for_a_whole_reply(bundle, monkeypatch):
    calls = []
    block = bundle.model.model.integration.blocks["0"]
    monkeypatch.setattr(block, "_remember", lambda memory, real=block._remember: calls.append(1) or real(memory))
    reply = Local(bundle, "random").ask(sound(1.0), "What is this?", max_new_tokens=8)
    assert reply.usage.completion_tokens > 2 and len(calls) == 1


def test_recomputed_layers_hear_again(bundle):
    """Gradient checkpointing runs each layer twice; the gradients are those of running it once."""
    inputs = inputs_of(bundle, Conversation.of(user(sound(1.0), "What?"), assistant("A dog.")))
    grads = []
    for checkpointing in (False, True):
        bundle.model.zero_grad()
        if checkpointing:
            checkpointing_of(bundle)("enable")({"use_reentrant": False})
        bundle.model.train()
        torch.manual_seed(0)
        bundle.model.model.audio_tower.eval()
        bundle.model(**inputs, labels=inputs["input_ids"], use_cache=False).loss.backward()
        grads.append([p.grad.clone() for p in bundle.model.model.integration.parameters()])
    checkpointing_of(bundle)("disable")()
    bundle.model.eval()
    for once, twice in zip(*grads, strict=True):
        torch.testing.assert_close(once, twice)


def test_what_does_not_fit_is_refused(bundle):
    heard = inputs_of(bundle, Conversation.of(user(sound(1.0), "?")))
    with pytest.raises(DataError, match="no sound came"):
        bundle.model(input_ids=heard["input_ids"])
    two = inputs_of(bundle, Conversation.of(user(sound(1.0), sound(0.5, 2), "?")))
    with pytest.raises(DataError, match="row 0 names 1 recordings and its sound is of 2"):
        bundle.model(**{**two, "input_ids": heard["input_ids"], "attention_mask": heard["attention_mask"]})
    cache = bundle.model(**heard, use_cache=True).past_key_values
    with pytest.raises(DataError, match="middle of a conversation"):
        bundle.model(**{k: v for k, v in heard.items() if k != "attention_mask"}, past_key_values=cache)
    with pytest.raises(SpecError, match="heads"):
        build({**SPEC, "integration": {"type": "cross_attention", "head": 2}}, ["text"] * 20)


def test_an_audio_id_that_the_model_says_itself_does_no_harm(bundle):
    words = inputs_of(bundle, Conversation.of(user("Only words.")))
    cache = bundle.model(**words, use_cache=True).past_key_values
    said = torch.tensor([[bundle.model.config.audio_token_id]])
    assert bundle.model(input_ids=said, past_key_values=cache).logits.isfinite().all()


def test_a_language_model_whose_layers_are_told_nothing_is_refused(bundle, monkeypatch):
    for layer in decoder_layers(bundle.model.model.language_model):
        monkeypatch.setattr(layer, "_forward_pre_hooks", type(layer._forward_pre_hooks)())
        monkeypatch.setattr(layer, "forward", lambda *a, real=layer.forward, sound=None, **k: real(*a, **k))
    with pytest.raises(ModelError, match="not passed what it is given"):
        bundle.model(**inputs_of(bundle, Conversation.of(user(sound(1.0), "?"))))


def test_a_long_dialogue_replies_the_same_alone_and_in_company(bundle):
    lm, greedy = Local(bundle, "random"), Sampling(max_new_tokens=6)
    chats = [
        Conversation.of(user(sound(1.0), "What?"), assistant("A dog."), user("And ", sound(6.2, 2), "?")),
        Conversation.of(user(sound(0.4, 3), "Why?")),
        Conversation.of(user("Only words.")),
    ]
    together = [reply.text for reply in lm.generate(chats, greedy)]
    assert together == [lm.generate([chat], greedy)[0].text for chat in chats]
