"""The table: on a terminal, as Markdown, as JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from _tiny.results import REAL, SHAM, TEXT_ONLY, Result
from ossicle.metrics import Interval

NOTES = (
    "95% intervals in brackets: Wilson for shares (over scenes, where a scene is asked twice), bootstrap over scenes "
    "or recordings for onset, presence, timeline and speech_intent. Sets of 31 to 58 recordings give wide ones.",
    "Every question is worded as no training question is. An open answer counts when it names the right label and no "
    "other label of any set.",
    "text only: the same questions without sound. swapped: with the sound of another question that has another answer, "
    "so who listens well names what is heard there and scores below chance.",
    "✔ at least what is asked · ★ the aim · ✘ less. Controls: open answers no better than from text only (intervals "
    "overlap); choice by likelihood within 5 points of chance, or of what the same choices would have if dealt at "
    "random (labels are unevenly many), and for swapped sound not above that; ≈ further off, "
    "but so few questions cannot tell.",
)
_PASSED = {None: "", True: " ✔", False: " ✘"}
_VERDICTS = {"": "", "within": " ✔", "unclear": " ≈", "beyond": " ✘"}
_HEADS = {TEXT_ONLY: "text only", **{name: name for name in SHAM}}


def figure(value: float) -> str:
    """Two or three places, or a dash."""
    return "–" if math.isnan(value) else f"{value:.3f}".rstrip("0").ljust(4, "0")


def interval(found: Interval | None) -> str:
    """``0.81 [0.75, 0.86]``"""
    return "" if found is None else f"{figure(found.value)} [{figure(found.low)}, {figure(found.high)}]"


def open_table(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of open answers."""
    head = ["row", "n", "real [95%]", *_HEADS.values(), "chance", "at least", "aim", ""]
    body = []
    for row in results:
        shown = [_control(row.open.get(name), _PASSED[row.sham_passed.get(name)]) for name in _HEADS]
        chance = "–" if row.chance is None else figure(row.chance)
        body.append(
            [f"{row.name}: {row.about}", str(row.n), interval(row.open.get(REAL)), *shown, chance,
             figure(row.floor), figure(row.aim), _mark(row)]
        )  # fmt: skip
    return head, body


def forced_table(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of choices by likelihood."""
    head = ["choice by likelihood", "n", "real [95%]", *_HEADS.values(), "chance"]
    body = []
    for row in results:
        if not row.forced:
            continue
        shown = []
        for name in _HEADS:
            one = row.forced.get(name)
            shown.append("" if one is None else _control(one.accuracy, _VERDICTS[one.verdict]))
        real = row.forced.get(REAL)
        chance = "–" if row.forced_chance is None else figure(row.forced_chance)
        body.append([row.name, str(row.n), interval(real.accuracy if real else None), *shown, chance])
    return head, body


def _control(found: Interval | None, mark: str) -> str:
    return "" if found is None else figure(found.value) + mark


def _mark(row: Result) -> str:
    mark = "★" if row.passed and row.reached_aim else "✔" if row.passed else "✘"
    return f"{mark} yes-rate {row.details['yes_rate']:.2f}" if "yes_rate" in row.details else mark


def markdown(results: Sequence[Result], title: str) -> str:
    """Both tables and the notes."""
    parts = [title]
    for head, body in (open_table(results), forced_table(results)):
        if body:
            lines = [head, ["---"] * len(head), *body]
            parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in NOTES)]) + "\n"


def show(results: Sequence[Result], title: str, *, mistakes: bool) -> None:
    """Print both tables and the notes, with the commonest confusions if wanted."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 150)
    console.print(title, highlight=False, markup=False)
    for head, body in (open_table(results), forced_table(results)):
        if not body:
            continue
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
        for at, name in enumerate(head):
            table.add_column(name, justify="left" if at == 0 else "right", no_wrap=at == 2)
        for line in body:
            table.add_row(*line, style="red" if line[-1].startswith("✘") else None)
        console.print(table)
    for note in NOTES:
        console.print(f"· {note}", style="dim", highlight=False, markup=False)
    if mistakes:
        for row in results:
            _show_mistakes(console, row)


def _show_mistakes(console: Any, row: Result) -> None:
    if row.mistakes:
        total = sum(row.mistakes.values())
        console.print(f"\n{row.name}: {total} of {row.n} wrong", style="bold", highlight=False, markup=False)
    for (truth, said), times in list(row.mistakes.items())[:15]:
        console.print(f"  {times:3d} × {truth}  →  {said}", highlight=False, markup=False)


def as_json(results: Sequence[Result], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, exact."""
    return {**about, "rows": [row.to_json() for row in results], "notes": list(NOTES)}
