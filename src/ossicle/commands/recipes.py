"""What all commands that read a recipe share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ossicle.commands.answering import note
from ossicle.support.progress import is_first_process

if TYPE_CHECKING:
    from ossicle.training import Recipe


def read_recipe(file: str | Path, overrides: Sequence[str]) -> "Recipe":
    """The recipe in ``file`` with ``a.b=c`` ``overrides``; what another ``type`` took away is said, once it is known
    that the new one suits.

    Raises:
        SpecError: it cannot be read, or an override is wrong.
    """
    from ossicle.training import load_recipe
    from ossicle.training.tiny_form import check_options

    dropped: list[str] = []
    recipe = load_recipe(file, overrides, dropped.append)
    if dropped:
        check_options(recipe)
        if is_first_process():
            note(" ".join(dropped))
    return recipe
