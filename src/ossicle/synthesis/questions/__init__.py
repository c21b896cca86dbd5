"""Questions about scenes with exact truth: many wordings, few answers, balanced against guessing."""

from ossicle.synthesis.questions import absent, closed, counting, order, pairs, speech, stories, times, which
from ossicle.synthesis.questions.corpus import corpus, random_facts
from ossicle.synthesis.questions.facts import FactEvent, Facts, Question
from ossicle.synthesis.questions.family import applicable, ask, families
from ossicle.synthesis.questions.perturb import perturb

__all__ = [
    "FactEvent",
    "Facts",
    "Question",
    "absent",
    "applicable",
    "ask",
    "closed",
    "corpus",
    "counting",
    "families",
    "order",
    "pairs",
    "perturb",
    "random_facts",
    "speech",
    "stories",
    "times",
    "which",
]
