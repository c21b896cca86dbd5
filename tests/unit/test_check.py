"""What ``ossicle check`` finds in components that do not keep the contract, and says once where nothing can be run."""

import json

import pytest
import torch
from torch import nn

from ossicle.cli import main
from ossicle.encoders import Encoder, Frames
from ossicle.encoders._conformance import CHECKS
from ossicle.encoders.base import Options
from ossicle.projectors import Projector
from ossicle.projectors._conformance import CHECKS as PROJECTOR_CHECKS
from ossicle.support.checks import outcomes

STEP = 160
COUNTS = "frames are counted exactly before they exist"
WHOLE = "the counts hold for whole windows and for recordings of several"
LAST = "the last samples are heard"
EVERY = "every frame depends on what is heard"
GRADIENTS = "gradients reach every parameter"
FROZEN = "no frozen parameter gets a gradient"


class Steps(Encoder):
    """One matrix from 160 samples, the last ones filled with zeros, to 8 numbers; keeps every promise."""

    sample_rate, dim, window_samples = 16_000, 8, 64_000
    type_name = "steps"

    def __init__(self, options=Options()):
        super().__init__()
        self.options = options
        self.matrix, self.scale = nn.Linear(STEP, 8), nn.Parameter(torch.ones(8))

    @classmethod
    def tiny(cls):
        return cls()

    def prepare(self, samples_CT):
        samples_T = torch.from_numpy(samples_CT[0].copy())
        return nn.functional.pad(samples_T, (0, -len(samples_T) % STEP)).reshape(-1, STEP)

    def num_frames(self, num_samples):
        return -(-num_samples // STEP)

    def forward(self, features, lengths_B):
        return Frames(self.matrix(features) * self.scale, lengths_B)


class DropsTheTail(Steps):
    def prepare(self, samples_CT):
        return super().prepare(samples_CT[:, : samples_CT.shape[1] // STEP * STEP])

    def num_frames(self, num_samples):
        return num_samples // STEP


class SilencesTheTail(Steps):
    def prepare(self, samples_CT):
        samples_CT = samples_CT.copy()
        samples_CT[:, samples_CT.shape[1] // STEP * STEP :] = 0
        return super().prepare(samples_CT)


class ZeroesTheLastFrame(Steps):
    def forward(self, features, lengths_B):
        frames = super().forward(features, lengths_B)
        partial_BF1 = (features[..., -1:] == 0).to(features.dtype)
        return Frames(frames.x_BFD * (1 - partial_BF1), lengths_B)


class CountsTwoSeconds(Steps):
    def num_frames(self, num_samples):
        return min(200, super().num_frames(num_samples))


class TimesZero(Steps):
    def forward(self, features, lengths_B):
        return Frames(self.matrix(features) + 0 * self.scale, lengths_B)


class Thaws(Steps):
    def forward(self, features, lengths_B):
        self.requires_grad_(True)
        return super().forward(features, lengths_B)


class Understates(Steps):
    unheard_samples = 160


class Nothing(Steps):
    @classmethod
    def tiny(cls):
        return None


def wrong(cls):
    return {promise: found for promise, found in outcomes(CHECKS, cls).items() if found is not None}


def test_one_that_keeps_its_promises_passes():
    assert wrong(Steps) == {}


@pytest.mark.parametrize(
    ("cls", "promise", "words"),
    [
        (DropsTheTail, COUNTS, "num_frames(1) says 0; a sound needs one frame at least"),
        (DropsTheTail, LAST, "8100 samples: the frames are the same whatever the last 40 are"),
        (SilencesTheTail, LAST, "8100 samples: the frames are the same whatever the last 40 are"),
        (ZeroesTheLastFrame, LAST, "8100 samples"),
        (ZeroesTheLastFrame, EVERY, "of 51 frames, those at 50 are the same for another sound"),
        (CountsTwoSeconds, WHOLE, "num_frames(38400) says 200, and forward's lengths_B 240"),
        (TimesZero, GRADIENTS, "no gradient reaches scale;"),
        (Thaws, FROZEN, "was frozen and gets a gradient"),
        (Understates, LAST, "unheard_samples is 160, which is no less than a frame"),
    ],
)
def test_what_is_wrong_is_found_and_told(cls, promise, words):
    assert words in wrong(cls)[promise]


def test_counts_that_are_wrong_late_pass_the_short_lengths():
    """The check of whole windows is what finds them."""
    assert COUNTS not in wrong(CountsTwoSeconds)


def test_a_class_without_a_tiny_form_is_told_so_once(tmp_path, monkeypatch, capsys):
    (tmp_path / "untiny.py").write_text(
        "from ossicle.encoders.melnet import Melnet\n"
        "class Mine(Melnet):\n"
        "    @classmethod\n"
        "    def tiny(cls):\n"
        "        pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["check", "encoder", "untiny:Mine", "--json"]) == 1
    (only,) = json.loads(capsys.readouterr().out)["checks"]
    assert only["wrong"].startswith("tiny() gives None; it must return a small Mine")
    assert list(outcomes(CHECKS, Nothing)) == ["tiny() gives a small instance"]


class Sums(Projector):
    """Nothing of what it hears in fewer than two frames, and a bias that counts nothing."""

    def __init__(self, options, dim_in, dim_out):
        super().__init__(options, dim_in, dim_out)
        self.matrix, self.bias = nn.Linear(dim_in, dim_out), nn.Parameter(torch.ones(dim_out))

    def lengths(self, num_frames):
        return num_frames // 2

    def forward(self, frames):
        x_BKD = self.matrix(frames.x_BFD)[:, 1::2] + 0 * self.bias
        return Frames(x_BKD, frames.lengths_B // 2)


def test_projectors_are_held_to_the_same():
    found = outcomes(PROJECTOR_CHECKS, Sums)
    assert found["tokens are counted exactly before they exist"].startswith("num_tokens([1]) says 0;")
    assert found[GRADIENTS].startswith("no gradient reaches bias;")


class Picks(Sums):
    """Every third frame, and the matrix of each."""

    def lengths(self, num_frames):
        return -(-num_frames // 3)

    def forward(self, frames):
        return Frames(self.matrix(frames.x_BFD)[:, ::3] + self.bias, self.lengths(frames.lengths_B))


class SaysSo(Picks):
    unheard_frames = 2


class SaysTooLittle(Picks):
    unheard_frames = 1


class SaysTooMuch(Picks):
    unheard_frames = 3


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Picks, "2 frames: the tokens are the same whatever those at 1 are; let each reach a token"),
        (SaysTooLittle, "7 frames: the tokens are the same whatever those at 1, 2, 4, 5 are"),
        (SaysTooMuch, "unheard_frames is 3, which is no less than a token's 3 frames"),
    ],
)
def test_a_projector_that_leaves_frames_out_is_told_which(cls, words):
    assert words in outcomes(PROJECTOR_CHECKS, cls)["every frame reaches a token"]


def test_a_projector_may_say_how_many_frames_it_leaves_out():
    assert set(outcomes(PROJECTOR_CHECKS, SaysSo).values()) == {None}
