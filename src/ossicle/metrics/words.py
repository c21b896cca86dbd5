"""How many words were heard wrongly."""

import math
from collections.abc import Hashable, Sequence

from ossicle.metrics.text import normalise_answer


def edit_distance(reference: Sequence[Hashable], estimate: Sequence[Hashable]) -> int:
    """Fewest substitutions, insertions and deletions that make one of the other (Levenshtein 1966)."""
    row = list(range(len(estimate) + 1))
    for number, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], number
        for place, said in enumerate(estimate, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (wanted != said))
    return row[-1]


def wer(references: Sequence[str], estimates: Sequence[str]) -> float:
    """Word error rate of all texts together: errors per word of the references, 0 … ∞; NaN where those have no word.

    Words are compared as ``normalise_answer`` writes them. Raises ValueError where there aren't as many of both.
    """
    pairs = [
        (normalise_answer(r).split(), normalise_answer(e).split()) for r, e in zip(references, estimates, strict=True)
    ]
    total = sum(len(reference) for reference, _ in pairs)
    return sum(edit_distance(*pair) for pair in pairs) / total if total else math.nan
