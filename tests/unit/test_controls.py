"""The same questions over other sound."""

import numpy as np
import pytest

from ossicle.audio import Audio
from ossicle.chat import Conversation, user
from ossicle.chat.controls import CONTROLS


@pytest.fixture
def chats():
    def tone(k):
        return Audio.from_samples(np.sin(np.arange(1600 + 160 * k) * 0.01 * (k + 1)).astype(np.float32), 16_000)

    one = [Conversation.of(user(tone(k), f"question {k}")) for k in range(5)]
    two = [Conversation.of(user(tone(k), " and ", tone(k + 1), "?")) for k in (7, 9)]
    return [*one, *two, Conversation.of(user("no sound"))]


@pytest.mark.parametrize("name", list(CONTROLS))
def test_words_stay(chats, name):
    changed = CONTROLS[name](chats)
    assert [c.messages[0].text for c in changed] == [c.messages[0].text for c in chats]


@pytest.mark.parametrize("name", ["silent", "noise"])
def test_length_and_number_of_recordings_stay(chats, name):
    for before, after in zip(chats, CONTROLS[name](chats), strict=True):
        assert [a.num_samples(16_000) for a in after.audios] == [a.num_samples(16_000) for a in before.audios]
        assert all(a.digest != b.digest for a, b in zip(after.audios, before.audios, strict=True))


def test_silence_is_silent_and_noise_is_the_same_each_time(chats):
    assert not CONTROLS["silent"](chats)[0].audios[0].load(16_000).any()
    again = [CONTROLS["noise"](chats)[0].audios[0].load(16_000) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert again[0].std() > 0.01


def test_swapped_recordings_are_another_questions_own(chats):
    swapped = CONTROLS["swapped"](chats)
    for before, after in zip(chats[:7], swapped[:7], strict=True):
        assert len(after.audios) == len(before.audios)
        assert after.audios != before.audios
    assert sorted(a.digest for c in swapped for a in c.audios) == sorted(a.digest for c in chats for a in c.audios)


def test_none_leaves_words_alone(chats):
    assert all(chat.audios == () for chat in CONTROLS["none"](chats))
