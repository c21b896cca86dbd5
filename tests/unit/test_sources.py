"""Sources of rows: files that people have, and what is said when they are not in order."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.audio import Audio
from ossicle.chat import Conversation, assistant, user
from ossicle.data.source import Checked, make_source, sources
from ossicle.data.sources.conversations import write_conversations
from ossicle.support.errors import DataError, SpecError


def tone(path: Path, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(seconds * 8000)) / 8000
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * 440 * t), 8000)
    return path


def jsonl(path: Path, *rows) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def ask(path, **span):
    parts = [{"type": "audio", "path": path, **span}, {"type": "text", "text": "What?"}]
    return {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "a tone"}]}


def test_conversations_are_read_with_paths_relative_to_their_file(tmp_path):
    tone(tmp_path / "sounds" / "a.wav", 2.0)
    file = jsonl(tmp_path / "rows.jsonl", ask("sounds/a.wav"), "", ask("sounds/a.wav", start=0.5, end=1.25))
    source = make_source({"type": "conversations", "path": str(file)}, "data.x")
    assert source.num_rows == 2
    assert [source.seconds(n) for n in range(2)] == [2.0, 0.75]
    (chat,) = source.rows(1)
    assert chat.messages[0].text == "What?" and chat.messages[1].text == "a tone"
    assert chat.audios[0].load(8000).shape == (1, 6000)
    source.check()
    assert pickle.loads(pickle.dumps(source)).rows(0) == source.rows(0)


def test_written_conversations_are_read_back(tmp_path):
    inside, outside = tone(tmp_path / "set" / "a.wav"), tone(tmp_path / "b.wav")
    rows = [
        Conversation.of(user(Audio(inside), "one"), assistant("x"), meta={"id": "1"}),
        Conversation.of(user(Audio(outside).clip(0.25, 0.5), "two"), assistant("y")),
    ]
    file = tmp_path / "set" / "rows.jsonl"
    assert write_conversations(file, rows) == 2
    assert json.loads(file.read_text().splitlines()[0])["messages"][0]["content"][0]["path"] == "a.wav"
    source = make_source({"type": "conversations", "path": str(file)}, "data.x")
    assert [source.seconds(n) for n in range(2)] == [1.0, 0.25]
    assert source.rows(0)[0].meta == {"id": "1"}
    with pytest.raises(DataError, match="is not a file"):
        write_conversations(file, [Conversation.of(user(Audio.from_samples(np.zeros(9), 8000, name="mem")))])
    assert make_source({"type": "conversations", "path": str(file)}, "data.x").num_rows == 2


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (ask("gone.wav"), "gone.wav"),
        (ask("a.wav", start=5.0), "a.wav"),
        (ask("a.wav", start="x"), ""),
        ("{", "not valid JSON"),
        ("[]", 'list of "messages"'),
        ({"messages": [{"role": "robot", "content": "x"}]}, "needs a role"),
        ({"messages": [{"role": "user", "content": 3}]}, "text or a list of parts"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "a part is"),
        ({"messages": [{"role": "user", "content": "x"}], "label": "y"}, "unknown key 'label'"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, row, says):
    tone(tmp_path / "a.wav")
    source = make_source(
        {"type": "conversations", "path": str(jsonl(tmp_path / "rows.jsonl", ask("a.wav"), row))}, "data.x"
    )
    with pytest.raises(DataError) as caught:
        source.check()
    assert str(caught.value).startswith(f"{tmp_path / 'rows.jsonl'}, line 2: ")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_conversations_need_a_file_with_rows(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        make_source({"type": "conversations", "path": str(tmp_path / "none.jsonl")}, "data.x")
    with pytest.raises(DataError, match="has no rows"):
        make_source({"type": "conversations", "path": str(jsonl(tmp_path / "empty.jsonl"))}, "data.x")
    with pytest.raises(SpecError, match=r"data\.x \(conversations\): pth: unknown key 'pth'; did you mean 'path'\?"):
        make_source({"type": "conversations", "pth": "x"}, "data.x")


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b", "c"):
        tone(tmp_path / f"{name}.wav", 0.5)
    (tmp_path / "metadata.csv").write_text(
        "file,label,split,text\na.wav,dog,train,woof\nb.wav,cat,train,meow\nc.wav,cow,test,moo\n"
    )
    return tmp_path


def test_a_folder_with_a_table_asks_every_question_of_its_split(folder):
    spec = {"type": "folder", "path": str(folder), "questions": ["What is it?", "A {text}: who says that?"]}
    source = make_source({**spec, "answer": "a {label}"}, "data.x")
    source.check()
    texts = [tuple(m.text for m in source.rows(n)[0].messages) for n in range(source.num_rows)]
    assert texts == [
        ("What is it?", "a dog"),
        ("A woof: who says that?", "a dog"),
        ("What is it?", "a cat"),
        ("A meow: who says that?", "a cat"),
    ]
    assert source.seconds(3) == 0.5
    assert source.rows(0)[0].meta["targets"] == ["a dog"]
    assert make_source({**spec, "split": None, "where": {"label": ["cow"]}}, "data.x").num_rows == 2


def test_a_folder_without_a_table_takes_its_labels_from_sub_folders(tmp_path):
    tone(tmp_path / "glass_breaking" / "1.wav")
    tone(tmp_path / "dog" / "deep" / "2.flac")
    source = make_source({"type": "folder", "path": str(tmp_path)}, "data.x")
    assert [source.rows(n)[0].messages[1].text for n in range(2)] == ["dog", "glass breaking"]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"answer": "{labl}"}, SpecError, "names no column 'labl'. Did you mean 'label'?"),
        ({"answer": "{label"}, SpecError, "cannot be read"),
        ({"questions": []}, SpecError, "questions is empty"),
        ({"split": "dev"}, DataError, "no row is left of 3"),
    ],
)
def test_a_folder_whose_options_do_not_fit_says_so(folder, options, error, says):
    with pytest.raises(error) as caught:
        make_source({"type": "folder", "path": str(folder), **options}, "data.x")
    assert says in str(caught.value)


def test_a_folder_names_the_line_whose_file_is_gone_or_label_empty(folder):
    (folder / "b.wav").unlink()
    with pytest.raises(DataError, match=r"metadata\.csv, line 3: .*b\.wav"):
        make_source({"type": "folder", "path": str(folder)}, "data.x").check()
    (folder / "metadata.csv").write_text("file,label\na.wav,\n")
    with pytest.raises(DataError, match=r"metadata\.csv, line 2: the answer '{label}' is empty"):
        make_source({"type": "folder", "path": str(folder)}, "data.x").check()
    (folder / "metadata.csv").write_text("file,label\na.wav\n")
    with pytest.raises(DataError, match=r"line 2: has 2 columns in its head"):
        make_source({"type": "folder", "path": str(folder)}, "data.x")
    with pytest.raises(DataError, match="there is no such folder"):
        make_source({"type": "folder", "path": str(folder / "none")}, "data.x")


def test_real_recordings_are_read(shared_data):
    source = make_source({"type": "folder", "path": str(shared_data / "kitchen20")}, "data.x")
    source.check()
    assert source.num_rows > 100
    assert all(0 < source.seconds(n) < 60 for n in range(10))


def test_both_sources_check_themselves():
    assert {"conversations", "folder"} <= set(sources.names())
    for name in ("conversations", "folder"):
        assert issubclass(sources.get(name), Checked)


def test_paths_may_hold_variables(folder, monkeypatch):
    monkeypatch.setenv("MY_SOUNDS", str(folder))
    assert make_source({"type": "folder", "path": "$MY_SOUNDS"}, "data.x").num_rows == 2
    monkeypatch.delenv("MY_SOUNDS")
    with pytest.raises(DataError, match=r"'\$MY_SOUNDS/x' needs the environment variable MY_SOUNDS: set it"):
        make_source({"type": "folder", "path": "$MY_SOUNDS/x"}, "data.x")
