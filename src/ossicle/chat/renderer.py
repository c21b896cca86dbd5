"""The only path from a conversation to token ids and the loss mask."""

import re
from collections.abc import Callable
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from ossicle.audio import Audio
from ossicle.chat.message import Conversation, Message
from ossicle.support.errors import DataError, ModelError

_MARK = re.compile("(\ue000\\d+\ue001)")


class Slot(NamedTuple):
    """Where one recording's tokens stand in a row: ``num_tokens`` ids from ``start`` on."""

    audio: int
    start: int
    num_tokens: int


class Rendered(NamedTuple):
    """A conversation as ids, which of them are trained, and where the sound goes."""

    ids: list[int]
    trained: list[bool]
    slots: tuple[Slot, ...]


class Renderer:
    """Conversation → ids. Training, generation, scoring and serving all call this.

    The tokenizer's own chat template gives the structure. What people wrote is encoded apart from it, as plain text, so
    that text which imitates a control token never becomes one.

    Args:
        tokenizer: with a chat template and the token ``audio_token``.
        count_tokens: exact number of audio tokens of a recording, known from its header.
        around: what stands before and after a recording, control tokens allowed; ``{n}`` counts recordings from 1.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        count_tokens: Callable[[Audio], int],
        *,
        audio_token: str = "<|audio|>",
        around: tuple[str, str] = ("", ""),
    ) -> None:
        self.tokenizer = tokenizer
        self.count_tokens = count_tokens
        self.audio_token = audio_token
        self.around = around
        self.audio_token_id: int = tokenizer.convert_tokens_to_ids(audio_token)
        if self.audio_token_id is None or self.audio_token_id == tokenizer.unk_token_id:
            raise ModelError(f"the tokenizer has no {audio_token!r}; add it as a special token.")
        self._control_ids = frozenset(tokenizer.all_special_ids)
        self._structure: dict[tuple[tuple[str, int], ...], list[str]] = {}

    def __call__(self, chat: Conversation, *, reply: bool = False) -> Rendered:
        """Render ``chat``; with ``reply`` the row ends where the model is to begin speaking.

        Raises:
            DataError: an empty conversation, or a mark of ours inside a text.
        """
        if not chat.messages:
            raise DataError("a conversation without messages cannot be rendered; add at least one user message.")
        parts = [(m.role, part) for m in chat.messages for part in m.parts]
        ids: list[int] = []
        trained: list[bool] = []
        slots: list[Slot] = []
        after_reply = False
        for piece in self._pieces(chat.messages, reply):
            if not isinstance(piece, int):
                new = self._encode_structure(piece)
                trained += self._ends_turn(new) if after_reply else [False] * len(new)
                ids += new
                after_reply = False
                continue
            role, part = parts[piece]
            if isinstance(part, Audio):
                num_tokens = self.count_tokens(part)
                before, after = (
                    self._encode_structure(text.format(n=len(slots) + 1)) if text else [] for text in self.around
                )
                slots.append(Slot(len(slots), len(ids) + len(before), num_tokens))
                new = [*before, *[self.audio_token_id] * num_tokens, *after]
            else:
                new = self.encode_text(part)
            after_reply = role == "assistant"
            trained += [after_reply and not isinstance(part, Audio)] * len(new)
            ids += new
        return Rendered(ids, trained, tuple(slots))

    def encode_text(self, text: str) -> list[int]:
        """Plain text → ids; control tokens in it stay letters."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids

    def decode(self, ids: list[int]) -> str:
        """Ids → text, without control tokens."""
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    @property
    def end_ids(self) -> frozenset[int]:
        """Ids that end a reply."""
        probe = self(Conversation.of(Message("user", ("a",)), Message("assistant", ("a",))))
        last_trained = max(index for index, is_trained in enumerate(probe.trained) if is_trained)
        ends = {probe.ids[last_trained]} & self._control_ids
        return frozenset(ends | ({self.tokenizer.eos_token_id} - {None}))

    def _pieces(self, messages: tuple[Message, ...], reply: bool) -> list[int | str]:
        """The template's text, with the index of each part where that part stands."""
        shape = (*((m.role, len(m.parts)) for m in messages), ("reply", int(reply)))
        if shape not in self._structure:
            numbers = iter(range(sum(len(m.parts) for m in messages)))
            marked = [
                {"role": m.role, "content": "".join(f"\ue000{next(numbers)}\ue001" for _ in m.parts)} for m in messages
            ]
            text = self.tokenizer.apply_chat_template(marked, tokenize=False, add_generation_prompt=reply)
            self._structure[shape] = [
                int(piece[1:-1]) if _MARK.fullmatch(piece) else piece for piece in _MARK.split(text) if piece
            ]
        return self._structure[shape]

    def _encode_structure(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=False).input_ids

    def _ends_turn(self, ids: list[int]) -> list[bool]:
        """What follows a reply is trained up to its first control token: the end of the turn."""
        end = next((index for index, token in enumerate(ids) if token in self._control_ids), -1)
        return [index <= end for index in range(len(ids))]
