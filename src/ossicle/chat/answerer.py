"""What people hold: anything that answers a conversation."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ossicle.chat.message import Conversation, Delta, Reply, Sampling


class Answerer(Protocol):
    """Ours, a hub model or an endpoint: evaluation, data making, the server and the commands know only this."""

    name: str
    capabilities: frozenset[str]
    """Which optional methods there are: ``"score"``, ``"embed"``."""

    def generate(self, chats: Sequence[Conversation], sampling: Sampling = Sampling()) -> list[Reply]:
        """One reply to each conversation, in order."""
        ...

    def stream(self, chat: Conversation, sampling: Sampling = Sampling()) -> Iterator[Delta]:
        """The reply as it comes; the last piece carries the whole."""
        ...
