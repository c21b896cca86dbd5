"""Online preferences: which of a model's own replies make a pair, and what the pair teaches."""

import json
import math

import numpy as np
import pytest
import torch
from earning_kit import fixed, seen_of
from tiny_run import losses, make_tones, recipe, stop_once

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, assistant, user
from ossicle.spec import load_spec
from ossicle.support.errors import DataError, SpecError
from ossicle.training import TrainingStoppedError, train
from ossicle.training.loop import Objectives
from ossicle.training.objectives import Seen, _earning, objectives
from ossicle.training.objectives._replies import Drawn, Prompt
from ossicle.training.objectives.dpo import dpo_loss
from ossicle.training.objectives.online_dpo import OnlineDpoOptions, best_and_worst
from random_bundle import random_bundle


def chat(seed=0, reply="A dog.", question="What is this?", **meta):
    x = np.random.default_rng(seed).standard_normal(16_000).astype(np.float32) * 0.1
    return Conversation.of(user(Audio.from_samples(x, 16_000), question), assistant(reply), meta=meta)


def make(bundle, **options):
    return objectives.get("online_dpo")(OnlineDpoOptions(**{"samples": 3, "max_new_tokens": 8, **options}), bundle)


@pytest.fixture
def bundle():
    torch.set_num_threads(1)
    return random_bundle()


def gradients(bundle, loss):
    bundle.model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in bundle.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("earned", "wanted"),
    [
        ([0.0, 1.0], (1, 0)),
        ([0.5, 0.2, 1.0, 0.2, 1.0], (2, 1)),
        ([-0.5, -2.0, -0.5], (0, 1)),
        ([1.0, 1.0, 1.0], None),
        ([0.1 + 0.2, 0.3], None),
    ],
)
def test_the_pair_is_the_first_best_and_the_first_worst(earned, wanted):
    assert best_and_worst(earned) == wanted


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"samples": 1}, "samples"),
        ({"rewards": {}}, "rewards"),
        ({"rewards": {"exactly": 1.0}}, "there is no reward 'exactly'. Did you mean 'exact'"),
        ({"kind": "ipo", "margin": 0.5}, "margin and label_smoothing are for kind sigmoid, not ipo"),
    ],
)
def test_options_that_cannot_be_are_named(options, says):
    with pytest.raises(SpecError, match=says):
        load_spec(OnlineDpoOptions, options)


@pytest.mark.parametrize("options", [{}, {"kind": "ipo"}, {"length_normalised": True, "margin": 0.2}], ids=str)
def test_a_pair_loses_what_dpo_says_and_a_prompt_whose_replies_earn_alike_teaches_nothing(bundle, monkeypatch, options):
    """Rewards are 1 − word error rate of three words: 1/3, 1, 0; and 2/3 twice. Each reply by itself is the truth."""
    objective = make(bundle, rewards={"wer": 1.0}, beta=0.3, **options)
    with torch.no_grad():  # away from the reference
        for parameter in bundle.model.lm_head.parameters():
            parameter.mul_(0.9)
    chats = [chat(1, "a dog barks"), chat(2, "a dog barks")]
    fixed(monkeypatch, bundle, ("a bell", "a dog barks", "nothing"), ("a dog", "a dog runs", "a dog"))
    told = objective(seen_of(bundle, *chats))
    found = gradients(bundle, told["loss"])

    def gained(text):
        """log π(reply) − log π_ref(reply)."""
        row = bundle.preparer()(chats[0].prompt.with_reply(text))
        inputs, places = Batch.pack([row]).inputs(pad_id=bundle.pad_id), torch.tensor(row.trained)[1:].nonzero()[:, 0]
        targets, sums = torch.tensor(row.ids)[places + 1], []
        for model in (bundle.model, objective.earlier):
            log_p = model(**inputs).logits[0, places].log_softmax(-1).gather(-1, targets[:, None])
            sums.append(log_p.mean() if options.get("length_normalised") else log_p.sum())
        return sums[0] - sums[1]

    rest = {name: value for name, value in options.items() if name in ("kind", "margin")}
    pair = dpo_loss(gained("a dog barks")[None], gained("nothing")[None], 0.3, **rest)[0]
    nothing = dpo_loss(torch.zeros(1), torch.zeros(1), 0.3, **rest)[0]
    wanted = gradients(bundle, (pair + nothing) / 2)
    assert float(told["loss"].detach()) == pytest.approx(float((pair + nothing).detach()) / 2, rel=1e-3)
    assert float(told["dpo"]) == pytest.approx(float(pair.detach()), rel=1e-3), "of the pairs there are"
    assert abs(float(pair.detach()) - float(nothing)) > 0.01
    assert len(found) > 10 and found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-2, atol=1e-3 * float(gradient.abs().max()))
    assert float(told["alike"]) == 0.5 and float(told["reward"]) == pytest.approx((4 / 3 + 2) / 6)


def test_before_the_first_step_it_loses_the_logarithm_of_two(bundle, monkeypatch):
    fixed(monkeypatch, bundle, ("A dog.", "A bell.", "What?"))
    told = make(bundle)(seen_of(bundle, chat()))
    assert float(told["loss"].detach()) == pytest.approx(math.log(2), abs=1e-6)
    assert float(told["reward_chosen"]) == pytest.approx(0.0, abs=1e-6)


def test_where_all_earn_alike_nothing_is_learnt_not_even_the_preferred_reply(bundle, monkeypatch):
    fixed(monkeypatch, bundle, ("A dog.", "A dog.", "A dog."), ("What?", "Is?", "This?"))
    told = make(bundle, next_token=1.0)(seen_of(bundle, chat(1), chat(2)))
    found = gradients(bundle, told["loss"])
    assert len(found) > 10 and not any(gradient.any() for gradient in found.values())
    assert float(told["loss"].detach()) == pytest.approx(math.log(2)) and float(told["alike"]) == 1.0
    assert "dpo" not in told and float(told["reward"]) == 0.5


