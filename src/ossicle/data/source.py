"""Where rows come from."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from ossicle.chat import Conversation
from ossicle.registry import Registry
from ossicle.spec import build_options


class Source(Protocol):
    """Recordings and the conversations about them. Pure: the same options and index give the same rows, always.

    Built from its ``Options``. Workers hold copies, so a source keeps no state beyond caches.
    """

    num_rows: int | None
    """How many indices there are; None where a source makes rows without end."""

    def rows(self, index: int) -> tuple[Conversation, ...]:
        """All conversations about recording ``index``. They travel together, so that its audio is encoded once."""
        ...

    def seconds(self, index: int) -> float:
        """Seconds of audio in ``rows(index)``, each recording counted once; from headers or plans, never decoded."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A source that can find its broken rows before training starts."""

    def check(self) -> None:
        """Raise DataError for the first row that cannot be read, naming it."""
        ...


@runtime_checkable
class Worded(Protocol):
    """A source that knows its words without making the sound."""

    def texts(self, index: int) -> tuple[str, ...]:
        """Every text of ``rows(index)``."""
        ...


sources: Registry[Source] = Registry("source", "ossicle.data.sources", "ossicle.synthesis.sources")


def make_source(mapping: Mapping[str, Any], where: str) -> Source:
    """Build the source of a spec ``{type: name, **options}``.

    Raises:
        SpecError: unknown type or options; ``where`` begins the sentence.
        DataError: its files are missing or malformed.
    """
    cls, options = build_options(sources, mapping, where)
    return cls(options)
