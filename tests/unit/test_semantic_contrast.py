"""U-SAM's contrastive loss: values worked out by hand, and no row against its own answer."""

import math

import numpy as np
import pytest
import torch

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, assistant, user
from ossicle.support.errors import SpecError
from ossicle.training.objectives import Seen, objectives
from ossicle.training.objectives.semantic_contrast import another, likeness, significance
from random_bundle import INTEGRATIONS, random_bundle


@pytest.fixture(scope="module")
def bundle():
    return random_bundle(**INTEGRATIONS["task_aware"])


def row(bundle, text, seed=0, question="What?", seconds=1.0):
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(16_000 * seconds)).astype(np.float32)
    return bundle.preparer()(Conversation.of(user(Audio.from_samples(noise, 16_000), question), assistant(text)))


def objective(bundle, **options):
    torch.manual_seed(0)
    cls = objectives.get("semantic_contrast")
    return cls(cls.Options(**options), bundle)


def test_the_formulas_are_those_that_one_can_work_out():
    """Three audio tokens at right angles, the words "first" and "half first, half second"; the judge prefers the
    second: σ(ln 3) = ¾."""
    audio_KD = torch.eye(3)
    words_AD = torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    s_K = significance(torch.tensor([0.0, math.log(3.0), 0.0]), audio_KD, words_AD)
    # The mean word is (1.5, 0.5, 0), of length √2.5; the mean token's cosine is 1/√3 with each.
    first, second, third = 0.25 + 0.25 * 1.5 / 2.5**0.5, 0.375 + 0.25 * 0.5 / 2.5**0.5, 0.25
    share = (second - third) / (first - third)
    assert s_K.tolist() == pytest.approx([1.0, share, 0.0]) and share == pytest.approx(0.860379612)
    # The first token is the first word; the second is as far from its nearest word as half of a right angle.
    wanted = ((1.0 + share * 0.5**0.5) / (1.0 + share) + (1.0 + 0.5**0.5) / 2) / 2
    assert likeness(s_K, audio_KD, words_AD).item() == pytest.approx(wanted) == pytest.approx(0.859049, abs=1e-6)
    assert significance(torch.zeros(1), audio_KD[:1], words_AD).tolist() == [1.0]


def test_the_loss_is_that_of_the_formulas(bundle):
    rows = [row(bundle, "A dog.", 1), row(bundle, "A bell rings twice.", 2, "How many?", 2.3)]
    contrast, seen = objective(bundle, margin=2.0), Seen(bundle.model, Batch.pack(rows), bundle.pad_id)
    told = contrast(seen)
    table = bundle.model.get_input_embeddings()
    # What the packed rows, which the language model reads, hold in their audio places.
    model, ids = bundle.model.model, [torch.tensor([one.ids]) for one in rows]
    found = []
    for one, ids_1L in zip(rows, ids, strict=True):
        alone = Batch.pack([one]).inputs(pad_id=bundle.pad_id)
        kept = {}
        handle = model.language_model.register_forward_pre_hook(lambda m, a, k, to=kept: to.update(k), with_kwargs=True)
        with torch.no_grad():
            bundle.model(**alone)
        handle.remove()
        audio_KD = kept["inputs_embeds"][ids_1L == model.config.audio_token_id]
        words = [t for t, trained in zip(one.ids, one.trained, strict=True) if trained][:-1]  # without the end
        found.append((audio_KD, table(torch.tensor(words)).detach()))
    wanted = 0.0
    for number, (audio_KD, words_AD) in enumerate(found):
        s_K = significance(contrast.judge(audio_KD)[:, 0], audio_KD, words_AD)
        near, far = (likeness(s_K, audio_KD, found[which][1]) for which in (number, 1 - number))
        wanted = wanted + ((2.0 + far - near) + (s_K.mean() - 0.5) ** 2) / 2
    torch.testing.assert_close(told["loss"], wanted, rtol=1e-4, atol=1e-5)
    assert 0 < told["kept"] <= 1


def test_no_row_is_set_against_its_own_answer_or_its_own_recording(bundle):
    rows = [
        row(bundle, "A dog.", 1),
        row(bundle, "A dog.", 2),  # the same answer
        row(bundle, "Twice.", 1, "How many?"),  # the same recording
        row(bundle, "A bell.", 3),
    ]
    replies = dict(enumerate(["a dog", "a dog", "twice", "a bell"]))
    assert [another(rows, range(4), number, replies) for number in range(4)] == [3, 2, 3, 0]
    alike = Seen(bundle.model, Batch.pack(rows[:2]), bundle.pad_id)
    told = objective(bundle, margin=2.0)(alike)
    assert told["semantic_contrast"] == 0 and told["loss"] > 0


def test_sound_and_judge_learn_and_words_do_not(bundle):
    model = bundle.model
    model.zero_grad()
    contrast = objective(bundle, margin=2.0)
    rows = [row(bundle, "A dog.", 1), row(bundle, "A bell.", 2, seconds=5.0)]  # one of two windows
    contrast(Seen(model, Batch.pack(rows), bundle.pad_id))["loss"].backward()
    parts = (
        contrast.judge,
        model.model.audio_tower,
        model.model.multi_modal_projector,
        model.model.integration.experts,
    )
    assert all(p.grad is not None and p.grad.abs().max() > 0 for part in parts for p in part.parameters())
    # The question's words choose experts, and reach the table of words in that way; the reply's do not.
    reply = bundle.renderer.encode_text("bell.")
    assert model.get_input_embeddings().weight.grad[reply].abs().max() == 0


def test_rows_that_hear_nothing_or_say_nothing_do_not_count(bundle):
    silent = bundle.preparer()(Conversation.of(user("What?"), assistant("Nothing.")))
    contrast = objective(bundle)
    assert contrast.share(Batch.pack([silent, row(bundle, "A dog.")])) == 1.0
    assert contrast.share(Batch.pack([silent])) == 0.0
    told = contrast(Seen(bundle.model, Batch.pack([silent]), bundle.pad_id))
    assert told["loss"] == 0 and told["loss"].requires_grad
    with torch.no_grad():
        both = contrast(Seen(bundle.model, Batch.pack([silent, row(bundle, "A dog.")]), bundle.pad_id))["loss"]
        one = contrast(Seen(bundle.model, Batch.pack([row(bundle, "A dog.")]), bundle.pad_id))["loss"]
    torch.testing.assert_close(both, one)


@pytest.mark.parametrize("name", ["prompt", "prompt_adapter", "question_prefix"])
def test_other_prompts_are_heard_without_asking_the_language_model(name):
    bundle = random_bundle(**INTEGRATIONS[name])
    rows, asked = [row(bundle, "A dog.", 1), row(bundle, "A bell.", 2)], []
    bundle.model.model.language_model.register_forward_hook(lambda *given: asked.append(given))
    told = objective(bundle, margin=2.0)(Seen(bundle.model, Batch.pack(rows), bundle.pad_id))
    assert told["semantic_contrast"] > 0 and not asked


def test_a_prompt_without_audio_tokens_is_refused():
    with pytest.raises(SpecError, match="with integration cross_attention it does not"):
        objective(random_bundle(**INTEGRATIONS["cross_attention"]))
