"""Mixtures, batches by seconds, and the loader: pure functions of the seed, whoever computes them."""

from collections import Counter
from itertools import islice
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.chat import Conversation, assistant, user
from ossicle.data.augment import Augment
from ossicle.data.batching import BatchPlan, Position
from ossicle.data.keys import key_of, shuffled
from ossicle.data.loader import Loader
from ossicle.data.mixture import Mixture, make_mixture
from ossicle.data.transfer import unwrap, wrap
from ossicle.spec import load_spec
from ossicle.support.errors import AudioError, DataError, SpecError


class Rows:
    """A source without sound: row n says its number, and lasts n tenths of a second."""

    def __init__(self, num_rows: int | None, broken: int | None = None) -> None:
        self.num_rows = num_rows
        self.broken = broken

    def rows(self, index: int) -> tuple[Conversation, ...]:
        if index == self.broken:
            raise AudioError("gone.wav: there is no such file.")
        return tuple(Conversation.of(user(f"{index}.{n}"), assistant("yes")) for n in range(1 + index % 2))

    def seconds(self, index: int) -> float:
        return (index % 50) / 10


class Row(NamedTuple):
    text: str
    key: str
    features: torch.Tensor


def prepare(chat: Conversation, key: str) -> Row:
    return Row(chat.messages[0].text, key, torch.full((2, 3), key_of(key) % 1000 / 7, dtype=torch.bfloat16))


def pack(rows: list[Row]) -> list[Row]:
    return rows


@given(size=st.integers(1, 300), key=st.integers(0, 2**64 - 1))
def test_a_shuffle_is_a_bijection(size, key):
    assert sorted(shuffled(n, size, key) for n in range(size)) == list(range(size))


def test_a_shuffle_shuffles():
    orders = {tuple(shuffled(n, 5, key) for n in range(5)) for key in range(2000)}
    assert len(orders) == 120
    first = Counter(shuffled(0, 10, key_of(key)) for key in range(5000))
    assert all(400 < count < 600 for count in first.values())


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 30) | st.none(), min_size=1, max_size=4),
    weights=st.lists(st.floats(0.01, 10), min_size=4, max_size=4),
    seed=st.integers(0, 99),
)
def test_every_row_comes_once_per_epoch_and_shares_are_exact(sizes, weights, seed):
    names = [f"s{n}" for n in range(len(sizes))]
    shares = dict(zip(names, weights, strict=False))
    mixture = Mixture(dict(zip(names, map(Rows, sizes), strict=True)), shares, seed=seed)
    places = [mixture.place(k) for k in range(600)]
    for name, size in zip(names, sizes, strict=True):
        seen = [place.index for place in places if place.source == name]
        assert abs(len(seen) - 600 * shares[name] / sum(shares.values())) < len(names)
        if size is None:
            assert seen == list(range(seen[0], seen[0] + len(seen))) if seen else True
        else:
            for start in range(0, len(seen) - size + 1, size):
                assert sorted(seen[start : start + size]) == list(range(size))


def test_order_depends_on_seed_and_epoch_and_not_on_other_sources():
    def order(mixture, n):
        return [p.index for k in range(200) if (p := mixture.place(k)).source == "a"][:n]

    alone = order(Mixture({"a": Rows(20)}, seed=1), 40)
    assert alone[:20] != alone[20:]
    assert alone != order(Mixture({"a": Rows(20)}, seed=2), 40)
    assert alone == order(Mixture({"b": Rows(7), "a": Rows(20)}, {"b": 3.0}, seed=1), 40)


def test_mixtures_refuse_what_makes_no_sense():
    with pytest.raises(SpecError, match="at least one source"):
        Mixture({}, seed=0)
    with pytest.raises(SpecError, match=r"data\.a\.weight"):
        Mixture({"a": Rows(3)}, {"a": 0.0}, seed=0)
    with pytest.raises(SpecError, match=r"here\.a\.weight: expected a number"):
        make_mixture({"a": {"type": "folder", "weight": "much"}}, "here", seed=0)
    with pytest.raises(SpecError, match=r"there is no source .foldr.\. Did you mean"):
        make_mixture({"a": {"type": "foldr"}}, "here", seed=0)


