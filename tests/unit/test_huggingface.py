"""Data sets of Hugging Face on disk are read in place: saved folders, Parquet and Arrow files."""

import io
import json
import pickle
import sys
from itertools import islice

import numpy as np
import pytest
import soundfile

from ossicle.data.batching import BatchPlan
from ossicle.data.loader import Loader
from ossicle.data.mixture import Mixture
from ossicle.data.source import make_source
from ossicle.data.sources import huggingface
from ossicle.support.errors import DataError, MissingExtraError, SpecError


def sound(seed, seconds=0.5, rate=16_000):
    """Bytes of a recording."""
    out = io.BytesIO()
    soundfile.write(out, 0.1 * np.random.default_rng(seed).standard_normal(round(rate * seconds)), rate, format="flac")
    return out.getvalue()


def read(path, **options):
    return make_source({"type": "huggingface", "path": str(path), **options}, "data.x")


def spoken(source, index=0):
    (chat,) = source.rows(index)
    return chat.messages[0].text, chat.messages[1].text


def loaded(source, index):
    return source.rows(index)[0].audios[0].load(16_000)[0]


def samples(data):
    return soundfile.read(io.BytesIO(data), dtype="float32")[0]


ABOUT = {"audio": {"_type": "Audio"}, "label": {"names": ["dog", "cat"], "_type": "ClassLabel"}}


def table(pa, count=6, first=0, *, about=ABOUT, **more):
    """Rows as ``datasets`` lays them out: row n lasts (n + 1) / 10 s."""
    numbers = range(first, first + count)
    columns = {
        "audio": pa.array(
            [{"bytes": sound(n, (n + 1) / 10), "path": f"{n}.flac"} for n in numbers],
            pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        ),
        "text": [f"text {n}" for n in numbers],
        "label": [n % 2 for n in numbers],
        "captions": [[f"a {n}", f"b {n}"] for n in numbers],
        **more,
    }
    said = {"huggingface": json.dumps({"info": {"features": about}})} if about else None
    return pa.table(columns).replace_schema_metadata(said)


@pytest.fixture(scope="module")
def pa():
    pa = pytest.importorskip("pyarrow", reason="pyarrow (extra hf) is not installed")
    pytest.importorskip("pyarrow.parquet")
    return pa


def arrow_folder(pa, folder, *tables):
    """As ``save_to_disk`` leaves it."""
    folder.mkdir(parents=True)
    names = [f"data-{n:05d}-of-{len(tables):05d}.arrow" for n in range(len(tables))]
    for name, rows in zip(names, tables, strict=True):
        with pa.OSFile(str(folder / name), "wb") as out, pa.ipc.new_stream(out, rows.schema) as writer:
            writer.write_table(rows, max_chunksize=2)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    return folder


def parquet(pa, file, rows, **how):
    file.parent.mkdir(parents=True, exist_ok=True)
    pa.parquet.write_table(rows, file, row_group_size=2, **how)
    return file


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match=r"needs pyarrow, which is not installed: pip install 'ossicle\[hf\]'"):
        read(tmp_path / "x.parquet")


