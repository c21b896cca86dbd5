"""What is minimised, against values worked out by hand."""

import math

import numpy as np
import pytest
import torch

from ossicle.audio import Audio
from ossicle.batch import Batch, Window
from ossicle.chat import Conversation, assistant, user
from ossicle.data.packing import pack
from ossicle.spec import load_spec
from ossicle.support.errors import DataError, SpecError
from ossicle.training.objectives import Seen, objectives
from ossicle.training.objectives.frame_text import FrameTextOptions, contrast, truth
from ossicle.training.objectives.next_token import emphasis_weights, length_weights, next_token_loss
from random_bundle import random_bundle


@pytest.fixture(scope="module")
def bundle():
    return random_bundle()


def noise(seconds=2.0, seed=0):
    x = np.random.default_rng(seed).standard_normal(round(16_000 * seconds)).astype(np.float32) * 0.1
    return Audio.from_samples(x, 16_000)


def row(bundle, events, text="A dog.", seed=0):
    chat = Conversation.of(user(noise(seed=seed), "What?"), assistant(text), meta={"events": [events]})
    return bundle.preparer()(chat)


def seen(bundle, *rows):
    return Seen(bundle.model, Batch.pack(rows), bundle.pad_id)


def make(bundle, name, **options):
    cls = objectives.get(name)
    return cls(cls.Options(**options), bundle)


def test_cross_entropy_of_known_logits():
    head = torch.nn.Identity()
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    loss = next_token_loss(logits, head, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_times_weigh_more_where_that_is_asked(bundle):
    seconds = r"\d+(\.\d+)? ?s\b"
    pieces = ["From", " 1", "2", ".", "5", " s", " to", " 3s", ",", " 4", " dogs"]
    assert emphasis_weights(pieces, {seconds: 5.0}) == [1, 5, 5, 5, 5, 5, 1, 5, 1, 1, 1]
    assert emphasis_weights(pieces, {seconds: 0.5, "dogs|12": 2.0}) == [1, 2, 2, 0.5, 0.5, 0.5, 1, 0.5, 1, 1, 2]
    rows = [row(bundle, [], "At 1.5 s."), row(bundle, [], "A dog.", seed=1)]
    look = seen(bundle, *rows)
    plain, more = (make(bundle, "next_token", **given)(look)["loss"] for given in ({}, {"emphasis": {seconds: 5.0}}))
    loss_N = torch.nn.functional.cross_entropy(
        bundle.model.logits(look.hidden_ND), look.packed.targets, reduction="none"
    )
    texts = [bundle.renderer.decode([token]) for token in look.packed.targets.tolist()]
    first = int((look.packed.row_of_target == 0).sum())
    weights_N = torch.tensor(emphasis_weights(texts[:first], {seconds: 5.0}) + [1.0] * (len(texts) - first))
    assert weights_N.max() == 5 and weights_N[:first].min() == 1
    torch.testing.assert_close(more, (loss_N * weights_N).sum() / weights_N.sum())
    torch.testing.assert_close(plain, loss_N.mean())
    with pytest.raises(SpecError, match="is no regular expression"):
        load_spec(objectives.get("next_token").Options, {"emphasis": {"(": 2.0}})
    with pytest.raises(SpecError, match="should be above 0"):
        load_spec(objectives.get("next_token").Options, {"emphasis": {"a": 0.0}})


def test_a_long_answer_counts_for_less_than_its_length():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0], [math.log(3.0), 0.0], [0.0, math.log(7.0)]])
    rows = torch.tensor([0, 1, 1, 1])
    each = [math.log(2), *[math.log(4 / 3)] * 2, math.log(8)]
    for power in (0.0, 0.5, 1.0):
        loss = next_token_loss(
            logits, torch.nn.Identity(), torch.zeros(4, dtype=torch.long), length_weights(rows, power)
        )
        wanted = (each[0] + 3**-power * sum(each[1:])) / (1 + 3 * 3**-power)
        assert loss.item() == pytest.approx(wanted)


def test_each_row_counts_the_same_with_a_length_power_of_one(bundle):
    bundle.model.eval()
    rows = questions_about_one_recording(bundle)
    alone = [make(bundle, "next_token")(seen(bundle, one))["loss"].item() for one in rows]
    together = make(bundle, "next_token", length_power=1.0)(seen(bundle, *rows))["loss"].item()
    assert together == pytest.approx(sum(alone) / len(alone), rel=1e-5)


