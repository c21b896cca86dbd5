"""Questions that offer their answers: this or that, and multiple choice with letters."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from ossicle.synthesis.questions.counting import COUNT
from ossicle.synthesis.questions.facts import SPOKEN_KINDS, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.order import FIRST, first_event
from ossicle.synthesis.questions.phrasing import named, named_alike, wordings
from ossicle.synthesis.questions.speech import DIGIT, EMOTION, KEYWORD, feeling, only
from ossicle.synthesis.questions.which import INSTRUMENT, LABEL

EITHER = wordings("either")

EITHER_FEELING = wordings("either_feeling")

FEELINGS = {
    "anger": "angry",
    "boredom": "bored",
    "disgust": "disgusted",
    "fear": "afraid",
    "happiness": "happy",
    "sadness": "sad",
    "neutral": "neutral",
    "surprise": "surprised",
    "calm": "calm",
}


def _listed(options: list[str], joint: str) -> str:
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} {joint} {options[-1]}"


class Fact(NamedTuple):
    """Something true that can be asked with wrong options beside it."""

    label: str
    kind: str


def _one_sound(facts: Facts, rng: Random) -> Fact | None:
    labels = [label for label in facts.nameable if facts.askable(label, facts.kind_of(label))]
    if not labels:
        return None
    label = rng.choice(labels)
    return Fact(label, facts.kind_of(label))


def _feeling(facts: Facts, rng: Random) -> Fact | None:
    felt = feeling(facts)
    return Fact(felt, "emotion") if felt else None


def _shuffled(true: str, wrong: list[str], rng: Random) -> list[str]:
    options = [true, *wrong]
    rng.shuffle(options)
    return options


@family(
    "either",
    weight=2.0,
    phrases={"either": EITHER, "feeling": EITHER_FEELING},
    ready=lambda f: bool(f.vocabulary) and bool(f.nameable or feeling(f)),
)
def either(facts: Facts, rng: Random, say: Say) -> Question | None:
    """The true one of two (now and then three or four) options, as it stands."""
    fact = _feeling(facts, rng) or _one_sound(facts, rng)
    if fact is None:
        return None
    wrong = facts.distractors(fact.label, fact.kind, rng.choice((1, 1, 1, 1, 1, 2, 3)), rng)
    if not wrong:
        return None
    options = _shuffled(fact.label, wrong, rng)
    if fact.kind == "emotion" and rng.random() < 0.7:
        asked = [FEELINGS.get(one, one) for one in options]
        variant = "feeling"
    else:
        asked = named_alike(options, [fact.kind] * len(options), rng)
        variant = "either"
    text = say(variant, xs=_listed(asked, "or"), xs_and=_listed(asked, "and"))
    return Question("either", text, f"{fact.label}.", (fact.label,), tuple(options), keep=tuple(asked))


HEARD = wordings("heard")


class Stem(NamedTuple):
    """A question to which options can be put."""

    variant: str
    fact: Callable[[Facts, Random], Fact | None]


def _alone(facts: Facts, rng: Random) -> Fact | None:
    return _one_sound(facts, rng) if facts.all_nameable and len(facts.by_label) == 1 else None


def _instrument(facts: Facts, rng: Random) -> Fact | None:
    fact = _alone(facts, rng)
    return fact if fact and fact.kind == "instrument" else None


def _digit(facts: Facts, rng: Random) -> Fact | None:
    event = only(facts, "digit")
    return Fact(event.label, "digit") if event else None


def _keyword(facts: Facts, rng: Random) -> Fact | None:
    event = only(facts, "keyword")
    return Fact(event.label, "keyword") if event else None


def _first(facts: Facts, rng: Random) -> Fact | None:
    event = first_event(facts) if len(facts.by_label) > 1 else None
    return Fact(event.label, event.kind) if event else None


def _not_spoken(facts: Facts, rng: Random) -> Fact | None:
    fact = _alone(facts, rng)
    return fact if fact and fact.kind not in SPOKEN_KINDS else None


_STEMS = (
    Stem("heard", _one_sound),
    Stem("heard", _one_sound),
    Stem("label", _not_spoken),
    Stem("instrument", _instrument),
    Stem("digit", _digit),
    Stem("keyword", _keyword),
    Stem("first", _first),
    Stem("emotion", _feeling),
    Stem("emotion", _feeling),
)
_LETTERS = "ABCDEF"
_MARKS = ("{0}) ", "{0}) ", "{0}. ", "({0}) ", "{0}: ", "{0} - ", "[{0}] ")
_BREAKS = ("\n", "\n", "\n", " ", ", ", "; ", " / ")
_LEADS = ("", "", "", "Options:", "Choices:", "Choose from:", "Answers:", "Choose one:", "The options are:")
_CLOSINGS = (
    "",
    "",
    "",
    "",
    "",
    "Answer with the letter.",
    "Answer with one of the options.",
    "Which letter?",
    "Choose one.",
    "Only one is right.",
    "Answer with the letter and the option.",
    "Answer:",
    "Please choose the correct option.",
    "Which one is correct?",
)


def lettered(stem: str, options: list[str], rng: Random, held_out: bool) -> tuple[str, str]:
    """(the stem with its options below or behind it; the list of options by itself).

    Layouts with ``[A]`` and `` / `` are kept for testing.
    """
    mark = rng.choice(_MARKS if held_out else _MARKS[:-1])
    gap = rng.choice(_BREAKS if held_out else _BREAKS[:-1])
    listing = gap.join(f"{mark.format(letter)}{option}" for letter, option in zip(_LETTERS, options, strict=False))
    lead, closing = rng.choice(_LEADS), rng.choice(_CLOSINGS)
    gap = "\n" if "\n" in listing else " "
    return gap.join(part for part in (stem, lead, listing, closing) if part), listing


def _chosen(say: Say, variant: str, true: str, wrong: list[str], rng: Random, **slots: str) -> Question:
    """The question with its options shuffled: every letter is the answer equally often."""
    options = _shuffled(true, wrong, rng)
    text, listing = lettered(say(variant, **slots), options, rng, say.held_out)
    choices = tuple(f"{letter}) {option}" for letter, option in zip(_LETTERS, options, strict=False))
    answer = choices[options.index(true)]
    return Question("choice", text, f"{answer}.", (true, answer[0]), choices, keep=(listing, *slots.values()))


def _count_choice(facts: Facts, rng: Random, say: Say) -> Question | None:
    """Options that are numbers, about a sound that repeats (one would else be the safe answer)."""
    repeated = [label for label, events in facts.nameable.items() if 2 <= len(events) <= 6]
    if not repeated:
        return None
    x = rng.choice(repeated)
    number = len(facts.by_label[x])
    others = [n for n in range(1, 7) if n != number]
    wrong = rng.sample(others, rng.randint(1, 4))
    return _chosen(say, "count", str(number), [str(n) for n in wrong], rng, x=named(x, facts.kind_of(x), rng))


@family(
    "choice",
    weight=2.5,
    phrases={
        "heard": HEARD,
        "label": LABEL,
        "instrument": INSTRUMENT,
        "digit": DIGIT,
        "keyword": KEYWORD,
        "first": FIRST,
        "emotion": EMOTION,
        "count": COUNT,
    },
    ready=lambda f: bool(f.vocabulary) and bool(f.nameable or feeling(f)),
)
def choice(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``B) knock.``"""
    if rng.random() < 0.08 and (question := _count_choice(facts, rng, say)):
        return question
    found = [(stem, fact) for stem in _STEMS if (fact := stem.fact(facts, rng))]
    if not found:
        return None
    stem, fact = rng.choice(found)
    wrong = facts.distractors(fact.label, fact.kind, rng.randint(1, 5), rng)
    if stem.variant == "first" and rng.random() < 0.7:
        # What else is heard is the honest distractor; it comes with clear labels only.
        wrong = [label for label in facts.nameable if label != fact.label and rng.random() < 0.9] + wrong[:1]
        wrong = wrong[:5]
    if not wrong:
        return None
    as_felt = fact.kind == "emotion" and rng.random() < 0.25
    true, *wrong = (FEELINGS.get(one, one) if as_felt else one for one in (fact.label, *wrong))
    return _chosen(say, stem.variant, true, wrong, rng)
