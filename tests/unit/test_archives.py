"""Tars of recordings are read where they lie: WebDataset samples and Lhotse Shar folders."""

import gzip
import io
import json
import pickle
import tarfile

import numpy as np
import pytest
import soundfile

from ossicle.data.source import Checked, Worded, make_source, sources
from ossicle.support.errors import DataError, SpecError


def sound(seed, seconds=0.5, suffix="wav", rate=16_000):
    """Bytes of a recording."""
    out = io.BytesIO()
    soundfile.write(out, 0.1 * np.random.default_rng(seed).standard_normal(round(rate * seconds)), rate, format=suffix)
    return out.getvalue()


def tar(path, *members):
    """A tar of (name, bytes or text or JSON)."""
    with tarfile.open(path, "w") as out:
        for name, value in members:
            data = value if isinstance(value, bytes) else value if isinstance(value, str) else json.dumps(value)
            data = data if isinstance(data, bytes) else data.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def spoken(source, index=0):
    (chat,) = source.rows(index)
    return chat.messages[0].text, chat.messages[1].text


def webdataset(path, **options):
    return make_source({"type": "webdataset", "path": str(path), **options}, "data.x")


@pytest.fixture
def shards(tmp_path):
    first = [
        ("a/1.wav", sound(1)),
        ("a/1.txt", "one\n"),
        ("b.c/2.x.flac", sound(2, 0.25, "flac")),
        ("b.c/2.txt", "two"),
    ]
    tar(tmp_path / "s-09.tar", *first)
    # Not sorted by sample, as `tar` on a folder may write it, and with names too long for a plain header.
    long = "d/" + "n" * 150
    tar(
        tmp_path / "s-10.tar",
        (f"{long}.WAV", sound(3)),
        ("e.wav", sound(4)),
        ("e.txt", "four"),
        (f"{long}.txt", "three"),
    )
    return tmp_path


def test_samples_are_read_in_place_in_any_order_of_members(shards):
    source = webdataset(shards)
    assert source.num_rows == 4
    assert [spoken(source, n)[1] for n in range(4)] == ["one", "two", "three", "four"]
    assert [source.seconds(n) for n in (3, 1)] == [0.5, 0.25]
    for n, (seed, seconds, suffix) in enumerate([(1, 0.5, "wav"), (2, 0.25, "flac"), (3, 0.5, "wav"), (4, 0.5, "wav")]):
        wanted, _ = soundfile.read(io.BytesIO(sound(seed, seconds, suffix)), dtype="float32")
        assert np.array_equal(source.rows(n)[0].audios[0].load(16_000)[0], wanted)
    assert source.rows(1)[0].meta == {"key": "b.c/2", "txt": "two", "id": "b.c/2", "targets": ["two"]}
    source.check()
    assert pickle.loads(pickle.dumps(source)).rows(2) == source.rows(2)


@pytest.mark.parametrize(
    ("pattern", "answers"),
    [("s-09.tar", 2), ("s-{09..10}.tar", 4), ("s-*.tar", 4), ("s-1?.tar", 2), ("", 4)],
)
def test_tars_are_named_one_by_one_or_together(shards, pattern, answers):
    assert webdataset(shards / pattern).num_rows == answers


def test_columns_are_json_keys_and_texts(tmp_path):
    about = {"caption": ["a dog", "it barks"], "loud": 3, "where": {"room": "hall"}, "none": None}
    members = [("1.left.flac", sound(1, suffix="flac")), ("1.right.flac", sound(2, suffix="flac")), ("1.json", about)]
    tar(tmp_path / "x.tar", *members, ("1.cls", "7"), ("1.npy", b"\x93NUMPY"), ("1.big", "x" * (1 << 17)))
    options = {"questions": ["Class {cls}?", "Room {where[room]}, {loud:02d}?"], "answer": "{caption[1]}"}
    source = webdataset(tmp_path / "x.tar", audio="right.flac", **options)
    assert [spoken(source, n) for n in range(2)] == [("Class 7?", "it barks"), ("Room hall, 03?", "it barks")]
    wanted, _ = soundfile.read(io.BytesIO(sound(2, suffix="flac")), dtype="float32")
    assert np.array_equal(source.rows(0)[0].audios[0].load(16_000)[0], wanted)
    assert source.rows(0)[0].meta["caption"] == ["a dog", "it barks"] and "none" not in source.rows(0)[0].meta
    with pytest.raises(SpecError, match=r"has 2 recordings; say which with audio: left\.flac or right\.flac"):
        webdataset(tmp_path / "x.tar", **options)
    for answer, says in [
        ("{caption}", "needs a text or a number, not a list; of a list, take one"),
        ("{none}", "not nothing"),
        ("{caption[5]}", "list index out of range"),
    ]:
        with pytest.raises(DataError, match=says) as caught:
            webdataset(tmp_path / "x.tar", audio="left.flac", answer=answer).check()
        assert str(caught.value).startswith(f"{tmp_path / 'x.tar'}/1: the template {answer!r}")


