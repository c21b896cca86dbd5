"""Models from a hub, here a small one on this machine: what is fetched, shown and kept, and said when it fails."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import hub_kit
import huggingface_hub.constants as constants
import numpy as np
import pytest
import soundfile

from ossicle import cli
from ossicle.models import folders
from ossicle.models.folders import model_folder, weights_of
from ossicle.support.errors import ModelError


@pytest.fixture
def hub(random_model, tmp_path, monkeypatch):
    with hub_kit.running({"someone/model": random_model}) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        folders._from_hub.cache_clear()
        yield hub
        folders._from_hub.cache_clear()


def again():
    """As another process would ask."""
    folders._from_hub.cache_clear()
    return model_folder("hf:someone/model")


def test_show_fetches_no_weights(hub, random_model, capsys):
    assert cli.main(["show", "hf:someone/model"]) == 0
    said = capsys.readouterr().out
    assert "melnet" in said and "its weights come when it is asked" in said
    assert cli.main(["show", "hf:someone/model", "--tokens"]) == 0
    assert hub.fetched() == {file.name for file in random_model.iterdir()} - {"model.safetensors", "README.md"}
    assert weights_of(model_folder("hf:someone/model")) == weights_of(random_model)
    assert cli.main(["show", "hf:someone/model"]) == 0
    assert "come when" not in capsys.readouterr().out.split("format")[-1]


def test_what_is_in_the_cache_is_not_fetched_again_and_needs_no_network(hub, random_model, monkeypatch):
    model_folder("hf:someone/model")
    hub.asked.clear()
    assert weights_of(again()) == weights_of(random_model)
    assert hub.asked == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert weights_of(again()) == weights_of(random_model)


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(hub, random_model, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)
    hub.cuts.add("model.safetensors")
    size = (random_model / "model.safetensors").stat().st_size
    assert weights_of(model_folder("hf:someone/model")) == weights_of(random_model)
    ranges = [wanted for method, path, wanted in hub.asked if method == "GET" and path.endswith("model.safetensors")]
    assert len(ranges) == 2 and ranges[0] is None
    assert 0 < int(re.match(r"bytes=(\d+)-", ranges[1])[1]) < size


def test_a_fetch_that_was_stopped_keeps_the_files_that_are_whole(hub, random_model):
    hub.repos = {"someone/model": random_model}
    model_folder("hf:someone/model", weights=False)
    before = hub.fetched()
    hub.asked.clear()
    model_folder("hf:someone/model")
    assert before and hub.fetched() == {"model.safetensors"}


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "GatedRepo", "accept its licence first; do so on the model's page, then set HF_TOKEN"),
        (401, "RepoNotFound", "no such model, or it is private; mend the name, or set HF_TOKEN"),
        (404, "RepoNotFound", "no such model, or it is private; mend the name, or set HF_TOKEN"),
        (403, "", "the hub refuses (403); set HF_TOKEN to a token that may read it"),
        (503, "", "the hub is busy or out of order (503); try again later"),
    ],
)
def test_what_the_hub_says_no_to_is_one_sentence_with_its_mend(hub, status, code, words, capsys, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.refuses["someone/model"] = (status, code)
    assert cli.main(["show", "hf:someone/model"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: the model 'hf:someone/model' cannot be loaded: ") and words in said
    assert "http" not in said


def test_a_revision_that_is_not_there_is_named(hub):
    with pytest.raises(ModelError, match="'hf:someone/model@v9' cannot be loaded: it has no such revision"):
        model_folder("hf:someone/model@v9")


def test_a_network_that_is_not_there(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="hub cannot be reached and it is not in the cache; give the folder of a"):
        model_folder("hf:someone/model")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set and it is not in the cache; unset it, or give"):
        model_folder("hf:someone/model")


def test_half_of_it_in_the_cache_is_told_from_nothing(hub, monkeypatch):
    model_folder("hf:someone/model", weights=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="only a part of it is in the cache; try again with a network"):
        model_folder("hf:someone/model")


class Terminal(io.StringIO):
    """Somebody watches."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("words", "stream", "hidden"),
    [(["ask"], Terminal(), None), (["ask", "--json"], Terminal(), "1"), (["ask"], io.StringIO(), "1")],
    ids=["on a terminal", "json", "into a file"],
)
def test_a_bar_is_for_those_who_watch(words, stream, hidden, monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "")
    monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS")
    monkeypatch.setattr(sys, "stderr", stream)
    cli._set_environment(words)
    assert os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS") == hidden


def test_the_command_fetches_and_answers_on_a_terminal(hub, tmp_path):
    soundfile.write(tmp_path / "clip.wav", np.zeros(16_000, np.float32), 16_000)
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_CACHE": str(tmp_path / "cache")}
    environment.pop("HF_HUB_DISABLE_PROGRESS_BARS", None)
    words = ["ask", str(tmp_path / "clip.wav"), "What?", "--model", "hf:someone/model", "--max-new-tokens", "2"]
    done = subprocess.Popen(
        [sys.executable, "-m", "ossicle", *words], stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(mine, 65536):
            shown += piece
    except OSError:  # how a terminal says that the other side has left
        pass
    os.close(mine)
    answer, _ = done.communicate(timeout=250)
    assert done.returncode == 0, shown
    assert b"Fetching" in shown and b"100%" in shown and b"100%" not in answer
    assert "model.safetensors" in hub.fetched()
