"""Made-up scenes, and a recogniser for what the training grammars can say."""

import re
from dataclasses import replace
from random import Random

from ossicle.synthesis.questions import Facts, random_facts
from ossicle.synthesis.questions.family import _FAMILIES
from ossicle.synthesis.questions.phrasing import _CLOSINGS, _OPENINGS, Choice, Grammar, Slot

# Uneven on purpose: frequencies must not give answers away.
VOCABULARY = {
    "sound": ("water flowing",) * 3
    + (
        "glass breaking",
        "keys jingling",
        "dishes",
        "plates",
        "cutlery",
        "sneeze",
        "dog",
        "door slam",
        "speech",
        "laughter",
        "frying pan",
    ),
    "instrument": ("cello", "flute", "violin or fiddle", "bass drum", "bass drum", "hi hat"),
    "digit": tuple(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]),
    "keyword": ("alexa", "computer", "smart mirror", "jarvis"),
    "emotion": ("anger", "anger", "boredom", "fear", "neutral", "sadness"),
    "procedural": ("bell", "knock", "rising chirp", "engine", "rain"),
}
GROUPS = (
    {"dishes", "plates", "cutlery"},
    {"rain", "water flowing", "frying pan"},
    {"knock", "door slam"},
    {"speech", *VOCABULARY["digit"], *VOCABULARY["keyword"], *VOCABULARY["emotion"], "coffee order"},
)


def confusable(label: str) -> frozenset[str]:
    """As the library's: symmetrical, never the label itself. Words don't stand in for each other."""
    found = {other for group in GROUPS[:3] if label in group for other in group}
    if label in GROUPS[3]:
        found |= {"speech"} if label != "speech" else GROUPS[3]
    return frozenset(found - {label})


def scenes(seed: int, count: int, *, second: float = 0.0) -> list[Facts]:
    """Random scenes; a share of them with a second recording, the same one half of the time."""
    rng = Random(seed)
    made = []
    for _ in range(count):
        facts = random_facts(rng, VOCABULARY, confusable)
        if rng.random() < second:
            facts = replace(facts, second=facts if rng.random() < 0.5 else random_facts(rng, VOCABULARY, confusable))
        made.append(facts)
    return made


def all_phrases():
    """(family, variant, Phrases) of everything."""
    return [(name, variant, phrases) for name, one in _FAMILIES.items() for variant, phrases in one.phrases.items()]


_FILLERS = frozenset(["please", "the", "a", "an", "this", "that", "is", "in", "it", "of"])


def plain(text: str) -> str:
    """A wording without case, punctuation and filler words: what perturbing could at most take away."""
    words = re.sub(r"\{(\w+)\}", r" slot\1 ", text.lower())
    words = re.sub(r"[^\w' ]+", " ", words)
    return " ".join(word for word in words.split() if word not in _FILLERS)


def _pattern(node: Choice | Slot | str) -> str:
    if isinstance(node, Slot):
        return f"slot{node.name} "
    if isinstance(node, Choice):
        return "(?:" + "|".join("".join(_pattern(one) for one in option) for option in node.options) + ")"
    words = plain(node)
    return re.escape(words) + "\\ " if words else ""


def recogniser(grammar: Grammar) -> re.Pattern:
    """Matches ``plain(text) + " "`` of all that a grammar can say, dressed or not."""
    openings = "|".join(re.escape(plain(one)) + "\\ " for one in _OPENINGS)
    closings = "|".join(re.escape(plain(one)) + "\\ " for one in _CLOSINGS if plain(one))
    body = "|".join(_pattern(template) for template in grammar.templates)
    return re.compile(f"(?:{openings})?(?:{body})(?:{closings})?")
