"""What was heard and read before is not heard and read again, and nobody can tell by the replies."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, Sampling, assistant, user
from ossicle.models import Local
from ossicle.models.cache import GrowingLayer
from ossicle.models.decoding import DecodeLoop
from random_bundle import INTEGRATIONS, random_bundle

GREEDY = Sampling(max_new_tokens=6)
LONG = "What is it that can be heard in this recording, and who or what may have made it, and when does it begin?"


SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
SLIDING = {
    "mistral": {"num_hidden_layers": 1},
    "gemma2": {"num_hidden_layers": 2, "head_dim": 16},
    "gemma3_text": {"layer_types": ["sliding_attention", "full_attention"], "num_hidden_layers": 2, "head_dim": 16},
    "qwen2": {
        "layer_types": ["full_attention", "sliding_attention"],
        "num_hidden_layers": 2,
        "use_sliding_window": True,
    },
    "phi3": {"num_hidden_layers": 2},
    "cohere2": {"layer_types": ["sliding_attention", "full_attention"], "num_hidden_layers": 2},
}
"""Families of language models whose layers look at a sliding window: here of 9 tokens, fewer than any prompt has."""


def sliding(name: str) -> dict[str, dict[str, Any]]:
    return {"language_model": {"type": name, **SIZES, **SLIDING[name], "sliding_window": 9}}


def sound(seconds: float, seed: int = 0) -> Audio:
    x = np.random.default_rng(seed).standard_normal(round(seconds * 16_000)).astype(np.float32)
    return Audio.from_samples(x * 0.1, 16_000)


@pytest.fixture(scope="module", params=[*INTEGRATIONS, "gemma3_text"])
def bundle(request):
    return random_bundle(**(INTEGRATIONS.get(request.param) or sliding(request.param)))


class Watched:
    """What a model does: logits of each token, windows that were encoded, tokens that were read into a cache (a prompt
    adapter also reads each question by itself)."""

    def __init__(self, bundle, monkeypatch):
        self.logits, self.windows, self.tokens = [], 0, 0
        choose, encode = DecodeLoop._choose, bundle.model.model.encode
        language_model = bundle.model.model.language_model
        read = language_model.forward

        def chosen(loop, group):
            self.logits.append(group.logits_nV.clone())
            choose(loop, group)

        def encoded(features, lengths):
            self.windows += len(features)
            return encode(features, lengths)

        def seen(*args, **kwargs):
            if kwargs.get("past_key_values") is not None:
                self.tokens += kwargs["inputs_embeds"].shape[:2].numel()
            return read(*args, **kwargs)

        monkeypatch.setattr(DecodeLoop, "_choose", chosen)
        monkeypatch.setattr(bundle.model.model, "encode", encoded)
        monkeypatch.setattr(language_model, "forward", seen)

    def take(self):
        """What happened since the last time."""
        found = self.logits, self.windows, self.tokens
        self.logits, self.windows, self.tokens = [], 0, 0
        return found


@pytest.fixture
def watched(bundle, monkeypatch):
    return Watched(bundle, monkeypatch)


def same(lm, bundle, watched, chats, sampling=GREEDY):
    """Both ways' replies and logits are alike; (windows, tokens) with recall, and without."""
    replies = [reply.text for reply in lm.generate(chats, sampling)]
    with_logits, *with_cost = watched.take()
    plain = [reply.text for reply in Local(bundle, "plain", recall_bytes=0).generate(chats, sampling)]
    plain_logits, *plain_cost = watched.take()
    assert replies == plain
    if len(chats) == 1:
        for one, other in zip(with_logits, plain_logits, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    return with_cost, plain_cost


def test_each_turn_of_a_dialogue_reads_only_what_is_new(bundle, watched):
    lm = Local(bundle, "recalls")
    chat = Conversation.of(user(sound(3.0, 1), LONG))
    for turn in range(4):
        cost, plain = same(lm, bundle, watched, [chat])
        assert cost[0] == (plain[0] if turn == 0 else 0)
        if turn:
            assert cost[1] < plain[1] / 2
        reply = lm.generate([chat], GREEDY)[0].text
        watched.take()
        chat = Conversation.of(*chat.with_reply(reply).messages, user(f"And {turn}?"))


def test_a_new_recording_in_a_later_turn_is_heard(bundle, watched):
    lm = Local(bundle, "recalls")
    first = Conversation.of(user(sound(2.0, 1), LONG))
    same(lm, bundle, watched, [first])
    more = [*first.messages, assistant("A dog.")]
    (windows, _), _ = same(lm, bundle, watched, [Conversation.of(*more, user(sound(1.0, 2), "And this?"))])
    assert windows == 1
    (windows, _), _ = same(lm, bundle, watched, [Conversation.of(*more, user(sound(1.0, 3), "And this?"))])
    assert windows == 1


def test_words_before_a_recording_and_sounds_of_one_length_are_told_apart(bundle, watched):
    lm = Local(bundle, "recalls")
    same(lm, bundle, watched, [Conversation.of(user(LONG))])
    for seed in (1, 2, 1):
        same(lm, bundle, watched, [Conversation.of(user(LONG, sound(2.0, seed), "Say it."))])
    same(lm, bundle, watched, [Conversation.of(user(LONG, sound(2.0, 2), sound(2.0, 1), "Say it."))])
    same(lm, bundle, watched, [Conversation.of(user(LONG, sound(2.0, 2), sound(2.0, 3), "Say it."))])
    same(lm, bundle, watched, [Conversation.of(user(LONG, "Say it."))])


def test_the_very_same_question_reads_one_token(bundle, watched):
    lm = Local(bundle, "recalls")
    chat = Conversation.of(user(sound(2.0, 1), LONG))
    one = Sampling(max_new_tokens=1)
    same(lm, bundle, watched, [chat], one)
    assert same(lm, bundle, watched, [chat], one)[0] == [0, 1]


def test_several_questions_about_one_recording_hear_and_read_it_once(bundle, watched):
    recording = sound(3.5, 1)
    chats = [Conversation.of(user(LONG, recording, f"{n} times?")) for n in range(5)]
    chats.append(Conversation.of(user(sound(1.0, 2), "Why?")))
    cost, plain = same(Local(bundle, "recalls"), bundle, watched, chats, Sampling(max_new_tokens=1))
    assert cost[0] == plain[0] == 2
    if bundle.model.model.integration.asks:  # each question hears the recording in its own way
        assert cost[1] == plain[1]
    else:
        assert cost[1] < plain[1] / 2


def test_many_conversations_come_and_go_and_reply_as_each_alone(bundle, watched):
    rng = np.random.default_rng(0)
    shared = sound(1.5, 9)
    chats = [
        Conversation.of(user(shared if n % 3 == 0 else sound(float(rng.uniform(0.2, 6.0)), n), LONG[: 9 * n] + "?"))
        for n in range(9)
    ]
    chats[4] = Conversation.of(user("Only words."))
    alone = [Local(bundle, "alone", recall_bytes=0).generate([chat], GREEDY)[0].text for chat in chats]
    lm = Local(bundle, "few at a time", max_batch=4)
    assert [reply.text for reply in lm.generate(chats, GREEDY)] == alone
    assert [reply.text for reply in lm.generate(chats[::-1], GREEDY)] == alone[::-1]
    assert len(set(alone)) > 2


def fused_step(model):
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.05, fused=True)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimiser.step()


