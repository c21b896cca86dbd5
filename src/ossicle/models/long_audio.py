"""Recordings longer than a model hears at once: asked stretch by stretch, never cut in silence."""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ossicle.chat import Conversation, Reply, Usage
from ossicle.chat.timeline import write_time

_TIME = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)(?= ?s(?:ec(?:onds?)?)?\b)")


class Stretch(NamedTuple):
    """The same question about one stretch of the long recording."""

    start_s: float
    end_s: float
    chat: Conversation


def longest_s(chat: Conversation) -> float:
    """Seconds of the longest recording, 0 without any."""
    return max((audio.duration_s for audio in chat.audios), default=0.0)


def cut(duration_s: float, span_s: float) -> list[float]:
    """Edges of equal parts of at most ``span_s``: no last part is too short to hear anything in."""
    num_parts = max(1, -int(-(duration_s - 1e-6) // span_s))
    return [*(duration_s * k / num_parts for k in range(num_parts)), duration_s]


def stretches(chat: Conversation, span_s: float) -> Iterator[Stretch]:
    """Cut every recording that is longer than ``span_s``; shorter ones are heard whole with each stretch."""
    for start, end in itertools.pairwise(cut(longest_s(chat), span_s)):
        audios = tuple(
            audio.clip(start, min(end, audio.duration_s))
            if audio.duration_s > span_s and start < audio.duration_s
            else audio.clip(0.0, min(span_s, audio.duration_s))
            for audio in chat.audios
        )
        yield Stretch(start, end, chat.with_audios(audios))


def first(chat: Conversation, span_s: float) -> Stretch:
    """The first ``span_s`` of every recording."""
    audios = tuple(audio.clip(0.0, min(span_s, audio.duration_s)) for audio in chat.audios)
    return Stretch(0.0, min(span_s, longest_s(chat)), chat.with_audios(audios))


def shift_times(text: str, offset_s: float) -> str:
    """Times said on a stretch's own clock, on the recording's."""
    return _TIME.sub(lambda match: write_time(float(match[1]) + offset_s), text)


def clock(seconds: float) -> str:
    """``75.0`` → ``"1:15"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def join(parts: Sequence[tuple[Stretch, Reply]]) -> Reply:
    """One reply from the replies to all stretches; equal neighbours become one line."""
    lines: list[tuple[float, float, str]] = []
    for stretch, reply in parts:
        text = shift_times(reply.text, stretch.start_s)
        if lines and lines[-1][2] == text:
            lines[-1] = (lines[-1][0], stretch.end_s, text)
        else:
            lines.append((stretch.start_s, stretch.end_s, text))
    num_recordings = max(len(reply.audio_tokens) for _, reply in parts)
    tokens = tuple(
        sum(reply.audio_tokens[index] for _, reply in parts if index < len(reply.audio_tokens))
        for index in range(num_recordings)
    )
    return Reply(
        text="\n".join(f"[{clock(start)}-{clock(end)}] {text}" for start, end, text in lines),
        usage=sum((reply.usage for _, reply in parts), Usage()),
        finish_reason="length" if any(r.finish_reason == "length" for _, r in parts) else "stop",
        audio_tokens=tokens,
        fields={
            "stretches": [
                {"start_s": stretch.start_s, "end_s": stretch.end_s, "answer": reply.text} for stretch, reply in parts
            ]
        },
    )
