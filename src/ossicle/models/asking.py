"""The short way to ask: recordings and a question."""

import abc
from collections.abc import Iterable, Sequence
from pathlib import Path

from ossicle.audio import Audio
from ossicle.chat import Conversation, Reply, Sampling, user


class Asking(abc.ABC):
    """Who generates replies to conversations can be asked about recordings."""

    @abc.abstractmethod
    def generate(self, chats: Sequence[Conversation], sampling: Sampling = Sampling()) -> list[Reply]:
        """One reply to each conversation, in order."""

    def ask(
        self,
        audio: Audio | str | Path | Iterable[Audio | str | Path],
        question: str,
        **sampling: float | Sequence[str],
    ) -> Reply:
        """Ask about one recording or several.

        Args:
            audio: a path, an ``Audio``, or several of them in order.
            question: in words.
            sampling: fields of :class:`~ossicle.chat.Sampling`.
        """
        several = [audio] if isinstance(audio, Audio | str | Path) else list(audio)
        parts = [part if isinstance(part, Audio) else Audio(part) for part in several]
        return self.generate([Conversation.of(user(*parts, question))], Sampling(**sampling))[0]