def behind_torch(model):
    model.lm_head.weight.data += torch.randn_like(model.lm_head.weight)


def other_weights(model):
    model.load_state_dict({n: x + 0.1 if x.is_floating_point() else x for n, x in model.state_dict().items()})


@pytest.mark.parametrize("change", [fused_step, behind_torch, other_weights], ids=lambda change: change.__name__)
def test_nothing_of_other_weights_is_recalled(change):
    bundle = random_bundle()
    lm = Local(bundle, "recalls")
    chat = Conversation.of(user(sound(2.0, 1), LONG))
    before = lm.generate([chat], GREEDY)[0].text
    assert lm.recall.num_bytes > 0
    torch.manual_seed(1)
    change(bundle.model)
    after = lm.generate([chat], GREEDY)[0].text
    assert after == Local(bundle, "plain", recall_bytes=0).generate([chat], GREEDY)[0].text != before


def test_a_reply_that_saw_two_sets_of_weights_is_not_kept():
    bundle = random_bundle()
    lm = Local(bundle, "recalls")
    loop = DecodeLoop(bundle, lm.recall)
    request = loop.add(lm.prepare(Conversation.of(user(sound(1.0), LONG)), reply=True), GREEDY)
    loop.step()
    fused_step(bundle.model)
    loop.cancel(request)
    loop.step()
    assert lm.recall.epoch() and lm.recall.num_bytes == 0