def test_several_batches_of_a_step_are_as_one(bundle, monkeypatch):
    """One prompt has a pair and two have none: by itself each batch would say another mean."""
    chats = [chat(n) for n in range(3)]
    texts = [("A dog.", "A bell.", "What?"), ("What?", "Is?", "This?"), ("A dog.", "A dog.", "A dog.")]
    both = Objectives([(1.0, make(bundle))], bundle.pad_id)
    batches = [seen_of(bundle, *some).batch for some in (chats[:1], chats[1:])]
    shares = both.shares(batches)
    assert shares == [[pytest.approx(1 / 3)], [pytest.approx(2 / 3)]]
    total = 0.0
    for batch, share, replies in zip(batches, shares, (texts[:1], texts[1:]), strict=True):
        fixed(monkeypatch, bundle, *replies)
        total = total + both.weighed(bundle.model, batch, share)["loss"][0]
    parts = gradients(bundle, total)
    fixed(monkeypatch, bundle, *texts)
    whole = both(bundle.model, seen_of(bundle, *chats).batch)["loss"]
    assert float(total.detach()) == pytest.approx(float(whole.detach()))
    for name, gradient in gradients(bundle, whole).items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()))


def test_what_would_be_said_without_listening_is_no_preference(bundle, monkeypatch):
    """The first prompt's best reply is what is said over the other recording as well."""
    fixed(monkeypatch, bundle, ("A dog.", "A bell.", "A dog."), ("A bell.", "A dog.", "A bell."))
    objective = make(bundle, samples=2, listening=1)
    told = objective(seen_of(bundle, chat(1), chat(2)))
    assert float(told["alike"]) == 0.5 and float(told["swapped"]) == 0.5 and float(told["reward"]) == 0.5


def test_any_end_ends_a_pair_and_a_cut_reply_has_none(bundle, monkeypatch):
    ids = [tuple(bundle.renderer.encode_text(text)) for text in ("A dog.", "A bell.")]
    monkeypatch.setattr(_earning, "draw", lambda *_: [Drawn(ids[0], True), Drawn(ids[1], False)])
    objective = make(bundle, samples=2, reference="none")
    one = seen_of(bundle, chat())
    rows = objective._halves(_earning.groups_of(list(one.batch.rows), 2, objective.options, bundle, "online_dpo"))
    assert [sum(row.trained) for row in rows] == [len(ids[0]) + 1, len(ids[1])]
    assert [row.meta for row in rows] == [{"pair": 0, "chosen": True}, {"pair": 0, "chosen": False}]
    assert rows[0].ids[: len(Prompt.of(one.batch.rows[0]).row.ids)] == Prompt.of(one.batch.rows[0]).row.ids
    plain = float(objective(one)["reward_chosen"])
    objective.end_ids = torch.tensor([int(objective.end_ids[0]), bundle.renderer.encode_text("What")[0]])
    assert float(objective(one)["reward_chosen"]) > plain, "another end is one as well"


def test_rows_without_a_reply_to_learn_are_passed_over_or_named(bundle):
    prepare, objective = bundle.preparer(), make(bundle)
    right, wrong = (prepare(chat(1, id="x", chosen=chosen)) for chosen in (True, False))
    assert objective.share(Batch.pack([right, wrong])) == 1.0
    with pytest.raises(DataError, match="objective online_dpo: no row of this batch has a reply"):
        objective(Seen(bundle.model, Batch.pack([wrong]), bundle.pad_id))


def test_what_is_rewarded_becomes_likelier(bundle):
    """The likeliest of all replies of one token is wrong, and the second is right."""
    prompt = Batch.pack([Prompt.of(bundle.preparer()(chat())).row]).inputs(pad_id=bundle.pad_id)

    @torch.no_grad()
    def likely():
        return bundle.model(**prompt).logits[0, -1].softmax(-1)

    before = likely()
    wrong, right = before.topk(2).indices.tolist()
    one = chat(reply=bundle.renderer.decode([right]).strip())
    objective = make(bundle, max_new_tokens=1, samples=4, beta=0.5, temperature=0.1, next_token=0.5)
    optimiser, told = torch.optim.Adam(bundle.model.parameters(), 1e-3), []
    for step in range(10):
        torch.manual_seed(step)
        told.append(objective(seen_of(bundle, one)))
        optimiser.zero_grad()
        told[-1]["loss"].backward()
        optimiser.step()
    after = likely()
    assert after[right] > 3 * before[right] and after[wrong] < before[wrong] / 3
    assert int(after.argmax()) == right
    assert float(told[0]["reward"]) < 0.8 and float(told[-1]["reward"]) == 1.0


def test_a_run_that_is_stopped_goes_on_to_the_same_losses(tmp_path, monkeypatch):
    given = recipe(make_tones(tmp_path / "tones"), renew=[])
    rewards = {"wer": 1.0, "format": 0.2}
    objective = {"type": "online_dpo", "rewards": rewards, "listening": 1, "samples": 3, "max_new_tokens": 4}
    stage = {**given["stages"][1], "objective": objective, "steps": 4, "save_every_steps": 2}
    plan = {**given, "stages": [stage]}
    train(plan, tmp_path / "whole", workers=0, quiet=True)
    stop_once(monkeypatch, 2)
    with pytest.raises(TrainingStoppedError):
        train(plan, tmp_path / "parts", workers=0, quiet=True)
    train(plan, tmp_path / "parts", workers=0, quiet=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    last = json.loads((tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"reward", "reward_wer", "swapped", "alike", "ended", "reply_tokens"} <= last.keys()
