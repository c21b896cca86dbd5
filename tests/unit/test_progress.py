"""Progress: counts, rate and time left; a line now and then in a log, nothing when quiet."""

import io

import pytest

from ossicle.support.progress import Lines, Progress, describe_rate, describe_seconds, progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_rate_and_time_left_leave_out_what_was_done_before():
    clock = Clock()
    work = Progress(1000, "rows", "ask", start=400, clock=clock)
    assert work.rate is None and work.left_s is None
    clock.now += 10
    work.advance(100)
    assert work.done == 500 and work.rate == 10 and work.left_s == 50


def test_endless_work_has_a_rate_but_no_end():
    clock = Clock()
    work = Progress(None, "rows", "ask", clock=clock)
    clock.now += 2
    work.advance(1)
    assert work.left_s is None and str(work) == "ask: 1 rows, 2.0 s each"


def test_a_log_gets_a_line_every_half_minute_and_one_at_the_end():
    clock, stream = Clock(), io.StringIO()
    with Lines(100, "steps", "train", stream=stream, clock=clock) as work:
        for step in range(70):
            clock.now += 1
            work.advance(1, loss=1 / (step + 1))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == "train: 30/100 (30%) steps, 1.0 steps/s, 1 min 10 s left, loss 0.03333"
    assert lines[-1].startswith("train: 70/100 (70%)")


def test_lines_of_a_failed_run_say_how_far_it_got():
    stream = io.StringIO()
    with pytest.raises(RuntimeError), progress(10, "rows", "ask", stream=stream) as work:
        work.advance(3)
        raise RuntimeError
    assert "3/10" in stream.getvalue()


def test_quiet_is_silent():
    stream = io.StringIO()
    with progress(10, "rows", "ask", quiet=True, stream=stream) as work:
        work.advance(10)
    assert stream.getvalue() == "" and work.done == 10


@pytest.mark.parametrize("total", [3, None])
def test_a_terminal_gets_a_bar_on_its_own_stream_only(total, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    with progress(total, "rows", "ask [all]", stream=terminal) as work:
        work.advance(2, loss=0.5)
        print("an answer")
    assert "ask [all]" in terminal.getvalue() and "loss 0.5" in terminal.getvalue()
    assert capsys.readouterr().out == "an answer\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (7620, "2 h 07 min")]
)
def test_seconds_in_words(seconds, text):
    assert describe_seconds(seconds) == text


@pytest.mark.parametrize(("rate", "text"), [(0.25, "4.0 s each"), (12.34, "12.3 rows/s"), (1234.5, "1,234 rows/s")])
def test_rate_in_words(rate, text):
    assert describe_rate(rate, "rows") == text
