"""Every registered encoder keeps the contract; a new one is tested by being there."""

import itertools

import numpy as np
import pytest
import torch

from ossicle.encoders import encoders

LENGTHS = [
    1,
    2,
    159,
    160,
    161,
    319,
    399,
    400,
    401,
    1279,
    1280,
    1281,
    2559,
    4001,
    7777,
    8000,
    15999,
    16000,
    16001,
    23457,
]


@pytest.fixture(scope="module", params=encoders.names())
def encoder(request):
    torch.manual_seed(0)
    return encoders.get(request.param).tiny().eval()


def window(num_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, num_samples)).astype(np.float32) * 0.1


def encode(encoder, *windows):
    features = [encoder.prepare(samples) for samples in windows]
    lengths = torch.tensor([len(f) for f in features])
    with torch.inference_mode():
        return encoder(torch.nn.utils.rnn.pad_sequence(features, batch_first=True), lengths)


@pytest.mark.parametrize("num_samples", LENGTHS)
def test_frames_are_counted_exactly_before_they_exist(encoder, num_samples):
    frames = encode(encoder, window(num_samples))
    assert frames.lengths_B.tolist() == [encoder.num_frames(num_samples)]
    assert frames.x_BFD.shape == (1, encoder.num_frames(num_samples), encoder.dim)
    assert frames.x_BFD.isfinite().all()


def test_a_batch_gives_what_each_window_gives_alone(encoder):
    windows = [window(n, seed) for seed, n in enumerate((9000, 16000, 401, 23457))]
    together = encode(encoder, *windows)
    for row, samples in enumerate(windows):
        alone = encode(encoder, samples).x_BFD[0]
        torch.testing.assert_close(together.x_BFD[row, : len(alone)], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seconds", [0.00007, 0.5, 3.9, 4.0, 4.1, 31.0, 95.3])
def test_windows_cover_a_recording_without_gap(encoder, seconds):
    num_samples = max(1, round(seconds * encoder.sample_rate))
    spans = encoder.windows(num_samples)
    assert spans[0].start == 0
    assert spans[-1].end == num_samples
    assert all(a.end == b.start for a, b in itertools.pairwise(spans))
    assert all(0 < span.num_samples <= encoder.window_samples for span in spans)


def test_gradients_reach_every_parameter(encoder):
    encoder.zero_grad()
    features = encoder.prepare(window(16000))
    frames = encoder(features[None], torch.tensor([len(features)]))
    frames.x_BFD.square().sum().backward()
    without = [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_options_rebuild_the_encoder(encoder):
    cls = type(encoder)
    again = cls(cls.Options(**encoder.options.model_dump(mode="json")))
    again.load_state_dict(encoder.state_dict())
    samples = window(8000)
    torch.testing.assert_close(encode(again.eval(), samples).x_BFD, encode(encoder, samples).x_BFD)


def test_bfloat16(encoder):
    features = encoder.prepare(window(8000))[None].bfloat16()
    half = type(encoder).tiny().bfloat16().eval()
    with torch.inference_mode():
        frames = half(features, torch.tensor([features.shape[1]]))
    assert frames.x_BFD.dtype == torch.bfloat16
    assert frames.x_BFD.isfinite().all()


def test_silence_is_finite(encoder):
    frames = encode(encoder, np.zeros((1, 8000), np.float32))
    assert frames.x_BFD.isfinite().all()
