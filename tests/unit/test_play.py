"""The tool that plays instruments: what is written is heard, in reach of the instrument, and the same again."""

import csv
import importlib.util
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile

from ossicle.synthesis import Library

TOOL = Path(__file__).parents[2] / "tools" / "play.py"


@pytest.fixture(scope="module")
def play():
    spec = importlib.util.spec_from_file_location("play", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_notes_are_in_reach_and_begin_with_the_recording(play):
    for label, instrument in play.INSTRUMENTS.items():
        for number in range(60):
            notes = play.score(label, instrument.styles[number % len(instrument.styles)], Random(number))
            assert min(note.begin_s for note in notes) < 0.02
            top = instrument.high + (35 if label == "acoustic guitar" else 0)  # chords reach above their root
            for note in notes:
                assert instrument.low <= note.key <= top, (label, note)
                assert note.end_s > note.begin_s and 20 <= note.velocity <= 127


def test_what_is_played_is_heard_and_read_as_instruments(play, tmp_path, monkeypatch):
    pytest.importorskip("fluidsynth", reason="pyfluidsynth is not installed")
    smallest = play.FONTS[-1]
    if not Path(smallest[0]).is_file():
        pytest.skip(f"{smallest[0]} is not here")
    monkeypatch.setattr(play, "FONTS", (smallest,))
    for name in ("first", "again"):
        play.write_set(tmp_path / name / "played_instruments", per_instrument=3, seed=1)
    rows = list(csv.DictReader((tmp_path / "first/played_instruments/metadata.csv").open()))
    assert len(rows) == 30 and {row["group"] for row in rows} == {Path(smallest[0]).stem}
    for row in rows:
        samples_T, rate = soundfile.read(tmp_path / "first/played_instruments" / row["file"])
        assert rate == 16_000 and 0.2 < np.abs(samples_T).max() <= 1 and 0.1 < len(samples_T) / rate <= 4.1
        assert np.abs(samples_T[: rate // 2]).max() > 0.02, row
        again_T, _ = soundfile.read(tmp_path / "again/played_instruments" / row["file"])
        np.testing.assert_array_equal(samples_T, again_T)
    library = Library.from_folders(tmp_path / "first", procedural=0)
    assert set(library.labels()) == set(play.INSTRUMENTS) and {clip.kind for clip in library.clips} == {"instrument"}