WHOLE = (("a.wav", sound(1)), ("a.txt", "one"))


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ((*WHOLE, ("b.wav", sound(2))), "x.tar/b: has no txt beside its wav; add it, or leave such samples out"),
        ((*WHOLE, ("b.txt", "two")), "x.tar/b: has no recording beside its txt"),
        ((*WHOLE, ("c.wav", sound(3)), ("c.json", {})), "x.tar/c: has no txt beside its wav, json"),
    ],
)
def test_a_member_without_its_partner_is_named_or_left_out(tmp_path, members, says):
    file = tar(tmp_path / "x.tar", *members)
    with pytest.raises(DataError, match=says):
        webdataset(file)
    source = webdataset(file, skip_incomplete=True)
    assert source.num_rows == 1 and spoken(source)[1] == "one"


def test_tars_that_are_not_in_order_say_so(tmp_path):
    good = tar(tmp_path / "good.tar", *WHOLE).read_bytes()
    members_end = max(n for n in range(0, len(good), 512) if good[n : n + 512].strip(b"\0")) + 512
    cases = [
        (gzip.compress(good), r"x\.tar: is compressed, .* unpack it to a plain tar first \(gunzip\)"),
        (good[:1000], r"x\.tar: cannot be read as a tar"),
        (good[:members_end], r"x\.tar: has no end after [\d,]+ bytes"),
        (b"no tar at all" * 99, r"x\.tar: cannot be read as a tar"),
        (b"", r"x\.tar: cannot be read as a tar \(empty file\)"),
        (tar(tmp_path / "none.tar").read_bytes(), r"x\.tar: holds no recordings"),
        (tar(tmp_path / "two.tar", *WHOLE, *WHOLE).read_bytes(), r"x\.tar: holds a\.wav twice"),
    ]
    for data, says in cases:
        (tmp_path / "x.tar").write_bytes(data)
        with pytest.raises(DataError, match=says) as caught:
            webdataset(tmp_path / "x.tar")
        assert "\n" not in str(caught.value)
    tar(tmp_path / "x.tar", *WHOLE)
    for options, error, says in [
        ({"answer": "{tct}"}, SpecError, r"column 'tct', which is not there\. Did you mean 'txt'\? Known: key, txt"),
        ({"answer": "{txt"}, SpecError, "cannot be read"),
        ({"questions": []}, SpecError, "questions is empty"),
        ({"audio": "flac"}, DataError, "has no flac beside its wav, txt"),
    ]:
        with pytest.raises(error, match=says):
            webdataset(tmp_path / "x.tar", **options)
    for path, says in [
        ("y.tar", r"y\.tar: there is no such file"),
        ("y*.tar", "there is no tar"),
        ("x{0..1}.tar", r"x0\.tar: there is no such file"),
    ]:
        with pytest.raises(DataError, match=says):
            webdataset(tmp_path / path)


def test_broken_samples_are_named_when_checked(tmp_path):
    file = tar(tmp_path / "x.tar", *WHOLE, ("b.wav", b"no sound"), ("b.txt", "x"), ("c.wav", sound(1)), ("c.txt", " "))
    source = webdataset(file)
    with pytest.raises(DataError, match=r"x\.tar/b: .*b\.wav is not a recording"):
        source.check()
    with pytest.raises(DataError, match=r"x\.tar/c: the answer '\{txt\}' is empty"):
        source.texts(2)
    file = tar(tmp_path / "y.tar", ("a.wav", sound(1)), ("a.json", "{"))
    with pytest.raises(DataError, match=r"y\.tar/a\.json: is not valid JSON"):
        webdataset(file, answer="{x}")


# --- Lhotse Shar ------------------------------------------------------------------------------------------------------


def cut(name, *texts, duration=0.5, **more):
    said = [{"start": 0.1 * n, "text": text, "speaker": f"s{n}"} for n, text in enumerate(texts)]
    recording = {"id": name, "sources": [{"type": "shar"}], "duration": 0.5, "channel_ids": [0]}
    about = {"start": 0, "duration": duration, "channel": 0, "recording": recording, "type": "MonoCut"}
    return {"id": name, **about, "supervisions": said[::-1], **more}


