"""Every example is short, and does what it says."""

import importlib.util
from pathlib import Path

import pytest
import soundfile

from ossicle.models.folders import SHIPPED
from ossicle.synthesis import make_sound

FOLDER = Path(__file__).parents[2] / "examples"
has_tiny = pytest.mark.skipif(
    not (SHIPPED / "tiny" / "config.json").is_file(), reason="the tiny model is not in this copy"
)


def main_of(name: str):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "recordings"
    for label in ("siren", "knock"):
        (folder / label).mkdir(parents=True)
        for seed in (1, 2):
            soundfile.write(folder / label / f"{seed}.wav", make_sound(label, seed), 16_000)
    return folder


def test_examples_are_short_and_all_are_run_here():
    here = Path(__file__).read_text()
    for example in FOLDER.glob("*.py"):
        assert len(example.read_text().splitlines()) < 60, example.name
        assert f'main_of("{example.stem}")' in here, f"{example.name} is run by no test"


@has_tiny
def test_first_question(capsys):
    main_of("first_question")()
    said = capsys.readouterr().out
    assert said.count("█") > 10 and said.count("> ") == 3


def test_ask_in_python(recordings, random_model, capsys):
    main_of("ask_in_python")(str(recordings / "siren/1.wav"), str(recordings / "knock/1.wav"), str(random_model))
    assert "Usage(audio_s=" in capsys.readouterr().out


def test_did_it_listen(recordings, random_model, capsys):
    files = sorted(map(str, recordings.glob("*/*")))
    main_of("did_it_listen")("What is this?", *files, model=str(random_model))
    assert "real 4/4" in capsys.readouterr().out


def test_own_folder(recordings, tmp_path, capsys):
    small = ["model.encoder.channels=[4, 8, 8, 16]", "model.encoder.dim=16", "stages.learn.steps=3",
             "stages.learn.seconds_per_batch=6"]  # fmt: skip
    main_of("own_folder")(str(recordings), str(tmp_path / "run"), *small)
    assert capsys.readouterr().out.count("→") == 4
    assert (tmp_path / "run" / "model" / "config.json").is_file()
