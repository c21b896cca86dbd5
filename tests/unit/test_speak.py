"""The tool that renders spoken orders: what is said is what the slots hold, and words are where they sound."""

import csv
import importlib.util
import json
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile

TOOL = Path(__file__).parents[2] / "tools" / "speak.py"


@pytest.fixture(scope="module")
def speak():
    spec = importlib.util.spec_from_file_location("speak", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_order_says_its_slots_and_no_others(speak):
    rng = Random(0)
    numbers = set()
    for _ in range(300):
        text, slots = speak.order(rng)
        assert slots and all(f" {value} " in f" {text} " for value in slots.values())
        assert "numberOfShots" in slots or "shot" not in text.split()
        assert "roast" in slots or "roast" not in text.split()
        numbers.add(len(slots))
    assert {1, 2, 3, 4, 5} <= numbers


@pytest.mark.skipif(
    not (shutil.which("flite") and shutil.which("espeak-ng")), reason="espeak-ng and flite are not here"
)
def test_what_is_rendered_is_loud_where_words_are_said(speak, tmp_path):
    extra = {"slots": {"size": "large"}}
    sayings = [("order", "please make me a large mocha", extra)] * 6
    speak.write_set(tmp_path / "spoken_orders", sayings, 0)
    rows = list(csv.DictReader((tmp_path / "spoken_orders" / "metadata.csv").open()))
    assert len({row["group"] for row in rows}) > 2, "several voices"
    timed = 0
    for row in rows:
        samples_T, rate = soundfile.read(tmp_path / "spoken_orders" / row["file"])
        words = json.loads(row["extra"])["words"]
        timed += bool(words)
        for word, start_s, end_s in words:
            said_T = samples_T[round(start_s * rate) : round(end_s * rate)]
            assert np.abs(said_T).max() > 0.05 * np.abs(samples_T).max(), word
    assert timed >= 3
