"""Several batches as one step are one batch; layers that are computed again learn the same."""

import pytest
import torch
from tiny_run import losses, make_tones, recipe, stop_once
from torch import nn

from ossicle.batch import Batch
from ossicle.chat import Conversation, assistant, user
from ossicle.data import make_source
from ossicle.data.halves import lesson, preference
from ossicle.spec import build_options, load_spec
from ossicle.training import TrainingStoppedError, train
from ossicle.training.checkpoint import State
from ossicle.training.loop import Objectives, StageRun, recomputes
from ossicle.training.objectives import objectives
from ossicle.training.recipe import Stage
from random_bundle import random_bundle

PLAIN = {"type": "next_token"}
WEIGHED = {"type": "next_token", "length_power": 0.5, "emphasis": {"low|[0-9]": 3.0}, "z_loss": 0.01}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    torch.set_num_threads(1)
    return make_tones(tmp_path_factory.mktemp("data") / "tones")


def chats_of(tones, kind):
    source = make_source({"type": "folder", "path": str(tones)}, "x")
    texts = ["low", "a middle one, I think", "high", "high, 3 times", "low, or not", "no"]
    chats = [
        Conversation.of(user(source.rows(2 * n)[0].audios[0], "What?"), assistant(text)) for n, text in enumerate(texts)
    ]
    if kind == "dpo":
        return [half for n, chat in enumerate(chats) for half in preference(chat, "nothing", str(n))]
    if kind == "distil":
        return [half for n, chat in enumerate(chats) for half in lesson(chat, ["A tone."], str(n))]
    return chats


def run_of(objective, **changes):
    """A fresh run of one stage, its encoder frozen, as batch norms see single batches."""
    bundle = random_bundle()
    given = {"name": "a", "train": {"projector": "full", "language_model": "full"}, "data": {"x": {"type": "folder"}}}
    stage = load_spec(Stage, {**given, "steps": 3, "objective": objective, "optimiser": {"lr": 1e-3}, **changes})
    cls, options = build_options(objectives, objective, "x")
    built = Objectives([(0.7, cls(options, bundle))], bundle.pad_id)
    return bundle, StageRun(stage, bundle.model, bundle.model.parts(), built, None, State(), 0)


@pytest.mark.parametrize(
    "objective",
    [PLAIN, WEIGHED, {"type": "dpo", "next_token": 0.0}, {"type": "distil"}],
    ids=lambda o: str(len(o)) + o["type"],
)
def test_two_batches_in_a_step_are_one_batch(tones, objective):
    bundle, whole = run_of(objective)
    rows = [bundle.preparer()(chat) for chat in chats_of(tones, objective["type"])]
    cut = 4
    parts = Batch.pack(rows[:cut]), Batch.pack(rows[cut:])
    apart_bundle, apart = run_of(objective)
    for _ in range(3):
        one, two = whole.step(Batch.pack(rows)), apart.step(*parts)
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4, abs=1e-6)
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-3, abs=1e-6)
    shares = apart.objective.shares(parts)
    assert sum(share for [share] in shares) == pytest.approx(1) and shares[0] != shares[1]
    theirs = dict(apart_bundle.model.named_parameters())
    for name, parameter in bundle.model.named_parameters():
        torch.testing.assert_close(theirs[name], parameter, rtol=1e-3, atol=2e-5)


def test_what_only_some_batches_of_a_step_tell_is_the_mean_over_those(tones):
    class Moody(nn.Module):
        def share(self, batch):
            return 1.0

        def forward(self, seen):
            loss = seen.hidden_ND.sum() * 0.0
            return {"loss": loss, **({"rare": loss + 3.0} if len(seen.batch.rows) == 1 else {})}

    bundle, run = run_of(PLAIN)
    run.objective = Objectives([(1.0, Moody())], bundle.pad_id)
    rows = [bundle.preparer()(chat) for chat in chats_of(tones, "next_token")]
    assert run.step(Batch.pack(rows[:2]), Batch.pack(rows[2:3]))["rare"] == 3.0


