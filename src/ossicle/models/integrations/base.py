"""What an integration is: the way in which sound reaches the language model.

N rows · L tokens · K audio tokens · D width
"""

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ossicle.encoders.base import Frames, Options
from ossicle.registry import Registry
from ossicle.support.errors import DataError, SpecError

if TYPE_CHECKING:
    from ossicle.models.lalm import OssicleModel


class Heard(NamedTuple):
    """The sound of a batch of rows."""

    tokens: Frames
    """Of each window."""
    windows: Tensor | None = None
    """Which window is heard, run after run, in the order in which the rows hear them; each once in turn if None."""
    recordings: Tensor | None = None
    """Which recording each run is a part of, counted over all rows; each of its own if None."""
    counts: Tensor | None = None
    """How many of the runs each row hears [N]; None where only the rows themselves show it."""

    def runs(self) -> list[Tensor]:
        """The real tokens [K, D] of each run; a window may be heard in several."""
        lengths = self.tokens.lengths_B.tolist()
        order = range(len(lengths)) if self.windows is None else self.windows.tolist()
        return [self.tokens.x_BFD[window, : lengths[window]] for window in order]


def by_row(room_N: Tensor, heard: Heard, num_runs: int) -> tuple[list[int], list[int] | None]:
    """A number of each row, and how many runs of the sound it hears, where that is known; both are looked at together,
    as a device is waited for each time.

    Raises:
        DataError: the runs are counted for other rows, or are more or fewer.
    """
    if heard.counts is None:
        return room_N.tolist(), None
    if len(heard.counts) != len(room_N):
        raise DataError(
            f"the runs of audio tokens are counted for {len(heard.counts)} rows, and there are {len(room_N)}; "
            "give audio_runs one number for each row."
        )
    room, counts = torch.stack([room_N, heard.counts.to(room_N)]).tolist()
    if sum(counts) != num_runs:
        raise DataError(
            f"the rows hear {sum(counts)} runs of audio tokens and the sound has {num_runs}; "
            "render and prepare with one Preparer."
        )
    return room, counts


def check_room(room: Sequence[int], lengths: Sequence[int], counts: Sequence[int] | None) -> None:
    """See that each row has room for its own sound, so that none is heard in another row.

    Args:
        room: audio ids of each row.
        lengths: tokens of each run, in order.
        counts: how many runs each row hears; if None, a row hears as many as it takes to fill it.

    Raises:
        DataError: a row has more or less room than that.
    """
    at = 0
    for row, places in enumerate(room):
        end, found = at, 0
        while end < len(lengths) and (found < places if counts is None else end - at < counts[row]):
            found += lengths[end]
            end += 1
        if found != places:
            raise DataError(
                f"row {row} has room for {places} audio tokens and its sound gives {found}; "
                "render and prepare with one Preparer."
            )
        at = end
    if at < len(lengths):
        raise DataError(
            f"the rows have room for {sum(room)} audio tokens and the sound gives {sum(lengths)}; "
            "render and prepare with one Preparer."
        )


def check_silent(is_audio_NL: Tensor, cache: Any) -> None:
    """See that nothing in a prompt stands for sound that did not come. A model may say an audio id of its own accord,
    or go on after sound that ``cache`` knows.

    Raises:
        DataError: an audio id, and no cache of the tokens before.
    """
    if (cache is None or cache.get_seq_length() == 0) and bool(is_audio_NL.any()):
        row = int(is_audio_NL.any(1).nonzero()[0])
        raise DataError(f"row {row} holds audio ids and no sound came with it; give input_features.")


class Memory(Protocol):
    """What the rows of a cache remember beside keys and values, for as long as their conversations last."""

    def select(self, rows: Tensor) -> "Memory":
        """Some of the rows, perhaps repeated."""
        ...

    @staticmethod
    def joined(memories: Sequence[Any], counts: Sequence[int]) -> "Memory | None":
        """The rows of several; ``counts`` says how many rows each has, as None has rows that remember nothing."""
        ...


class Integration(nn.Module, abc.ABC):
    """Base of all integrations, built from ``(options, text_config)``."""

    Options: ClassVar[type[BaseModel]] = Options
    type_name: ClassVar[str]
    numbers_recordings: ClassVar[bool] = False
    """Whether the model must be told of which recording each window is a part, as audio ids don't show it."""
    looks_back: ClassVar[bool] = False
    """Whether every token looks at the recordings anew: then all are needed to go on with a conversation, and what
    precedes the first one depends on it."""

    asks: ClassVar[bool] = False
    """Whether what is heard depends on what is asked in the same turn: then questions about a recording do not share
    its tokens."""

    @classmethod
    def resolve(cls, options: BaseModel, tokenizer: PreTrainedTokenizerBase, audio_token_id: int) -> BaseModel:
        """Options completed by what only the tokenizer knows. Raises SpecError if it does not suit."""
        return options

    @classmethod
    def tiny_options(cls) -> dict[str, Any]:
        """What to change of its options for a tiny language model."""
        return {}

    def __init__(self, options: BaseModel, text_config: PreTrainedConfig) -> None:
        super().__init__()
        self.options = options

    def load_pretrained(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Fill in published weights, where the options name any; called once, when a model is composed.

        Args:
            tokenizer: of the language model.
        """

    @staticmethod
    @abc.abstractmethod
    def placeholders(num_tokens: int) -> int:
        """How many audio ids stand in a row for a recording of ``num_tokens``."""

    def turns(self, ids: np.ndarray) -> list[tuple[int, int]]:
        """From where to where (excluded) tokens are read together, whether or not they hear a recording; none by
        default."""
        return []

    def stretch(self, ids: np.ndarray, start: int, end: int) -> tuple[int, int]:
        """The tokens that are read together with a recording's, which stand from ``start`` to ``end`` (excluded)."""
        return next((turn for turn in self.turns(ids) if turn[0] <= start < turn[1]), (start, end))

    def parts(self) -> dict[str, nn.Module]:
        """What a stage trains, by the name that the stage gives it: all of it with the projector."""
        return {"projector": self}

    def install(self, model: "OssicleModel") -> None:
        """Take a place in the model; called once, when it is made.

        Raises:
            SpecError: the model's parts do not suit it.
        """
        if not getattr(model.multi_modal_projector.options, "tied", True):
            raise SpecError("model.projector: tied false makes rows for saying codes; set model.integration to codes.")

    @abc.abstractmethod
    def join(self, model: "OssicleModel", input_ids: Tensor, heard: Heard | None, cache: Any) -> dict[str, Any]:
        """What the language model is given.

        Args:
            input_ids: [N, L], with audio ids where recordings stand.
            heard: the recordings of these tokens; None if they have none, or if ``cache`` knows them.
            cache: of the tokens before these, or None.

        Raises:
            DataError: the sound does not fit the audio ids.
        """

    def run(self, language_model: PreTrainedModel, joined: dict[str, Any], **kwargs: Any) -> Any:
        """The language model's own output."""
        return language_model(**joined, **kwargs)


integrations: Registry[Integration] = Registry("integration", "ossicle.models.integrations")


def made_of(written: str | Mapping[str, Any], text_config: PreTrainedConfig) -> Integration:
    """The integration that a configuration names."""
    spec = spec_of(written)
    cls = integrations.get(spec["type"])
    return cls(cls.Options(**{name: value for name, value in spec.items() if name != "type"}), text_config)


def spec_of(written: str | Mapping[str, Any]) -> dict[str, Any]:
    """``prompt`` or ``{type: cross_attention, every: 2}``, as the latter."""
    return {"type": written} if isinstance(written, str) else dict(written)
