"""Questions are true, unambiguous, regularly answered, and many."""

import re
from collections import Counter, defaultdict
from dataclasses import replace
from random import Random

import pytest
from questions_kit import VOCABULARY, all_phrases, confusable, plain, recogniser, scenes

from ossicle.chat.timeline import read_timeline
from ossicle.support.errors import RegistryError
from ossicle.synthesis.questions import FactEvent, Facts, ask, corpus, families, perturb
from ossicle.synthesis.questions.family import applicable
from ossicle.synthesis.questions.phrasing import Grammar

SCENES = scenes(0, 700, second=0.3)


def questions(family: str, count: int, seed: int = 0, phrasing: str = "train"):
    """(facts, question) pairs of one family."""
    rng = Random(seed)
    ready = [facts for facts in SCENES if family in applicable(facts)]
    assert ready, f"no scene allows {family}"
    found = []
    for _ in range(4 * count):
        facts = rng.choice(ready)
        question = ask(facts, rng, family=family, phrasing=phrasing)
        if question is not None:
            found.append((facts, question))
            if len(found) == count:
                return found
    raise AssertionError(f"{family}: {len(found)} of {count} questions")


@pytest.mark.parametrize("family", families())
def test_every_family_makes_well_formed_questions(family):
    for phrasing in ("train", "test"):
        for _, q in questions(family, 150, phrasing=phrasing):
            assert q.family == family and q.text.strip() == q.text and "  " not in q.text
            assert not re.search(r"[{}<>|]| [,?.]", q.text.replace(" / ", " ")), q.text
            assert q.answer and q.targets and q.num_audio in (1, 2)
            if q.choices:
                assert [f"{choice}." for choice in q.choices].count(q.answer) == 1
                assert len(set(q.choices)) == len(q.choices) > 1
            if family not in ("timeline", "caption", "nothing", "absent"):
                assert any(target.lower() in q.answer.lower() for target in q.targets), q


@pytest.mark.parametrize("family", families())
def test_wordings_are_many(family):
    def bare(pair):
        text = re.sub(r"\d+(:\d+)?(\.\d+)?", "0", pair[1].text.split("\n")[0])
        for label in sorted({label for labels in VOCABULARY.values() for label in labels}, key=len, reverse=True):
            text = text.replace(label, "X")
        return text.lower().strip(" ?.")

    assert len({bare(pair) for pair in questions(family, 300)}) >= 100
    held_out = {text for name, _, phrases in all_phrases() if name == family for text in phrases.test}
    assert len(held_out) >= 12


def test_held_out_wordings_are_never_generated():
    patterns = [(name, recogniser(phrases.train)) for name, _, phrases in all_phrases()]
    held_out = {text for _, _, phrases in all_phrases() for text in phrases.test}
    caught = [(name, text) for text in held_out for name, pattern in patterns if pattern.fullmatch(plain(text) + " ")]
    assert caught == []


def test_the_recogniser_knows_what_the_grammars_say():
    rng = Random(1)
    for name, variant, phrases in all_phrases():
        pattern = recogniser(phrases.train)
        slots = defaultdict(str, {slot: f"{{{slot}}}" for slot in re.findall(r"\{(\w+)\}", phrases.train.source)})
        for _ in range(20):
            text = phrases.train.expand(rng, slots)
            assert pattern.fullmatch(plain(text) + " "), (name, variant, text)


@pytest.mark.parametrize("family", families())
def test_equal_seeds_ask_equally(family):
    facts = [facts for facts in SCENES if family in applicable(facts)][:20]
    first = [ask(one, Random(i), family=family) for i, one in enumerate(facts)]
    assert first == [ask(one, Random(i), family=family) for i, one in enumerate(facts)]


def test_order_questions_are_true():
    for facts, q in questions("which_first", 200):
        starts = {label: facts.unique[label].start_s for label in q.choices}
        winner = min(starts, key=starts.get)
        assert q.answer == f"{winner}." and abs(max(starts.values()) - min(starts.values())) >= 0.3
    for facts, q in questions("first", 100):
        assert q.targets == (min(facts.events, key=lambda e: e.start_s).label,)
    for facts, q in questions("after", 200):
        x = q.keep[0]
        later = [e for e in facts.ordered if e.start_s > facts.unique[x].start_s]
        assert q.targets == (later[0].label if later else "nothing",)
    for facts, q in questions("before", 200):
        x = q.keep[0]
        earlier = [e for e in facts.ordered if e.start_s < facts.unique[x].start_s]
        assert q.targets == (earlier[-1].label if earlier else "nothing",)


def test_denied_sounds_are_neither_heard_nor_confusable():
    denials = (
        questions("absent", 200)
        + [pair for pair in questions("presence", 300) if pair[1].targets == ("no",)]
        + [pair for pair in questions("count", 400) if pair[1].targets == ("0",)]
    )
    for facts, q in denials:
        for x in q.keep:
            heard = set(facts.by_label)
            assert x not in heard and not any(x in confusable(h) or h in confusable(x) for h in heard)


def test_wrong_options_are_not_true():
    for facts, q in questions("either", 200):
        felt = {e.emotion for e in facts.events}
        for wrong in set(q.choices) - set(q.targets):
            assert wrong not in facts.undeniable and wrong not in felt


