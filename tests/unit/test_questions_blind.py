"""Whoever reads the questions but doesn't listen is at chance: labels, order and letters give nothing away."""

import re
from itertools import pairwise
from random import Random
from zlib import crc32

import numpy as np
import pytest
from questions_kit import scenes

from ossicle.synthesis.questions import ask
from ossicle.synthesis.questions.family import applicable

DIM = 1 << 14


def features(question):
    """Hashed features of every choice: what it says, where it stands, and both with the words of the question."""
    text = re.findall(r"[\w']+", question.text.lower())
    text += [f"{a} {b}" for a, b in pairwise(text)]
    rows = []
    for place, choice in enumerate(question.choices):
        said = choice.lower()
        label = re.sub(r"^(yes|no|[a-f]\))", "", said)
        names = [f"place {place}", f"says {said}", f"label {label}", f"of {len(question.choices)} {place}"]
        if said.startswith(("yes", "no", "the same", "different", "audio")):
            names += [f"{said[:7]}+{word}" for word in text]
        else:
            names += [f"{place}+{word}" for word in text[:8]]
        rows.append(np.array([crc32(name.encode()) % DIM for name in names]))
    return rows


def train(items, epochs=3, rate=0.1):
    """Softmax regression over the choices, by plain stochastic gradient descent with a little decay."""
    weights = np.zeros(DIM)
    for epoch in range(epochs):
        for rows, right in items:
            scores = np.array([weights[row].sum() for row in rows])
            odds = np.exp(scores - scores.max())
            odds /= odds.sum()
            for place, row in enumerate(rows):
                weights[row] -= rate / (epoch + 1) * (odds[place] - (place == right))
    return weights


def closed(family, count, seed):
    rng = Random(seed)
    made = []
    pool = scenes(seed, 4 * count, second=1.0 if family in ("same_different", "which_audio") else 0.0)
    if family == "same_different":
        pool = balanced(pool)
    for facts in pool:
        # As in real use: empty scenes, whose answers are all alike, are few.
        if facts.events and family in applicable(facts) and (q := ask(facts, rng, family=family)) is not None:
            made.append((features(q), [f"{c}." for c in q.choices].index(q.answer) if q.choices else -1))
        if len(made) == count:
            break
    return [item for item in made if item[1] >= 0]


def balanced(pool):
    """As many pairs of the same label as of different ones, as the source of scenes makes them."""
    ready = [facts for facts in pool if "same_different" in applicable(facts)]
    same = [f for f in ready if next(iter(f.by_label)) == next(iter(f.second.by_label))]
    different = [f for f in ready if next(iter(f.by_label)) != next(iter(f.second.by_label))]
    return [facts for pair in zip(same, different, strict=False) for facts in pair]


@pytest.mark.parametrize(
    "family", ["presence", "which_first", "either", "choice", "same_different", "which_audio", "louder"]
)
def test_a_reader_is_at_chance(family):
    items = closed(family, 2400, 11)
    half = len(items) * 2 // 3
    weights = train(items[:half])
    tested = items[half:]
    right = sum(int(np.argmax([weights[row].sum() for row in rows]) == answer) for rows, answer in tested)
    odds = np.array([1 / len(rows) for rows, _ in tested])
    # Four standard deviations of guessing, and two points for what scenes themselves favour.
    slack = 4 * np.sqrt((odds * (1 - odds)).sum()) / len(tested) + 0.02
    assert len(tested) > 100
    assert right / len(tested) <= odds.mean() + slack


def test_yes_and_no_are_equally_often_right_for_every_label():
    rng = Random(5)
    yes, asked = {}, {}
    for facts in scenes(5, 12000):
        if facts.events and "presence" in applicable(facts) and (q := ask(facts, rng, family="presence")):
            label = q.keep[0]
            asked[label] = asked.get(label, 0) + 1
            yes[label] = yes.get(label, 0) + (q.targets == ("yes",))
    assert abs(sum(yes.values()) / sum(asked.values()) - 0.5) < 0.02
    for label, count in asked.items():
        if count > 60:
            assert abs(yes[label] / count - 0.5) < 0.06 + 4 * 0.5 / count**0.5, label


def test_letters_are_right_equally_often():
    rng = Random(6)
    places = {}
    for facts in scenes(6, 5000):
        if "choice" in applicable(facts) and (q := ask(facts, rng, family="choice")):
            n = len(q.choices)
            places.setdefault(n, [0] * n)["ABCDEF".index(q.answer[0])] += 1
    assert set(places) >= {2, 3, 4, 5, 6}
    for n, counts in places.items():
        total = sum(counts)
        assert all(abs(c / total - 1 / n) < 4 * (1 / n * (1 - 1 / n) / total) ** 0.5 + 0.01 for c in counts)


def test_the_reader_finds_a_leak_where_there_is_one():
    items = closed("which_first", 1600, 12)
    # Had planners let some label always come first, these questions would show it.
    leaky = [(rows, min(range(len(rows)), key=lambda place: rows[place][1])) for rows, _ in items]
    half = len(leaky) // 2
    weights = train(leaky[:half])
    right = sum(int(np.argmax([weights[row].sum() for row in rows]) == answer) for rows, answer in leaky[half:])
    assert right / len(leaky[half:]) > 0.8
