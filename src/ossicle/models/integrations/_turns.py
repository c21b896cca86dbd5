"""Where the turns of a rendered conversation begin and end, read from its ids alone."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from ossicle.audio import Audio
from ossicle.chat import Conversation, assistant, user
from ossicle.chat.renderer import Renderer
from ossicle.encoders.base import Options
from ossicle.support.errors import SpecError


class TurnOptions(Options):
    """What a chat template sets around replies; by default asked of the tokenizer."""

    opening: tuple[int, ...] | None = None
    """Ids between a question and its reply."""
    ends: tuple[int, ...] | None = None
    """Ids that end a reply."""
    control: tuple[int, ...] | None = None
    """Ids that are no words: the tokenizer's control tokens, padding and sound among them."""


class Turn(NamedTuple):
    """A question and the reply to it, as places in a row."""

    start: int
    asked: int
    """Where the question ends, and what opens the reply begins."""
    begun: int
    """Where the reply begins."""
    end: int


def turns_of(ids: Sequence[int], options: TurnOptions, *, replying: bool = False) -> Iterator[Turn]:
    """The turns of a row, end to end. A system prompt belongs to the first question; a question without a reply, and
    what follows the last reply, are turns, too.

    Args:
        ids: of the row.
        options: resolved.
        replying: the first of these ids go on with a reply.
    """
    opening, ends = tuple(options.opening or ()), frozenset(options.ends or ())
    start = 0
    while start < len(ids):
        asked, begun = (0, 0) if replying and start == 0 else _find(ids, opening, start)
        end = next((at + 1 for at in range(begun, len(ids)) if ids[at] in ends), len(ids))
        yield Turn(start, asked, begun, end)
        start = end


def _find(ids: Sequence[int], wanted: tuple[int, ...], start: int) -> tuple[int, int]:
    """Where the first ``wanted`` from ``start`` on stands; the end of the row if there is none."""
    size = len(wanted)
    begins = (at for at in range(start, len(ids) - size + 1) if wanted and ids[at] == wanted[0])
    found = next((at for at in begins if tuple(ids[at : at + size]) == wanted), None)
    return (len(ids), len(ids)) if found is None else (found, found + size)


def resolved(
    options: TurnOptions, tokenizer: PreTrainedTokenizerBase, audio_token_id: int, where: str
) -> dict[str, tuple[int, ...]]:
    """The options of :class:`TurnOptions` for this tokenizer, where they are not given.

    Args:
        where: the integration that asks.

    Raises:
        SpecError: its chat template doesn't show where a reply begins, or where it ends.
    """
    renderer = Renderer(tokenizer, lambda audio: 1, audio_token=tokenizer.convert_ids_to_tokens(audio_token_id))
    question = user("a", Audio.from_samples(np.zeros(1, np.float32), 16_000))
    asked = renderer(Conversation.of(question), reply=True)
    told = renderer(Conversation.of(question, assistant("a")))
    begin = asked.slots[0].start + 1
    before = asked.ids[begin:], told.ids[begin : told.trained.index(True)]
    same = next((n for n, (a, b) in enumerate(zip(*before, strict=False)) if a != b), min(map(len, before)))
    last = max(place for place, trained in enumerate(told.trained) if trained)
    found = {
        "opening": tuple(before[0][:same]),
        "ends": tuple({told.ids[last]} & set(tokenizer.all_special_ids)),
        "control": tuple(sorted({audio_token_id, *tokenizer.all_special_ids})),
    }
    found |= {name: given for name in found if (given := getattr(options, name)) is not None}
    for name, place in (("opening", "between question and reply"), ("ends", "that is a control token after a reply")):
        if not found[name]:
            raise SpecError(
                f"model.integration: {where} must know where a question ends and its reply does, and this tokenizer's "
                f"chat template sets nothing {place}; choose integration prompt or another tokenizer."
            )
    return found
