"""Encoders side by side that share their features, and learn to do without one another."""

from collections import Counter

import numpy as np
import pytest
import torch
from tiny_run import losses, make_tones, recipe, stop_once

from ossicle.encoders import encoders
from ossicle.encoders.concat import set_encoder_dropout
from ossicle.encoders.melnet import standardised
from ossicle.spec import build_options
from ossicle.support.errors import SpecError
from ossicle.training import TrainingStoppedError, train

FIRST = {"type": "melnet", "channels": [4, 8, 8, 16], "dim": 16, "layers": 1, "heads": 2}
SECOND = {"type": "melnet", "channels": [4, 4, 8, 8], "dim": 8, "layers": 1, "heads": 2, "standardise": True}
BOTH = {"type": "concat", "encoders": [FIRST, SECOND]}


def build(spec):
    cls, options = build_options(encoders, spec, "encoder")
    torch.manual_seed(0)
    return cls(options)


def features(encoder, *seconds):
    rng = np.random.default_rng(0)
    prepared = [encoder.prepare(rng.standard_normal((1, round(16_000 * s))).astype(np.float32)) for s in seconds]
    lengths_B = torch.tensor([len(one) for one in prepared])
    return torch.nn.utils.rnn.pad_sequence(prepared, batch_first=True), lengths_B


def test_encoders_that_prepare_alike_share_one_spectrogram():
    together = build(BOTH).eval()
    assert together.spectral and together.share
    given, lengths_B = features(together, 0.7, 1.3)
    assert torch.equal(given[0, : lengths_B[0]], together.encoders[1].prepare(_noise(0.7)))
    with torch.inference_mode():
        out = together(given, lengths_B)
        parts = [
            norm(encoder(given, lengths_B).x_BFD)
            for norm, encoder in zip(together.norms, together.encoders, strict=True)
        ]
    torch.testing.assert_close(out.x_BFD, torch.cat(parts, dim=-1))


def _noise(seconds):
    return np.random.default_rng(0).standard_normal((1, round(16_000 * seconds))).astype(np.float32)


@pytest.mark.parametrize("other", [{"n_mels": 32}, {"dynamic_range": 6.0}, {"window_s": 4.0}])
def test_encoders_that_prepare_unlike_each_get_their_own(other):
    together = build({"type": "concat", "encoders": [FIRST, {**SECOND, **other}]})
    assert not together.spectral and not together.share


@pytest.mark.parametrize("spec", [BOTH, {"type": "concat", "encoders": [FIRST, {**SECOND, "n_mels": 32}]}])
def test_each_falls_silent_as_often_as_asked_and_never_all(spec):
    together = build(spec).train()
    set_encoder_dropout(together, [0.6, 0.3], "here")
    given, lengths_B = features(together, 0.4)
    torch.manual_seed(0)
    seen = Counter()
    for _ in range(150):
        x = together(given, lengths_B).x_BFD
        assert x.shape == (1, together.num_frames(6_400), 24)
        seen[bool(x[..., :16].any()), bool(x[..., 16:].any())] += 1
    assert (False, False) not in seen
    # Both at once, 0.18, hear all; beside the 0.28 in which none was left out.
    for heard, share in (((True, True), 0.46), ((False, True), 0.42), ((True, False), 0.12)):
        assert seen[heard] / 150 == pytest.approx(share, abs=0.12)
    together.eval()
    assert together(given, lengths_B).x_BFD[..., :16].any()


def test_what_is_not_heard_does_not_learn():
    together = build(BOTH).train()
    set_encoder_dropout(together, [1, 0], "here")
    together(*features(together, 0.4)).x_BFD.square().sum().backward()
    assert all(parameter.grad is None for parameter in together.encoders[0].parameters())
    assert all(parameter.grad is not None for parameter in together.encoders[1].parameters())
    set_encoder_dropout(together, [], "here")
    together(*features(together, 0.4)).x_BFD.square().sum().backward()
    assert all(parameter.grad is not None for parameter in together.encoders[0].parameters())


@pytest.mark.parametrize(
    ("spec", "odds", "says"),
    [
        (BOTH, [0.1], "here: 1 odds were given, but the encoder is made of 2"),
        (FIRST, [0.1, 0.2], "here: 2 odds were given, but the encoder is one alone, and none of type concat"),
    ],
)
def test_odds_of_other_encoders_are_refused(spec, odds, says):
    with pytest.raises(SpecError, match=says):
        set_encoder_dropout(build(spec), odds, "here")


def test_a_window_is_standardised_over_what_exists_of_it():
    given = torch.randn(2, 7, 5) * 3 + 4
    lengths_B = torch.tensor([7, 4])
    out = standardised(given, lengths_B)
    for row, length in enumerate(lengths_B):
        cells = given[row, :length]
        wanted = (cells - cells.mean()) / (cells.std(correction=0) + 1e-3)
        torch.testing.assert_close(out[row, :length], wanted)
    assert not out[1, 4:].any()


def test_a_stage_goes_on_exactly_and_the_next_hears_all(tmp_path, monkeypatch):
    tones = make_tones(tmp_path / "tones")
    given = recipe(tones)
    given["model"]["encoder"] = BOTH
    given["stages"][0]["encoder_dropout"] = [0.5, 0.3]
    given["stages"][1] |= {"renew": ["encoder.encoders.1.layers"], "steps": 2}
    train(given, tmp_path / "whole", workers=0, quiet=True)
    stop_once(monkeypatch, 4)
    with pytest.raises(TrainingStoppedError):
        train(given, tmp_path / "parts", workers=0, quiet=True)
    monkeypatch.undo()
    train(given, tmp_path / "parts", workers=0, quiet=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    for wrong in ([0.5], [0.5, 1.5]):
        given["stages"][1]["encoder_dropout"] = wrong
        with pytest.raises(SpecError, match=r"stages\.(1|tune)\.encoder_dropout"):
            train(given, tmp_path / "wrong", workers=0, quiet=True)