@settings(max_examples=30)
@given(limit=st.floats(0.5, 30), rows=st.none() | st.integers(1, 9), chunk=st.integers(1, 70), seed=st.integers(0, 9))
def test_a_chunk_is_cut_without_loss_and_within_its_seconds(limit, rows, chunk, seed):
    mixture = Mixture({"a": Rows(37), "b": Rows(None)}, seed=seed)
    plan = BatchPlan(mixture, limit, rows, chunk)
    batches = plan.chunk(3)
    assert sorted(k for batch in batches for k in batch.rows) == list(range(3 * chunk, 4 * chunk))
    for batch in batches:
        assert batch.seconds == pytest.approx(sum(mixture.seconds(mixture.place(k)) for k in batch.rows))
        assert batch.seconds <= limit or len(batch.rows) == 1
        assert rows is None or len(batch.rows) <= rows


def test_the_stream_continues_from_any_position():
    plan = BatchPlan(Mixture({"a": Rows(37)}, seed=0), 5.0, chunk_rows=20)
    whole = list(islice(plan.batches(), 40))
    for n in (0, 5, 17):
        assert list(islice(plan.batches(whole[n].after), 20)) == whole[n + 1 : n + 21]
    assert [batch.after.chunk for batch in whole] == sorted(batch.after.chunk for batch in whole)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 3])
def test_batches_do_not_depend_on_the_number_of_workers(workers):
    plan = BatchPlan(Mixture({"a": Rows(37), "b": Rows(11)}, seed=0), 5.0, chunk_rows=20)

    def first(workers, start=Position()):
        stream = Loader(plan, prepare, pack, workers=workers, prefetch=2).batches(start)
        found = list(islice(stream, 40))
        stream.close()
        return found

    before = torch.random.get_rng_state()
    here, there = first(0), first(workers)
    assert torch.equal(before, torch.random.get_rng_state()), "the loader drew from the training's generator"
    for a, b in zip(here, there, strict=True):
        assert a[1:] == b[1:]
        assert [row[:2] for row in a.batch] == [row[:2] for row in b.batch]
        assert all(torch.equal(x.features, y.features) for x, y in zip(a.batch, b.batch, strict=True))
    again = first(workers, here[4].after)
    assert [row.text for row in again[0].batch] == [row.text for row in here[5].batch]


def test_conversations_about_one_recording_share_batch_and_key():
    plan = BatchPlan(Mixture({"a": Rows(8)}, seed=0), 100.0, chunk_rows=8)
    loaded = next(Loader(plan, prepare, pack).batches())
    keys = {}
    for row in loaded.batch:
        keys.setdefault(row.text.split(".")[0], set()).add(row.key)
    assert len(loaded.batch) == 12 and len(keys) == 8
    assert all(len(found) == 1 for found in keys.values())


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_worker_arrives_as_it_was_raised(workers):
    plan = BatchPlan(Mixture({"clips": Rows(8, broken=3)}, seed=0), 100.0, chunk_rows=8)
    with pytest.raises(AudioError) as caught:
        next(Loader(plan, prepare, pack, workers=workers).batches())
    assert str(caught.value) == "data.clips, row 3: gone.wav: there is no such file."


def test_a_worker_that_dies_is_reported():
    def die(chat, key):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    plan = BatchPlan(Mixture({"a": Rows(8)}, seed=0), 100.0, chunk_rows=8)
    with pytest.raises(DataError, match=r"a data worker died .* use fewer workers"):
        next(Loader(plan, die, pack, workers=1).batches())


