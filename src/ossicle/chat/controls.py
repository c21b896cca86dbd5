"""The listening controls: the same questions over other sound, to see whether the model listened at all."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ossicle.audio import Audio
from ossicle.chat.message import Conversation

CONTROL_SAMPLE_RATE = 16_000


def _seed(audio: Audio) -> int:
    return int.from_bytes(hashlib.sha256(audio.digest.encode()).digest()[:8], "little")


def _silent(audio: Audio) -> Audio:
    num_samples = audio.num_samples(CONTROL_SAMPLE_RATE)
    return Audio.from_samples(np.zeros(num_samples, np.float32), CONTROL_SAMPLE_RATE, name="silence")


def _noise(audio: Audio) -> Audio:
    num_samples = audio.num_samples(CONTROL_SAMPLE_RATE)
    noise = np.random.default_rng(_seed(audio)).standard_normal(num_samples).astype(np.float32) * 0.05
    return Audio.from_samples(noise, CONTROL_SAMPLE_RATE, name="noise")


def real(chats: Sequence[Conversation]) -> list[Conversation]:
    """As asked."""
    return list(chats)


def silent(chats: Sequence[Conversation]) -> list[Conversation]:
    """Every recording replaced by as much digital silence."""
    return [chat.with_audios(tuple(map(_silent, chat.audios))) for chat in chats]


def noise(chats: Sequence[Conversation]) -> list[Conversation]:
    """Every recording replaced by as much white noise, the same each time."""
    return [chat.with_audios(tuple(map(_noise, chat.audios))) for chat in chats]


def swapped(chats: Sequence[Conversation]) -> list[Conversation]:
    """Every question over the recordings of another question with as many of them (half the list away)."""
    groups: dict[int, list[int]] = {}
    for index, chat in enumerate(chats):
        groups.setdefault(len(chat.audios), []).append(index)
    donor = {}
    for members in groups.values():
        shift = max(1, len(members) // 2)
        donor.update({index: members[(k + shift) % len(members)] for k, index in enumerate(members)})
    return [chat.with_audios(chats[donor[index]].audios) for index, chat in enumerate(chats)]


def none(chats: Sequence[Conversation]) -> list[Conversation]:
    """The words alone."""
    return [
        replace(
            chat,
            messages=tuple(
                replace(m, parts=tuple(part for part in m.parts if isinstance(part, str))) for m in chat.messages
            ),
        )
        for chat in chats
    ]


CONTROLS: dict[str, Callable[[Sequence[Conversation]], list[Conversation]]] = {
    "real": real,
    "none": none,
    "silent": silent,
    "noise": noise,
    "swapped": swapped,
}
