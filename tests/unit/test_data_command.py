"""``ossicle data check`` and ``stats`` take what training takes: by its name, or by what lies in the folder."""

import io
import json
import tarfile

import numpy as np
import pytest
import soundfile
from tiny_run import make_tones

from ossicle.cli import main
from ossicle.commands.data import _type_of


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    with tarfile.open(folder / "a.tar", "w") as tar:
        for number, said in enumerate(("a bell", "a door", "a bell")):
            sound = io.BytesIO()
            tone = 0.1 * np.sin(2 * np.pi * (300 + 50 * number) * np.arange(8_000) / 16_000)
            soundfile.write(sound, tone, 16_000, format="WAV")
            for suffix, data in (("wav", sound.getvalue()), ("json", json.dumps({"caption": said}).encode())):
                info = tarfile.TarInfo(f"{number}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return folder


def test_tars_are_counted_and_checked(shards, capsys):
    for path in (shards, shards / "a.tar"):
        assert main(["data", "stats", str(path), "answer='{caption}'", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["rows"] == 3 and told["sample_rates"] == {"16000": 3}
    assert main(["data", "check", str(shards), "answer='{caption}'"]) == 0
    capsys.readouterr()
    assert main(["data", "stats", str(shards), "answer='{captoin}'"]) == 2
    assert "caption" in capsys.readouterr().err


def test_a_path_says_what_it_is(shards, tmp_path):
    for name in ("cuts.000000.jsonl.gz", "state.json", "dataset_dict.json", "0.parquet"):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        (folder / name).touch()
        assert _type_of(str(folder)) == ("shar" if "cuts" in name else "huggingface")
    assert _type_of(str(make_tones(tmp_path / "tones"))) == "folder"
    assert _type_of("rows.jsonl") == "conversations" and _type_of("train-{000..009}.tar") == "webdataset"
    assert _type_of("train.parquet") == "huggingface"
