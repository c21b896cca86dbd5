"""The model inside the package: what ships, and that it listens. Sounds are made here; no recording is needed."""

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ossicle.audio import Audio
from ossicle.chat import Conversation, user
from ossicle.chat.controls import CONTROLS
from ossicle.models import load
from ossicle.models.load import SHIPPED
from ossicle.support.files import sha256_of
from ossicle.synthesis import SOUNDS, make_sound
from ossicle.training.recipe import load_recipe
from ossicle.training.run import resolve

FOLDER = SHIPPED / "tiny"
RECIPE = Path(__file__).parents[2] / "recipes" / "tiny.yaml"


@pytest.fixture(scope="module")
def tiny():
    return load("tiny")


def sounds(number: int) -> list[tuple[str, Audio]]:
    """Every so many-th procedural label, as a sound that no training scene held: those have other seeds."""
    labels = sorted(SOUNDS)[:: max(1, len(SOUNDS) // number)]
    return [(label, Audio.from_samples(make_sound(label, 987_654), 16_000)) for label in labels]


def test_it_fits_into_the_package():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 25e6


def test_its_card_is_its_own():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sha256_of(FOLDER / "model.safetensors") in card
    assert "non-commercial" in card
    assert not re.search(r"\{\{|Not measured", card)


def test_it_is_what_its_recipe_makes():
    assert load_recipe(FOLDER / "recipe.yaml") == resolve(load_recipe(RECIPE))


def test_it_names_sounds_it_never_heard_before(tiny):
    asked = sounds(12)
    replies = tiny.generate([Conversation.of(user(audio, "What is this sound?")) for _, audio in asked])
    right = sum(label in reply.text for (label, _), reply in zip(asked, replies, strict=True))
    assert right >= len(asked) / 2


def test_it_listens(tiny):
    """Is X there? Over the right sound it says yes more often than over any other."""
    asked = sounds(12)
    chats = [Conversation.of(user(audio, f"Is there {label}?")) for label, audio in asked]
    yes = {
        name: sum(reply.text.startswith("Yes") for reply in tiny.generate(CONTROLS[name](chats)))
        for name in ("real", "swapped", "silent")
    }
    assert yes["real"] >= yes["swapped"] + len(asked) / 3
    assert yes["real"] >= yes["silent"] + len(asked) / 3


def test_silence_is_an_answer(tiny):
    reply = tiny.ask(Audio.from_samples(np.zeros(32_000, np.float32), 16_000), "What is this sound?")
    assert re.search(r"silence|nothing", reply.text.lower())


def test_answers_do_not_depend_on_the_batch(tiny):
    asked = sounds(6)
    questions = ["What is this sound?", "When does it start?", "Make a timeline of the recording."]
    chats = [Conversation.of(user(audio, Random(k).choice(questions))) for k, (_, audio) in enumerate(asked)]
    together = [reply.text for reply in tiny.generate(chats)]
    assert together == [tiny.generate([chat])[0].text for chat in chats]
