"""From answers to the numbers of one row, and whether they pass."""

import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from _tiny.asking import Answers
from _tiny.measures import share
from _tiny.rows import Row
from ossicle.metrics import Interval, agreement_by_luck

REAL, TEXT_ONLY = "real", "none"
SHAM = ("silent", "noise", "swapped")
"""Controls with sound that answers nothing."""
NEAR_CHANCE = 0.05


@dataclass(frozen=True)
class Forced:
    """Choice among options by likelihood under one control."""

    accuracy: Interval
    luck: float
    """What the same choices would have, dealt to the questions at random: uneven labels favour some constant choice."""
    verdict: str = ""
    """``within`` five points of chance, ``beyond``, or ``unclear``: beyond, but no further than so few tell."""


@dataclass(frozen=True)
class Result:
    """One row of the table, measured."""

    name: str
    about: str
    n: int
    groups: int
    floor: float
    aim: float
    chance: float | None
    lower_is_better: bool
    open: Mapping[str, Interval]
    """By control."""
    details: Mapping[str, float]
    forced: Mapping[str, Forced]
    forced_chance: float | None
    passed: bool
    reached_aim: bool
    sham_passed: Mapping[str, bool]
    """By control: open answers are no better than without any sound."""
    mistakes: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN is null."""
        return {
            "row": self.name,
            "about": self.about,
            "n": self.n,
            "groups": self.groups,
            "at_least": self.floor,
            "aim": self.aim,
            "chance": self.chance,
            "open": {control: _plain(interval) for control, interval in self.open.items()},
            "details": {name: _number(value) for name, value in self.details.items()},
            "forced_choice": {
                control: {**_plain(one.accuracy), "by_luck": _number(one.luck), "verdict": one.verdict}
                for control, one in self.forced.items()
            },
            "forced_choice_chance": self.forced_chance,
            "passed": self.passed,
            "reached_aim": self.reached_aim,
            "controls_passed": dict(self.sham_passed),
            "mistakes": [{"truth": a, "said": b, "times": n} for (a, b), n in self.mistakes.items()],
        }


def _plain(interval: Interval) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(Interval._fields, interval, strict=True)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 5)


def result_of(row: Row, answers: Answers, *, resample: bool = False) -> Result:
    """Judge every answer; ``resample``: groups are few and large (speakers), so draw them again."""
    judged = {
        control: [row.measure.judge(item, text) for item, text in zip(row.items, texts, strict=True)]
        for control, texts in answers.texts.items()
    }
    found = {control: row.measure.value(row.items, values) for control, values in judged.items()}
    details = row.measure.details(row.items, judged[REAL]) if REAL in judged else {}
    lower = row.measure.lower_is_better
    real = found.get(REAL)
    passed = real is not None and _reaches(real.value, row.floor, lower)
    if row.yes_rate and real is not None:
        passed = passed and row.yes_rate[0] <= details["yes_rate"] <= row.yes_rate[1]
    return Result(
        row.name,
        row.about,
        len(row.items),
        len({item.group for item in row.items}),
        row.floor,
        row.aim,
        row.chance,
        lower,
        found,
        details,
        {control: _forced(row, control, places, resample) for control, places in answers.choices.items()},
        row.forced_chance if row.forced else None,
        passed,
        real is not None and _reaches(real.value, row.aim, lower),
        {
            control: _no_better(found[control], found[TEXT_ONLY], row.chance, lower)
            for control in SHAM
            if control in found and TEXT_ONLY in found
        },
        _mistakes(row, answers.texts.get(REAL, ())),
    )


def _reaches(value: float, wanted: float, lower: bool) -> bool:
    return value <= wanted if lower else value >= wanted


def _forced(row: Row, control: str, places: Sequence[int], resample: bool) -> Forced:
    right = [item.right for item in row.items]
    found = share(row.items, [a == b for a, b in zip(places, right, strict=True)], resample)
    luck = agreement_by_luck(places, right)
    return Forced(found, luck, _near(found, (row.forced_chance, luck), control) if control in SHAM else "")


def _near(found: Interval, chances: Sequence[float], control: str) -> str:
    # Whoever hears the swapped recording well names what is in it, and that is never the answer: below is allowed.
    below = math.inf if control == "swapped" else NEAR_CHANCE
    if any(-below <= found.value - chance <= NEAR_CHANCE for chance in chances):
        return "within"
    unclear = found.low - NEAR_CHANCE <= chances[0] <= found.high + below
    return "unclear" if unclear else "beyond"


def _no_better(sham: Interval, prior: Interval, chance: float | None, lower: bool) -> bool:
    """Not beyond what is known from the words alone, as far as both are known."""
    if lower:
        return sham.high >= prior.low
    return sham.low <= max(prior.high, chance or 0.0)


def _mistakes(row: Row, texts: Sequence[str]) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for item, text in zip(row.items, texts, strict=False):
        if pair := row.measure.confused(item, text):
            truth, said = (textwrap.shorten(part, 90, placeholder=" …") for part in pair)
            found[truth, said] += 1
    return dict(found.most_common())
