"""How many times, and how many sounds."""

from random import Random

from ossicle.synthesis.questions.clauses import COUNT_CLAUSE
from ossicle.synthesis.questions.facts import Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import wordings
from ossicle.synthesis.questions.surfaces import mention

COUNT = wordings("count")


def times(number: int) -> str:
    """``3 times``; the numeral comes first."""
    return f"{number} time" if number == 1 else f"{number} times"


@family("count", weight=1.6, phrases={"count": COUNT, "count_clause": COUNT_CLAUSE}, ready=lambda f: bool(f.nameable))
def count(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``3 times.``; now and then of a sound that isn't there."""
    labels = tuple(facts.nameable)
    x = rng.choice(labels)
    kind = facts.kind_of(x)
    number = len(facts.by_label[x])
    if number == 1 and rng.random() < 0.4:
        # One is what most sounds in most scenes are; prefer those that repeat.
        x = max(labels, key=lambda one: len(facts.by_label[one]))
        kind, number = facts.kind_of(x), len(facts.by_label[x])
    if rng.random() < 0.1:
        absent = facts.absent_label(kind, rng)
        if absent is not None:
            x, number = absent, 0
    if number > 9:
        return None
    return Question("count", mention(say, "count", x, kind, rng), times(number) + ".", (str(number),), keep=(x,))


TOTAL = wordings("total")

DIFFERENT = wordings("different")

SOUNDS = wordings("sounds")


@family(
    "count_events",
    weight=0.6,
    phrases={"total": TOTAL, "different": DIFFERENT, "sounds": SOUNDS},
    ready=lambda f: f.all_nameable and f.in_order and len(f.events) <= 9,
)
def count_events(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``4 sounds.``: repeats counted or not, as the question says; unasked where it doesn't and it matters."""
    total, distinct = len(facts.events), len(facts.by_label)
    variant = rng.choice(("total", "different", "sounds" if total == distinct else "total"))
    number = distinct if variant == "different" else total
    return Question("count_events", say(variant), f"{number} sound{'s' * (number != 1)}.", (str(number),))
