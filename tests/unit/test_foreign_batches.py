"""Models that transformers runs for us: several conversations at once reply as each alone does, and replies are scored
as transformers' own forward pass foretells them."""

import numpy as np
import pytest
import torch
from foreign_kit import CHAT, FAMILIES, omni, publish, without_eyes

from ossicle.audio import Audio
from ossicle.chat import Conversation, Sampling, assistant, user
from ossicle.models import foreign_decoding, load
from ossicle.models.foreign import Foreign
from ossicle.models.read_foreign import read_foreign
from ossicle.support.errors import DataError, ModelError

KINDS = [*FAMILIES, "qwen2_5_omni"]
TOGETHER = [kind for kind in KINDS if kind != "vibevoice_asr"]
OPTIONS = ("A dog.", "A bell rings, and then a dog barks.", "")


@pytest.fixture(scope="module")
def answerer(tmp_path_factory):
    """A random model of each family, made when it is asked for."""
    made = {}

    def of(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp("foreign") / kind
            if kind in FAMILIES:
                publish(kind, folder)
                made[kind] = load(str(folder))
            else:
                omni(folder)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr("ossicle.models.read_foreign.read_processor", lambda *_, **__: without_eyes())
                    made[kind] = Foreign(*read_foreign(folder), kind)
        return made[kind]

    return of


def sound(seconds, seed=0):
    x = np.random.default_rng(seed).standard_normal(round(seconds * 16_000)).astype(np.float32)
    return Audio.from_samples(0.1 * x, 16_000)


CHATS = [
    Conversation.of(user(sound(0.4), "What?")),
    Conversation.of(user(sound(3.3, 1), "What is this, a dog or a bell?")),
    Conversation.of(user("Only words?")),
    Conversation.of(user(sound(1.3, 2), "What?"), assistant("A dog."), user("And then?")),
]
"""Unequal in sound, words and turns."""
QUICK = [CHATS[0], CHATS[2], Conversation.of(user("Is it a dog that barks, or a bell that rings?"))]
"""Unequal, and mostly of words, which take less time."""


class Logits:
    """The logits of the last token of each forward pass of a model."""

    def __init__(self, model):
        self.steps = []
        self.hook = model.register_forward_hook(lambda _, __, out: self.steps.append(out.logits[:, -1]))

    def __enter__(self):
        return self.steps

    def __exit__(self, *_):
        self.hook.remove()


@pytest.mark.parametrize("kind", TOGETHER)
def test_several_at_once_reply_as_each_alone(kind, answerer):
    lm = answerer(kind)
    assert lm.max_batch == 16
    sampling = Sampling(max_new_tokens=6)
    with Logits(lm.model) as together:
        replies = lm.generate(CHATS, sampling)
    assert len(together) == 6 and len(together[0]) == len(CHATS)  # one forward pass for a token of each
    for row, (chat, reply) in enumerate(zip(CHATS, replies, strict=True)):
        with Logits(lm.model) as alone:
            assert lm.generate([chat], sampling) == [reply]
        for one, several in zip(alone, together, strict=False):
            torch.testing.assert_close(several[row], one[0], rtol=1e-4, atol=1e-4)


def same_alone(lm, sampling):
    """The replies, which are those of each conversation alone."""
    replies = lm.generate(QUICK, sampling)
    assert replies == [lm.generate([chat], sampling)[0] for chat in QUICK]
    return replies


def test_replies_of_a_batch_end_and_are_drawn_each_by_itself(answerer, monkeypatch):
    lm = answerer("glmasr")
    plain = same_alone(lm, Sampling(8))
    assert same_alone(lm, Sampling(8, temperature=2.0, seed=7)) != plain
    stopped = same_alone(lm, Sampling(8, stop=(plain[0].text[2:4], plain[1].text[5:7])))
    assert len({reply.usage.completion_tokens for reply in stopped}) > 1
    last = int(lm.model.generate(**lm.inputs(QUICK[0]), max_new_tokens=3, do_sample=False)[0, -1])
    with monkeypatch.context() as patch:
        patch.setattr(lm.model.generation_config, "eos_token_id", last)
        assert {reply.finish_reason for reply in same_alone(lm, Sampling(8))} == {"stop", "length"}
    longest = max(lm.inputs(chat)["input_ids"].shape[1] for chat in QUICK)
    monkeypatch.setattr(lm, "_context", longest + 3)  # the longest prompt has less room than the others
    assert {reply.usage.completion_tokens for reply in same_alone(lm, Sampling(8))} > {3}


def test_what_is_punished_for_repetition_does_not_see_padding(answerer, monkeypatch):
    lm = answerer("moss_transcribe_diarize")
    prompts = [foreign_decoding.given(lm.model, lm.inputs(chat)) for chat in QUICK]
    joined = foreign_decoding.joined(prompts, [foreign_decoding.embedded(lm.model, one, 0) for one in prompts])
    for ids_L, prompt in zip(joined["input_ids"], prompts, strict=True):
        assert set(ids_L.tolist()) == set(prompt["input_ids"][0].tolist())
    plain = same_alone(lm, Sampling(8))
    monkeypatch.setattr(lm.model.generation_config, "repetition_penalty", 1.8)
    assert same_alone(lm, Sampling(8)) != plain


def test_batches_are_of_so_many_and_take_so_much_memory(answerer, monkeypatch):
    lm = answerer("glmasr")
    with Logits(lm.model) as steps:
        lm.generate(QUICK[1:] * 10, Sampling(1))
    assert [len(step) for step in steps] == [16, 4]
    monkeypatch.setattr("ossicle.models.foreign.TOKENS_TOGETHER", 70)
    with Logits(lm.model) as steps:
        same_alone(lm, Sampling(1))
    assert [len(step) for step in steps[:-3]] == [2, 1]


def test_stretches_of_long_recordings_are_asked_together(answerer):
    lm = answerer("qwen2_5_omni")
    long, short = Conversation.of(user(sound(9.0), "What?")), CHATS[0]
    lm.generate([long], Sampling(1))  # its processor is found to hear 4 s
    with Logits(lm.model) as steps:
        replies = lm.generate([short, long, short], Sampling(4))
    assert [len(step) for step in steps] == [5] * 4
    assert replies[1:] == [lm.generate([chat], Sampling(4))[0] for chat in (long, short)]
    assert len(replies[1].fields["stretches"]) == 3


def test_others_are_answered_while_a_reply_is_streamed(answerer):
    lm = answerer("qwen3_asr")
    wanted = lm.generate(QUICK, Sampling(50))
    stream = lm.stream(QUICK[0], Sampling(50))
    begun = next(stream).text
    assert lm.generate(QUICK, Sampling(50)) == wanted
    assert (begun + "".join(piece.text for piece in stream)).strip() == wanted[0].text


def test_where_noise_is_added_or_more_is_told_one_is_answered_after_another(answerer, monkeypatch):
    assert answerer("vibevoice_asr").max_batch == 1  # its generate takes no embeddings
    lm = answerer("glmasr")
    wanted = lm.generate(QUICK, Sampling(4))
    forward = type(lm.model.model).forward

    def tells_more(self, *args, **kwargs):
        return forward(self, *args, **kwargs, layers=(torch.zeros(1),))

    monkeypatch.setattr(type(lm.model.model), "forward", tells_more)
    again = Foreign(lm.model, lm.processor, "tells more")
    with Logits(lm.model) as steps:
        assert again.generate(QUICK, Sampling(4)) == wanted
    assert again.max_batch == 1 and {len(step) for step in steps} == {1}


def foretold(lm, chat):
    """By transformers' own forward pass over prompt, reply and the end of its turn, each option whole."""
    inputs, tokenizer = lm.inputs(chat), lm.processor.tokenizer
    prompt, end = inputs["input_ids"], tokenizer.convert_tokens_to_ids("<|im_end|>")
    for option in OPTIONS:
        ids = [*tokenizer(option, add_special_tokens=False).input_ids, end]
        inputs["input_ids"] = torch.cat([prompt, torch.tensor([ids])], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        torch.manual_seed(0)
        with torch.inference_mode():
            log_p = lm.model(**inputs).logits[0, prompt.shape[1] - 1 :].log_softmax(-1)
        yield sum(float(log_p[at, token]) for at, token in enumerate(ids))


@pytest.mark.parametrize("kind", KINDS)
def test_a_reply_is_scored_as_transformers_foretells_it(kind, answerer, monkeypatch):
    lm = answerer(kind)
    assert "score" in lm.capabilities
    chats = [CHATS[1], CHATS[3]]
    wanted = [list(foretold(lm, chat)) for chat in chats]
    lm.model(**lm.inputs(CHATS[2]))  # nothing that a model remembers of others counts
    with Logits(lm.model) as steps:
        found = lm.score(chats, [OPTIONS] * 2)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert len(steps) == 3 * 2  # the prompt is read once, and foretells the end of an empty reply by itself
    monkeypatch.setattr(foreign_decoding, "embedded", lambda *_: None)  # it is read with each reply
    np.testing.assert_allclose(lm.score(chats, [OPTIONS] * 2), wanted, rtol=1e-5)


def test_what_a_template_puts_behind_a_reply_is_scored_up_to_its_end(answerer, monkeypatch):
    lm = answerer("glmasr")
    ((with_end, end),) = lm.score(CHATS[:1], [["A dog.", ""]])
    for instead, ending in (("", []), ("!<|im_end|>\n", [*lm._encoded("!"), *lm._encoded("<|im_end|>")])):
        made = CHAT.replace("AUDIO_HERE", "<|AUDIO|>").replace(
            "{% endif %}<|im_end|>\n",
            "{% endif %}{{ '" + instead + "' if m['role'] == 'assistant' else '<|im_end|>\n' }}",
        )
        monkeypatch.setattr(lm.processor, "chat_template", made)
        assert lm._ending(CHATS[3]) == ending
    monkeypatch.setattr(lm.processor, "chat_template", made.replace(instead, ""))
    ((without, nothing),) = lm.score(CHATS[:1], [["A dog.", ""]])
    assert nothing == 0.0 and end < 0.0 and without > with_end


def test_what_cannot_be_scored_is_told(answerer, monkeypatch):
    lm = answerer("glmasr")
    chat = CHATS[0]
    with pytest.raises(DataError, match=r"a text holds '<\|im_end\|>', which is a control token"):
        lm.score([chat], [["A dog.", "A bell.<|im_end|>"]])
    with pytest.raises(DataError, match="without messages"):
        lm.score([Conversation(())], [["A dog."]])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        lm.score([chat, chat], [["A dog."]])
    length = lm.inputs(chat)["input_ids"].shape[1]
    monkeypatch.setattr(lm, "_context", length + 3)
    lm.score([chat], [["A"]])
    with pytest.raises(ModelError, match=rf"tokens are more than the {length + 3} that the language model .* reads"):
        lm.score([chat], [["A", "A dog, a bell, and then a dog."]])
    monkeypatch.undo()
    monkeypatch.setattr(lm.processor, "max_audio_len", 30)
    with pytest.raises(ModelError, match=r"leaves out the end of .* \(31\.0 s\)"):
        lm.score([Conversation.of(user(sound(31.0), "What?"))], [["A"]])
    for template, why in (
        (
            "{{ raise_exception('Questions only.') if messages[-1]['role'] == 'assistant' else 'x' }}<|AUDIO|>",
            "Questions",
        ),
        ("<|AUDIO|>{{ messages[0]['content'][-1]['text'] }}", "leaves replies out"),
    ):
        monkeypatch.setattr(lm.processor, "chat_template", template)
        with pytest.raises(ModelError, match=why):
            lm.score([chat], [["A"]])
