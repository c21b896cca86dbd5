"""The written timeline: what is written is read back, and much that is nearly right is read too."""

import math
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossicle.chat.timeline import Heard, read_timeline, write_time, write_timeline
from ossicle.support.errors import DataError

WORDS = st.sampled_from(
    (
        "dog",
        "bell",
        "water flowing",
        "violin or fiddle",
        "hi hat",
        "808 drum",
        "glass",
        "keys",
        "and",
        "seven",
        "then",
        "zero",
    )
)
LABELS = (
    st.lists(WORDS, min_size=1, max_size=4)
    .map(" ".join)
    .filter(lambda label: not label.startswith(("and", "then", "or")) and not label.endswith(("and", "then")))
)
EVENTS = st.lists(
    st.builds(
        lambda label, start, length: Heard(label, start / 10, (start + length) / 10),
        LABELS,
        st.integers(0, 6000),
        st.integers(0, 300),
    ),
    max_size=8,
)


@given(EVENTS)
def test_what_is_written_is_read_back(events):
    assert read_timeline(write_timeline(events)) == sorted(events, key=lambda e: (e.start_s, e.end_s))


@given(
    EVENTS,
    st.sampled_from(["; ", "\n", ", ", ";\n", ". ", " and ", "\n- "]),
    st.sampled_from(
        [
            "{a}s to {b}s {l}",
            "{a}-{b} s: {l}",
            "from {a} to {b}: {l}",
            "{a} – {b} {l}",
            "{a}s — {b}s, {l}",
            "From {a} s to {b} s, {l}",
            "({a}s - {b}s) {l}",
            "{a} sec → {b} sec {l}",
            "{a} seconds until {b} seconds {l}",
            "{l}: {a}-{b}",
            "{l} from {a} s to {b} s",
            "{l} ({a}s–{b}s)",
        ]
    ),
)
def test_other_separators_dashes_and_orders_are_read(events, gap, form):
    events = sorted(events, key=lambda e: (e.start_s, e.end_s))
    # A label that begins with a number can't be told from a time where nothing but a blank divides them.
    events = [e._replace(label=e.label.replace("808", "snare")) for e in events]
    text = gap.join(form.format(a=write_time(e.start_s), b=write_time(e.end_s), l=e.label) for e in events)
    assert read_timeline(text) == events


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("nothing", []),
        ("", []),
        ("There is a dog.", []),
        ("At 0.5 s.", []),
        ("1. 0.5s to 1.7s dog\n2. 2s to 3.1s bell.", [Heard("dog", 0.5, 1.7), Heard("bell", 2.0, 3.1)]),
        ("0:04 - 0:07 dog; 1:02.5 to 1:03 bell", [Heard("dog", 4.0, 7.0), Heard("bell", 62.5, 63.0)]),
        ("1.7s to 0.5s dog", [Heard("dog", 0.5, 1.7)]),
        ("0.5s to 1.7s", []),
        ("**0.5s to 1.7s**: dog | 2s to 3s: bell", [Heard("dog", 0.5, 1.7), Heard("bell", 2.0, 3.0)]),
        ("0.5s to 1.7s dog; 2.0s to 3", [Heard("dog", 0.5, 1.7)]),
    ],
)
def test_read(text, heard):
    assert read_timeline(text) == heard


@given(st.text(max_size=60))
def test_reading_never_fails(text):
    assert all(e.label and e.start_s <= e.end_s for e in read_timeline(text))


@given(st.integers(0, 10**6))
def test_half_is_rounded_up(hundredths):
    exact = Decimal(hundredths) / 100
    assert write_time(hundredths / 100) == str(exact.quantize(Decimal("0.1"), ROUND_HALF_UP))


def test_golden_form():
    assert write_timeline([Heard("glass breaking", 2.0, 3.1), Heard("dog", 0.46, 1.74)]) == (
        "0.5s to 1.7s dog; 2.0s to 3.1s glass breaking"
    )
    assert write_timeline([]) == "nothing"


@pytest.mark.parametrize("seconds", [-0.1, math.nan, math.inf])
def test_impossible_times_are_refused(seconds):
    with pytest.raises(DataError):
        write_time(seconds)


@pytest.mark.parametrize("label", ["", " ", "a; b", "a\nb"])
def test_unreadable_labels_are_refused(label):
    with pytest.raises(DataError):
        write_timeline([Heard(label, 0.0, 1.0)])