def test_next_token_equals_transformers_own_loss(bundle):
    bundle.model.eval()
    rows = [row(bundle, [], "A dog."), row(bundle, [], "It is a bell.", seed=1)]
    batch = Batch.pack(rows)
    inputs = batch.inputs(pad_id=bundle.pad_id)
    labels = inputs["input_ids"].masked_fill(~batch.trained_mask(), -100)
    theirs = bundle.model(**inputs, labels=labels).loss
    ours = make(bundle, "next_token")(seen(bundle, *rows))["loss"]
    torch.testing.assert_close(ours, theirs)


def questions_about_one_recording(bundle):
    """Two rows that share a recording, one that has it and another one, one without sound, one alone."""
    prepare, short, long = bundle.preparer(), noise(0.7), noise(1.3, seed=4)
    chats = [
        Conversation.of(user(short, "What is it?"), assistant("A dog.")),
        Conversation.of(user(short, "Is there a bell in it?"), assistant("No, there is no bell.")),
        Conversation.of(user(short, long, "Which is louder?"), assistant("The second.")),
        Conversation.of(user("Hello"), assistant("Good day."), user("And?"), assistant("No more.")),
        Conversation.of(user(long, "What is it?"), assistant("A bell.")),
    ]
    return [prepare(chat) for chat in chats]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_rows_that_share_a_recording_are_read_once_and_learn_the_same(bundle, attention):
    bundle.model.eval()
    bundle.model.zero_grad()
    bundle.model.model.language_model.set_attn_implementation(attention)
    rows = questions_about_one_recording(bundle)
    batch = Batch.pack(rows)
    inputs = batch.inputs(pad_id=bundle.pad_id)
    labels = inputs["input_ids"].masked_fill(~batch.trained_mask(), -100)
    theirs = bundle.model(**inputs, labels=labels).loss
    theirs.backward()
    wanted = {name: p.grad.clone() for name, p in bundle.model.named_parameters() if p.grad is not None}
    bundle.model.zero_grad()
    look = seen(bundle, *rows)
    ours = make(bundle, "next_token")(look)["loss"]
    ours.backward()
    assert look.packed.input_ids.shape[0] == 4
    torch.testing.assert_close(ours, theirs)
    for name, grad in wanted.items():
        torch.testing.assert_close(bundle.model.get_parameter(name).grad, grad, rtol=1e-3, atol=1e-6)


def test_a_language_model_with_memory_reads_every_row_by_itself():
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    layers = {"layer_types": ["conv", "full_attention"], "num_key_value_heads": 2}
    bundle = random_bundle(language_model={"type": "lfm2", **sizes, **layers})
    look = seen(bundle, *questions_about_one_recording(bundle))
    assert look.packed.input_ids.shape[0] == 5
    assert make(bundle, "next_token")(look)["loss"].isfinite()


def test_rows_kept_apart_are_those_of_the_batch(bundle):
    rows = questions_about_one_recording(bundle)
    batch = Batch.pack(rows)
    apart, shared = (pack(batch, pad_id=bundle.pad_id, shared=shared) for shared in (False, True))
    assert torch.equal(apart.input_ids, batch.inputs(pad_id=bundle.pad_id)["input_ids"])
    assert apart.window_of_slot == batch.window_of_slot
    assert sorted(apart.targets.tolist()) == sorted(shared.targets.tolist())
    assert (shared.segments >= 0).sum() < (apart.segments >= 0).sum()


def test_alignment_alone_never_runs_the_language_model(bundle, monkeypatch):
    monkeypatch.setattr(bundle.model.model.language_model, "forward", None)
    event = {"start_s": 0.2, "end_s": 0.9, "tags": ["dog"]}
    losses = make(bundle, "frame_text")(seen(bundle, row(bundle, [event])))
    assert losses["loss"].isfinite()


def test_alignment_falls_when_tokens_mean_their_words(bundle):
    event = {"start_s": 0.0, "end_s": 2.0, "tags": ["dog"]}
    other = {"start_s": 0.0, "end_s": 2.0, "tags": ["bell"]}
    objective = make(bundle, "frame_text")
    look = seen(bundle, row(bundle, [event]), row(bundle, [other], seed=1))
    before = objective(look)["loss"]
    words = objective._embed(bundle.model, ["dog", "bell"])
    tokens = look.tokens
    look.tokens = tokens._replace(x_BFD=words[:, None].expand(-1, tokens.x_BFD.shape[1], -1))
    assert objective(look)["loss"] < before


