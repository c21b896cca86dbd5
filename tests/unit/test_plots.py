"""The picture of what was heard: it exists, shows events where they are, and survives odd input."""

import sys
from typing import NamedTuple

import numpy as np
import pytest

from ossicle.audio import log_mel, mel_centres_hz
from ossicle.support.errors import MissingExtraError
from ossicle.support.plots import plot_events


class Heard(NamedTuple):
    label: str
    start_s: float
    end_s: float


def read(path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    return imread(path)[:, :, :3]


def columns_of(picture_HWC, colour):
    """The columns (0 to 1 of the picture's width) that hold a bar of this colour in its lower part."""
    wanted = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    lower = picture_HWC[int(0.78 * len(picture_HWC)) :]
    near = (np.abs(lower - wanted).max(-1) < 0.02).sum(0) >= 15  # taller than the letters of a label
    return np.flatnonzero(near) / picture_HWC.shape[1]


def test_bars_lie_where_the_events_are(tmp_path):
    pytest.importorskip("matplotlib")
    mel = log_mel(np.random.default_rng(0).standard_normal(160000).astype(np.float32) * 0.1)
    spans = {}
    for start in (2.0, 5.0):
        path = tmp_path / f"{start}.png"
        plot_events(mel, 0.01, [Heard("ooo", start, start + 2)], path, "x.wav", bands_hz=mel_centres_hz())
        found = columns_of(read(path), "#d1495b")
        spans[start] = found.min(), found.max()
    width = spans[2.0][1] - spans[2.0][0]  # two seconds
    assert spans[5.0][0] - spans[2.0][0] == pytest.approx(1.5 * width, rel=0.03)


@pytest.mark.parametrize(
    ("num_frames", "events"),
    [
        (1, []),
        (100, []),
        (1000, [Heard("$x^2$ <b>&", 0.0, 20.0), Heard("a label that goes on and on " * 4, 3.0, 3.0)]),
        (70000, [Heard(f"sound {i}", i, i + 90) for i in range(25)]),
    ],
)
def test_odd_input_is_drawn(tmp_path, num_frames, events):
    pytest.importorskip("matplotlib")
    mel = np.full((num_frames, 64), -10, np.float32)
    plot_events(mel, 0.01, events, tmp_path / "p.png", "a_$name$" * 30, bands_hz=None)
    picture = read(tmp_path / "p.png")
    assert picture.shape[1] == 1500 and picture.std() > 0


def test_the_suffix_is_the_format(tmp_path):
    pytest.importorskip("matplotlib")
    plot_events(np.zeros((10, 8)), 0.01, [Heard("dog", 0.0, 0.05)], tmp_path / "p.svg")
    assert b"<svg" in (tmp_path / "p.svg").read_bytes()


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"ossicle\[plots\]"):
        plot_events(np.zeros((10, 8)), 0.01, [], tmp_path / "p.png")
    assert not (tmp_path / "p.png").exists()