def shar(folder, shard, cuts, *, field="recording", suffix="wav", answers=None):
    """A shard as SharWriter lays it out."""
    folder.mkdir(exist_ok=True)
    with gzip.open(folder / f"cuts{shard}.jsonl.gz", "wt") as out:
        out.writelines(json.dumps(one) + "\n" for one in cuts)
    pairs = [((f"{one['id']}.{suffix}", sound(n)), (f"{one['id']}.json", {})) for n, one in enumerate(cuts)]
    tar(folder / f"{field}{shard}.tar", *(member for pair in pairs for member in pair))
    if answers is not None:
        with gzip.open(folder / f"answer{shard}.jsonl.gz", "wt") as out:
            for one, said in zip(cuts, answers, strict=True):
                out.write(json.dumps({"cut_id": one["id"], **said}) + "\n")
    return folder


def read_shar(folder, **options):
    return make_source({"type": "shar", "path": str(folder), **options}, "data.x")


def test_cuts_are_read_with_their_recordings_shard_by_shard(tmp_path):
    folder = shar(tmp_path / "s", ".000000", [cut("u.1", "hello", "world"), cut("d/u2", "again", custom={"snr": 5.5})])
    shar(folder, ".000001", [cut("u3", "third", start=0.1, duration=0.25)])
    source = read_shar(folder)
    source.check()
    assert [spoken(source, n)[1] for n in range(3)] == ["hello world", "again", "third"]
    assert [source.seconds(n) for n in range(3)] == [0.5, 0.5, 0.25]
    assert source.rows(0)[0].meta == {
        "id": "u.1",
        "text": "hello world",
        "speaker": "s0, s1",
        "targets": ["hello world"],
    }
    assert source.rows(1)[0].meta["snr"] == 5.5
    for n, seed in enumerate((0, 1)):
        wanted, _ = soundfile.read(io.BytesIO(sound(seed)), dtype="float32")
        assert np.array_equal(source.rows(n)[0].audios[0].load(16_000)[0], wanted)
    wanted, _ = soundfile.read(io.BytesIO(sound(0)), dtype="float32")
    assert np.array_equal(source.rows(2)[0].audios[0].load(16_000)[0], wanted[1600:5600])
    assert pickle.loads(pickle.dumps(source)).rows(2) == source.rows(2)


def test_fields_of_ones_own_are_columns_or_recordings(tmp_path):
    folder = shar(tmp_path / "s", "", [cut("a", "x"), cut("b", "y")], answers=[{"answer": "yes"}, {"answer": "no"}])
    shar(folder, "", [cut("a", "x"), cut("b", "y")], field="clean", suffix="original")
    source = read_shar(folder, field="clean", questions=["Is it {text}?"], answer="{answer}")
    assert [spoken(source, n) for n in range(2)] == [("Is it x?", "yes"), ("Is it y?", "no")]
    assert source.rows(0)[0].audios[0].name == "a.original"
    with pytest.raises(
        DataError, match=r"no tars of the field 'cleen'\. Did you mean 'clean'\? It has clean, recording"
    ):
        read_shar(folder, field="cleen")


def test_cuts_without_a_recording_are_named_or_left_out(tmp_path):
    folder = shar(tmp_path / "s", ".0", [cut("a", "x"), cut("b", "y")])
    tar(folder / "recording.0.tar", ("a.nodata", ""), ("a.nometa", ""), ("b.wav", sound(1)), ("b.json", {}))
    with pytest.raises(
        DataError, match=r"cuts\.0\.jsonl\.gz, line 1: the cut 'a' has no recording; leave such cuts out"
    ):
        read_shar(folder)
    source = read_shar(folder, skip_incomplete=True)
    assert source.num_rows == 1 and spoken(source)[1] == "y"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "recording.0.tar").unlink(), r"has no tars of the field 'recording'\. It has none"),
        (lambda f: (f / "cuts.0.jsonl.gz").unlink(), "is it a Lhotse Shar folder"),
        (lambda f: shar(f, ".1", [cut("c", "z")]) and (f / "recording.1.tar").unlink(), r"has no recording\.1\.tar"),
        (lambda f: tar(f / "recording.0.tar", ("a.wav", sound(1)), ("a.json", {})), "not equally many"),
        (lambda f: tar(f / "recording.0.tar", ("a.wav", sound(1)), ("b.wav", b"")), r"a\.wav has no a\.json behind"),
        (lambda f: tar(f / "recording.0.tar", ("a.wav", sound(1))), r"a\.wav has no a\.json behind"),
        (
            lambda f: tar(f / "recording.0.tar", ("b.wav", sound(1)), ("b.json", {}), ("a.wav", b""), ("a.json", {})),
            r"line 1: is the cut 'a', but recording\.0\.tar has b\.wav there",
        ),
        (lambda f: (f / "cuts.0.jsonl.gz").write_bytes((f / "cuts.0.jsonl.gz").read_bytes()[:60]), "read to its end"),
        (lambda f: (f / "cuts.0.jsonl.gz").write_bytes(gzip.compress(b"{\n")), "line 1: is not valid JSON"),
        (lambda f: (f / "cuts.0.jsonl.gz").write_bytes(gzip.compress(b"[]\n")), "line 1: should be a JSON object"),
        (lambda f: shar(f, ".0", [cut("a", "x", type="MixedCut")]), "line 1: is a MixedCut, which is put together"),
        (lambda f: shar(f, ".0", [cut("a", "x", channel=1)]), r"takes channel 1 of a recording that has \[0\]"),
        (lambda f: shar(f, ".0", [cut("a", "x", duration=None)]), "a cut needs 'start' and 'duration' in seconds"),
        (lambda f: (f / "answer.1.jsonl").write_text("{}"), r"has no answer\.0\.jsonl\.gz beside it"),
    ],
)  # fmt: skip
def test_shar_folders_that_are_not_in_order_say_so(tmp_path, spoil, says):
    folder = shar(tmp_path / "s", ".0", [cut("a", "x"), cut("b", "y")])
    spoil(folder)
    with pytest.raises(DataError, match=says) as caught:
        read_shar(folder)
    assert "\n" not in str(caught.value)


