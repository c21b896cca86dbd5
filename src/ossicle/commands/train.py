"""``ossicle train`` and ``ossicle scenes``."""

import json
from collections.abc import Sequence
from pathlib import Path

from ossicle.commands.answering import hush_libraries, writing
from ossicle.commands.recipes import read_recipe
from ossicle.support.progress import is_first_process


def run(
    recipe: Path,
    overrides: Sequence[str],
    out: Path,
    workers: int | None,
    device: str | None,
    shards: int | None,
    *,
    tensorboard: bool,
    tiny: bool,
) -> None:
    """Train, and say where the model lies."""
    hush_libraries()
    from ossicle.training import tiny_form, train

    given = read_recipe(recipe, overrides)
    with writing(out):
        model = train(
            tiny_form(given) if tiny else given,
            out,
            workers=workers,
            device=device,
            shards=shards,
            tensorboard=tensorboard,
        )
    if not is_first_process():
        return
    if tiny:
        print(f"{given.name} fits together: every stage trained its parts, and the model in {model} was saved.")
        return
    print_evaluation(out / "evaluation.json")
    print(f'{model}\nAsk it: ossicle ask FILE "What is this sound?" --model {out}')


def print_evaluation(file: Path) -> None:
    """One line for each set of rows that was held out, if any was."""
    if not file.is_file():
        return
    for name, found in json.loads(file.read_text(encoding="utf-8")).items():
        exact, low, high = found["exact"]
        print(
            f"{name}: exact {exact:.3f} [{low:.3f}, {high:.3f}] of {found['rows']} rows held out, "
            f"loss {found['loss'][0]:.3f}, with the sound of another {found['loss_swapped'][0]:.3f}"
        )


def write(out: Path, first: int, number: int, overrides: Sequence[str]) -> None:
    """Render scenes ``first`` to ``first + number`` of the source ``scenes`` to a folder."""
    from ossicle.data import make_source
    from ossicle.spec import override_value
    from ossicle.synthesis.sources.scenes import write_scenes

    options: dict[str, object] = {"type": "scenes"}
    for override in overrides:
        options = override_value(options, override)
    source = make_source(options, "scenes")
    with writing(out):
        num_conversations = write_scenes(source, first, number, out)
    print(f"{number} scenes and {num_conversations} conversations about them: {out}")
