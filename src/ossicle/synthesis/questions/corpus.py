"""Made-up scenes and the text that is asked about them: enough to train a tokenizer on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random

from ossicle.synthesis.questions.facts import FactEvent, Facts, nothing_confusable
from ossicle.synthesis.questions.family import applicable, ask

_ORDERS = {
    "size": ("small", "medium", "large", "twelve ounce", "sixteen ounce", "extra large"),
    "roast": ("light roast", "medium roast", "dark roast"),
    "numberOfShots": ("single shot", "double shot", "triple shot", "quadruple shot"),
    "coffeeDrink": ("coffee", "iced coffee", "mocha", "latte", "espresso", "cappuccino", "americano"),
    "milkAmount": ("some milk", "a little bit of milk", "soy milk", "cream", "two percent milk", "half and half"),
    "sugarAmount": ("some sugar", "a bit of brown sugar", "brown sugar", "a lot of sugar", "splenda"),
}


def random_facts(
    rng: Random,
    vocabulary: Mapping[str, tuple[str, ...]],
    confusable: Callable[[str], frozenset[str]] = nothing_confusable,
) -> Facts:
    """A made-up scene: labels by the vocabulary's frequencies, 1 to 15 s, times as they fall."""
    draw = rng.random()
    if draw < 0.12 and "emotion" in vocabulary:
        felt = rng.choice(vocabulary["emotion"])
        event = FactEvent(felt, "emotion", 0.2, rng.uniform(1, 4), emotion=felt)
        return Facts((event,), event.end_s + 0.5, vocabulary, confusable)
    if draw < 0.24:
        slots = {slot: rng.choice(values) for slot, values in _ORDERS.items() if rng.random() < 0.5}
        event = FactEvent("coffee order", "command", 0.2, rng.uniform(1, 4), slots=slots)
        return Facts((event,), event.end_s + 0.5, vocabulary, confusable)
    duration_s = rng.uniform(4, 15)
    kinds = [kind for kind in vocabulary if kind not in ("emotion", "command")]
    events = tuple(
        event
        for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 3, 4)))
        for event in _repeats(rng, vocabulary, rng.choice(kinds), duration_s)
    )
    return Facts(events, duration_s, vocabulary, confusable, background=rng.random() < 0.8)


def _repeats(
    rng: Random, vocabulary: Mapping[str, tuple[str, ...]], kind: str, duration_s: float
) -> Iterator[FactEvent]:
    """One sound once, or a short one up to five times."""
    label = rng.choice(vocabulary[kind])
    times = rng.choice((1, 1, 1, 2, 3, 4, 5))
    room_s = duration_s / times
    level_db = rng.uniform(-30, -10)
    for i in range(times):
        start_s = i * room_s + rng.uniform(0, 0.4) * room_s
        end_s = start_s + rng.uniform(0.2, 0.5) * room_s
        yield FactEvent(label, kind, start_s, end_s, level_db, text=label if kind in ("digit", "keyword") else None)


def corpus(
    num_questions: int,
    seed: int,
    vocabulary: Mapping[str, tuple[str, ...]],
    confusable: Callable[[str], frozenset[str]] = nothing_confusable,
) -> Iterator[str]:
    """Texts of ``num_questions`` training questions, each followed by its answer.

    Every family that the vocabulary allows comes up about equally often. Deterministic in ``seed``.
    """
    rng = Random(seed)
    seen: dict[str, int] = {}
    asked = 0
    while asked < num_questions:
        facts = random_facts(rng, vocabulary, confusable)
        if rng.random() < 0.15:
            facts = replace(facts, second=facts if rng.random() < 0.5 else random_facts(rng, vocabulary, confusable))
        rarest = sorted(applicable(facts), key=lambda name: seen.get(name, 0))
        for name in rarest[:2]:
            question = ask(facts, rng, family=name)
            if question is not None and asked < num_questions:
                seen[name] = seen.get(name, 0) + 1
                asked += 1
                yield question.text
                yield question.answer
