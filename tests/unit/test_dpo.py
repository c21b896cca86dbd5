"""Preferences: values worked out by hand, pairs that share what precedes them, a reference that stays."""

import json
import math
from pathlib import Path
from random import Random

import pytest
import torch
from tiny_run import losses, make_tones, recipe, stop_once

from ossicle.batch import Batch
from ossicle.chat import Conversation, assistant, user
from ossicle.data import make_source
from ossicle.data.statistics import statistics_of
from ossicle.models import Local, load_bundle
from ossicle.spec import load_spec
from ossicle.support.errors import DataError, SpecError
from ossicle.support.progress import Progress
from ossicle.synthesis.sources.scenes import write_scenes
from ossicle.training import TrainingStoppedError, train
from ossicle.training import run as run_module
from ossicle.training.held_out import rows_of as rows_held_out
from ossicle.training.objectives import Seen, objectives
from ossicle.training.objectives.dpo import DpoOptions, dpo_loss, pairs_of
from ossicle.training.objectives.next_token import next_token_loss
from random_bundle import random_bundle


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


@pytest.fixture(scope="module")
def preferences(tones):
    """Each tone, its pitch and another."""
    names = ["low", "middle", "high"]
    file = tones.parent / "preferences.jsonl"
    with file.open("w") as out:
        for wav in sorted(tones.rglob("*.wav")):
            right = wav.parent.name
            content = [{"type": "audio", "path": str(wav)}, {"type": "text", "text": "What is this sound?"}]
            messages = [{"role": "user", "content": content}, {"role": "assistant", "content": right}]
            wrong = names[(names.index(right) + 1) % 3]
            out.write(json.dumps({"messages": messages, "rejected": wrong, "meta": {"id": wav.name}}) + "\n")
    return {"type": "conversations", "path": str(file)}


def make(bundle, **options):
    return objectives.get("dpo")(DpoOptions(**options), bundle)


def rows_of(bundle, preferences, number=3):
    source = make_source(preferences, "x")
    return [bundle.preparer()(chat) for index in range(number) for chat in source.rows(index)]


def test_known_values():
    policy, reference = torch.tensor([-10.0, -15.0]), torch.tensor([-12.0, -13.0])
    chosen, rejected = (policy - reference)[:1], (policy - reference)[1:]
    assert dpo_loss(chosen, rejected, 0.1).item() == pytest.approx(0.513015, abs=1e-6)
    assert dpo_loss(torch.zeros(1), torch.zeros(1)).item() == pytest.approx(math.log(2))
    assert dpo_loss(chosen, rejected, 0.1, "ipo").item() == pytest.approx((4 - 5) ** 2)
    assert dpo_loss(chosen, rejected, 0.1, "hinge").item() == pytest.approx(0.6)
    assert dpo_loss(chosen, rejected, 1.0, "hinge").item() == 0.0
    simpo = dpo_loss(torch.tensor([-0.5]), torch.tensor([-0.9]), 2.0, margin=1.0)
    assert simpo.item() == pytest.approx(math.log1p(math.exp(-(2.0 * 0.4 - 1.0))))
    cautious = dpo_loss(chosen, rejected, 0.1, label_smoothing=0.2)
    assert cautious.item() == pytest.approx(0.8 * 0.513015 + 0.2 * (0.513015 + 0.4), abs=1e-6)
    with pytest.raises(SpecError, match="margin and label_smoothing are for kind sigmoid, not ipo"):
        load_spec(DpoOptions, {"kind": "ipo", "margin": 0.5})


def test_z_loss_is_added_to_the_cross_entropy():
    logits = torch.tensor([[1.0, 2.0, 0.5]])
    plain, pulled = (next_token_loss(logits, torch.nn.Identity(), torch.tensor([1]), z_loss=z) for z in (0.0, 0.01))
    assert (pulled - plain).item() == pytest.approx(0.01 * math.log(sum(map(math.exp, (1.0, 2.0, 0.5)))) ** 2)