def test_times_are_true_and_written_with_one_decimal():
    for facts, q in questions("onset", 100):
        assert float(re.fullmatch(r"At (\d+\.\d) s\.", q.answer)[1]) == pytest.approx(
            facts.unique[q.keep[0]].start_s, abs=0.0501
        )
    for facts, q in questions("timeline", 100):
        assert len(read_timeline(q.answer)) == len(facts.events)
    for facts, q in questions("count", 200):
        assert int(q.answer.split()[0]) == len(facts.by_label.get(q.keep[0], ()))


def test_close_onsets_and_confusable_pairs_are_never_put_in_order():
    near = Facts((FactEvent("dog", "sound", 1.0, 2.0), FactEvent("bell", "procedural", 1.2, 3.0)), 5, VOCABULARY)
    twins = Facts(
        (FactEvent("dishes", "sound", 1.0, 2.0), FactEvent("plates", "sound", 3.0, 4.0)), 5, VOCABULARY, confusable
    )
    ordering = {"first", "last", "order", "which_first", "before", "after", "choice", "either", "presence", "onset"}
    assert not {"first", "last", "order", "which_first"} & set(applicable(near))
    for seed in range(30):
        assert ask(near, Random(seed), family="before") is None
    assert not ordering & set(applicable(twins))


def test_ties_in_level_and_repeats_are_not_asked_about():
    facts = Facts(
        (
            FactEvent("dog", "sound", 1.0, 2.0, -20),
            FactEvent("bell", "procedural", 2.5, 3.0, -22),
            FactEvent("bell", "procedural", 3.05, 3.5, -22),
        ),
        5,
        VOCABULARY,
    )
    assert not {"louder", "which_first"} & set(applicable(facts))
    assert "bell" not in facts.nameable


def test_orders_are_written_in_one_order():
    slots = {"coffeeDrink": "iced coffee", "sugarAmount": "brown sugar", "size": "large", "roast": "dark roast"}
    facts = Facts((FactEvent("spoken order", "command", 0.1, 3.0, slots=slots),), 3.2)
    question = ask(facts, Random(0), family="transcribe")
    assert question.answer == "large, dark roast, iced coffee, brown sugar."
    answers = Counter(ask(facts, Random(i), family="slot").answer for i in range(400))
    assert set(answers) == {"Iced coffee.", "Brown sugar.", "Large.", "Dark roast.", "None."}
    assert 0.15 < answers["None."] / 400 < 0.35


def test_silence_has_its_own_answers():
    noise = Facts((), 4.0, VOCABULARY, confusable)
    assert ask(noise, Random(0), family="nothing").answer == "Nothing but background noise."
    assert ask(replace(noise, background=False), Random(0), family="nothing").answer == "Silence."
    assert ask(noise, Random(0), family="timeline").answer == "nothing"
    assert {q.targets for i in range(40) if (q := ask(noise, Random(i), family="presence"))} == {("no",)}


@pytest.mark.parametrize(
    ("events", "caption"),
    [
        ((("bell", 0, 1), ("dog", 2, 3)), "The sound of bell, then dog."),
        ((("bell", 0, 3), ("dog", 1, 2)), "The sound of bell, then dog over it."),
        ((("bell", 0, 1), ("bell", 2, 3), ("dog", 4, 5)), "The sound of bell 2 times, then dog."),
        ((("dog", 0, 1), ("bell", 0.1, 3)), "The sound of bell together with dog."),
    ],
)
def test_captions(events, caption):
    facts = Facts(tuple(FactEvent(label, "sound", a, b) for label, a, b in events), 6, VOCABULARY)
    assert ask(facts, Random(0), family="caption").answer == caption


def test_a_misspelt_family_names_the_nearest():
    with pytest.raises(RegistryError, match="presence"):
        ask(SCENES[0], Random(0), family="presense")


@pytest.mark.parametrize("seed", range(40))
def test_perturbing_keeps_labels_numbers_and_options(seed):
    rng = Random(seed)
    for family in ("choice", "either", "which_first", "at_time", "presence"):
        for _, q in questions(family, 10, seed):
            rough = q.perturbed(rng)
            assert rough.answer == q.answer
            for piece in q.keep:
                whole = re.compile(rf"(?<!\w){re.escape(piece)}(?!\w)")
                assert len(whole.findall(rough.text)) >= len(whole.findall(q.text)), (q.text, rough.text)


def test_perturbing_changes_texts_and_is_reproducible():
    text = "Please tell me what happens after the dog barks in this recording."
    made = [perturb(text, Random(i), keep=("dog",)) for i in range(100)]
    assert made == [perturb(text, Random(i), keep=("dog",)) for i in range(100)]
    assert len(set(made)) > 40 and all("dog" in one for one in made)


def test_corpus_covers_every_family_and_repeats_itself():
    texts = list(corpus(600, 3, VOCABULARY, confusable))
    assert len(texts) == 1200 and texts == list(corpus(600, 3, VOCABULARY, confusable))


def test_broken_templates_are_refused():
    with pytest.raises(ValueError, match="closes"):
        Grammar("what (is|was here").templates  # noqa: B018