def test_no_more_is_kept_than_is_allowed_and_the_oldest_goes_first():
    bundle = random_bundle()
    chats = [Conversation.of(user(sound(2.0, seed), LONG)) for seed in range(6)]
    lm = Local(bundle, "recalls")
    lm.generate(chats[:1], GREEDY)
    once = lm.recall.num_bytes
    small = Local(bundle, "small", recall_bytes=3 * once + once // 2)
    for chat in chats:
        small.generate([chat], GREEDY)
        assert 0 < small.recall.num_bytes <= small.recall.limit
    rows = [small.prepare(chat, reply=True) for chat in chats]
    assert [small.recall.past(row, small.recall.epoch()) is not None for row in rows] == [False] * 3 + [True] * 3
    nothing = Local(bundle, "nothing", recall_bytes=0)
    nothing.generate(chats, GREEDY)
    assert nothing.recall.num_bytes == 0
    lm.recall.clear()
    assert lm.recall.num_bytes == 0 and lm.recall.past(rows[0], lm.recall.epoch()) is None


def test_a_model_in_training_recalls_nothing():
    bundle = random_bundle()
    lm = Local(bundle, "recalls")
    bundle.model.train()
    lm.generate([Conversation.of(user(sound(1.0), LONG))], GREEDY)
    assert lm.recall.num_bytes == 0


def test_of_recurrent_language_models_the_sound_alone_is_recalled(monkeypatch):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    layers = {"num_key_value_heads": 1, "layer_types": ["conv", "full_attention"]}
    bundle = random_bundle(language_model={"type": "lfm2", **sizes, **layers})
    watched, lm = Watched(bundle, monkeypatch), Local(bundle, "recalls")
    chats = [Conversation.of(user(sound(2.0, 1), LONG)), Conversation.of(user(sound(2.0, 1), "What?"))]
    for chat in chats:
        same(lm, bundle, watched, [chat])
    cost, plain = same(lm, bundle, watched, [*chats, *chats[::-1]])
    assert cost == [0, plain[1]]
    assert plain[0] == 1


@pytest.mark.parametrize("name", SLIDING)
def test_where_windows_slide_every_turn_of_several_dialogues_is_as_transformers_has_it(name):
    bundle = random_bundle(**sliding(name))
    lm = Local(bundle, "recalls")
    chats = [Conversation.of(user(sound(1.0 + n, n), LONG[: 40 + 9 * n])) for n in range(3)]
    for _ in range(2):
        replies = lm.generate(chats, GREEDY)
        for chat, reply in zip(chats, replies, strict=True):
            row = lm.prepare(chat, reply=True)
            inputs = Batch.pack([row]).inputs(pad_id=bundle.pad_id)
            cache = DynamicCache(config=bundle.model.config.text_config)
            assert DynamicSlidingWindowLayer in map(type, cache.layers)
            out = bundle.model.generate(**inputs, past_key_values=cache, max_new_tokens=6, do_sample=False)
            said = [token for token in out[0, len(row.ids) :].tolist() if token not in bundle.renderer.end_ids]
            assert reply.text == bundle.renderer.decode(said).strip()
        # What is asked next is of unequal lengths: no padding may come between what was read and that.
        chats = [
            Conversation.of(*chat.with_reply(reply.text).messages, user("And " + "then " * 2 * n + "what?"))
            for n, (chat, reply) in enumerate(zip(chats, replies, strict=True))
        ]


def test_a_layer_that_grows_in_place_holds_what_transformers_own_does():
    torch.manual_seed(0)
    ours, theirs = GrowingLayer(), DynamicLayer()
    for length in (5, 1, 1, 70, 1, 130, 1):
        new = torch.randn(2, 4, 3, length, 8)
        new = new[:, : theirs.keys.shape[0]] if theirs.is_initialized else new
        for one, other in zip(ours.update(*new), theirs.update(*new), strict=True):
            assert torch.equal(one, other)
        for layer in (ours, theirs):
            if length == 70:
                layer.batch_select_indices(torch.tensor([2, 0]))
            if length == 130:
                layer.crop(-3)
    ours.drop_first(4)
    new = torch.randn(2, 2, 3, 1, 8)
    assert torch.equal(ours.update(*new)[0], theirs.update(*new)[0][:, :, 4:])
