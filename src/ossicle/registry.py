"""A name → a component.

A component is one file in its kind's package, with one decorated class; the file name is the type name.
Third parties add components by entry point: ``[project.entry-points."ossicle.encoders"] name = "package:Class"``.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from ossicle.support.errors import RegistryError, nearest

T = TypeVar("T")
_BREAKDOWNS = (
    ImportError,
    SyntaxError,
    RuntimeError,
    ValueError,
    TypeError,
    NameError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    OSError,
)
"""How somebody's module may fail while it is imported."""


class Registry(Generic[T]):
    """The components of one kind, imported only when asked for by name.

    Args:
        kind: what a component of this kind is called in messages, e.g. ``"encoder"``.
        packages: where its files live; a module whose name begins with ``_`` or is ``base`` is not a component.
    """

    def __init__(self, kind: str, *packages: str) -> None:
        self.kind = kind
        self.group = f"ossicle.{kind}s"
        self._packages = packages
        self._types: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator. Sets ``type_name`` on the class; two classes of one name are refused."""

        def add(cls: type[T]) -> type[T]:
            known = self._types.setdefault(name, cls)
            if known is not cls and known.__qualname__ != cls.__qualname__:
                raise RegistryError(f"two classes want to be {self.kind} {name!r}: {known} and {cls}; rename one.")
            cls.type_name = name  # type: ignore[attr-defined]
            self._types[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """Every known name, sorted; imports nothing."""
        files = {
            module.name
            for package in self._packages
            for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
            if not module.name.startswith("_") and module.name != "base"
        }
        return sorted(files | set(self._types) | {point.name for point in entry_points(group=self.group)})

    def get(self, name: str) -> type[T]:
        """The component called ``name``.

        Raises:
            RegistryError: nobody registered it (the nearest known name is given), or the package that did cannot be
                imported.
        """
        if name not in self._types:
            self._find(name)
        return self._types[name]

    def _find(self, name: str) -> None:
        for point in entry_points(group=self.group, name=name):
            self.register(name)(self._loaded(point))
            return
        if name not in self.names():
            raise RegistryError(
                f"there is no {self.kind} {name!r}.{nearest(name, self.names())} Known: {', '.join(self.names())}."
            )
        for package in self._packages:
            if importlib.util.find_spec(f"{package}.{name}"):
                importlib.import_module(f"{package}.{name}")
        if name not in self._types:
            raise RegistryError(f"the file of {self.kind} {name!r} registers no class of that name.")

    def _loaded(self, point: EntryPoint) -> type[T]:
        """What a third party's entry point names. Raises RegistryError if it cannot be had or is no class."""
        whose = f"{self.kind} {point.name!r} (entry point {point.value}"
        whose += f" of package {point.dist.name})" if point.dist is not None else ")"
        try:
            found = point.load()
        except _BREAKDOWNS as error:
            said = " ".join(str(error).split()) or "no reason given"
            raise RegistryError(
                f"{whose} cannot be imported: {type(error).__name__}: {said}; mend that package or uninstall it."
            ) from error
        if not isinstance(found, type):
            raise RegistryError(f"{whose} is no class; mend that package or uninstall it.")
        return found
