"""The tool that says speech again in other voices: as high as asked, as long as before, with the rows' own words."""

import csv
import importlib
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def voices(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("voices")


def pulses(pitch: float) -> np.ndarray:
    """A second of pulses, ``pitch`` of them, through a formant at 900 Hz."""
    wave_T = np.zeros(16_000)
    wave_T[(np.arange(0, 1, 1 / pitch) * 16_000).astype(int)] = 1.0
    t = np.arange(400) / 16_000
    return np.convolve(wave_T, np.exp(-t * 300) * np.sin(2 * np.pi * 900 * t))[:16_000].astype(np.float32) * 0.3


def pitch_of(wave_T: np.ndarray) -> float:
    """By the highest peak of the autocorrelation between 70 and 500 Hz."""
    middle_T = wave_T[4_000:12_000].astype(np.float64)
    likeness = np.correlate(middle_T, middle_T, "full")[len(middle_T) - 1 :]
    return 16_000 / (32 + int(likeness[32:228].argmax()))


def middle_frequency(wave_T: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave_T)) ** 2
    return float((power * np.fft.rfftfreq(len(wave_T), 1 / 16_000)).sum() / power.sum())


def test_pitch_and_throat_are_changed_apart(voices):
    pytest.importorskip("pyworld", reason="pyworld is not installed", exc_type=ImportError)
    wave_T = pulses(120.0)
    higher_T, shorter_T = voices.other_voice(wave_T, 1.4, 1.0), voices.other_voice(wave_T, 1.0, 1.2)
    assert len(higher_T) == len(shorter_T) == len(wave_T)
    assert pitch_of(higher_T) == pytest.approx(168, rel=0.03)
    assert middle_frequency(higher_T) == pytest.approx(middle_frequency(wave_T), rel=0.1)
    assert pitch_of(shorter_T) == pytest.approx(120, rel=0.03)
    assert middle_frequency(shorter_T) > 1.1 * middle_frequency(wave_T)


def test_voices_are_those_of_people(voices):
    drawn = np.array([voices.draw(Random(seed)) for seed in range(500)])
    assert drawn.min() > 0.5 and drawn.max() < 1.85
    assert np.corrcoef(np.log(drawn).T)[0, 1] > 0.5, "who is smaller speaks higher"


def test_a_row_keeps_what_is_said_of_it(voices, tmp_path):
    pytest.importorskip("pyworld", reason="pyworld is not installed", exc_type=ImportError)
    folder = tmp_path / "speech"
    (folder / "audio").mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(("file", "split", "label", "group"))
        for name, split in (("a", "train"), ("b", "test")):
            soundfile.write(folder / f"audio/{name}.flac", pulses(120.0), 16_000)
            writer.writerow((f"audio/{name}.flac", split, "anger", f"speaker {name}"))
    voices.write_set(folder, tmp_path / "speech_voices", 3, 0)
    rows = list(csv.DictReader((tmp_path / "speech_voices/metadata.csv").open()))
    assert [row["file"] for row in rows] == ["audio/a_0.flac", "audio/a_1.flac", "audio/a_2.flac"]
    assert {(row["split"], row["label"], row["group"]) for row in rows} == {("train", "anger", "speaker a")}
    said = [soundfile.read(tmp_path / "speech_voices" / row["file"])[0] for row in rows]
    assert len({round(pitch_of(wave_T)) for wave_T in said}) > 1
