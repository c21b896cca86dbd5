"""``ossicle ask --each``: every recording on its own, resumable, in spite of bad ones."""

import json

import numpy as np
import pytest
import soundfile

from ossicle.cli import main
from ossicle.commands.each import Key, recordings, repair
from ossicle.models import Local
from ossicle.support.errors import DataError

QUESTION = "What is this?"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "in"
    (place / "deep").mkdir(parents=True)
    for n, name in enumerate(["b.wav", "a.flac", "deep/c.ogg"]):
        soundfile.write(place / name, np.random.default_rng(n).standard_normal(8000 + n) * 0.1, 8000)
    (place / "notes.txt").write_text("not a recording")
    return place


@pytest.fixture
def each(random_model, tmp_path):
    def run(source, question=QUESTION, out=tmp_path / "answers.jsonl"):
        words = ["ask", "--each", source, question, "--out", out, "--model", random_model, "--max-new-tokens", 3]
        code = main([str(word) for word in words])
        return code, [json.loads(line) for line in out.read_text().splitlines()]

    return run


@pytest.fixture
def asked(monkeypatch):
    """The names of recordings that reached the model."""
    names = []
    generate = Local.generate

    def counting(self, chats, *rest):
        names.extend(chat.audios[0].name for chat in chats)
        return generate(self, chats, *rest)

    monkeypatch.setattr(Local, "generate", counting)
    return names


def test_every_recording_below_a_folder_is_asked_in_order(each, folder, capsys):
    code, rows = each(folder)
    assert code == 0
    assert [row["file"] for row in rows] == [str(folder / name) for name in ("a.flac", "b.wav", "deep/c.ogg")]
    assert all({"answer", "question", "model", "weights", "duration_s", "tokens"} <= set(row) for row in rows)
    assert "3 answered, 0 kept, 0 failed" in capsys.readouterr().err


def test_answers_in_a_group_are_those_of_each_alone(each, folder, tmp_path):
    _, rows = each(folder)
    for n, row in enumerate(rows):
        (tmp_path / "one.txt").write_text(row["file"])
        _, (alone,) = each(tmp_path / "one.txt", out=tmp_path / f"{n}.jsonl")
        assert alone == row


def test_a_bad_recording_becomes_a_row_and_is_tried_again(each, folder, asked, capsys):
    (folder / "a2.wav").write_text("no sound")
    code, rows = each(folder)
    assert code == 2 and len(rows) == 4
    assert "not a recording" in rows[1]["error"] and "answer" not in rows[1]
    assert "3 answered, 0 kept, 1 failed" in capsys.readouterr().err
    soundfile.write(folder / "a2.wav", np.ones(100), 8000)
    asked.clear()
    code, rows = each(folder)
    assert code == 0 and [("error" in row) for row in rows] == [False] * 4
    assert asked == ["a2.wav"]


def test_what_was_answered_is_not_asked_again(each, folder, asked, tmp_path):
    _, first = each(folder)
    out = tmp_path / "answers.jsonl"
    out.write_text(out.read_text()[:-20])  # killed while writing the last row
    asked.clear()
    code, again = each(folder)
    assert (code, again, asked) == (0, first, ["c.ogg"])
    asked.clear()
    _, more = each(folder, "Another question?")
    assert len(more) == 6 and len(asked) == 3


def test_a_model_that_was_trained_further_is_asked_again(each, folder, asked, random_model):
    _, first = each(folder)
    weights = random_model / "model.safetensors"
    kept = weights.read_bytes()
    try:
        weights.write_bytes(kept[:-4] + bytes(4))
        asked.clear()
        _, rows = each(folder)
    finally:
        weights.write_bytes(kept)
    assert len(asked) == 3 and rows[:3] == first
    assert {row["weights"] for row in rows[3:]}.isdisjoint({row["weights"] for row in first})


def test_a_list_names_recordings_one_a_line(folder, tmp_path):
    (tmp_path / "list.txt").write_text(f"{folder}/b.wav\n\n{folder}/a.flac\n{folder}/b.wav\n")
    assert recordings(tmp_path / "list.txt") == [f"{folder}/b.wav", f"{folder}/a.flac"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n")
    for nothing in ("empty", "empty.txt", "none"):
        with pytest.raises(DataError):
            recordings(tmp_path / nothing)


def test_a_file_that_holds_something_else_is_left_alone(tmp_path):
    out = tmp_path / "answers.jsonl"
    out.write_text("dear diary\nsecond line\n")
    with pytest.raises(DataError, match="line 1: not a row of answers"):
        repair(out, [])
    assert out.read_text() == "dear diary\nsecond line\n"


@pytest.mark.parametrize("cut", range(0, 130, 7))
def test_wherever_a_row_is_cut_the_rows_before_it_stay(tmp_path, cut):
    rows = [{"file": f"{n}.wav", "question": "q", "model": "m", "weights": "w", "answer": "ö" * n} for n in (1, 2)]
    whole = "".join(json.dumps(row) + "\n" for row in rows).encode()
    out = tmp_path / "answers.jsonl"
    out.write_bytes(whole[: max(0, len(whole) - cut)])
    answered = repair(out, [Key("m", "w", "q", f"{n}.wav") for n in (1, 2)])
    text = out.read_text()
    assert len(answered) == text.count("\n")
    assert whole.decode().startswith(text)
