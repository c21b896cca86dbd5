"""Every registered encoder keeps the contract; a new one is tested by being there."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from ossicle.encoders import encoders
from ossicle.encoders._conformance import CHECKS
from ossicle.models import build, load_bundle, save
from random_bundle import SPEC


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.promise)
@pytest.mark.parametrize("name", encoders.names())
def test_encoder(name, check):
    check.run(encoders.get(name))


@contextmanager
def empty_memory_is_nan() -> Iterator[None]:
    """What is made without content holds no number, whatever the memory held before."""
    was = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)  # with which torch fills such tensors
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was[0], warn_only=was[1])


@pytest.mark.parametrize("name", encoders.names())
def test_a_saved_model_hears_with_it_as_before(name, tmp_path):
    """Reading a folder makes modules without content first, so that a buffer which no file holds may stay empty."""
    torch.manual_seed(0)
    spec = {"type": name, **encoders.get(name).tiny().options.model_dump(mode="json")}
    model = build({**SPEC, "encoder": spec, "projector": {"type": "linear"}}, ["What is it?"] * 20)
    save(model, tmp_path / "model")
    with empty_memory_is_nan():
        again = load_bundle(tmp_path / "model")
    tower = model.model.eval().model.audio_tower
    samples_CT = 0.1 * np.random.default_rng(0).standard_normal((tower.channels, tower.sample_rate)).astype(np.float32)
    features = tower.prepare(samples_CT)[None]
    with torch.inference_mode():
        before, after = (one.model.model.encode(features).x_BFD for one in (model, again))
    torch.testing.assert_close(after, before)
