"""Leave one speaker out: a model for every speaker that never heard them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from _tiny.asking import Answers, ask_all, num_asked
from _tiny.material import Material
from _tiny.results import Result, result_of
from _tiny.rows import Row, regrouped, set_builders
from _tiny.seen import refuse_seen
from ossicle.models import Local, load
from ossicle.support.errors import SpecError
from ossicle.support.progress import progress
from ossicle.training import Recipe, load_recipe, train

SETS = {"fsdd": "fsdd", "emodb": "emodb"}
"""Row → set whose groups are speakers."""


def recipe_without(source: str | Path, overrides: Sequence[str], speaker: str, steps_scale: float) -> Recipe:
    """The recipe with a speaker's rows left out of every source of every stage, and its steps scaled.

    Raises:
        SpecError: a stage has a source from which no group can be left out.
    """
    recipe = load_recipe(source, overrides)
    stages = []
    for stage in recipe.stages:
        data = {}
        for name, options in stage.data.items():
            if options.get("type") != "scenes":
                raise SpecError(
                    f"{source}: stages.{stage.name}.data.{name} is of type {options.get('type')!r}, from which no "
                    "speaker can be left out; use scenes."
                )
            data[name] = {**options, "exclude_groups": [*options.get("exclude_groups", ()), speaker]}
        steps = max(1, round(stage.steps * steps_scale))
        stages.append(stage.model_copy(update={"data": data, "steps": steps}))
    return recipe.model_copy(update={"name": f"{recipe.name} without {speaker}", "stages": tuple(stages)})


def leave_one_out(
    name: str,
    recipe: str,
    out: Path,
    root: Path,
    *,
    overrides: Sequence[str] = (),
    steps_scale: float = 1.0,
    controls: Sequence[str],
    seed: int,
    limit: int | None,
    quiet: bool = False,
    workers: int | None = None,
    load_model: Callable[[Path], Local] = lambda folder: load(str(folder)),
) -> tuple[Result, dict[str, Any]]:
    """Train (or continue) a model without each speaker, ask it about that speaker, and pool.

    Returns:
        The row over all speakers, its intervals a bootstrap over speakers; and the accuracy of each.
    """
    os.environ.setdefault("OSSICLE_DATA", str(root.resolve()))
    speakers = sorted({clip.group for clip in Material(root, "train").clips(SETS[name])})
    parts: list[tuple[Row, Answers]] = []
    each: dict[str, Any] = {}
    for number, speaker in enumerate(speakers, 1):
        folder = train(
            recipe_without(recipe, overrides, speaker, steps_scale), out / speaker, workers=workers, quiet=quiet
        )
        material = Material(root, "train", only_groups=(speaker,))
        refuse_seen(folder, root, material.clips(SETS[name]))
        row = regrouped(set_builders()[name](material, seed, limit), speaker)
        with progress(
            num_asked([row], controls), "answers", f"{speaker} ({number}/{len(speakers)})", quiet=quiet
        ) as bar:
            answers = ask_all(load_model(folder), [row], controls, bar)[name]
        parts.append((row, answers))
        each[speaker] = result_of(row, answers).open["real"].value
    row, answers = _pooled(parts)
    found = result_of(row, answers, resample=True)
    return replace(found, about=f"{found.about} ({len(speakers)} left out in turn)"), each


def _pooled(parts: Sequence[tuple[Row, Answers]]) -> tuple[Row, Answers]:
    """One row of all speakers' items."""
    first, answers = parts[0]
    items = tuple(item for row, _ in parts for item in row.items)
    texts = {control: sum((part.texts[control] for _, part in parts), ()) for control in answers.texts}
    choices = {control: sum((part.choices[control] for _, part in parts), ()) for control in answers.choices}
    return replace(first, items=items), Answers(texts, choices)
