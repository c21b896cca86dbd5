"""Rows of other projects become conversations, or a sentence; nothing is half-written."""

import gzip
import json

import numpy as np
import pytest
import soundfile

from ossicle.cli import main
from ossicle.data import make_source
from ossicle.data.importers import importers
from ossicle.data.importing import convert
from ossicle.data.statistics import statistics_of
from ossicle.support.errors import DataError, RegistryError
from ossicle.support.progress import Progress


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, seconds in (("a", 1.0), ("b", 0.5), ("c", 4.0)):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(round(16_000 * seconds)), 16_000)
    return tmp_path


SWIFT = {
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "<audio>Which is longer, this or <audio>?"},
        {"role": "assistant", "content": "The <audio> mark stays: the first."},
    ],
    "audios": ["a.wav", "b.wav"],
    "task": "compare",
}
SHAREGPT = {
    "conversations": [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "Noise."}],
    "system": "Be short.",
    "audios": ["a.wav"],
}
LLAVA = {
    "id": "7",
    "sound": "a.wav",
    "conversations": [{"from": "human", "value": "<sound>\nWhat is it?"}, {"from": "gpt", "value": "Noise."}],
}
SLAM = {"key": "u1", "source": "a.wav", "target": "hiss", "lang": "en"}
LHOTSE = {
    "id": "cut-1",
    "start": 1.0,
    "duration": 2.0,
    "recording": {"id": "c", "duration": 4.0, "sources": [{"type": "file", "channels": [0], "source": "c.wav"}]},
    "supervisions": [
        {"start": 1.2, "text": "world", "speaker": "B"},
        {"start": 0.1, "text": "hello", "speaker": "A"},
    ],
}


