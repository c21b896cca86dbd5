"""The commands, as people and programs use them."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from ossicle.cli import main
from ossicle.models.folders import SHIPPED


class Result:
    """What a command said, and its exit code."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def ossicle(capsys):
    def run(*words) -> Result:
        code = main([str(word) for word in words])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "door.wav"
    soundfile.write(path, np.random.default_rng(0).standard_normal(24_000) * 0.1, 16_000)
    return path


@pytest.fixture
def brief(random_model):
    return ["--model", random_model, "--max-new-tokens", 4]


def test_an_answer_streams_and_json_says_the_same(ossicle, clip, brief):
    told = ossicle("ask", clip, "What is this?", *brief)
    assert told.code == 0 and told.out.strip()
    found = json.loads(ossicle("ask", clip, "What is this?", "--json", *brief).out)
    assert list(found) == ["answer", "model", "audio", "usage", "elapsed_s"]
    assert found["answer"] == told.out.strip()
    assert found["audio"] == [{"file": str(clip), "duration_s": 1.5, "tokens": 10}]
    assert set(found["usage"]) == {"audio_s", "audio_tokens", "prompt_tokens", "completion_tokens"}
    assert found["usage"]["audio_tokens"] == 10 and found["elapsed_s"] > 0


def test_standard_input_and_several_files(ossicle, clip, brief, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(clip.read_bytes())))
    found = json.loads(ossicle("ask", "-", clip, "Are they the same?", "--json", *brief).out)
    assert [audio["file"] for audio in found["audio"]] == ["-", str(clip)]
    assert found["usage"]["audio_tokens"] == 20


def test_a_seed_makes_a_warm_answer_repeatable(ossicle, clip, brief):
    warm = ("ask", clip, "?", "--temperature", 2, *brief)
    answers = {seed: ossicle(*warm, "--seed", seed).out for seed in (1, 2, 3)}
    assert ossicle(*warm, "--seed", 1).out == answers[1]
    assert len(set(answers.values())) > 1


def test_a_long_recording_is_windowed_refused_or_cut_as_asked(ossicle, tmp_path, brief):
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(1).standard_normal(90_000) * 0.1, 10_000)
    whole = ossicle("ask", tmp_path / "long.wav", "What?", "--json", *brief)
    assert json.loads(whole.out)["usage"]["audio_s"] == pytest.approx(9.0)
    cut = ossicle("ask", tmp_path / "long.wav", "What?", "--json", "--long-audio", "truncate", *brief)
    heard_s = json.loads(cut.out)["usage"]["audio_s"]
    assert 0 < heard_s <= 4.0
    assert f"only the first {heard_s:g} s of long.wav were heard, of 9.0 s" in cut.err
    refused = ossicle("ask", tmp_path / "long.wav", "What?", "--long-audio", "error", *brief)
    assert refused.code == 2 and "longer than the 4 s" in refused.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["{clip}"], "a question is missing"),
        (["What is this?"], "a recording is missing"),
        (["{clip}", " "], "question is empty"),
        (["{clip}", "What?", "--out", "a.jsonl"], "--out goes with --each"),
        (["--each", "{folder}", "What?"], "--each needs --out"),
        (["--each", "{folder}", "{clip}", "What?", "--out", "a.jsonl"], "give the question alone"),
        (["--each", "{folder}/none", "What?", "--out", "a.jsonl"], "there is no folder or list"),
        (["--each", "{clip}", "What?", "--out", "a.jsonl"], "is no list"),
        (["{clip}", "What?", "--long-audio", "windw"], "Did you mean 'window'"),
        (["{clip}", "What?", "--dtype", "float46"], "dtype 'float46' is unknown"),
        (["{clip}", "What?", "--device", "cuda:99"], "device 'cuda:99' cannot be used here"),
        (["-", "-", "What?"], "can be read once"),
        (["{clip}", "What?", "--max-new-tokens", "0"], "--max-new-tokens"),
        (["{clip}", "What?", "--colour"], "--colour"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(ossicle, clip, random_model, words, says):
    filled = [word.format(clip=clip, folder=clip.parent) for word in words]
    told = ossicle("ask", *filled, "--model", random_model)
    assert told.code == 2 and says in told.err and not told.out
    assert told.err.startswith("error: ") and told.err.count("\n") == 1


def test_events_as_json_and_picture_of_any_length(ossicle, tmp_path, random_model):
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(1).standard_normal(44_100) * 0.1, 10_000)
    told = ossicle("events", tmp_path / "long.wav", "--json", "--model", random_model, "--plot", tmp_path / "p.png")
    assert told.code == 0
    assert list(json.loads(told.out)) == ["events"]
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert ossicle("events", tmp_path / "long.wav", "--model", random_model).out
    wrong = ossicle("events", tmp_path / "long.wav", "--model", random_model, "--plot", "p.bmp")
    assert wrong.code == 2 and ".png" in wrong.err
    assert ossicle("events", tmp_path / "long.wav", "--window", 0, "--model", random_model).code == 2


