"""Things done late: when a library is imported that may never be, or when its class is first asked for something."""

import functools
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

Act = Callable[[ModuleType], object]


class _Watch:
    """Sees imports come by, and lets every other finder do the finding."""

    def __init__(self) -> None:
        self.acts: dict[str, list[Act]] = {}

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """A module that somebody waits for, with what is to follow its import."""
        acts = self.acts.get(name)
        spec = PathFinder.find_spec(name, path, target) if acts else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_tell(module: ModuleType) -> None:
            execute(module)
            for act in self.acts.pop(name, ()):
                act(module)

        spec.loader.exec_module = execute_and_tell  # type: ignore[method-assign]
        return spec


_watch = _Watch()


def when_imported(name: str, act: Act) -> None:
    """Call ``act`` with the module ``name`` as soon as somebody has imported it; at once if that has been.

    Args:
        name: in full, ``package.module``.
        act: must not import what imports that module in turn.
    """
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        act(module)
        return
    if _watch not in sys.meta_path:
        sys.meta_path.insert(0, _watch)
    _watch.acts.setdefault(name, []).append(act)


def before_first_call(cls: type, name: str, act: Callable[[], object]) -> None:
    """Call ``act`` once, before the class method ``name`` of ``cls`` runs for the first time; then all is as before."""
    theirs = vars(cls)[name]

    @functools.wraps(theirs.__func__)
    def first(klass: type, *args: Any, **kwargs: Any) -> Any:
        if vars(cls)[name] is mine:
            setattr(cls, name, theirs)
            act()
        return theirs.__get__(None, klass)(*args, **kwargs)

    mine = classmethod(first)
    setattr(cls, name, mine)