def test_what_objectives_tell_is_weighed_by_what_each_batch_teaches_them(tones):
    """One objective is a mean over 4 and 2 of a step, the other over 16 and 4."""

    class Counted(nn.Module):
        def __init__(self, name, count):
            super().__init__()
            self.name, self.share = name, count

        def forward(self, seen):
            loss = seen.hidden_ND.sum() * 0.0 + self.share(seen.batch)
            return {"loss": loss, self.name: loss.detach()}

        def skip(self, model):
            pass

    bundle, run = run_of(PLAIN)
    both = Counted("rows", lambda batch: len(batch.rows)), Counted("squares", lambda batch: len(batch.rows) ** 2)
    run.objective = Objectives([(1.0, both[0]), (0.5, both[1])], bundle.pad_id)
    rows = [bundle.preparer()(chat) for chat in chats_of(tones, "next_token")]
    told = run.step(Batch.pack(rows[:4]), Batch.pack(rows[4:]))
    assert told["rows"] == pytest.approx((4 * 4 + 2 * 2) / 6)
    assert told["squares"] == pytest.approx((16 * 16 + 4 * 4) / 20)
    assert told["loss"] == pytest.approx(told["rows"] + 0.5 * told["squares"])
    alone = run.step(Batch.pack(rows[:4]))
    assert (alone["rows"], alone["squares"], alone["loss"]) == (4.0, 16.0, 12.0)
    uncounted = run.step(Batch.pack(rows[:4]), Batch.pack(rows[4:]), counted=[True, False])
    assert (uncounted["rows"], uncounted["squares"]) == (4.0, 16.0)


def test_words_alone_teach_a_projector_nothing_and_stop_nothing(tones):
    bundle, run = run_of(PLAIN, train={"projector": "full"})
    words = bundle.preparer()(Conversation.of(user("What?"), assistant("low")))
    before = [parameter.clone() for parameter in bundle.model.parameters()]
    told = run.step(Batch.pack([words]))
    assert told["loss"] > 0 and told["grad_norm"] == 0.0
    assert all(torch.equal(one, now) for one, now in zip(before, bundle.model.parameters(), strict=True))


def plan(tones, **stage):
    given = recipe(tones, renew=[], steps=5, **stage)
    return {**given, "stages": [given["stages"][1]]}


def test_a_run_that_accumulates_counts_all_its_sound_and_resumes_exactly(tones, tmp_path, monkeypatch):
    given = plan(tones, accumulate=3, seconds_per_batch=1.0, save_every_steps=1)
    train(given, tmp_path / "whole", workers=0, quiet=True)
    once = plan(tones, seconds_per_batch=1.0)
    train(once, tmp_path / "once", workers=0, quiet=True)
    more, less = (dict(losses(tmp_path / run)[-1]) for run in ("whole", "once"))
    assert more["step"] == less["step"] == 5 and more["audio_s"] > 2.5 * less["audio_s"]
    stop_once(monkeypatch, 2)
    with pytest.raises(TrainingStoppedError):
        train(given, tmp_path / "parts", workers=0, quiet=True)
    train(given, tmp_path / "parts", workers=0, quiet=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


def test_layers_that_are_computed_again_learn_the_same(tones):
    rows = None
    norms = []
    for again in (False, True):
        bundle, run = run_of(PLAIN, recompute=again)
        assert recomputes(bundle.model.model.language_model) == again
        rows = rows or [bundle.preparer()(chat) for chat in chats_of(tones, "next_token")]
        told = run.step(Batch.pack(rows))
        norms.append((told["loss"], told["grad_norm"]))
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    # Frozen, or with adapters, its layers are computed again as well.
    for how in ({"projector": "full"}, {"projector": "full", "language_model": {"lora": {"rank": 2}}}):
        norms = []
        for again in (False, True):
            torch.manual_seed(0)
            bundle, run = run_of(PLAIN, recompute=again, train=how)
            layers = [m for m in bundle.model.model.language_model.modules() if hasattr(m, "mlp")]
            assert all(layer.training == again for layer in layers) and not layers[0].mlp.training
            told = run.step(Batch.pack(rows))
            norms.append((told["loss"], told["grad_norm"]))
        assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    # A later stage that does not ask for it has it no more.
    StageRun(run_of(PLAIN)[1].stage, bundle.model, bundle.model.parts(), run.objective, None, State(), 0)
    assert not recomputes(bundle.model.model.language_model)
