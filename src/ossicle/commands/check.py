"""``ossicle check``: does somebody's own component keep its kind's contract?"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from ossicle.commands.answering import hush_libraries
from ossicle.registry import Registry
from ossicle.support.checks import Checks, outcomes
from ossicle.support.errors import RegistryError, SpecError, nearest


def check(kind: str, name: str, *, as_json: bool) -> bool:
    """Run every check of a component and say what fails.

    Args:
        kind: ``encoder`` or ``projector``.
        name: of a registered component, or ``package.module:Class``; modules of the current folder are found.

    Returns:
        Whether all promises are kept.

    Raises:
        SpecError, RegistryError: no such kind or component.
    """
    hush_libraries()
    registry, base, checks = _kind(kind)
    cls = _component(registry, base, name)
    found = outcomes(checks, cls)
    if as_json:
        print(json.dumps({"component": name, "checks": [{"promise": p, "wrong": w} for p, w in found.items()]}))
    else:
        for promise, wrong in found.items():
            print(f"{'✓' if wrong is None else '✗'} {promise}{'' if wrong is None else f': {wrong}'}")
    return not any(found.values())


def _kind(kind: str) -> tuple[Registry[Any], type[Any], Checks]:
    from ossicle.encoders import Encoder, encoders
    from ossicle.encoders import _conformance as of_encoders
    from ossicle.projectors import Projector, projectors
    from ossicle.projectors import _conformance as of_projectors

    kinds = {
        "encoder": (encoders, Encoder, of_encoders.CHECKS),
        "projector": (projectors, Projector, of_projectors.CHECKS),
    }
    if kind not in kinds:
        raise SpecError(f"there are no checks of {kind!r}.{nearest(kind, kinds)} Known: {', '.join(kinds)}.")
    return kinds[kind]


def _component(registry: Registry[Any], base: type[Any], name: str) -> type[Any]:
    if ":" not in name:
        return registry.get(name)
    module_name, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        cls = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise RegistryError(f"{name}: there is no module {error.name!r}; run this where it can be imported.") from None
    except AttributeError:
        raise RegistryError(f"{name}: module {module_name} has no {attribute!r}.") from None
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise RegistryError(f"{name} is no {registry.kind}: derive it from {base.__module__}.{base.__qualname__}.")
    if not getattr(cls, "type_name", None):
        cls.type_name = attribute
    return cls