def test_parcels_bring_back_every_kind_of_tensor():
    value = {
        "a": torch.arange(6).view(2, 3).T,
        "b": torch.tensor(1.5, dtype=torch.bfloat16),
        "c": [torch.zeros(0, 4), torch.tensor([True, False])],
        "d": ("text", 1, None),
    }
    back = unwrap(wrap(value))
    assert back["d"] == value["d"]
    for a, b in ((value["a"], back["a"]), (value["b"], back["b"]), *zip(value["c"], back["c"], strict=True)):
        assert a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    back["a"] += 1  # writable, like any tensor


def test_texts_are_all_texts_of_finite_sources():
    mixture = Mixture({"a": Rows(5), "b": Rows(None)}, seed=0)
    texts = list(mixture.texts(limit=10, endless=10))
    assert {text for text in texts[:100] if "." in text} >= {"0.0", "1.0", "1.1", "4.0"}
    assert texts == list(mixture.texts(limit=10, endless=10))


def test_augmentation_follows_from_its_seed():
    features = torch.randn(100, 64)
    augment = Augment(time_masks=2, band_masks=2)
    assert torch.equal(augment(features, 5), augment(features, 5))
    assert not torch.equal(augment(features, 5), augment(features, 6))
    assert torch.equal(Augment()(features, 5), features)
    assert augment(torch.randn(1, 64), 3).shape == (1, 64)


def test_a_filter_is_one_smooth_curve_over_frequency_and_leaves_the_floor():
    features = torch.rand(100, 64).sub(0.5).clamp(min=-0.3)
    augment = Augment(filter_gain=0.1)
    changed = augment(features, 5)
    on_floor = features == -0.3
    assert torch.equal(changed[on_floor], features[on_floor])
    moved = ~on_floor & (changed > -0.3)
    difference = (changed - features).masked_fill(~moved, float("nan"))
    per_band = difference.nanmean(0)
    assert torch.allclose(difference[moved], per_band.expand(100, 64)[moved], atol=1e-5)
    assert 0.02 < per_band.abs().max() <= 0.1
    bends = per_band.diff().diff().abs() > 1e-4
    assert bends.sum() <= 2 * 4
    assert not torch.equal(changed, augment(features, 6))


def test_noise_lies_as_far_below_the_recording_as_was_drawn_and_loudness_changes():
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal((2, 16_000))).astype(np.float32)
    noisy = Augment(noise_snr_db=(20, 20), noise_share=1.0)
    added = noisy.sound(samples, 5, 16_000) - samples
    assert 20 * np.log10(samples.std() / added.std()) == pytest.approx(20, abs=0.01)
    assert noisy.sound(samples, 5, 16_000).dtype == np.float32 and np.array_equal(
        noisy.sound(samples, 5, 16_000), samples + added
    )
    assert not np.array_equal(noisy.sound(samples, 6, 16_000), samples + added)
    share = sum(
        not np.array_equal(Augment(noise_snr_db=(0, 30)).sound(samples, seed, 16_000), samples) for seed in range(200)
    )
    assert 70 < share < 130
    louder = [Augment(gain_db=6.0).sound(samples, seed, 16_000) / samples for seed in range(50)]
    gains = [20 * np.log10(one.mean()) for one in louder]
    assert max(map(abs, gains)) <= 6.001 and max(gains) > 3 and min(gains) < -3 and louder[0].std() < 1e-5
    silence = np.zeros((1, 100), np.float32)
    assert np.array_equal(noisy.sound(silence, 1, 16_000), silence)
    assert not noisy.alters_features and Augment(filter_gain=0.1).alters_features
    with pytest.raises(SpecError, match="from the least to the most"):
        load_spec(Augment, {"noise_snr_db": [30, 10]})


def test_a_chunk_leaves_no_small_batch_over():
    plan = BatchPlan(Mixture({"a": Rows(None)}, seed=0), 60.0, chunk_rows=256)
    seconds = [batch.seconds for number in range(5) for batch in plan.chunk(number)]
    assert min(seconds) > 0.6 * max(seconds)
    assert sum(seconds) / len(seconds) > 50.0
