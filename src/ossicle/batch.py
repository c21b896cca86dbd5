"""Rendered rows and prepared windows, joined.

N rows · L tokens · W windows · T feature steps
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ossicle.audio import Audio
from ossicle.chat.message import Conversation
from ossicle.chat.renderer import Renderer
from ossicle.encoders.base import Encoder
from ossicle.projectors.base import Projector
from ossicle.support.errors import DataError, SpecError


@dataclass(frozen=True)
class Window:
    """One stretch of one recording, ready for the encoder. Equal ``key``: the same sound, encoded once a batch."""

    key: str
    features: Tensor
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Row:
    """One conversation, ready for the model: ids, which are trained, and its windows in the order of their tokens."""

    ids: tuple[int, ...]
    trained: tuple[bool, ...]
    windows: tuple[Window, ...]
    recordings: tuple[int, ...]
    """Of which recording each window is a part."""
    audio_tokens: tuple[int, ...]
    """Tokens of each recording."""
    prefix: int
    """Tokens up to the end of the last recording."""
    audio_s: float
    meta: Mapping[str, Any]


def count_tokens(encoder: Encoder, projector: Projector, audio: Audio) -> int:
    """Exact tokens of a recording, from its header."""
    spans = encoder.windows(audio.num_samples(encoder.sample_rate))
    frames = [encoder.num_frames(span.num_samples) for span in spans]
    return projector.num_tokens(frames)


class Changes(Protocol):
    """What an augmentation is: changes by chance, which comes from the seed alone."""

    @property
    def alters_features(self) -> bool:
        """Whether it changes features, which then must be a spectrogram."""
        ...

    def sound(self, samples_CT: np.ndarray, seed: int, sample_rate: int) -> np.ndarray:
        """The samples [C, T], changed; the same number of them."""
        ...

    def __call__(self, features: Tensor, seed: int) -> Tensor:
        """The features of one window, changed."""
        ...


class Preparer:
    """Conversation → :class:`Row`: rendering, decoding and features, all the CPU work of the data worker.

    Args:
        renderer: text to ids.
        encoder: asked for windows, counts and features; its weights are not used.
        projector: asked for counts.
        augment: changes sound and features; used only when a seed is given.
    """

    def __init__(
        self,
        renderer: Renderer,
        encoder: Encoder,
        projector: Projector,
        augment: Changes | None = None,
    ) -> None:
        if augment is not None and augment.alters_features and not encoder.spectral:
            raise SpecError(
                f"augment changes a spectrogram, and the features of encoder {encoder.type_name} are none; leave its "
                "masks and filters out (noise and gain go with every encoder)."
            )
        self.renderer, self.encoder, self.projector, self.augment = renderer, encoder, projector, augment
        self._recent: dict[tuple[str, int | None], tuple[Window, ...]] = {}

    def __call__(self, chat: Conversation, *, reply: bool = False, augment_key: int | None = None) -> Row:
        """Prepare one conversation.

        Args:
            reply: end the row where the model is to begin speaking.
            augment_key: seed of the augmentation; ``None`` leaves the sound as it is.

        Raises:
            AudioError: a recording cannot be read.
            DataError: the sound gave another number of tokens than its header promised.
        """
        rendered = self.renderer(chat, reply=reply)
        audios = chat.audios
        windows = [self.windows(audio, augment_key) for audio in audios]
        return Row(
            ids=tuple(rendered.ids),
            trained=tuple(rendered.trained),
            windows=tuple(window for parts in windows for window in parts),
            recordings=tuple(index for index, parts in enumerate(windows) for _ in parts),
            audio_tokens=tuple(count_tokens(self.encoder, self.projector, audio) for audio in audios),
            prefix=max((slot.start + slot.num_tokens for slot in rendered.slots), default=0),
            audio_s=sum(audio.duration_s for audio in audios),
            meta=chat.meta,
        )

    def windows(self, audio: Audio, augment_key: int | None = None) -> tuple[Window, ...]:
        """The windows of one recording; the last few are kept, as conversations about one travel together."""
        key = (audio.digest, augment_key)
        if key not in self._recent:
            while len(self._recent) >= 8:
                self._recent.pop(next(iter(self._recent)))
            self._recent[key] = tuple(self._prepare(audio, augment_key))
        return self._recent[key]

    def _prepare(self, audio: Audio, augment_key: int | None) -> list[Window]:
        rate = self.encoder.sample_rate
        samples_CT = audio.load(rate, channels="mono" if self.encoder.channels == 1 else "all")
        expected = audio.num_samples(rate)
        if samples_CT.shape[1] != expected:
            raise DataError(f"{audio.name} promised {expected} samples at {rate} Hz and gave {samples_CT.shape[1]}.")
        augment = None if augment_key is None else self.augment
        if augment is not None:
            samples_CT = augment.sound(samples_CT, augment_key, rate)
        windows = []
        for span in self.encoder.windows(expected):
            features = self.encoder.prepare(samples_CT[:, span.start : span.end])
            if augment is not None and augment.alters_features:
                features = augment(features, augment_key)
            name = f"{audio.digest}:{span.start}:{span.end}:{augment_key}"
            windows.append(Window(name, features, span.start / rate, span.end / rate))
        return windows


@dataclass(frozen=True)
class Batch:
    """Rows as one flat structure; padding is made only by :meth:`inputs`, for kernels that need it.

    The windows of all rows are one list without repeats; ``window_of_slot`` says which window fills each run of audio
    tokens, in the order in which the rows read them.
    """

    rows: tuple[Row, ...]
    windows: tuple[Window, ...]
    window_of_slot: tuple[int, ...]

    @classmethod
    def pack(cls, rows: Sequence[Row]) -> "Batch":
        """Join rows; a window that several rows share is kept once."""
        unique: dict[str, int] = {}
        windows: list[Window] = []
        order: list[int] = []
        for row in rows:
            for window in row.windows:
                if window.key not in unique:
                    unique[window.key] = len(windows)
                    windows.append(window)
                order.append(unique[window.key])
        return cls(tuple(rows), tuple(windows), tuple(order))

    @property
    def num_tokens(self) -> int:
        """Tokens of all rows, padding not counted."""
        return sum(len(row.ids) for row in self.rows)

    @property
    def audio_s(self) -> float:
        """Seconds of sound that the encoder sees, each window once."""
        return sum(window.end_s - window.start_s for window in self.windows)

    def inputs(self, *, pad_id: int, side: str = "right") -> dict[str, Tensor]:
        """The tensors of the transformers signature.

        Returns:
            ``input_ids``, ``attention_mask`` [N, L]; with sound also ``input_features`` [W, T, …],
            ``feature_lengths`` [W], ``audio_windows`` and ``audio_recordings`` (window of each run of audio tokens, and
            of which recording it is a part, counted over all rows), and ``audio_runs`` [N] (how many runs each row
            hears).
        """
        inputs = {
            "input_ids": self._pad([row.ids for row in self.rows], pad_id, side),
            "attention_mask": self._pad([[1] * len(row.ids) for row in self.rows], 0, side),
        }
        if self.windows:
            inputs |= self.sound()
            inputs["audio_windows"] = torch.tensor(self.window_of_slot)
            inputs["audio_recordings"] = torch.tensor(recordings_of(self.rows))
            inputs["audio_runs"] = torch.tensor([len(row.windows) for row in self.rows])
        return inputs

    def sound(self) -> dict[str, Tensor]:
        """``input_features`` [W, T, …], padded on the right, and ``feature_lengths`` [W]."""
        features = [window.features for window in self.windows]
        return {
            "input_features": torch.nn.utils.rnn.pad_sequence(features, batch_first=True),
            "feature_lengths": torch.tensor([len(f) for f in features]),
        }

    def trained_mask(self, *, side: str = "right") -> Tensor:
        """Which tokens the loss is on, [N, L], padded like :meth:`inputs`."""
        return self._pad([row.trained for row in self.rows], False, side).bool()

    @staticmethod
    def _pad(rows: Sequence[Sequence[Any]], fill: Any, side: str) -> Tensor:
        length = max(len(row) for row in rows)
        pad = [[fill] * (length - len(row)) for row in rows]
        pairs = zip(rows, pad, strict=True)
        return torch.tensor([[*p, *r] if side == "left" else [*r, *p] for r, p in pairs])


def recordings_of(rows: Sequence[Row]) -> list[int]:
    """Of which recording each window of the rows is a part, counted over all rows."""
    found: list[int] = []
    before = 0
    for row in rows:
        found += [before + recording for recording in row.recordings]
        before += len(row.audio_tokens)
    return found
