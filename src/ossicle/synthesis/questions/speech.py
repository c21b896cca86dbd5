"""What is said, and how."""

from random import Random

from ossicle.synthesis.questions.facts import FactEvent, Facts, Question
from ossicle.synthesis.questions.family import Say, family
from ossicle.synthesis.questions.phrasing import wordings

SLOTS = ("size", "roast", "numberOfShots", "coffeeDrink", "milkAmount", "sugarAmount")
"""The order in which a coffee order is written down."""

DIGIT = wordings("digit")

KEYWORD = wordings("keyword")

TRANSCRIBE = wordings("transcribe")

EMOTION = wordings("emotion")

SLOT_PHRASES = {
    "coffeeDrink": wordings("slot_coffee_drink"),
    "size": wordings("slot_size"),
    "roast": wordings("slot_roast"),
    "numberOfShots": wordings("slot_number_of_shots"),
    "milkAmount": wordings("slot_milk_amount"),
    "sugarAmount": wordings("slot_sugar_amount"),
}


def sentence(text: str) -> str:
    """``seven`` -> ``Seven.``"""
    return text[:1].upper() + text[1:] + "."


def only(facts: Facts, kind: str) -> FactEvent | None:
    """The one event of ``kind``, if no other event is speech."""
    found = [event for event in facts.events if event.kind == kind]
    return found[0] if len(found) == 1 and len(facts.said) == 1 else None


@family("digit", weight=5.0, phrases={"digit": DIGIT}, ready=lambda f: only(f, "digit") is not None)
def digit(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Seven.``"""
    text = only(facts, "digit").text
    return Question("digit", say("digit"), sentence(text), (text,))


@family("keyword", weight=4.0, phrases={"keyword": KEYWORD}, ready=lambda f: only(f, "keyword") is not None)
def keyword(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Alexa.``"""
    text = only(facts, "keyword").text
    return Question("keyword", say("keyword"), sentence(text), (text,))


def words(event: FactEvent) -> list[str]:
    """What is said, piece by piece; an order is its slot values in one fixed order."""
    if event.slots:
        return [event.slots[slot] for slot in SLOTS if event.slots.get(slot)]
    return [event.text] if event.text else []


@family(
    "transcribe",
    weight=2.0,
    phrases={"transcribe": TRANSCRIBE},
    ready=lambda f: bool(f.said) and (len(f.said) == 1 or f.in_order),
)
def transcribe(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``seven, two.`` or ``large, dark roast, iced coffee.``"""
    text = ", ".join(word for event in facts.said for word in words(event))
    return Question("transcribe", say("transcribe"), f"{text}.", (text,)) if text else None


def _order(facts: Facts) -> FactEvent | None:
    return facts.said[0] if len(facts.said) == 1 and facts.said[0].slots else None


@family("slot", weight=3.0, phrases=SLOT_PHRASES, ready=lambda f: _order(f) is not None)
def slot(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Iced coffee.``; ``None.`` where the order doesn't say."""
    slots = _order(facts).slots
    filled = [name for name in SLOTS if slots.get(name)]
    empty = [name for name in SLOTS if not slots.get(name)]
    # Most slots of most orders are empty; asked evenly, "None." would be the safe answer.
    name = rng.choice(empty if empty and (not filled or rng.random() < 0.25) else filled)
    value = slots.get(name) or "none"
    return Question("slot", say(name), sentence(value), (value,))


def feeling(facts: Facts) -> str | None:
    """The emotion of the one voice that is heard."""
    felt = [event for event in facts.events if event.emotion]
    voices = [event for event in facts.events if event.emotion or event.text or event.slots or event.label == "speech"]
    return felt[0].emotion if len(felt) == 1 and len(voices) == 1 else None


@family("emotion", weight=6.0, phrases={"emotion": EMOTION}, ready=lambda f: feeling(f) is not None)
def emotion(facts: Facts, rng: Random, say: Say) -> Question | None:
    """``Anger.``"""
    felt = feeling(facts)
    return Question("emotion", say("emotion"), sentence(felt), (felt,))