def test_truth_of_each_token_follows_the_clock():
    windows = (Window("a", torch.zeros(1), 0.0, 2.0), Window("b", torch.zeros(1), 2.0, 3.0))
    events = [
        [
            {"start_s": 0.5, "end_s": 1.0, "tags": ["dog"]},
            {"start_s": 1.0, "end_s": 2.0, "tags": ["order"], "words": ["milk"]},
        ],
        [{"start_s": 0.5, "end_s": 1.0, "tags": ["dog"]}],
    ]
    labels = ["dog", "milk", "order"]
    logits = torch.zeros(2, 8, 3)
    logits[0, 6, 1] = 1.0
    weight, is_false, silent, spans, tags = truth(windows, events, labels, [8, 4], logits, FrameTextOptions())
    assert weight[0, :, 0].tolist() == [0, 0, 0.5, 0.5, 0, 0, 0, 0]
    assert weight[0, :, 2].tolist() == [0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25]
    assert weight[0, :, 1].tolist() == [0, 0, 0, 0, 0, 0, 0.5, 0], "said where it is heard most"
    assert is_false[0, :, 1].tolist() == [True] * 4 + [False] * 4, "unknown elsewhere in the event"
    assert silent[0].tolist() == [0.25, 0.25, 0, 0, 0, 0, 0, 0]
    assert weight[1].sum() == 0, "the second window begins after the dog"
    assert is_false[1].sum(0).tolist() == [4, 4, 4], "padding is never known"
    assert spans == [(0, 2, 4), (0, 4, 8)]
    assert tags.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_a_timed_word_is_true_where_it_is_said_and_false_elsewhere():
    windows = (Window("a", torch.zeros(1), 0.0, 2.0),)
    event = {"start_s": 0.0, "end_s": 2.0, "tags": ["order"], "words": [], "timed": [["milk", 0.5, 1.0]]}
    logits = torch.zeros(1, 8, 2)
    weight, is_false, *_ = truth(windows, [[event]], ["milk", "order"], [8], logits, FrameTextOptions(word=2.0))
    assert weight[0, :, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert is_false[0, :, 0].tolist() == [True, True, False, False, True, True, True, True]
    assert weight[0, :, 1].sum() == 1


def test_rivals_are_contrasted_though_the_batch_has_no_sound_of_them(bundle):
    event = {"start_s": 0.0, "end_s": 2.0, "tags": ["dog"]}
    objective = make(bundle, "frame_text")
    alone = objective(seen(bundle, row(bundle, [event])))["loss"]
    rivalled = objective(seen(bundle, row(bundle, [{**event, "rivals": ["bell", "horn"]}])))["loss"]
    assert rivalled > alone


def test_contrast_of_known_logits():
    """One moment: the true label has ln 2, a false one 0, nothing 0; another is silent."""
    logits = torch.tensor([[[math.log(2.0), 0.0], [0.0, 0.0]]])
    weight = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    is_false = torch.tensor([[[False, True], [True, True]]])
    silent = torch.tensor([[0.0, 0.5]])
    loss = contrast(logits, torch.tensor(0.0), weight, is_false, silent)
    assert loss.item() == pytest.approx((math.log(2.0) + 0.5 * math.log(3.0)) / 1.5)


def test_silence_is_taught_where_nothing_sounds(bundle):
    event = {"start_s": 0.0, "end_s": 2.0, "tags": ["dog"]}
    deaf = make(bundle, "frame_text", silence=0.0)
    rows = row(bundle, [event]), row(bundle, [], seed=1)
    assert deaf(seen(bundle, *rows))["loss"].item() == pytest.approx(
        deaf(seen(bundle, rows[0]))["loss"].item(), rel=1e-5
    )
    taught = make(bundle, "frame_text")
    assert taught(seen(bundle, *rows))["loss"].item() != pytest.approx(
        deaf(seen(bundle, *rows))["loss"].item(), rel=1e-3
    )
    assert taught(seen(bundle, rows[1]))["loss"] == 0


def test_gradients_of_the_alignment_reach_encoder_projector_and_words(bundle):
    bundle.model.zero_grad()
    event = {"start_s": 0.2, "end_s": 0.9, "tags": ["dog"]}
    make(bundle, "frame_text")(seen(bundle, row(bundle, [event])))["loss"].backward()
    for name in ("encoder", "projector"):
        assert all(p.grad is not None for p in bundle.model.parts()[name].parameters())
    assert bundle.model.get_input_embeddings().weight.grad.abs().sum() > 0


def test_rows_that_cannot_be_aligned_or_learnt_say_so(bundle):
    plain = bundle.preparer()(Conversation.of(user("No sound."), assistant("No.")))
    with pytest.raises(DataError, match="no recording"):
        make(bundle, "frame_text")(seen(bundle, plain))
    with pytest.raises(DataError, match=r"meta\.events"):
        untold = bundle.preparer()(Conversation.of(user(Audio.from_samples([0.1] * 9000, 16_000), "?"), assistant("x")))
        make(bundle, "frame_text")(seen(bundle, untold))
    with pytest.raises(DataError, match="no row"):
        make(bundle, "next_token")(seen(bundle, bundle.preparer()(Conversation.of(user("?")), reply=True)))
