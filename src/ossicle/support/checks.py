"""Checks of a contract, for tests and for people who write a component of their own."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

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
    comes_first: bool = False
    """Whether the others cannot be run where it is not kept."""


class Checks:
    """The promises of one kind of component, in the order in which they are declared.

    Each check is given the class and makes its own instance, so that what one changes the next doesn't see.
    """

    def __init__(self) -> None:
        self._checks: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def promise(
        self, text: str, *, comes_first: bool = False
    ) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """Decorator: the function checks this promise; the others need it if it ``comes_first``."""

        def add(run: Callable[[Any], None]) -> Callable[[Any], None]:
            self._checks.append(Check(text, run, comes_first))
            return run

        return add


def expect(kept: bool, message: str) -> None:
    """Raise :class:`ContractError` with ``message`` unless ``kept``."""
    if not kept:
        raise ContractError(message)


def outcomes(checks: Checks, subject: Any) -> dict[str, str | None]:
    """What is wrong with each promise, or None; those that cannot be checked are left out."""
    found: dict[str, str | None] = {}
    for check in checks:
        found[check.promise] = outcome(check, subject)
        if check.comes_first and found[check.promise] is not None:
            break
    return found


def outcome(check: Check, subject: Any) -> str | None:
    """What is wrong, or None; a check that breaks down says how."""
    try:
        check.run(subject)
    except ContractError as error:
        return str(error)
    except BREAKDOWNS as error:
        return f"broke down with {type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    return None


def expect_instance(made: Any, cls: type[Any]) -> None:
    """Raise :class:`ContractError` unless a class's ``tiny()`` made one of its own."""
    expect(
        isinstance(made, cls),
        f"tiny() gives {'None' if made is None else f'a {type(made).__name__}'}; it must return a small {cls.__name__} "
        "with random weights, such as cls(cls.Options(...)).",
    )


def expect_gradients(module: nn.Module, run: Callable[[], Tensor]) -> None:
    """Raise :class:`ContractError` unless what ``run`` gives depends on every parameter that is not frozen."""
    without = _without_gradient(module, run)
    expect(not without, f"no gradient reaches {', '.join(without)}; use it, drop it or set requires_grad to False.")


def expect_frozen_stay(module: nn.Module, run: Callable[[], Tensor]) -> None:
    """Freeze every second parameter of ``module``, and raise :class:`ContractError` where one gets a gradient or is
    frozen no longer, or where another is left without."""
    for parameter in list(module.parameters())[::2]:
        parameter.requires_grad_(False)
    frozen = {name: parameter for name, parameter in module.named_parameters() if not parameter.requires_grad}
    left = len(frozen) < len(list(module.parameters()))
    without = _without_gradient(module, run) if left else []
    moved = [name for name, one in frozen.items() if one.requires_grad or one.grad is not None]
    expect(not moved, f"{', '.join(moved)} was frozen and gets a gradient; leave requires_grad to whoever trains.")
    expect(not without, f"with every second parameter frozen, no gradient reaches {', '.join(without)}.")


def _without_gradient(module: nn.Module, run: Callable[[], Tensor]) -> list[str]:
    """Parameters that are not frozen and get none, or only zeros, from a weighted sum of what ``run`` gives.

    The weights differ, as norms leave the plain sum and the sum of squares what they are.
    """
    given = run()
    weights = torch.randn(given.shape, generator=torch.Generator().manual_seed(0))
    (given * weights).sum().backward()
    trained = {name: one for name, one in module.named_parameters() if one.requires_grad}
    return [name for name, one in trained.items() if one.grad is None or not one.grad.any()]