def imported(folder, *rows, **how):
    (folder / "theirs.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    out = folder / "ours.jsonl"
    done = convert(folder / "theirs.jsonl", out, quiet=True, **how)
    source = make_source({"type": "conversations", "path": str(out)}, "x")
    return done, [chat for index in range(source.num_rows) for chat in source.rows(index)]


def shape(chat):
    """Roles, and parts as text or as seconds of sound."""
    return [(m.role, [p if isinstance(p, str) else round(p.duration_s, 3) for p in m.parts]) for m in chat.messages]


@pytest.mark.parametrize(
    ("row", "name", "wanted", "meta"),
    [
        (
            SWIFT,
            "swift",
            [
                ("system", ["Be short."]),
                ("user", [1.0, "Which is longer, this or ", 0.5, "?"]),
                ("assistant", ["The <audio> mark stays: the first."]),
            ],
            {"task": "compare"},
        ),
        (
            SHAREGPT,
            "sharegpt",
            [("system", ["Be short."]), ("user", [1.0, "What is it?"]), ("assistant", ["Noise."])],
            {},
        ),
        (LLAVA, "llava", [("user", [1.0, "What is it?"]), ("assistant", ["Noise."])], {"id": "7"}),
        (
            SLAM,
            "slam",
            [("user", [1.0, "What is said or heard?"]), ("assistant", ["hiss"])],
            {"id": "u1", "lang": "en"},
        ),
        (
            LHOTSE,
            "lhotse",
            [("user", [2.0, "What is said or heard?"]), ("assistant", ["hello world"])],
            {"id": "cut-1", "speakers": ["A", "B"]},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_format_is_recognised_and_becomes_the_same_conversation(folder, row, name, wanted, meta):
    done, [chat] = imported(folder, row)
    assert done == (name, 1, ())
    assert shape(chat) == wanted and dict(chat.meta) == meta
    others = [other for other in importers.names() if importers.get(other).recognises(row)]
    assert others == [name], "one format recognises it"


def test_a_stretch_of_a_recording_is_that_stretch(folder):
    _, [chat] = imported(folder, LHOTSE)
    whole, _ = soundfile.read(folder / "c.wav", dtype="float32")
    assert np.array_equal(chat.audios[0].load(16_000)[0], whole[16_000:48_000])


def test_preferences_come_along(folder):
    swift = {**SWIFT, "messages": SWIFT["messages"][1:], "rejected_response": "The second."}
    _, [chosen, rejected] = imported(folder, swift)
    assert chosen.meta["chosen"] and rejected.messages[-1].parts == ("The second.",)
    given = {**SHAREGPT, "conversations": SHAREGPT["conversations"][:1]}
    replies = {"chosen": {"from": "gpt", "value": "Noise."}, "rejected": {"from": "gpt", "value": "A bell."}}
    _, [chosen, rejected] = imported(folder, {**given, **replies})
    assert chosen.messages[-1].parts == ("Noise.",) and rejected.messages[-1].parts == ("A bell.",)


def test_json_lists_and_compressed_files_are_read_and_paths_are_relative_where_they_can_be(folder):
    (folder / "rows.json").write_text(json.dumps([LLAVA, LLAVA], indent=2))
    assert convert(folder / "rows.json", folder / "o.jsonl", quiet=True).rows == 2
    assert json.loads((folder / "o.jsonl").read_text().splitlines()[0])["messages"][0]["content"][0]["path"] == "a.wav"
    with gzip.open(folder / "cuts.jsonl.gz", "wt") as file:
        file.write(json.dumps(LHOTSE))
    (folder / "elsewhere").mkdir()
    assert convert(folder / "cuts.jsonl.gz", folder / "elsewhere" / "o.jsonl", quiet=True).type_name == "lhotse"
    source = make_source({"type": "conversations", "path": str(folder / "elsewhere" / "o.jsonl")}, "x")
    assert source.seconds(0) == 2.0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({**SWIFT, "audios": ["a.wav"]}, "row 2: has 2 mark"),
        (
            {**LLAVA, "sound": "gone.wav"},
            "row 2: there is no recording .*gone.wav; say where they lie with --audio-root",
        ),
        ({**SHAREGPT, "conversations": [{"from": "bot", "value": "x"}]}, "row 2: has a message by 'bot'"),
        ({**SHAREGPT, "conversations": [{"from": "gpt", "value": "x"}]}, "no user's message"),
        ({**SLAM, "target": 3}, "row 2: needs the texts 'source' and 'target'"),
        ({**LLAVA, "speech": "b.wav"}, "under sound and speech"),
        ({**LHOTSE, "recording": {**LHOTSE["recording"], "transforms": [{"name": "Speed"}]}}, "transformed on the fly"),
        (
            {**LHOTSE, "recording": {"sources": [{"type": "file", "channels": [0, 1], "source": "c.wav"}]}},
            "several channels",
        ),
        ({**LHOTSE, "supervisions": []}, "no supervision of this cut has a text"),
        ({**LHOTSE, "recording": {"sources": [{"type": "command", "source": "x"}]}}, "one source of type 'file'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_nothing_is_written(folder, row, says):
    good = next(one for one in (SWIFT, SHAREGPT, LLAVA, SLAM, LHOTSE) if one.keys() <= row.keys())
    with pytest.raises(DataError, match=says):
        imported(folder, good, row)
    assert not (folder / "ours.jsonl").exists()
    done, chats = imported(folder, good, row, skip=True)
    assert done.rows == 1 and len(done.skipped) == 1 and len(chats) == 1


def test_files_that_are_no_rows(folder):
    for text, says in (
        ('{"x": 1}', "no format recognises a row with the keys x"),
        ("not json", "is not valid JSON"),
        ("[3]", "row 1: should be a JSON object"),
        ("", "no row could be used"),
    ):
        with pytest.raises(DataError, match=says):
            (folder / "bad.json").write_text(text)
            convert(folder / "bad.json", folder / "o.jsonl", quiet=True)
    whole = gzip.compress(json.dumps([SLAM] * 50).encode())
    (folder / "cut.json.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"ends in the middle|not valid JSON"):
        convert(folder / "cut.json.gz", folder / "o.jsonl", quiet=True)
    for text, says in (("{}", "no format recognises"),):
        (folder / "bad.json").write_text(text)
        with pytest.raises(DataError, match=says):
            convert(folder / "bad.json", folder / "o.jsonl", quiet=True)
    with pytest.raises(DataError, match="cannot be read"):
        convert(folder / "none.json", folder / "o.jsonl", quiet=True)
    with pytest.raises(RegistryError, match="Did you mean 'swift'"):
        convert(folder / "bad.json", folder / "o.jsonl", type_name="swft", quiet=True)
    assert not (folder / "o.jsonl").exists()


def test_what_a_data_set_holds(folder):
    imported(folder, SLAM, {**SLAM, "source": "b.wav", "target": "hiss and hum"}, {**SLAM, "target": "hum"})
    source = make_source({"type": "conversations", "path": str(folder / "ours.jsonl")}, "x")
    found = statistics_of(source, Progress(None, "rows", "x"))
    assert (found.rows, found.recordings, found.seconds) == (3, 2, 1.5)
    assert sorted(found.durations_s) == [0.5, 1.0] and sorted(found.reply_words) == [1, 1, 3]
    assert found.summary()["sample_rates"] == {16000: 2}
    with pytest.raises(DataError, match="without end"):
        statistics_of(make_source({"type": "scenes", "procedural": 1}, "x"), Progress(None, "rows", "x"))


def test_the_commands(folder, capsys):
    (folder / "theirs.jsonl").write_text("\n".join(json.dumps(row) for row in (SLAM, {**SLAM, "source": "b.wav"})))
    theirs, ours = str(folder / "theirs.jsonl"), str(folder / "ours.jsonl")
    assert main(["data", "import", theirs, ours, "--question", "What?"]) == 0
    assert "2 conversations from rows of the format slam" in capsys.readouterr().out
    assert main(["data", "import", theirs, theirs]) == 2
    capsys.readouterr()
    assert main(["data", "check", ours]) == 1, "every reply is the same"
    assert "every reply is 'hiss'" in capsys.readouterr().out
    assert main(["data", "check", ours, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["verdict"] == "fault"
    pytest.importorskip("matplotlib")
    assert main(["data", "stats", ours, "--plot", str(folder / "s.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recordings"] == 2
    assert (folder / "s.png").stat().st_size > 5_000
    assert main(["data", "stats", str(folder)]) == 2
