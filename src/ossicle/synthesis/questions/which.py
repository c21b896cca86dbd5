"""Which sound is it, is it there, which is louder."""

from itertools import combinations
from random import Random

from ossicle.synthesis.questions.clauses import PRESENCE_CLAUSE
from ossicle.synthesis.questions.facts import LOUDER_DB, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import named_alike, phrase_of, wordings
from ossicle.synthesis.questions.surfaces import mention

LABEL = wordings("label")

MAIN = wordings("main")

INSTRUMENT = wordings("instrument")


def phrase_for(facts: Facts, label: str) -> str:
    """A heard label inside an answer."""
    return phrase_of(label, facts.kind_of(label))


def main_event(facts: Facts) -> str | None:
    """The label that is clearly louder than every other, where there are several."""
    rows = sorted(facts.nameable, key=lambda label: max(e.level_db for e in facts.by_label[label]))
    if len(rows) < 2 or len(rows) < len(facts.by_label):
        return None
    top, next_ = (max(e.level_db for e in facts.by_label[label]) for label in (rows[-1], rows[-2]))
    return rows[-1] if top - next_ >= LOUDER_DB else None


@family(
    "label",
    weight=3.0,
    phrases={"label": LABEL, "main": MAIN, "instrument": INSTRUMENT},
    ready=lambda f: f.only_a_voice or (f.all_nameable and (len(f.by_label) == 1 or main_event(f) is not None)),
)
def label(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``That is water flowing.``"""
    if len(facts.by_label) == 1:
        heard = next(iter(facts.by_label))
        instrument = facts.kind_of(heard) == "instrument" and rng.random() < 0.5
        text = say("instrument" if instrument else "label")
    else:
        heard = main_event(facts)
        if heard is None or rng.random() < 0.6:  # a rarer question, of scenes that allow many others
            return None
        text = say("main")
    targets = ("speech", "someone speaking") if facts.only_a_voice else (heard,)
    return Question("label", text, f"That is {phrase_for(facts, heard)}.", targets)


PRESENCE = wordings("presence")


def _mirrored(facts: Facts, candidates: list[str], rng: Random) -> str | None:
    """A heard label, turned down as often as an absent one would have been.

    Absent labels are blocked by what is confusable with them in the scene. Heard labels are held to
    the same sieve against a made-up scene of the same kinds, so that no label says yes by itself.
    """
    kinds = [events[0].kind for events in facts.by_label.values() if facts.vocabulary.get(events[0].kind)]
    for _ in range(8):
        chosen = rng.choice(candidates)
        others = [rng.choice(facts.vocabulary[kind]) for kind in kinds]
        if not any(
            chosen == other or chosen in facts.confusable(other) or other in facts.confusable(chosen)
            for other in others
        ):
            return chosen
    return None


@family(
    "presence",
    weight=3.0,
    phrases={"presence": PRESENCE, "presence_clause": PRESENCE_CLAUSE},
    ready=lambda f: bool(f.vocabulary) and (bool(f.nameable) or not f.events),
)
def presence(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Yes, glass breaking is heard.`` or ``No, there is no glass breaking.``, equally often."""
    if facts.events:
        # One event decides the kind for both answers, so that the kind says nothing either.
        kind = rng.choice(facts.events).kind
        heard = [label for label in facts.nameable if facts.kind_of(label) == kind and facts.askable(label, kind)]
        if not heard:
            return None
        # Both must be possible before one is drawn, or the scenes that allow only one would tip the balance.
        there = rng.random() < 0.5
        yes, no = _mirrored(facts, heard, rng), facts.absent_label(kind, rng)
        x = None if yes is None or no is None else yes if there else no
    else:
        # All of these are denials; more than a few would teach to deny.
        if rng.random() < 0.8:
            return None
        kind, there = rng.choice([k for k in facts.vocabulary if k not in ("emotion", "command")] or [""]), False
        x = facts.absent_label(kind, rng)
    if x is None:
        return None
    choices = (f"Yes, {x} is heard", f"No, there is no {x}")
    return Question(
        "presence",
        mention(say, "presence", x, kind, rng),
        choices[not there] + ".",
        ("yes" if there else "no",),
        choices,
        keep=(x,),
    )


LOUDER = wordings("louder")

LOUDEST = wordings("loudest")


def _level(facts: Facts, heard: str) -> float:
    return facts.unique[heard].level_db


def _louder_pairs(facts: Facts) -> list[tuple[str, str]]:
    return [(a, b) for a, b in combinations(facts.unique, 2) if abs(_level(facts, a) - _level(facts, b)) >= LOUDER_DB]


@family(
    "louder",
    weight=0.7,
    phrases={"louder": LOUDER, "loudest": LOUDEST},
    ready=lambda f: len(f.unique) >= 2 and bool(_louder_pairs(f)),
)
def louder(facts: Facts, rng: Random, say: Say) -> Question | None:
    """The louder label, as it stands."""
    if facts.all_nameable and rng.random() < 0.2 and (top := main_event(facts)):
        return Question("louder", say("loudest"), f"{top}.", (top,))
    pair = list(rng.choice(_louder_pairs(facts)))
    rng.shuffle(pair)
    x, y = named_alike(pair, [facts.kind_of(one) for one in pair], rng)
    winner = max(pair, key=lambda one: _level(facts, one))
    return Question("louder", say("louder", x=x, y=y), f"{winner}.", (winner,), tuple(pair), keep=tuple(pair))


@family("nothing", weight=1.0, phrases={"label": LABEL, "main": MAIN}, ready=lambda f: not f.events)
def nothing(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Nothing but background noise.`` or ``Silence.``"""
    answer = "Nothing but background noise." if facts.background else "Silence."
    return Question(
        "nothing", say(rng.choice(("label", "label", "label", "main"))), answer, ("nothing", answer.rstrip(".").lower())
    )
