"""What the doctor says of one thing."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Verdict = Literal["good", "doubt", "fault"]


class Finding(NamedTuple):
    """One sentence: what is well, or what is wrong, where, and how to mend it."""

    topic: Literal["data", "rows", "settings", "memory", "learning"]
    verdict: Verdict
    says: str


def some(names: Sequence[str], most: int = 3) -> str:
    """The first few names of a list, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
