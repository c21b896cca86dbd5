"""Timelines of recordings of any length: cut, asked, shifted, joined."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ossicle.models.listening as listening
from ossicle.audio import Audio
from ossicle.chat import Reply
from ossicle.chat.timeline import Heard, write_timeline
from ossicle.commands.ask import CAPTION, TRANSCRIBE
from ossicle.models.listening import cut, events, join, picture, shift
from ossicle.support.errors import ModelError
from ossicle.synthesis.questions import speech, stories


class Perfect:
    """Hears exactly what is written on the recording: a constant level names the label."""

    name, span_s, max_batch = "perfect", 30.0, 16

    def __init__(self, truth: list[Heard]) -> None:
        self.truth, self.asked = truth, []

    def generate(self, chats):
        replies = []
        for chat in chats:
            (audio,) = chat.audios
            start, end = audio.start_s, audio.start_s + audio.duration_s
            self.asked.append((start, end))
            inside = [
                Heard(e.label, max(e.start_s, start) - start, min(e.end_s, end) - start)
                for e in self.truth
                if e.start_s < end and e.end_s > start
            ]
            replies.append(Reply(write_timeline(inside)))
        return replies


def silence(seconds: float) -> Audio:
    return Audio.from_samples(np.zeros(round(seconds * 8000), np.float32), 8000)


def test_a_sound_over_the_cut_is_one_event():
    truth = [Heard("dog", 1.0, 2.0), Heard("rain", 7.0, 23.0), Heard("dog", 9.0, 9.5), Heard("bell", 10.5, 11.0)]
    lm = Perfect(truth)
    assert events(lm, silence(30.0)) == truth
    assert lm.asked == [(0, 10), (10, 20), (20, 30)]


def test_two_sounds_of_one_label_on_either_side_stay_two():
    truth = [Heard("knock", 8.5, 9.0), Heard("knock", 10.8, 11.2)]
    assert events(Perfect(truth), silence(20.0)) == truth


def test_a_short_recording_is_asked_whole_and_as_it_is():
    lm = Perfect([Heard("dog", 0.1, 0.4)])
    assert events(lm, silence(0.5)) == [Heard("dog", 0.1, 0.4)]
    assert lm.asked == [(0.0, 0.5)]


def test_a_window_is_never_longer_than_the_model_hears():
    lm = Perfect([])
    lm.span_s = 4.0
    assert events(lm, silence(8.0), window_s=100.0) == []
    assert lm.asked == [(0, 4), (4, 8)]
    with pytest.raises(ModelError, match="above 0"):
        events(lm, silence(1.0), window_s=0.0)


@given(st.floats(0.001, 4000), st.floats(0.5, 60))
def test_windows_cover_the_recording_evenly(duration_s, window_s):
    edges = cut(duration_s, window_s)
    lengths = [end - start for start, end in itertools.pairwise(edges)]
    assert edges[0] == 0 and edges[-1] == duration_s
    assert max(lengths) <= window_s + 1e-3
    assert max(lengths) - min(lengths) < 1e-6


def test_times_beyond_the_window_are_cut_or_left_out():
    said = [Heard("a", 0.0, 99.0), Heard("b", 5.0, 6.0), Heard("c", 4.9, 4.9)]
    assert shift(said, 10.0, 15.0) == [Heard("a", 10.0, 15.0), Heard("c", 14.9, 14.9)]


def test_a_sound_over_three_windows_is_joined_once():
    windows = [[Heard("rain", 0, 10)], [Heard("rain", 10, 20), Heard("dog", 19, 20)], [Heard("rain", 20, 25)]]
    assert join(windows, [0, 10, 20, 30]) == [Heard("rain", 0, 25), Heard("dog", 19, 20)]


def test_the_picture_has_a_row_of_bars_for_each_label():
    rows = picture([Heard("bell", 5.0, 10.0), Heard("dog", 0.0, 2.5)], 10.0, width=8).splitlines()
    assert rows[0] == " dog ██······"
    assert rows[1] == "bell ····████"
    assert rows[2].strip().startswith("0") and rows[2].endswith("10.0 s")
    assert len(picture([], 3.0).splitlines()) == 1


def pattern(node) -> str:
    """A grammar's node as a regular expression."""
    if isinstance(node, str):
        return re.escape(node) + r"\s*"
    return "(?:" + "|".join("".join(map(pattern, option)) for option in node.options) + ")"


@pytest.mark.parametrize(
    ("question", "grammar"),
    [(listening.TIMELINE, stories.TIMELINE), (CAPTION, stories.CAPTION), (TRANSCRIBE, speech.TRANSCRIBE)],
)
def test_the_questions_of_commands_are_ones_that_models_are_trained_on(question, grammar):
    words = question.rstrip(".?")
    words = words[0].lower() + words[1:]
    assert any(re.fullmatch(pattern(template), words) for template in grammar.train.templates)
