"""Every question put to the model under every listening control, each distinct one once."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from _tiny.likelihood import log_likelihoods
from _tiny.rows import Row
from ossicle.chat import Conversation, Sampling
from ossicle.chat.controls import CONTROLS
from ossicle.models import Local
from ossicle.support.progress import Progress

A = TypeVar("A")

SAMPLING = Sampling(max_new_tokens=160)
_SCORED_TOGETHER = 256
_PROMPTS_TOGETHER = 16


@dataclass(frozen=True)
class Answers:
    """What was answered to the items of one row, by control."""

    texts: Mapping[str, tuple[str, ...]]
    choices: Mapping[str, tuple[int, ...]]
    """Place of the likeliest option; empty where the row has none."""


def ask_all(lm: Local, rows: Sequence[Row], controls: Sequence[str], bar: Progress) -> dict[str, Answers]:
    """Answers of each row by its name; recordings that several rows ask about are heard together."""
    texts: dict[str, dict[str, tuple[str, ...]]] = {row.name: {} for row in rows}
    choices: dict[str, dict[str, tuple[int, ...]]] = {row.name: {} for row in rows}
    for control in controls:
        bar.advance(0, audio=control)
        # A control swaps within its row; afterwards all rows are asked together.
        chats = {row.name: CONTROLS[control]([item.chat for item in row.items]) for row in rows}
        said = iter(generate(lm, [chat for row in rows for chat in chats[row.name]], bar))
        for row in rows:
            texts[row.name][control] = tuple(next(said) for _ in row.items)
        forced = [row for row in rows if row.forced]
        pairs = [(chat, item.options) for row in forced for chat, item in zip(chats[row.name], row.items, strict=True)]
        chosen = iter(choose(lm, pairs, bar))
        for row in forced:
            choices[row.name][control] = tuple(next(chosen) for _ in row.items)
    return {row.name: Answers(texts[row.name], choices[row.name]) for row in rows}


def num_asked(rows: Sequence[Row], controls: Sequence[str]) -> int:
    """How many questions ``ask_all`` counts."""
    return len(controls) * sum(len(row.items) * (2 if row.forced else 1) for row in rows)


def generate(lm: Local, chats: Sequence[Conversation], bar: Progress) -> list[str]:
    """An open answer to each."""

    def answer(distinct: Sequence[Conversation]) -> Iterator[list[str]]:
        for start in range(0, len(distinct), lm.max_batch):
            yield [reply.text for reply in lm.generate(distinct[start : start + lm.max_batch], SAMPLING)]

    return _each_once(chats, chats, answer, bar)


def choose(lm: Local, pairs: Sequence[tuple[Conversation, tuple[str, ...]]], bar: Progress) -> list[int]:
    """The place of the likeliest option of each, by the log probability of the whole answer.

    Questions about one recording go together, so that it is encoded once for all of them.
    """

    def answer(distinct: Sequence[tuple[Conversation, tuple[str, ...]]]) -> Iterator[list[int]]:
        waiting: list[tuple[Conversation, tuple[str, ...]]] = []
        for pair in [*distinct, None]:
            full = sum(len(options) for _, options in waiting) + (0 if pair is None else len(pair[1]))
            full_up = full > _SCORED_TOGETHER or len(waiting) == _PROMPTS_TOGETHER
            if waiting and (pair is None or full_up):
                yield _likeliest(lm, waiting)
                waiting = []
            if pair is not None:
                waiting.append(pair)

    return _each_once(pairs, [chat for chat, _ in pairs], answer, bar)


def _likeliest(lm: Local, pairs: Sequence[tuple[Conversation, tuple[str, ...]]]) -> list[int]:
    return [max(range(len(scores)), key=scores.__getitem__) for scores in log_likelihoods(lm, pairs)]


T = TypeVar("T")


def _each_once(
    asked: Sequence[T], chats: Sequence[Conversation], answer: Callable[[Sequence[T]], Iterator[list[A]]], bar: Progress
) -> list[A]:
    """Answers in the order asked; equal questions are put once, those of one recording side by side, long with long."""
    keys = [_key(one, chat) for one, chat in zip(asked, chats, strict=True)]
    first = {key: at for at, key in reversed(list(enumerate(keys)))}
    order = sorted(first.values(), key=lambda at: _place(chats[at]))
    repeats = {key: 0 for key in first}
    for key in keys:
        repeats[key] += 1
    answers: dict[Hashable, A] = {}
    done = iter(order)
    for part in answer([asked[at] for at in order]):
        ended = [keys[next(done)] for _ in part]
        answers |= dict(zip(ended, part, strict=True))
        bar.advance(sum(repeats[key] for key in ended))
    return [answers[key] for key in keys]


def _key(asked: object, chat: Conversation) -> Hashable:
    options = asked[1] if isinstance(asked, tuple) else ()
    return tuple(audio.digest for audio in chat.audios), tuple(message.text for message in chat.messages), options


def _place(chat: Conversation) -> tuple[float, tuple[str, ...]]:
    return sum(audio.duration_s for audio in chat.audios), tuple(audio.digest for audio in chat.audios)
