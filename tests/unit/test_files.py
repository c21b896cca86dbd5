"""Files and folders are complete or absent."""

import hashlib
import os
import subprocess
import sys

import pytest

from ossicle.support.files import atomic_folder, atomic_write, recover_folder, sha256_of


def test_a_written_file_appears_whole_and_leaves_nothing_beside(tmp_path):
    target = tmp_path / "new" / "answers.jsonl"
    with atomic_write(target) as temporary:
        temporary.write_text("one\n")
        assert temporary.parent == target.parent and temporary.suffix == ".jsonl"
        assert not target.exists()
    assert target.read_text() == "one\n"
    assert os.listdir(target.parent) == ["answers.jsonl"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_an_error_while_writing_keeps_the_old_file(tmp_path, error):
    target = tmp_path / "model.bin"
    target.write_bytes(b"old")
    with pytest.raises(type(error)), atomic_write(target) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.bin"]


def test_writing_nothing_is_an_error_not_an_empty_file(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.txt"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_folder_replaces_the_older_one_whole(tmp_path):
    target = tmp_path / "checkpoint"
    for content, name in (("old", "a.txt"), ("new", "b.txt")):
        with atomic_folder(target) as temporary:
            (temporary / "deep").mkdir()
            (temporary / "deep" / name).write_text(content)
    assert [path.name for path in target.rglob("*")] == ["deep", "b.txt"]
    assert os.listdir(tmp_path) == ["checkpoint"]


def test_an_error_while_filling_a_folder_keeps_the_old_one(tmp_path):
    target = tmp_path / "checkpoint"
    with atomic_folder(target) as temporary:
        (temporary / "a.txt").write_text("old")
    with pytest.raises(OSError), atomic_folder(target) as temporary:
        (temporary / "a.txt").write_text("half")
        raise OSError(28, "No space left on device")
    assert (target / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["checkpoint"]


_KILLED = """
import os, sys
from ossicle.support import files
real, calls, die_at = os.rename, [], int(sys.argv[2])
def rename(*args):
    if len(calls) == die_at:
        os._exit(9)
    calls.append(args)
    real(*args)
    if len(calls) == die_at:
        os._exit(9)
os.rename = rename
with files.atomic_folder(sys.argv[1]) as temporary:
    (temporary / "a.txt").write_text("new")
"""


@pytest.mark.parametrize(("die_at", "content"), [(0, "old"), (1, "old"), (2, "new")])
def test_killed_between_the_renames_one_complete_folder_remains(tmp_path, die_at, content):
    target = tmp_path / "check[point].1"  # characters that mean something to glob
    with atomic_folder(target) as temporary:
        (temporary / "a.txt").write_text("old")
    assert subprocess.run([sys.executable, "-c", _KILLED, str(target), str(die_at)], check=False).returncode == 9
    assert recover_folder(target) is (die_at == 1)
    assert (target / "a.txt").read_text() == content
    with atomic_folder(target) as temporary:
        (temporary / "a.txt").write_text("later")
    assert os.listdir(tmp_path) == [target.name]


def test_recovering_an_absent_or_whole_folder_does_nothing(tmp_path):
    assert not recover_folder(tmp_path / "none")
    assert not recover_folder(tmp_path)


def test_sha256(tmp_path):
    data = os.urandom((1 << 20) + 17)
    (tmp_path / "a").write_bytes(data)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(data).hexdigest()