def test_it_begins_at_the_logarithm_of_two_and_pairs_share_their_beginning(preferences):
    bundle = random_bundle()
    batch = Batch.pack(rows_of(bundle, preferences))
    seen = Seen(bundle.model, batch, bundle.pad_id)
    found = make(bundle)(seen)
    assert found["loss"].item() == pytest.approx(math.log(2), abs=1e-6)
    assert found["reward_chosen"].item() == pytest.approx(0, abs=1e-6)
    assert seen.packed.input_ids.shape[0] == 3 and len(batch.rows) == 6 and len(batch.windows) == 3


@pytest.mark.parametrize("normalised", [False, True])
def test_without_a_reference_it_is_the_likelihood_of_the_replies(preferences, normalised):
    bundle = random_bundle()
    rows = rows_of(bundle, preferences)
    objective = make(bundle, reference="none", length_normalised=normalised, beta=0.7, margin=0.3)
    found = objective(Seen(bundle.model, Batch.pack(rows), bundle.pad_id))
    lm = Local(bundle, "m")
    chats = [chat for index in range(3) for chat in make_source(preferences, "x").rows(index)]
    likely = [lm.score([chat.prompt], [[chat.messages[-1].parts[0]]])[0][0] for chat in chats]
    if normalised:
        likely = [total / sum(row.trained) for total, row in zip(likely, rows, strict=True)]
    wanted = dpo_loss(torch.tensor(likely[::2]), torch.tensor(likely[1::2]), 0.7, margin=0.3).mean()
    torch.testing.assert_close(found["loss"].detach(), wanted, rtol=1e-4, atol=1e-5)
    assert objective.earlier is None


def test_a_stage_prefers_what_is_chosen_and_its_reference_stays(tones, preferences, tmp_path):
    given = recipe(tones, renew=[])
    learn = {**given["stages"][1], "steps": 60, "optimiser": {"lr": 1e-2}, "dtype": "float32"}
    dpo = {
        **learn,
        "name": "prefer",
        "data": {"pairs": preferences},
        "objective": {"type": "dpo", "beta": 0.5, "next_token": 0.1},
        "steps": 40,
    }
    kept = []
    real = objectives.get("dpo")

    class Watched(real):
        def __init__(self, options, bundle):
            super().__init__(options, bundle)
            kept.append((self, {n: p.clone() for n, p in self.earlier.named_parameters()}))

    options = DpoOptions(beta=0.5, next_token=0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "objective_options", lambda stage: [(1.0, Watched, options)]
                      if stage.name == "prefer" else real_options(stage))  # fmt: skip
        model = train({**given, "stages": [learn, dpo]}, tmp_path, workers=0, quiet=True)
    lines = [dict(line) for line in losses(tmp_path) if dict(line)["stage"] == "prefer"]
    assert lines[0]["dpo"] == pytest.approx(math.log(2), abs=0.02)
    assert lines[-1]["dpo"] < 0.5 and lines[-1]["preferred"] > 0.9
    assert lines[-1]["reward_chosen"] > lines[-1]["reward_rejected"]
    [(objective, before)] = kept
    assert all(torch.equal(p, before[n]) and p.grad is None for n, p in objective.earlier.named_parameters())
    assert not objective.earlier.training
    chats = [make_source(preferences, "x").rows(index) for index in range(12)]
    lm = Local(load_bundle(model), "m")
    scores = [lm.score([a.prompt], [[a.messages[-1].parts[0], b.messages[-1].parts[0]]])[0] for a, b in chats]
    assert sum(right > wrong for right, wrong in scores) >= 10


real_options = run_module.objective_options


def test_where_nothing_is_to_be_learnt_it_asks_the_same_models_in_the_same_order(preferences):
    bundle = random_bundle()
    objective = make(bundle)
    batch = Batch.pack(rows_of(bundle, preferences, 1))
    objective(Seen(bundle.model, batch, bundle.pad_id))  # what is asked of a model only once
    asked = []
    for name, model in (("present", bundle.model), ("earlier", objective.earlier)):
        hook = lambda *_, name=name: asked.append(name)  # noqa: E731
        model.model.language_model.register_forward_hook(hook)
    losses = [ask(Seen(bundle.model, batch, bundle.pad_id)) for ask in (objective, objective.idle)]
    assert asked == ["present", "earlier"] * 2
    losses[1].backward()
    gradients = [p.grad for p in bundle.model.model.language_model.layers.parameters()]
    assert float(losses[1].detach()) == 0.0 and all(g is not None and not g.any() for g in gradients)


