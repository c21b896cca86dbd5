"""``ossicle doctor``."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from ossicle.commands.answering import hush_libraries
from ossicle.commands.recipes import read_recipe

MARKS = {"good": "✓", "doubt": "?", "fault": "✗"}


def run(
    recipe: Path, overrides: Sequence[str], *, rows: int, steps: int, device: str | None, tiny: bool, as_json: bool
) -> bool:
    """Examine a recipe and print what was found; whether no fault was."""
    hush_libraries()
    from ossicle.training import tiny_form
    from ossicle.training.doctor import examine

    given = read_recipe(recipe, overrides)
    findings = examine(tiny_form(given) if tiny else given, rows=rows, steps=steps, device=device)
    counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in MARKS}
    if as_json:
        print(json.dumps({"recipe": given.name, **counts, "findings": [finding._asdict() for finding in findings]}))
        return not counts["fault"]
    topics = ("settings", "data", "rows", "memory", "learning")
    for topic, group in groupby(sorted(findings, key=lambda one: topics.index(one.topic)), lambda one: one.topic):
        print(topic)
        for finding in group:
            print(f"  {MARKS[finding.verdict]} {finding.says}")
    print(f"\n{counts['fault']} fault(s), {counts['doubt']} doubt(s)")
    return not counts["fault"]
