"""Group relative policy optimisation: values worked out by hand, the same draws again, rewards that are earned."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from earning_kit import fixed, seen_of
from tiny_run import PITCHES, losses, make_tones, recipe, stop_once

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, assistant, user
from ossicle.models import Local, decoding
from ossicle.spec import load_spec
from ossicle.support.errors import DataError, SpecError
from ossicle.training import TrainingStoppedError, train
from ossicle.training.loop import Objectives
from ossicle.training.objectives import Seen, _earning, objectives
from ossicle.training.objectives._replies import Drawn, Prompt, draw, over_others, with_sound_of
from ossicle.training.objectives.grpo import (
    GrpoOptions,
    advantages,
    clipped_loss,
    is_clipped,
    k3,
    token_weights,
)
from random_bundle import random_bundle


def noise(seconds=1.0, seed=0):
    x = np.random.default_rng(seed).standard_normal(round(16_000 * seconds)).astype(np.float32) * 0.1
    return Audio.from_samples(x, 16_000)


def chat(seed=0, reply="A dog.", seconds=1.0, number=1, question="What is this?", **meta):
    sounds = [noise(seconds + 0.3 * n, 10 * seed + n) for n in range(number)]
    return Conversation.of(user(*sounds, question), assistant(reply), meta=meta)


def make(bundle, **options):
    return objectives.get("grpo")(GrpoOptions(**{"group": 3, "max_new_tokens": 8, **options}), bundle)


@pytest.fixture
def bundle():
    torch.set_num_threads(1)
    return random_bundle()


# --- formulas --------------------------------------------------------------------------------------------------------


def test_advantages_golden():
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.1, 0.1, 0.1, 0.1], [1.0, 1.0, 0.0, 0.0]])
    third = 0.5 / math.sqrt(1 / 3)
    wanted = torch.tensor([[1.5, -0.5, -0.5, -0.5], [0.0] * 4, [third, third, -third, -third]])
    torch.testing.assert_close(advantages(rewards), wanted)
    plain = torch.tensor([[0.75, -0.25, -0.25, -0.25], [0.0] * 4, [0.5, 0.5, -0.5, -0.5]])
    torch.testing.assert_close(advantages(rewards, "none"), plain)
    # Each group by itself: what another prompt earns changes nothing.
    torch.testing.assert_close(advantages(rewards[:1]), wanted[:1])
    # A quarter of what was earned counts: a quarter of the advantage, with or without the scale.
    torch.testing.assert_close(advantages(rewards, "std", rewards / 4), wanted / 4)
    torch.testing.assert_close(advantages(rewards, "none", rewards / 4), plain / 4)


def test_clipped_loss_golden():
    ratios, clip = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.0, 1.25]), (0.2, 0.2)
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, 2.0, 1.0])
    found = clipped_loss(ratios.log(), torch.zeros(6), signs, clip)
    torch.testing.assert_close(found, torch.tensor([-1.2, 1.5, -0.5, 0.8, -2.0, -1.2]))
    assert is_clipped(ratios.log(), torch.zeros(6), signs, clip).tolist() == [True, False, False, True, False, True]
    higher = clipped_loss(ratios.log(), torch.zeros(6), signs, (0.2, 0.28))
    torch.testing.assert_close(higher, torch.tensor([-1.28, 1.5, -0.5, 0.8, -2.0, -1.25]))
    log_p = ratios.log().requires_grad_()
    clipped_loss(log_p, torch.zeros(6), signs, clip).sum().backward()
    torch.testing.assert_close(log_p.grad, torch.tensor([0.0, 1.5, -0.5, 0.0, -2.0, 0.0]))


def test_divergence_golden():
    found = k3(torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([-2.0, -1.0, -3.0]))
    torch.testing.assert_close(found, torch.tensor([math.exp(-1), math.e - 2, 0.0]))
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.3, 0.2])
    divergence = (p * (p / q).log()).sum()
    torch.testing.assert_close((p * k3(p.log(), q.log())).sum(), divergence), "unbiased"


def test_token_weights_golden():
    lengths = torch.tensor([[1, 3], [2, 0]])
    torch.testing.assert_close(token_weights(lengths, "reply", 10), torch.tensor([[1 / 4, 1 / 12], [1 / 8, 1 / 4]]))
    torch.testing.assert_close(token_weights(lengths, "token", 10), torch.tensor([[1 / 8, 1 / 8], [1 / 4, 1 / 4]]))
    torch.testing.assert_close(token_weights(lengths, "constant", 10), torch.full((2, 2), 1 / 40))
    for average in ("reply", "token"):  # of a loss that is 1 everywhere, the mean is 1
        weights = token_weights(torch.tensor([[1, 3], [2, 5]]), average, 10)
        assert float((weights * torch.tensor([[1, 3], [2, 5]])).sum()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rewards": {"exactly": 1.0}}, "there is no reward 'exactly'. Did you mean 'exact'"),
        ({"rewards": {"wer": 0.0}}, "the weight of reward wer should be above 0, not 0"),
        ({"rewards": {}}, "rewards"),
        ({"clip": [0.0, 0.2]}, "clip should be two numbers above 0"),
        ({"group": 1}, "group"),
    ],
)
def test_options_that_cannot_be_are_named(options, says):
    with pytest.raises(SpecError, match=says):
        load_spec(GrpoOptions, options)


# --- prompts and replies ---------------------------------------------------------------------------------------------


def test_a_prompt_is_the_row_up_to_its_reply(bundle):
    prepare = bundle.preparer()
    for one in (
        chat(),
        chat(number=2, seconds=5.0),
        Conversation.of(user("Well?"), assistant("No."), *chat().messages),
    ):
        found = Prompt.of(prepare(one))
        wanted = prepare(one.prompt, reply=True)
        assert found.row.ids == wanted.ids and found.row.prefix == wanted.prefix and not any(found.row.trained)
        assert bundle.renderer.decode(list(found.reply)) == "A dog."
        again = Drawn(found.reply[:-1], True).after(found.row, found.reply[-1])
        assert again.ids == prepare(one).ids[: len(again.ids)]
        assert sum(again.trained) == len(found.reply)
    with pytest.raises(DataError, match="row r7 has no reply"):
        Prompt.of(prepare(Conversation.of(user(noise()), meta={"id": "r7"})))
    with pytest.raises(DataError, match="has a recording after its last reply"):
        Prompt.of(prepare(Conversation.of(*chat().messages, user(noise(seed=3)))))


@pytest.mark.parametrize("integration", ["prompt", {"type": "cross_attention", "heads": 2, "head_dim": 8}])
def test_a_swapped_row_is_what_would_be_prepared_with_the_other_recordings(integration):
    bundle = random_bundle(integration=integration)
    prepare = bundle.preparer()
    one, other = chat(1, number=2, seconds=1.0), chat(2, number=2, seconds=4.5)
    for mine, donor in ((one, other), (other, one)):
        found = with_sound_of(*(Prompt.of(prepare(each)).row for each in (mine, donor)), bundle.model)
        wanted = prepare(mine.with_audios(donor.audios).prompt, reply=True)
        assert (found.ids, found.prefix, found.recordings) == (wanted.ids, wanted.prefix, wanted.recordings)
        assert [w.key for w in found.windows] == [w.key for w in wanted.windows]
        assert (found.audio_tokens, found.audio_s, found.trained) == (
            wanted.audio_tokens, wanted.audio_s, wanted.trained
        )  # fmt: skip


def test_recordings_are_swapped_for_others_and_never_for_themselves(bundle):
    prepare = bundle.preparer()
    chats = [chat(1), chat(1, question="Who?"), chat(2), chat(3), chat(4, number=2), Conversation.of(user("Who?"))]
    rows = [prepare(one.prompt, reply=True) for one in chats]
    found = over_others(rows, 5, bundle.model)
    keys = [[row.windows[0].key for row in some] for some in found]
    own = [row.windows[0].key if row.windows else None for row in rows]
    assert [set(some) for some in keys[:4]] == [set(own[:4]) - {mine} for mine in own[:4]]
    assert all(len(some) == len(set(some)) for some in keys), "each once"
    assert keys[4:] == [[], []], "nobody else has two recordings, or none"
    assert [len(some) for some in over_others(rows, 1, bundle.model)] == [1, 1, 1, 1, 0, 0]


def test_a_group_hears_and_reads_its_prompt_once(bundle, monkeypatch):
    heard, read = [], []
    encode, forward = bundle.model.model.encode, bundle.model.model.language_model.forward
    monkeypatch.setattr(bundle.model.model, "encode", lambda x, n: heard.append(len(x)) or encode(x, n))
    monkeypatch.setattr(
        bundle.model.model.language_model,
        "forward",
        lambda *a, **k: read.append(k["inputs_embeds"].shape[:2].numel()) or forward(*a, **k),
    )
    prompt = Prompt.of(bundle.preparer()(chat(seconds=3.0))).row
    made = draw(bundle, [prompt] * 16, range(16), 1.0, 1)
    assert heard == [1] and sum(read) == len(prompt.ids) + 15  # the others read its last token
    assert len({one.ids for one in made}) > 5


def test_a_draw_is_what_the_model_would_answer_whoever_else_is_asked(bundle):
    chats = [chat(1), chat(2, seconds=2.0)]
    prompts = [Prompt.of(bundle.preparer()(one)).row for one in chats]
    lm = Local(bundle, "m")
    alone = [
        lm.generate([one.prompt], decoding.Sampling(max_new_tokens=8, temperature=0.7, seed=5))[0] for one in chats
    ]
    made = draw(bundle, prompts * 2, [5, 5, 6, 6], 0.7, 8)
    assert [bundle.renderer.decode(list(one.ids)).strip() for one in made[:2]] == [reply.text for reply in alone]
    assert [one.ended for one in made[:2]] == [reply.finish_reason == "stop" for reply in alone]
    assert made == draw(bundle, prompts * 2, [5, 5, 6, 6], 0.7, 8)


def test_a_model_that_says_audio_tokens_still_learns(bundle):
    """At a great temperature every id is as likely as any other, audio and ends included."""
    audio, prompt = bundle.model.config.audio_token_id, Prompt.of(bundle.preparer()(chat())).row
    made = draw(bundle, [prompt] * 32, range(32), 1e6, 40)
    assert any(not one.ended and len(one.ids) < 40 for one in made) and all(audio not in one.ids for one in made)
    told = make(bundle, group=32, max_new_tokens=40, temperature=1e6)(seen_of(bundle, chat()))
    assert told["loss"].isfinite()


def test_dropout_and_modes_are_as_before_and_the_draw_is_without(bundle):
    model = bundle.model
    model.eval()
    model.model.audio_tower.train()
    before = [module.training for module in model.modules()]
    norms = {name: value.clone() for name, value in model.named_buffers() if "running" in name}
    draw(bundle, [Prompt.of(bundle.preparer()(chat())).row], [0], 1.0, 3)
    assert [module.training for module in model.modules()] == before
    assert norms and all(torch.equal(value, norms[name]) for name, value in model.named_buffers() if name in norms)


# --- the objective ---------------------------------------------------------------------------------------------------


def likelihoods(bundle, one, *texts, temperature=1.0):
    """log p [N] of the tokens of each reply, and of its end, by itself."""
    found = []
    for text in texts:
        row = bundle.preparer()(one.prompt.with_reply(text))
        trained = torch.tensor(row.trained)[1:].nonzero()[:, 0]
        logits = bundle.model(**Batch.pack([row]).inputs(pad_id=bundle.pad_id)).logits[0] / temperature
        found.append(logits.log_softmax(-1)[trained, torch.tensor(row.ids)[trained + 1]])
    return found


@pytest.mark.parametrize("average", ["reply", "token", "constant"])
def test_the_gradient_is_that_of_each_reply_by_itself(bundle, monkeypatch, average):
    """Groups share what they begin with in one pass; the audio is heard once."""
    chats = [chat(1), chat(2, "A bell.", seconds=4.5)]
    texts = [("A dog.", "A bell, a bell.", "What?"), ("A dog.", "A bell.", "A bell.")]
    fixed(monkeypatch, bundle, *texts)
    objective = make(bundle, average=average, temperature=1.7, max_new_tokens=20)
    told = objective(seen_of(bundle, *chats))
    told["loss"].backward()
    found = {n: p.grad.clone() for n, p in bundle.model.named_parameters() if p.grad is not None}
    bundle.model.zero_grad()
    wanted = 0.0
    for one, replies, rewards in zip(chats, texts, ([1.0, 0.0, 0.0], [0.0, 1.0, 1.0]), strict=True):
        likely = likelihoods(bundle, one, *replies, temperature=1.7)
        sums = sum(a * x.sum() for a, x in zip(advantages(torch.tensor([rewards]))[0], likely, strict=True))
        means = sum(a * x.mean() for a, x in zip(advantages(torch.tensor([rewards]))[0], likely, strict=True))
        length = sum(map(len, likely))
        wanted -= {"reply": means / 3, "token": sums / length, "constant": sums / 60}[average] / 2
    wanted.backward()
    assert len(found) > 10
    for name, parameter in bundle.model.named_parameters():
        if parameter.grad is not None:
            scale = float(parameter.grad.abs().max())
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-2, atol=1e-3 * scale)
    assert float(told["loss"].detach()) == pytest.approx(1 - 3 / 6), "what was missed"
    assert float(told["reward"]) == pytest.approx(0.5) and float(told["alike"]) == 0.0


def test_a_reply_above_the_mean_becomes_likelier_and_one_below_less(bundle, monkeypatch):
    one = chat()
    fixed(monkeypatch, bundle, ("A dog.", "A bell.", "A knock."))
    before = [float(x.sum().detach()) for x in likelihoods(bundle, one, "A dog.", "A bell.", "A knock.")]
    make(bundle)(seen_of(bundle, one))["loss"].backward()
    with torch.no_grad():
        for parameter in bundle.model.parameters():
            if parameter.grad is not None:
                parameter -= 1e-4 * parameter.grad
    after = [float(x.sum().detach()) for x in likelihoods(bundle, one, "A dog.", "A bell.", "A knock.")]
    assert after[0] > before[0] and sum(after[1:]) < sum(before[1:])


def test_a_group_that_earns_alike_teaches_nothing(bundle, monkeypatch):
    fixed(monkeypatch, bundle, ("A dog.", "A dog.", "A dog."), ("What?", "Is?", "This?"))
    told = make(bundle)(seen_of(bundle, chat(1), chat(2)))
    told["loss"].backward()
    assert all(p.grad is None or not p.grad.any() for p in bundle.model.parameters())
    assert float(told["alike"]) == 1.0 and float(told["loss"].detach()) == 0.5


def test_a_reply_that_is_cut_may_teach_nothing(bundle, monkeypatch):
    ids = [tuple(bundle.renderer.encode_text(text)) for text in ("A dog.", "A bell.", "What?")]
    monkeypatch.setattr(_earning, "draw", lambda *_: [Drawn(one, n != 1) for n, one in enumerate(ids)])
    for mask_cut in (False, True):
        bundle.model.zero_grad()
        make(bundle, mask_cut=mask_cut, average="token")(seen_of(bundle, chat()))["loss"].backward()
        found = bundle.model.lm_head.weight.grad.clone()
        bundle.model.zero_grad()
        likely = likelihoods(bundle, chat(), "A dog.", "A bell.", "What?")
        likely[1] = likely[1][:0] if mask_cut else likely[1][:-1]  # it never ended
        advantage = advantages(torch.tensor([[1.0, 0.0, 0.0]]))[0]
        loss = -sum(a * x.sum() for a, x in zip(advantage, likely, strict=True)) / sum(map(len, likely))
        loss.backward()
        torch.testing.assert_close(found, bundle.model.lm_head.weight.grad, rtol=1e-3, atol=1e-5)


def test_any_of_several_ends_ends_a_reply(bundle, monkeypatch):
    fixed(monkeypatch, bundle, ("A dog.", "A bell.", "What?"))
    objective = make(bundle)
    one = seen_of(bundle, chat())
    end = int(objective.end_ids[0])
    other = bundle.renderer.encode_text("What")[0]
    row = Drawn((100, 101), True).after(Prompt.of(one.batch.rows[0]).row, end)
    seen = Seen(bundle.model, Batch.pack([row]), bundle.pad_id)
    plain = objective._log_likelihood(seen)
    objective.end_ids = torch.tensor([end, other])
    both = objective._log_likelihood(seen)
    p = seen.model.logits(seen.hidden_ND).float().log_softmax(-1).exp()
    torch.testing.assert_close(both[:2], plain[:2])
    torch.testing.assert_close(both[2].exp(), p[2, end] + p[2, other])


def test_what_would_be_said_without_listening_counts_for_nothing(bundle, monkeypatch):
    """The first prompt is answered rightly over other recordings, too; the second is half of the time."""
    end = [("A dog.", "A bell.", "A dog.", "A dog."), ("A dog.", "A bell.", "A bell.", "A dog.")]
    fixed(monkeypatch, bundle, *(replies[:2] + replies[2:] for replies in end))
    seen = seen_of(bundle, chat(1), chat(2))
    objective = make(bundle, group=2, listening=2)
    groups = objective._groups(bundle.model, list(seen.batch.rows))
    torch.testing.assert_close(groups.reward_RG, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    torch.testing.assert_close(groups.counted_RG, torch.tensor([[0.0, 0.0], [0.5, 0.0]]))
    assert groups.swapped == [1.0, 1.0, 0.0, 1.0]
    told = objective(seen)
    assert float(told["swapped"]) == 0.75 and float(told["reward"]) == 0.5
    told["loss"].backward()
    found = bundle.model.lm_head.weight.grad.clone()
    bundle.model.zero_grad()
    likely = likelihoods(bundle, chat(2), "A dog.", "A bell.")
    advantage = 0.5 * advantages(torch.tensor([[1.0, 0.0]]))[0]
    (-sum(a * x.mean() for a, x in zip(advantage, likely, strict=True)) / 4).backward()
    torch.testing.assert_close(found, bundle.model.lm_head.weight.grad, rtol=1e-3, atol=1e-5)


def test_a_recording_alone_and_words_alone_count_in_full(bundle):
    objective = make(bundle, listening=2, rewards={"format": 1.0, "wer": 0.5})
    groups = objective._groups(bundle.model, [bundle.preparer()(chat())])
    assert groups.swapped == [] and torch.equal(groups.counted_RG, groups.reward_RG)
    torch.manual_seed(0)
    told = objective(seen_of(bundle, chat(), Conversation.of(user("What?"), assistant("Nothing."))))
    assert {"reward", "reward_format", "reward_wer"} <= told.keys() and "swapped" not in told
    sums = told["reward_format"] + 0.5 * told["reward_wer"]
    assert float(told["reward"]) == pytest.approx(float(sums))
    assert float(told["loss"].detach()) == pytest.approx(1.5 - float(sums))


def test_the_same_chance_draws_the_same(bundle):
    chats = [chat(1, "A"), chat(2, "A bell.")]
    objective = make(bundle, rewards={"wer": 1.0}, listening=1, group=6)
    found = []
    for seed in (0, 1, 0):
        torch.manual_seed(seed)
        bundle.model.zero_grad()
        told = objective(seen_of(bundle, *chats))
        told["loss"].backward()
        found.append(({k: float(v.detach()) for k, v in told.items()}, bundle.model.lm_head.weight.grad))
    assert found[0][0] == found[2][0] and found[0][0] != found[1][0]
    assert found[0][1] is None or torch.equal(found[0][1], found[2][1])


def test_casts_of_the_draw_take_no_gradient_away(bundle, monkeypatch):
    """Under autocast a weight that is cast without gradients, and found again, would not learn."""
    kept, real = [], _earning.draw
    monkeypatch.setattr(_earning, "draw", lambda *a: kept.append(real(*a)) or kept[-1])
    objective = make(bundle, rewards={"format": 1.0}, group=8, max_new_tokens=1, temperature=5.0)
    gradients = []
    for _ in range(2):
        bundle.model.zero_grad()
        torch.manual_seed(2)
        with torch.autocast("cpu", torch.bfloat16):
            told = objective(seen_of(bundle, chat()))
        told["loss"].backward()
        gradients.append({n: p.grad.clone() for n, p in bundle.model.named_parameters() if p.grad is not None})
        monkeypatch.setattr(_earning, "draw", lambda *a: kept[0])
    assert 0 < float(told["reward"]) < 1
    assert gradients[0].keys() == gradients[1].keys() and all(g.any() for g in gradients[0].values())
    assert all(torch.equal(gradients[0][name], g) for name, g in gradients[1].items())
    assert "model.language_model.layers.0.self_attn.q_proj.weight" in gradients[0]


def test_a_copy_draws_until_it_is_time_for_another(bundle, monkeypatch):
    fixed(monkeypatch, bundle, ("A dog.", "A bell.", "What?"))
    objective = make(bundle, draw_every=2, clip=(0.1, 0.1))
    assert objective.copies(objective.options) == 1 and objective.earlier is None
    told = []
    for _ in range(3):
        found = objective(seen_of(bundle, chat()))
        told.append(found)
        bundle.model.zero_grad()
        found["loss"].backward()
        with torch.no_grad():
            bundle.model.lm_head.weight -= 3.0 * bundle.model.lm_head.weight.grad
    assert float(told[0]["clipped"]) == 0.0 and float(told[0]["grpo"]) == pytest.approx(0.0, abs=1e-5)
    assert float(told[1]["clipped"]) > 0.0, "the second batch was drawn by the model before the first"
    assert float(told[2]["clipped"]) == 0.0, "and the third by the one before it"
    assert not any(p.requires_grad for p in objective.drawer.parameters())


def test_a_batch_that_others_learn_from_counts_for_the_copy(bundle, monkeypatch):
    fixed(monkeypatch, bundle, ("A dog.", "A bell.", "What?"))
    objective = make(bundle, draw_every=2, clip=(0.1, 0.1))
    one, all_of_them = seen_of(bundle, chat()), Objectives([(1.0, objective)], bundle.pad_id)
    for share in (1.0, 0.0):
        all_of_them.weighed(bundle.model, one.batch, [share])
        with torch.no_grad():
            bundle.model.lm_head.weight.mul_(1.5)
    assert float(objective(seen_of(bundle, chat()))["clipped"]) == 0.0, "drawn by the model as it is"


def test_what_is_drawn_depends_on_the_step_and_the_row_alone(bundle):
    rows, objective = [bundle.preparer()(chat(seed)) for seed in (1, 2)], make(bundle, max_new_tokens=4)
    both = objective._groups(bundle.model, rows, 7).drawn
    torch.manual_seed(1)
    assert [objective._groups(bundle.model, [row], 7).drawn[0] for row in rows] == both
    assert objective._groups(bundle.model, rows[::-1], 7).drawn == both[::-1]
    assert objective._groups(bundle.model, rows, 8).drawn != both


def test_the_reference_stays_and_its_divergence_grows(bundle, monkeypatch):
    fixed(monkeypatch, bundle, ("A dog.", "A bell.", "What?"))
    objective = make(bundle, kl=0.5)
    assert objective.copies(objective.options) == 1 and objective.drawer is None
    first = objective(seen_of(bundle, chat()))
    assert float(first["kl"]) == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        bundle.model.lm_head.weight.mul_(0.9)
    later = objective(seen_of(bundle, chat()))
    new, old = (likelihoods(replace(bundle, model=m), chat(), "A dog.", "A bell.", "What?")
                for m in (bundle.model, objective.earlier))  # fmt: skip
    wanted = sum(k3(a, b).mean() for a, b in zip(new, old, strict=True)) / 3
    torch.testing.assert_close(later["kl"], wanted.detach(), rtol=1e-3, atol=1e-5)
    assert float(later["loss"].detach()) == pytest.approx(2 / 3 + 0.5 * float(wanted.detach()), rel=1e-3)
    bundle.model.zero_grad()
    later["loss"].backward()
    assert all(p.grad is None for p in objective.earlier.parameters())


def test_rows_without_a_reply_to_learn_are_passed_over_or_named(bundle):
    prepare, objective = bundle.preparer(), make(bundle)
    right, wrong = (prepare(chat(1, id="x", chosen=chosen)) for chosen in (True, False))
    assert objective.share(Batch.pack([right, wrong])) == 1.0
    assert len(objective._groups(bundle.model, [right]).prompts) == 1
    with pytest.raises(DataError, match="no row of this batch has a reply"):
        objective(Seen(bundle.model, Batch.pack([wrong]), bundle.pad_id))


# --- learning --------------------------------------------------------------------------------------------------------


def test_a_model_comes_to_earn_more(tmp_path, bundle):
    """It has heard each tone called rightly as often as by both other names together; rewards alone tell it which."""
    names = dict(zip(PITCHES, ("dog", "bell", "knock"), strict=True))
    wavs = sorted(make_tones(tmp_path / "tones", 1).rglob("*.wav"))

    def batch(*answers):
        rows = [Conversation.of(user(Audio(w), "What is this?"), assistant(a(w))) for w in wavs for a in answers]
        return Batch.pack([bundle.preparer()(row) for row in rows])

    right = batch(lambda wav: names[wav.parent.name])
    mixed = batch(*(lambda wav, name=name: name for name in names.values()), lambda wav: names[wav.parent.name])

    def learn(name, options, lr, batches):
        objective = objectives.get(name)(options, bundle)
        optimiser, told = torch.optim.Adam(bundle.model.parameters(), lr), []
        for step, one in enumerate(batches):
            torch.manual_seed(step)
            told.append(objective(Seen(bundle.model, one, bundle.pad_id)))
            optimiser.zero_grad()
            told[-1]["loss"].backward()
            torch.nn.utils.clip_grad_norm_(bundle.model.parameters(), 1.0)
            optimiser.step()
        return told

    learn("next_token", objectives.get("next_token").Options(), 3e-3, [right] * 30 + [mixed] * 15)
    told = learn("grpo", GrpoOptions(max_new_tokens=4), 1e-3, [right] * 28)
    first, last = (sum(float(one["reward"]) for one in some) / 5 for some in (told[:5], told[-5:]))
    assert first < 0.6 and last > 0.8


def test_a_run_that_is_stopped_goes_on_to_the_same_losses(tmp_path, monkeypatch):
    tones = make_tones(tmp_path / "tones")
    given = recipe(tones, renew=[])
    objective = {
        "type": "grpo",
        "rewards": {"wer": 1.0, "format": 0.2},
        "listening": 1,
        "group": 3,
        "max_new_tokens": 4,
        "draw_every": 2,
        "kl": 0.1,
    }
    stage = {**given["stages"][1], "objective": objective, "steps": 6, "save_every_steps": 2, "accumulate": 1}
    plan = {**given, "stages": [stage]}
    train(plan, tmp_path / "whole", workers=0, quiet=True)
    stop_once(monkeypatch, 3)
    with pytest.raises(TrainingStoppedError):
        train(plan, tmp_path / "parts", workers=0, quiet=True)
    train(plan, tmp_path / "parts", workers=0, quiet=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    last = json.loads((tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"grpo", "reward", "reward_wer", "swapped", "alike", "ended", "kl", "clipped", "reply_tokens"} <= last.keys()
