"""Recordings longer than a model hears at once."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.audio import Audio
from ossicle.chat import Conversation, Reply, Usage, user
from ossicle.models.long_audio import Stretch, clock, join, shift_times, stretches


def chat(*seconds: float) -> Conversation:
    audios = [Audio.from_samples(np.zeros(round(s * 8000), np.float32), 8000) for s in seconds]
    return Conversation.of(user(*audios, "?"))


@settings(deadline=None, max_examples=30)
@given(total=st.floats(0.1, 200), span=st.floats(1, 40))
def test_stretches_cover_the_recording(total, span):
    parts = list(stretches(chat(total), span))
    exact = chat(total).audios[0].duration_s
    assert parts[0].start_s == 0
    assert parts[-1].end_s == pytest.approx(exact)
    for before, after in itertools.pairwise(parts):
        assert before.end_s == after.start_s
    assert sum(part.chat.audios[0].duration_s for part in parts) == pytest.approx(exact, abs=1e-3)
    assert all(part.chat.audios[0].duration_s <= span + 1e-3 for part in parts)


def test_a_short_recording_beside_a_long_one_is_heard_whole_each_time():
    parts = list(stretches(chat(9.0, 2.0), 4.0))
    assert [round(p.chat.audios[0].duration_s, 3) for p in parts] == [3.0, 3.0, 3.0]
    assert [round(p.chat.audios[1].duration_s, 3) for p in parts] == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("text", "shifted"),
    [
        ("At 0.5 s.", "At 30.5 s."),
        ("From 0.5 s to 1.7 s.", "From 30.5 s to 31.7 s."),
        ("0.5s to 1.7s dog; 2.0s to 3.1s bell", "30.5s to 31.7s dog; 32.0s to 33.1s bell"),
        ("3 times.", "3 times."),
        ("A tone of 3.5 kHz.", "A tone of 3.5 kHz."),
    ],
)
def test_only_times_are_shifted(text, shifted):
    assert shift_times(text, 30.0) == shifted


def test_equal_neighbours_become_one_line():
    said = ["Yes.", "Yes.", "No."]
    parts = [
        (Stretch(30.0 * k, 30.0 * (k + 1), chat(1.0)), Reply(text, Usage(30.0, 10, 12, 2), audio_tokens=(10,)))
        for k, text in enumerate(said)
    ]
    reply = join(parts)
    assert reply.text == "[0:00-1:00] Yes.\n[1:00-1:30] No."
    assert reply.usage == Usage(90.0, 30, 36, 6)
    assert reply.audio_tokens == (30,)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (75, "1:15"), (3599.6, "1:00:00"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert clock(seconds) == text
