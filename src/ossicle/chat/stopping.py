"""Strings that end a reply: where they end it, and how much of a text in the making is settled."""

from collections.abc import Sequence


def stop_at(text: str, stop: Sequence[str]) -> int | None:
    """Where the stop string begins that ends this text; None if it holds none.

    That is the one which is complete first, and of several complete at once the longest, so that it does not matter in
    what pieces the text came.
    """
    found = [(begin + len(one), begin) for one in stop if (begin := text.find(one)) >= 0]
    return min(found)[1] if found else None


def before_stop(text: str, stop: Sequence[str]) -> str:
    """The text as far as a reply holds it: all of it, if it holds no stop string."""
    return text[: stop_at(text, stop)]


def settled(text: str, stop: Sequence[str]) -> str:
    """As much of a text in the making as can be shown, as nothing that is still to come can take it back.

    The longest end of it with which a stop string begins is held back.
    """
    if (end := stop_at(text, stop)) is not None:
        return text[:end]
    held = max((_begun(text, one) for one in stop), default=0)
    return text[: len(text) - held]


def _begun(text: str, one: str) -> int:
    """Letters of the longest end of ``text`` with which ``one`` begins."""
    longest = min(len(one) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(one[:size])), 0)
