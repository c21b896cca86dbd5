"""What comes first, last, before, after, and all of it in order."""

from itertools import combinations
from random import Random

from ossicle.synthesis.questions.clauses import AFTER_CLAUSE, BEFORE_CLAUSE
from ossicle.synthesis.questions.facts import APART_S, FactEvent, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import named_alike, wordings
from ossicle.synthesis.questions.surfaces import mention

FIRST = wordings("first")

LAST = wordings("last")

BEFORE = wordings("before")

AFTER = wordings("after")

ORDER = wordings("order")

WHICH_FIRST = wordings("which_first")


def first_event(facts: Facts) -> FactEvent | None:
    """The event that clearly comes first, if its label is clear."""
    rows = facts.ordered
    if not rows or rows[0].label not in facts.nameable:
        return None
    rival = next((event for event in rows if event.label != rows[0].label), None)
    return rows[0] if rival is None or rival.start_s - rows[0].start_s >= APART_S else None


def last_event(facts: Facts) -> FactEvent | None:
    """The event that clearly starts last, and doesn't end before another does."""
    rows = facts.ordered
    if not rows or rows[-1].label not in facts.nameable:
        return None
    rivals = [event for event in rows if event.label != rows[-1].label]
    clear = all(rows[-1].start_s - e.start_s >= APART_S and rows[-1].end_s >= e.end_s for e in rivals)
    return rows[-1] if clear else None


@family(
    "first", weight=1.2, phrases={"first": FIRST}, ready=lambda f: len(f.by_label) > 1 and first_event(f) is not None
)
def first(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``First comes dog howling.``"""
    label = first_event(facts).label
    return Question("first", say("first"), f"First comes {label}.", (label,))


@family("last", weight=1.0, phrases={"last": LAST}, ready=lambda f: len(f.by_label) > 1 and last_event(f) is not None)
def last(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Last comes dog howling.``"""
    label = last_event(facts).label
    return Question("last", say("last"), f"Last comes {label}.", (label,))


def neighbour(facts: Facts, label: str, step: int) -> tuple[FactEvent | None, bool]:
    """(the event next to the only ``label``, or None where there is none; whether that is unambiguous)."""
    rows = facts.ordered
    at = rows.index(facts.unique[label])
    if any(abs(e.start_s - rows[at].start_s) < APART_S for e in rows if e is not rows[at]):
        return None, False
    if not 0 <= at + step < len(rows):
        return None, True
    near = rows[at + step]
    beyond = rows[at + 2 * step] if 0 <= at + 2 * step < len(rows) else None
    clear = beyond is None or beyond.label == near.label or abs(beyond.start_s - near.start_s) >= APART_S
    return near, clear and near.label in facts.nameable


def _beside(facts: Facts, rng: Random, step: int) -> tuple[str, FactEvent | None] | None:
    """A label and its neighbour; the first and last sound, which have none, are asked less often."""
    labels = list(facts.unique)
    rng.shuffle(labels)
    lonely = None
    for label in labels:
        event, clear = neighbour(facts, label, step)
        if clear and event is not None:
            if lonely is None or rng.random() < 0.75:
                return label, event
        elif clear:
            lonely = label, None
    return lonely


@family(
    "before",
    weight=1.0,
    phrases={"before": BEFORE, "before_clause": BEFORE_CLAUSE},
    ready=lambda f: len(f.events) > 1 and bool(f.unique),
)
def before(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Before it comes glass breaking.`` or ``Nothing comes before it.``"""
    found = _beside(facts, rng, -1)
    if found is None:
        return None
    label, event = found
    answer = f"Before it comes {event.label}." if event else "Nothing comes before it."
    return Question(
        "before",
        mention(say, "before", label, facts.kind_of(label), rng),
        answer,
        (event.label if event else "nothing",),
        keep=(label,),
    )


@family(
    "after",
    weight=1.0,
    phrases={"after": AFTER, "after_clause": AFTER_CLAUSE},
    ready=lambda f: len(f.events) > 1 and bool(f.unique),
)
def after(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``After it comes glass breaking.`` or ``Nothing comes after it.``"""
    found = _beside(facts, rng, 1)
    if found is None:
        return None
    label, event = found
    answer = f"After it comes {event.label}." if event else "Nothing comes after it."
    return Question(
        "after",
        mention(say, "after", label, facts.kind_of(label), rng),
        answer,
        (event.label if event else "nothing",),
        keep=(label,),
    )


@family(
    "order",
    weight=1.0,
    phrases={"order": ORDER},
    ready=lambda f: len(f.by_label) > 1 and len(f.events) < 7 and f.all_nameable and f.in_order,
)
def order(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``First bell, then knock, then dog.``"""
    sequence = ", then ".join(event.label for event in facts.ordered)
    return Question("order", say("order"), f"First {sequence}.", (sequence,))


def apart_pairs(facts: Facts) -> list[tuple[str, str]]:
    """Pairs of labels that each occur once and whose onsets can be put in order."""
    return [
        (a, b)
        for a, b in combinations(facts.unique, 2)
        if abs(facts.unique[a].start_s - facts.unique[b].start_s) >= APART_S
    ]


@family(
    "which_first",
    weight=2.0,
    phrases={"which_first": WHICH_FIRST},
    ready=lambda f: len(f.unique) > 1 and bool(apart_pairs(f)),
)
def which_first(facts: Facts, rng: Random, say: Say) -> Question | None:
    """The earlier of two labels, as it stands."""
    pair = list(rng.choice(apart_pairs(facts)))
    rng.shuffle(pair)
    x, y = named_alike(pair, [facts.kind_of(one) for one in pair], rng)
    winner = min(pair, key=lambda one: facts.unique[one].start_s)
    return Question("which_first", say("which_first", x=x, y=y), f"{winner}.", (winner,), tuple(pair), keep=tuple(pair))
