"""Golden values and laws of the metrics."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.chat.timeline import Heard
from ossicle.metrics import (
    EventCounts,
    accuracy,
    agreement_by_luck,
    balanced_yes_no,
    bootstrap,
    event_counts,
    event_f1,
    match_onsets,
    onset_error,
    wilson,
)

ONSETS = st.lists(st.floats(0, 5, allow_nan=False).map(lambda x: round(x, 2)), max_size=5)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # statsmodels.stats.proportion.proportion_confint(..., method="wilson")
    [(8, 10, 0.4901625, 0.9433178), (0, 10, 0.0, 0.2775328), (10, 10, 0.7224672, 1.0), (50, 100, 0.4038315, 0.5961685)],
)
def test_wilson_golden(hits, trials, low, high):
    found = wilson(hits, trials)
    assert found.value == hits / trials
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_value_within_0_and_1(pair):
    found = wilson(*pair)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_wilson_of_nothing_and_of_nonsense():
    assert all(map(math.isnan, wilson(0, 0)))
    with pytest.raises(ValueError, match="within 0"):
        wilson(3, 2)


def test_fewer_clusters_give_wider_intervals():
    hits = [True] * 15 + [False] * 5
    alone, shared = accuracy(hits), accuracy(hits, clusters=10)
    assert alone.value == shared.value == 0.75
    assert shared.low < alone.low
    assert shared.high > alone.high


def test_bootstrap_is_repeatable_and_covers():
    items = list(np.random.default_rng(1).normal(3.0, 1.0, 100))
    one, again = (bootstrap(items, lambda drawn: float(np.mean(drawn))) for _ in range(2))
    assert one == again
    assert one.value == pytest.approx(np.mean(items))
    # The normal interval of a mean is its standard error times 1.96.
    assert (one.high - one.low) / 2 == pytest.approx(1.96 * np.std(items) / 10, rel=0.15)
    assert bootstrap(items, lambda drawn: float(np.mean(drawn)), seed=1) != one


def test_bootstrap_of_nothing_and_of_undefined_draws():
    assert all(map(math.isnan, bootstrap([], lambda drawn: 1.0)))
    found = bootstrap([1.0, math.nan], lambda drawn: float(np.mean(drawn)))
    assert (found.low, found.high) == (1.0, 1.0)


def test_balanced_yes_no():
    found = balanced_yes_no([True, False, None, False, True, False], [True, True, True, False, False, False])
    assert found.right_of_yes == pytest.approx(1 / 3)
    assert found.right_of_no == pytest.approx(2 / 3)
    assert found.balanced_accuracy == pytest.approx(0.5)
    assert found.yes_rate == pytest.approx(2 / 6)
    assert balanced_yes_no([True] * 9, [True] * 8 + [False]).balanced_accuracy == 0.5


def test_luck_is_what_shuffling_gives():
    answers, truths = ["a", "a", "b", "c"], ["a", "b", "b", "a"]
    shuffled = [np.mean([x == y for x, y in zip(order, truths, strict=True)]) for order in permutations(answers)]
    assert agreement_by_luck(answers, truths) == pytest.approx(np.mean(shuffled))
    assert agreement_by_luck(["a"] * 4, truths) == 0.5


# --- events -----------------------------------------------------------------------------------------------------


def best_matching(reference, estimated, collar):
    """By trying everything."""
    if not reference or not estimated:
        return 0
    head, rest = reference[0], reference[1:]
    best = best_matching(rest, estimated, collar)
    for at, other in enumerate(estimated):
        if abs(other - head) <= collar + 1e-9:
            best = max(best, 1 + best_matching(rest, estimated[:at] + estimated[at + 1 :], collar))
    return best


@settings(max_examples=60, deadline=None)
@given(ONSETS, ONSETS, st.sampled_from([0.2, 0.5, 1.0]))
def test_no_matching_is_larger(reference, estimated, collar):
    pairs = match_onsets(reference, estimated, collar)
    assert len(pairs) == best_matching(reference, estimated, collar)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(abs(reference[i] - estimated[j]) <= collar + 1e-9 for i, j in pairs)


def test_greedy_by_nearness_would_lose_a_match():
    # 1.0 is nearest to 1.1, but only 1.5 can go there.
    assert len(match_onsets([1.0, 1.5], [0.6, 1.1], 0.5)) == 2


def test_event_f1_golden():
    reference = [Heard("dog", 0.5, 1.0), Heard("bell", 2.0, 3.0), Heard("dog", 4.0, 5.0)]
    estimate = [
        Heard("Dog.", 0.9, 9.0),  # right: labels are normalised, ends don't matter
        Heard("bell", 2.6, 3.0),  # too late
        Heard("cat", 4.0, 5.0),  # wrong label
        Heard("dog", 4.5, 5.0),  # right, just within the collar
        Heard("dog", 4.1, 5.0),  # there is one dog only
    ]
    counts = event_counts(reference, estimate)
    assert counts == EventCounts(2, 3, 5)
    assert event_f1([counts]) == pytest.approx(2 * 2 / 8)
    assert event_f1([counts, EventCounts(1, 1, 1)]) == pytest.approx(2 * 3 / 10)


def test_event_f1_without_events():
    assert event_f1([event_counts([Heard("dog", 0, 1)], [])]) == 0.0
    assert math.isnan(event_f1([EventCounts(0, 0, 0)]))
    assert event_counts([Heard("x", 1.8, 2)], [Heard("x", 2.3, 3)]).matched == 1  # 2.3 - 1.8 > 0.5 in binary


def test_onset_error():
    assert onset_error(1.5, 1.0, 10.0) == 0.5
    assert onset_error(None, 1.0, 10.0) == 10.0
    assert onset_error(500.0, 1.0, 10.0) == 10.0