def test_a_run_that_is_stopped_goes_on_with_the_same_reference(tones, preferences, tmp_path, monkeypatch):
    given = recipe(tones, renew=[])
    stage = {
        **given["stages"][1],
        "data": {"pairs": preferences},
        "objective": {"type": "dpo"},
        "steps": 6,
        "save_every_steps": 2,
    }
    plan = {**given, "stages": [stage]}
    train(plan, tmp_path / "whole", workers=0, quiet=True)
    stop_once(monkeypatch, 3)
    with pytest.raises(TrainingStoppedError):
        train(plan, tmp_path / "parts", workers=0, quiet=True)
    train(plan, tmp_path / "parts", workers=0, quiet=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


def test_a_rejected_reply_is_not_learnt_measured_or_counted(preferences):
    bundle = random_bundle()
    rows = rows_of(bundle, preferences)
    plain = objectives.get("next_token")
    halves, chosen = (
        plain(plain.Options(), bundle)(Seen(bundle.model, Batch.pack(some), bundle.pad_id))["loss"]
        for some in (rows, rows[::2])
    )
    torch.testing.assert_close(halves, chosen)
    assert plain(plain.Options(), bundle).share(Batch.pack(rows)) == sum(sum(row.trained) for row in rows[::2])
    source = make_source(preferences, "x")
    assert [chat.messages[-1].parts[0] for chat in rows_held_out(source, 12, "x")] == [
        source.rows(index)[0].messages[-1].parts[0] for index in Random(0).sample(range(12), 12)
    ]
    found = statistics_of(source, Progress(None, "rows", "x"))
    assert found.rows == 12 and set(found.replies) == {"low", "middle", "high"}


def test_scenes_give_a_false_reply_beside_each_true_one():
    options = {"type": "scenes", "procedural": 4, "pairs": 0.1, "preferences": True, "questions_per_scene": 6}
    source = make_source(options, "x")
    seen = 0
    for index in range(25):
        chats = source.rows(index)
        assert len(chats) % 2 == 0
        for chosen, rejected in zip(chats[::2], chats[1::2], strict=True):
            assert chosen.meta["pair"] == rejected.meta["pair"]
            assert chosen.meta["chosen"] and not rejected.meta["chosen"]
            assert chosen.prompt.messages == rejected.prompt.messages
            choices = {f"{choice}." for choice in chosen.meta["choices"]}
            right, wrong = chosen.messages[-1].parts[0], rejected.messages[-1].parts[0]
            assert right != wrong and {right, wrong} <= choices
            seen += 1
    assert seen > 40
    with pytest.raises(DataError, match="train on the source scenes itself"):
        write_scenes(source, 0, 1, Path("never"))
    assert [chat.meta["pair"] for chat in make_source(options, "x").rows(3)] == [c.meta["pair"] for c in source.rows(3)]


def test_a_row_that_is_no_half_of_a_pair_is_named(preferences, tmp_path):
    bundle = random_bundle()
    one = bundle.preparer()(Conversation.of(user("What?"), assistant("That."), meta={"id": "r7"}))
    with pytest.raises(DataError, match="row r7 is not one of two replies"):
        pairs_of((one,))
    with pytest.raises(DataError, match="has only one of its two replies"):
        pairs_of(tuple(rows_of(bundle, preferences)[:3]))
    for rejected in ("", 3):
        row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
        (tmp_path / "bad.jsonl").write_text(json.dumps({**row, "rejected": rejected}))
        source = make_source({"type": "conversations", "path": str(tmp_path / "bad.jsonl")}, "x")
        with pytest.raises(DataError, match='line 1: "rejected" is the text of a worse reply'):
            source.rows(0)