@pytest.mark.parametrize("kind", ["saved", "splits", "parquet", "parquets", "arrow"])
def test_rows_are_read_in_place(pa, tmp_path, kind):
    first, second = table(pa, 4), table(pa, 2, 4)
    if kind == "saved":
        path = arrow_folder(pa, tmp_path / "x", first, second)
    elif kind == "splits":
        path = arrow_folder(pa, tmp_path / "x" / "train", first, second).parent
        (path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    elif kind == "parquet":
        path = parquet(pa, tmp_path / "x.parquet", table(pa))
    elif kind == "arrow":
        path = arrow_folder(pa, tmp_path / "x", table(pa)) / "data-00000-of-00001.arrow"
    else:
        path = tmp_path / "x"
        parquet(pa, path / "data" / "train-00000-of-00002.parquet", first)
        parquet(pa, path / "data" / "train-00001-of-00002.parquet", second)
        parquet(pa, path / "data" / "test-00000-of-00001.parquet", first)
    source = read(path, questions=["What?", "Is {text} a {label}?"], answer="{label}: {captions[1]}")
    assert source.num_rows == 12
    for at in (5, 0, 3, 4, 1, 2):
        name = ("dog", "cat")[at % 2]
        assert spoken(source, 2 * at + 1) == (f"Is text {at} a {name}?", f"{name}: b {at}")
        assert source.texts(2 * at) == ("What?", f"{name}: b {at}")
        assert source.seconds(2 * at) == pytest.approx((at + 1) / 10)
        assert np.array_equal(loaded(source, 2 * at), samples(sound(at, (at + 1) / 10)))
    meta = {"text": "text 1", "label": "cat", "captions": ["a 1", "b 1"], "id": "1", "targets": ["cat: b 1"]}
    assert source.rows(2)[0].meta == meta
    assert source.rows(2)[0].audios[0].name == "1.flac"
    source.check()
    assert pickle.loads(pickle.dumps(source)).rows(7) == source.rows(7)


def test_a_row_group_is_read_once_for_the_lengths_of_its_rows(pa, tmp_path, monkeypatch):
    source = read(parquet(pa, tmp_path / "x.parquet", table(pa)))
    asked = []
    sound_of = huggingface.ArrowFile.sound
    monkeypatch.setattr(huggingface.ArrowFile, "sound", lambda *args: asked.append(args[2]) or sound_of(*args))
    assert [source.seconds(n) for n in (3, 2, 3)] == pytest.approx([0.4, 0.3, 0.4])
    assert sorted(asked) == [2, 3]


def test_other_writers_columns_of_sound(pa, tmp_path):
    plain = table(pa, about=None)
    assert loaded(read(parquet(pa, tmp_path / "a.parquet", plain)), 2).shape == (4800,)
    (tmp_path / "0.flac").write_bytes(sound(0))
    named = pa.table({"file": ["0.flac", "https://x.org/1.flac", None], "text": ["a", "b", "c"]})
    source = read(parquet(pa, tmp_path / "b.parquet", named), audio="file")
    assert np.array_equal(loaded(source, 0), samples(sound(0))) and source.seconds(0) == 0.5
    for n, says in ((1, r"row 1: holds no sound, only 'https://x\.org/1\.flac'; save the data set with"), (2, "row 2")):
        with pytest.raises(DataError, match=says):
            source.rows(n)
    raw = pa.table({"wav": [sound(0)], "text": ["a"]})
    assert read(parquet(pa, tmp_path / "c.parquet", raw), audio="wav").seconds(0) == 0.5


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"answer": "{txt}"}, SpecError, r"column 'txt', which is not there\. Did you mean 'text'\?"),
        (
            {"audio": "adio"},
            SpecError,
            r"no column 'adio'\. Did you mean 'audio'\? Known: audio, text, label, captions",
        ),
        ({"answer": "{captions}"}, DataError, "row 0: the template .* needs a text or a number, not a list"),
        ({"split": "dev"}, DataError, "no Parquet file is named after the split 'dev'"),
    ],
)
def test_options_that_do_not_fit(pa, tmp_path, options, error, says):
    parquet(pa, tmp_path / "x" / "train.parquet", table(pa))
    with pytest.raises(error, match=says):
        read(tmp_path / "x", **options).texts(0)