def test_a_shar_folder_that_is_not_there_and_a_cut_without_words(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        read_shar(tmp_path / "none")
    source = read_shar(shar(tmp_path / "s", ".0", [cut("a", "x"), cut("b")]))
    with pytest.raises(DataError, match=r"recording\.0\.tar/b\.wav: the answer '\{text\}' is empty"):
        source.check()
    with pytest.raises(SpecError, match=r"names the column 'speakr'.* Did you mean 'speaker'\?"):
        read_shar(tmp_path / "s", answer="{speakr}")


def test_archives_know_their_words_and_check_themselves():
    for name in ("webdataset", "shar", "huggingface"):
        assert issubclass(sources.get(name), Checked) and issubclass(sources.get(name), Worded)


# --- as the reference libraries write them ----------------------------------------------------------------------------


def test_what_webdataset_writes_is_what_is_read(tmp_path):
    theirs = pytest.importorskip("webdataset")
    with theirs.ShardWriter(str(tmp_path / "s-%06d.tar"), maxcount=3, verbose=0) as out:
        for n in range(7):
            out.write({"__key__": f"k{n:03d}", "flac": sound(n, 0.1, "flac"), "txt": f"text {n}", "json": {"n": n}})
    source = webdataset(tmp_path / "s-{000000..000002}.tar", questions=["{n}?"])
    read = list(theirs.WebDataset(sorted(map(str, tmp_path.glob("*.tar"))), shardshuffle=False))
    assert source.num_rows == len(read) == 7
    for n, sample in enumerate(read):
        assert spoken(source, n) == (f"{json.loads(sample['json'])['n']}?", sample["txt"].decode())
        (audio,) = source.rows(n)[0].audios
        with audio.content.open() as file:
            assert file.read() == sample["flac"]
        assert source.columns(n)["key"] == sample["__key__"]


def test_what_lhotse_writes_is_what_is_read(tmp_path):
    theirs = pytest.importorskip("lhotse")
    cuts = []
    for n in range(5):
        channels = 2 if n == 4 else 1
        samples = 0.1 * np.random.default_rng(n).standard_normal((16_000, channels))
        soundfile.write(tmp_path / f"{n}.wav", samples, 16_000)
        said = theirs.SupervisionSegment(
            f"s{n}", f"{n}", 0.0, 0.5, text=f"text {n}", speaker="A", custom={"mood": "glad"}
        )
        one = theirs.Recording.from_file(tmp_path / f"{n}.wav").to_cut().truncate(offset=0.25, duration=0.5)
        one.supervisions = [said]
        one.topic = f"topic {n}"
        cuts.append(one.with_id(f"cut.{n}"))
    (tmp_path / "s").mkdir()
    fields = {"recording": "flac", "topic": "jsonl"}
    theirs.CutSet.from_cuts(cuts).to_shar(tmp_path / "s", fields=fields, shard_size=2, verbose=False)
    source = read_shar(tmp_path / "s", questions=["{topic}, {mood}?"])
    source.check()
    read = list(theirs.CutSet.from_shar(in_dir=tmp_path / "s"))
    assert source.num_rows == len(read) == 5
    for n, one in enumerate(read):
        assert spoken(source, n) == (f"topic {n}, glad?", one.supervisions[0].text)
        (audio,) = source.rows(n)[0].audios
        assert np.array_equal(audio.load(16_000, channels="all"), one.load_audio())
        with audio.content.open() as file:
            assert file.read() == one.recording.sources[0].source
        assert source.seconds(n) == one.duration and source.columns(n)["id"] == one.id
