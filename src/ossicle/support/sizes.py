"""Sizes that a person writes for a model: the keys that a configuration of transformers has, and what is said against
their values."""

import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ossicle.support.errors import SpecError, nearest

_ROTARY = ("rope_theta", "rope_scaling", "partial_rotary_factor")
"""Other names of what ``rope_parameters`` holds, which transformers reads, too."""
_REFUSALS = (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, AssertionError)
"""How code fails that is given sizes which do not fit together."""


def keys_of(cls: type[Any]) -> set[str]:
    """The keys that a configuration class of transformers reads."""
    if dataclasses.is_dataclass(cls):
        found = {field.name for field in dataclasses.fields(cls) if not field.name.startswith("_")}
    else:
        parameters = inspect.signature(cls.__init__).parameters.values()
        found = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD} - {"self"}
    return found | set(cls.attribute_map) | (set(_ROTARY) if "rope_parameters" in found else set())


def unknown_key(cls: type[Any], given: Iterable[str]) -> str | None:
    """The first key that neither a configuration class declares nor the model's code looks for, as several do for
    ``head_dim``."""
    known = keys_of(cls)
    return next((key for key in given if key not in known and not _is_asked_for(cls, key)), None)


def _is_asked_for(cls: type[Any], key: str) -> bool:
    wanted = re.compile(rf'config(?:\.|,\s*"){re.escape(key)}\b')
    files = Path(inspect.getfile(cls)).parent.glob("modeling_*.py")
    return any(wanted.search(file.read_text(encoding="utf-8")) for file in files)


def offered(key: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest, or an empty string."""
    hint = nearest(key, known)
    return f"; did you mean {hint[len(' Did you mean ') :]}" if hint else ""


@contextmanager
def making(what: str) -> Iterator[None]:
    """While something is made of sizes that a person wrote.

    Args:
        what: begins the sentence, such as ``model.encoder (whisper)``.

    Raises:
        SpecError: these sizes make nothing, as the code that is given them says.
    """
    from huggingface_hub.errors import StrictDataclassError

    try:
        yield
    except (*_REFUSALS, StrictDataclassError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        said = lines[-1 if isinstance(error, StrictDataclassError) else 0].strip()
        said = said.removeprefix("TypeError: ").removeprefix("ValueError: ").rstrip(".")
        raise SpecError(f"{what} cannot be made with these sizes: {said}.") from error
