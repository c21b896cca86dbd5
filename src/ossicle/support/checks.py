"""Checks of a contract, for tests and for people who write a component of their own."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ossicle.support.errors import OssicleError


class ContractError(OssicleError):
    """A component does not keep its contract; the message says what was expected."""


BREAKDOWNS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    ImportError,
)
"""How somebody's code may fail while it is being checked."""


class Check(NamedTuple):
    """One promise: what it is, and a function that raises :class:`ContractError` where it is not kept."""

    promise: str
    run: Callable[[Any], None]


class Checks:
    """The promises of one kind of component, in the order in which they are declared.

    Each check is given the class and makes its own instance, so that what one changes the next doesn't see.
    """

    def __init__(self) -> None:
        self._checks: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def promise(self, text: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """Decorator: the function checks this promise."""

        def add(run: Callable[[Any], None]) -> Callable[[Any], None]:
            self._checks.append(Check(text, run))
            return run

        return add


def expect(kept: bool, message: str) -> None:
    """Raise :class:`ContractError` with ``message`` unless ``kept``."""
    if not kept:
        raise ContractError(message)


def outcome(check: Check, subject: Any) -> str | None:
    """What is wrong, or None; a check that breaks down says how."""
    try:
        check.run(subject)
    except ContractError as error:
        return str(error)
    except BREAKDOWNS as error:
        return f"broke down with {type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    return None
