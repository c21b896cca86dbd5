"""The one noun in the middle: a conversation of text and sound."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ossicle.audio import Audio
from ossicle.support.errors import DataError

Role = Literal["system", "user", "assistant"]
Part = str | Audio


@dataclass(frozen=True)
class Message:
    """One turn: text and recordings in the order in which they are meant."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def audios(self) -> tuple[Audio, ...]:
        """The recordings, in order."""
        return tuple(part for part in self.parts if isinstance(part, Audio))


def user(*parts: Part) -> Message:
    """A turn of the person who asks."""
    return Message("user", parts)


def assistant(text: str) -> Message:
    """A turn of the model."""
    return Message("assistant", (text,))


@dataclass(frozen=True)
class Conversation:
    """A training row, a benchmark item and a chat request alike. ``meta`` never reaches the model."""

    messages: tuple[Message, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, *messages: Message, meta: Mapping[str, Any] | None = None) -> "Conversation":
        """Build from messages in order."""
        return cls(messages, dict(meta or {}))

    @property
    def audios(self) -> tuple[Audio, ...]:
        """Every recording, in order of appearance."""
        return tuple(audio for message in self.messages for audio in message.audios)

    @property
    def prompt(self) -> "Conversation":
        """The conversation without its last assistant turn."""
        ends_in_reply = bool(self.messages) and self.messages[-1].role == "assistant"
        return replace(self, messages=self.messages[:-1]) if ends_in_reply else self

    def with_reply(self, text: str) -> "Conversation":
        """The conversation and one more assistant turn."""
        return replace(self, messages=(*self.messages, assistant(text)))

    def with_audios(self, audios: tuple[Audio, ...]) -> "Conversation":
        """The same words over other recordings, one for one."""
        remaining = iter(audios)
        swapped = tuple(
            replace(
                message,
                parts=tuple(next(remaining) if isinstance(part, Audio) else part for part in message.parts),
            )
            for message in self.messages
        )
        return replace(self, messages=swapped)


@dataclass(frozen=True)
class Sampling:
    """How a reply is drawn. ``temperature`` 0 is greedy; ``seed`` makes a warmer draw repeatable.

    Raises:
        DataError: ``stop`` is not several strings, or one of them is empty.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    """A reply ends as soon as its text holds one of these, and before it, as with OpenAI's API; control tokens are no
    text. ``finish_reason`` is then ``"stop"``; ``usage`` counts every token that was drawn, also those of the stop
    string. Each stretch of a long recording is a reply of its own."""

    def __post_init__(self) -> None:
        if isinstance(self.stop, str) or not all(isinstance(one, str) for one in self.stop):
            raise DataError(f"stop is {self.stop!r}; give several strings, even of one: stop=('END',).")
        if "" in self.stop:
            raise DataError("stop holds an empty string, which would end every reply at once; leave it out.")
        object.__setattr__(self, "stop", tuple(self.stop))


@dataclass(frozen=True)
class Usage:
    """What reached the model, and what came back."""

    audio_s: float = 0.0
    audio_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Reply:
    """An answer. ``finish_reason`` is ``"stop"``, ``"length"`` or ``"cancelled"``; ``fields`` holds what was parsed."""

    text: str
    usage: Usage = Usage()
    finish_reason: str = "stop"
    audio_tokens: tuple[int, ...] = ()
    """Audio tokens of each recording of the question, in order."""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delta:
    """A piece of a streamed reply; the last one carries the whole ``reply``."""

    text: str
    reply: Reply | None = None
