"""The benchmark of encoding: it compares like with like, in pairs, and says what it could not compare with."""

import sys
from pathlib import Path

import numpy as np
import pytest

RATE = 16_000


@pytest.fixture
def encode(monkeypatch):
    """``benchmarks/`` is no package: its folder goes first on the path, as when the script is run."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import encode

    return encode


def not_installed(encode):
    return [name for name, module in encode.OPTIONAL.items() if not encode.find_spec(module)]


def test_every_way_makes_as_many_frames_of_eighty_bands(encode):
    second = encode.recordings(1)[0][:RATE]
    ways = encode.feature_ways(without=not_installed(encode))
    shapes = {name: np.asarray(way(second)).squeeze().shape for name, way in ways.items()}
    assert shapes.pop("log_mel") == (100, 80)
    assert shapes.pop("fbank") == shapes.pop(encode.KALDI, (98, 80)) == (98, 80)
    assert shapes.pop("librosa", (80, 101)) == (80, 101)
    assert set(shapes.values()) == {(80, 100)}


def test_fbank_is_what_kaldi_makes(encode):
    pytest.importorskip("kaldi_native_fbank")
    ways = encode.feature_ways(without=["librosa"])
    for samples in encode.recordings(2):
        np.testing.assert_allclose(ways["fbank"](samples), ways[encode.KALDI](samples), atol=5e-3)


def test_each_way_is_timed_on_each_sound_of_each_run_but_the_first(encode):
    given = []
    ways = {"log_mel": lambda sound: given.append(("log_mel", sound)), "x": lambda sound: given.append(("x", sound))}
    spent = encode.measure(ways, [1, 2, 3], runs=2)
    assert {name: len(of) for name, of in spent.items()} == {"log_mel": 6, "x": 6}
    assert sorted(given) == sorted((name, sound) for name in ways for sound in (1, 2, 3) * 3)
    assert [sound for _, sound in given] == [one for sound in (1, 2, 3) * 3 for one in (sound, sound)]
    assert len(set(map(tuple, np.array([name for name, _ in given]).reshape(-1, 2)))) == 2, "the order is drawn anew"


def test_ratios_are_of_pairs(encode):
    spent = {
        "log_mel": [(1.0, 1.0), (2.0, 2.0), (4.0, 2.0)],
        "fbank": [(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)],
        "other": [(3.0, 2.0), (4.0, 2.0), (4.0, 2.0)],
        encode.KALDI: [(0.5, 1.0), (0.5, 1.0), (0.5, 1.0)],
    }
    first, second, third = encode.compared(spent)
    assert (first.way, first.beside, first.times_as_fast, first.of_processor_time) == ("log_mel", "other", 2.0, 1.0)
    assert (first.lowest_tenth, first.highest_tenth) == pytest.approx((1.2, 2.8)) and first.holds
    assert (second.way, second.beside, second.times_as_fast) == ("log_mel", encode.KALDI, 0.25)
    assert (third.way, third.beside, third.times_as_fast) == ("fbank", encode.KALDI, 0.5) and not third.holds
    assert encode.speeds({"fbank": spent["fbank"] * 2}, [1.0, 2.0, 3.0]) == {"fbank": 2.0}


@pytest.fixture
def here(encode, monkeypatch):
    """Runs ``encode.py --features`` in this process, where neither of the others is installed."""
    monkeypatch.setattr(encode, "find_spec", lambda module: None)
    monkeypatch.setattr(encode, "measured_with", lambda threads, given: encode.measured(given))
    monkeypatch.setattr(encode, "recordings", lambda count: [np.ones(RATE, np.float32)] * count)

    def run(*options):
        given = ["encode.py", "--features", "--recordings", "1", "--runs", "1", *options]
        monkeypatch.setattr(sys, "argv", given)
        return encode.main()

    return run


@pytest.mark.parametrize(
    ("options", "missing"), [([], "librosa kaldi-native-fbank"), (["--without", "librosa"], "kaldi-native-fbank")]
)
def test_a_comparison_that_cannot_be_made_is_refused(here, options, missing, capsys):
    with pytest.raises(SystemExit) as ended:
        here(*options)
    said = capsys.readouterr()
    assert ended.value.code == 2 and not said.out
    assert f"not installed: {missing}. pip install {missing}, or compare without: --without {missing}" in said.err


def test_what_is_left_out_by_name_is_not_missed(here, capsys):
    assert here("--without", "librosa", "kaldi-native-fbank") in (0, 1)
    said = capsys.readouterr().out
    assert "\n1 thread\n" in said and "\n2 threads\n" in said and "as fast as transformers (numpy)" in said
    assert "librosa" not in said and "kaldi" not in said