def test_captions_and_transcripts_say_what_the_model_knows(ossicle, clip, random_model):
    assert ossicle("caption", clip, "--model", random_model).code == 0
    told = ossicle("transcribe", clip, "--model", random_model)
    assert told.code == 0 and "This model knows no words at all." in told.err


def test_version_and_help(ossicle):
    assert ossicle("--version").out.startswith("ossicle 0.")
    assert "transcribe" in ossicle("--help").out
    assert ossicle("models").code == 0


def test_interruption_is_130_and_a_word(ossicle, clip, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ossicle.commands.ask.open_audios", interrupt)
    told = ossicle("ask", clip, "What?")
    assert told.code == 130 and told.err == "ossicle: interrupted.\n"


def test_a_reader_who_leaves_hears_no_complaint(clip, random_model):
    command = [sys.executable, "-m", "ossicle", "show", str(random_model), "--tokens"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=120) == 1


def test_the_program_itself_says_one_line(clip):
    done = subprocess.run(
        [sys.executable, "-m", "ossicle", "ask", f"{clip}.gone", "What?"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: there is no file")


@pytest.mark.skipif(not (SHIPPED / "tiny" / "config.json").is_file(), reason="the tiny model is not in this copy")
def test_the_tiny_model_answers_by_default(ossicle, tmp_path):
    from ossicle.synthesis import make_sound

    soundfile.write(tmp_path / "siren.wav", make_sound("siren", 3), 16_000)
    told = ossicle("ask", tmp_path / "siren.wav", "What is this sound?", "--json")
    assert told.code == 0 and json.loads(told.out)["model"] == "tiny"
    assert "siren" in json.loads(told.out)["answer"].lower()
    assert "tiny" in ossicle("models").out
    assert ossicle("show", "tiny").out and ossicle("show", "tiny", "--tokens").out
    heard = json.loads(ossicle("events", tmp_path / "siren.wav", "--json").out)["events"]
    assert all(set(event) == {"label", "start_s", "end_s"} for event in heard)
    assert "digits" in ossicle("transcribe", tmp_path / "siren.wav").err


@pytest.mark.parametrize(("size", "hasty"), [("1", False), ("2", True)])
def test_one_of_several_processes_ends_without_pythons_own_ending(size, hasty):
    # Threads of gloo that outlive the group would abort it ("terminate called without an active exception").
    code = "import atexit, sys; from ossicle.cli import program; atexit.register(print, 'ending'); program()"
    command = [sys.executable, "-c", code, "train", "no-such-recipe.yaml", "--out", "nowhere"]
    run = subprocess.run(command, env={**os.environ, "WORLD_SIZE": size}, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith("error: no-such-recipe.yaml")
    assert ("ending" in run.stdout) is not hasty