def test_folders_and_files_that_are_not_in_order(pa, tmp_path):
    folder = arrow_folder(pa, tmp_path / "x" / "train", table(pa, 2)).parent
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(DataError, match=r"no split 'tests'\. Did you mean 'test'\? Known: train, test"):
        read(folder, split="tests")
    file = folder / "train" / "data-00000-of-00001.arrow"
    whole = file.read_bytes()
    for data, says in [(whole[: len(whole) // 2], "is damaged"), (b"nothing", "is damaged"), (None, "cannot be read")]:
        file.unlink()
        if data is not None:
            file.write_bytes(data)
        with pytest.raises(DataError, match=rf"data-00000-of-00001\.arrow: {says}") as caught:
            read(folder)
        assert "\n" not in str(caught.value)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"has neither a state\.json .* nor Parquet files"):
        read(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "gone.parquet")
    parquet(pa, tmp_path / "y" / "train-0.parquet", table(pa, 2))
    parquet(pa, tmp_path / "y" / "train-1.parquet", table(pa, 2).drop_columns(["captions"]))
    with pytest.raises(DataError, match=r"train-1\.parquet: has other columns than .*train-0\.parquet"):
        read(tmp_path / "y")
    with pytest.raises(SpecError, match=r"no column is known to be sound; say which with audio: NAME, of text, n"):
        read(parquet(pa, tmp_path / "z.parquet", pa.table({"text": ["a"], "n": [1]})))
    two = table(pa, 2, about={**ABOUT, "noise": {"_type": "Audio"}})
    with pytest.raises(SpecError, match=r"columns of sound are audio, noise; say which"):
        read(parquet(pa, tmp_path / "w.parquet", two.append_column("noise", two.column("audio"))))


def test_row_groups_too_large_to_reach_one_row_are_refused(pa, tmp_path, monkeypatch):
    file = parquet(pa, tmp_path / "x.parquet", table(pa))
    monkeypatch.setattr(huggingface, "_LARGEST_GROUP", 1000)
    with pytest.raises(DataError, match=r"row group of .* write it with fewer rows a group, or load it with datasets"):
        read(file)
    assert read(parquet(pa, tmp_path / "y.parquet", table(pa, 4))).num_rows == 4, "few groups stay in memory"


def test_broken_rows_are_named_and_their_neighbours_stay(pa, tmp_path):
    rows = table(pa, 4)
    held = rows.column("audio").to_pylist()
    held[1] = {"bytes": b"no sound", "path": None}
    rows = rows.set_column(0, "audio", pa.array(held, rows.column("audio").type))
    source = read(parquet(pa, tmp_path / "x.parquet", rows))
    assert source.seconds(0) == pytest.approx(0.1)
    with pytest.raises(DataError, match=r"x\.parquet, row 1: row 1 is not a recording"):
        source.check()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_data_workers_read_what_this_process_reads(pa, tmp_path, kind):
    path = parquet(pa, tmp_path / "x.parquet", table(pa))
    if kind == "arrow":
        path = arrow_folder(pa, tmp_path / "x", table(pa, 4), table(pa, 2, 4))
    plan = BatchPlan(Mixture({"a": read(path)}, seed=0), 1.0, chunk_rows=6)

    def first(workers):
        def heard(chat, key):
            return chat.messages[1].text, float(np.abs(chat.audios[0].load(16_000)).sum())

        stream = Loader(plan, heard, list, workers=workers).batches()
        found = [loaded.batch for loaded in islice(stream, 12)]
        stream.close()
        return found

    assert first(0) == first(2)


def test_what_datasets_saves_is_what_is_read(pa, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    theirs = pytest.importorskip("datasets")
    theirs.disable_progress_bars()
    for n in range(5):
        (tmp_path / f"{n}.flac").write_bytes(sound(n, 0.2))
    rows = {
        "audio": [str(tmp_path / f"{n}.flac") for n in range(5)],
        "text": [f"text {n}" for n in range(5)],
        "label": [n % 2 for n in range(5)],
    }
    data = theirs.Dataset.from_dict(rows).cast_column("audio", theirs.Audio(sampling_rate=16_000))
    data = data.cast_column("label", theirs.ClassLabel(names=["dog", "cat"]))
    data.save_to_disk(str(tmp_path / "saved"), num_shards=2)
    theirs.DatasetDict({"train": data, "test": data.select([4, 2])}).save_to_disk(str(tmp_path / "splits"))
    data.to_parquet(str(tmp_path / "named.parquet"))
    theirs.load_from_disk(str(tmp_path / "saved")).to_parquet(str(tmp_path / "held.parquet"))
    cases = [("saved", {}), ("splits", {"split": "test"}), ("named.parquet", {}), ("held.parquet", {})]
    for name, options in cases:
        source = read(tmp_path / name, questions=["Is it a {label}?"], **options)
        wanted = data.select([4, 2]) if name == "splits" else data
        wanted = wanted.cast_column("audio", theirs.Audio(decode=False))
        assert source.num_rows == len(wanted)
        for n, row in enumerate(wanted):
            number = int(row["text"][-1])
            assert spoken(source, n) == (f"Is it a {('dog', 'cat')[row['label']]}?", row["text"])
            (audio,) = source.rows(n)[0].audios
            with audio.content.open() as file:
                assert file.read() == sound(number, 0.2)
            assert np.array_equal(loaded(source, n), samples(sound(number, 0.2)))
