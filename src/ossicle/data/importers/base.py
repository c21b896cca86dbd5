"""What an importer is: one project's row → one row of ours, a JSON object as the source ``conversations`` reads it."""

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ossicle.registry import Registry
from ossicle.support.errors import DataError

Json = dict[str, Any]
_ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
}


class Importer(abc.ABC):
    """Base of all importers."""

    type_name: ClassVar[str]
    from_where: ClassVar[str]
    """Whose rows these are, for people."""

    @staticmethod
    @abc.abstractmethod
    def recognises(row: Json) -> bool:
        """Whether a row looks like one of these."""

    @abc.abstractmethod
    def row(self, row: Json, question: str) -> Json:
        """Our row, its recordings' paths as they were written.

        Args:
            row: theirs.
            question: what is asked where a row asks nothing itself.

        Raises:
            DataError: it lacks something; the sentence goes on from the row's place.
        """


importers: Registry[Importer] = Registry("format", "ossicle.data.importers")


def audio_part(path: str, start: float | None = None, end: float | None = None) -> Json:
    """A recording, or a stretch of it in seconds."""
    span = {"start": start, "end": end} if start is not None and end is not None else {}
    return {"type": "audio", "path": path, **span}


def text_part(text: str) -> Json:
    """Words."""
    return {"type": "text", "text": text}


def messages_of(turns: Iterable[tuple[str, str]], audios: Sequence[str], marks: Sequence[str]) -> list[Json]:
    """Messages with each recording where a mark stands for it; without marks, all before the first user's words.

    Args:
        turns: role and text, in order; roles as any project calls them.
        audios: paths, in the order of the marks.
        marks: what stands for a recording, e.g. ``<audio>``.

    Raises:
        DataError: an unknown role, or another number of marks than of recordings.
    """
    said = [(_role(role), text) for role, text in turns]
    placed = sum(text.count(mark) for role, text in said for mark in marks if role != "assistant")
    if placed and placed != len(audios):
        raise DataError(f"has {placed} mark(s) {' or '.join(marks)} for {len(audios)} recording(s).")
    waiting = list(audios)
    messages = []
    for role, text in said:
        parts = [] if placed or role != "user" else [audio_part(waiting.pop(0)) for _ in range(len(waiting))]
        pieces = _split(text, marks) if role != "assistant" else [text]
        for number, piece in enumerate(pieces):
            parts += [audio_part(waiting.pop(0))] if number else []
            parts += [text_part(piece)] if piece else []
        only_words = len(parts) == 1 and parts[0]["type"] == "text"
        messages.append({"role": role, "content": parts[0]["text"] if only_words else parts})
    if waiting:
        raise DataError("has recordings, and no user's message to put them in.")
    return messages


def strings(value: Any, key: str) -> list[str]:
    """A text, or a list of texts, as a list. Raises DataError for anything else."""
    several = [value] if isinstance(value, str) else value
    if value is None:
        return []
    if not isinstance(several, list) or not all(isinstance(one, str) for one in several):
        raise DataError(f"{key!r} should be a path or a list of paths, not {value!r}.")
    return several


def turns_of(value: Any, key: str, role: str, text: str) -> list[tuple[str, str]]:
    """Role and text of each of a list of objects. Raises DataError where one lacks them."""
    if not isinstance(value, list) or not value:
        raise DataError(f"{key!r} should be a list of messages.")
    for one in value:
        if not isinstance(one, Mapping) or not isinstance(one.get(role), str) or not isinstance(one.get(text), str):
            raise DataError(f"each of {key!r} needs the texts {role!r} and {text!r}.")
    return [(one[role], one[text]) for one in value]


def rest_of(row: Json, used: Iterable[str]) -> Json:
    """What the conversion made no use of, kept as ``meta``."""
    return {key: value for key, value in row.items() if key not in set(used)}


def _role(name: str) -> str:
    if name not in _ROLES:
        raise DataError(f"has a message by {name!r}; known are {', '.join(_ROLES)}.")
    return _ROLES[name]


def _split(text: str, marks: Sequence[str]) -> list[str]:
    for mark in marks[1:]:
        text = text.replace(mark, marks[0])
    # Line breaks beside a mark only set it apart.
    return [piece.strip("\n") for piece in text.split(marks[0])]
