"""A family of questions: when it may be asked, its wordings, and how one question is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from ossicle.support.errors import RegistryError, nearest
from ossicle.synthesis.questions.facts import Facts, Question
from ossicle.synthesis.questions.phrasing import Phrases, dress


@dataclass(frozen=True)
class Say:
    """Puts things into words: from the training grammar, or from the held-out list."""

    phrases: Mapping[str, Phrases]
    rng: Random
    held_out: bool

    def __call__(self, variant: str, **slots: str) -> str:
        """A wording of ``variant`` with its slots filled."""
        chosen = self.phrases[variant]
        if self.held_out:
            text = self.rng.choice(chosen.test).format(**slots)
            return text[0].upper() + text[1:]
        return dress(chosen.train.expand(self.rng, slots), self.rng)


@dataclass(frozen=True)
class Family:
    """``ready`` is quick and mostly right; ``make`` may still decline with None."""

    name: str
    weight: float
    phrases: Mapping[str, Phrases]
    ready: Callable[[Facts], bool]
    make: Callable[[Facts, Random, Say], Question | None]


_FAMILIES: dict[str, Family] = {}


def family(name: str, *, weight: float, phrases: Mapping[str, Phrases], ready: Callable[[Facts], bool]) -> Callable:
    """Decorator: the function makes this family's questions."""

    def register(make: Callable[[Facts, Random, Say], Question | None]) -> Callable:
        _FAMILIES[name] = Family(name, weight, phrases, ready, make)
        return make

    return register


def families() -> tuple[str, ...]:
    """The names of all families, sorted."""
    return tuple(sorted(_FAMILIES))


def family_named(name: str) -> Family:
    """The family, or RegistryError naming the nearest."""
    if name not in _FAMILIES:
        raise RegistryError(f"There is no family of questions named {name!r}.{nearest(name, _FAMILIES)}")
    return _FAMILIES[name]


def applicable(facts: Facts) -> dict[str, float]:
    """Families that can be asked of this scene, with the weight at which to ask them."""
    return {name: one.weight for name, one in _FAMILIES.items() if one.ready(facts)}


def ask(facts: Facts, rng: Random, *, family: str | None = None, phrasing: str = "train") -> Question | None:
    """One question about the scene, of the family named or of one drawn by weight.

    ``phrasing`` is ``"train"`` or ``"test"`` (held-out wordings). None when the scene does not
    allow the question without ambiguity. Pure in ``facts`` and the state of ``rng``.
    """
    if phrasing not in ("train", "test"):
        raise ValueError(f"phrasing is 'train' or 'test', not {phrasing!r}")
    if family is not None:
        chosen = family_named(family)
        return chosen.make(facts, rng, Say(chosen.phrases, rng, phrasing == "test")) if chosen.ready(facts) else None
    weights = applicable(facts)
    while weights:
        name = rng.choices(tuple(weights), tuple(weights.values()))[0]
        chosen = _FAMILIES[name]
        made = chosen.make(facts, rng, Say(chosen.phrases, rng, phrasing == "test"))
        if made is not None:
            return made
        del weights[name]
    return None
