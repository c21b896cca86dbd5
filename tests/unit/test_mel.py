"""Log-mel spectrograms: golden values against plain numpy, and properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.audio import log_mel, mel_centres_hz, mel_frame_times, num_mel_frames
from ossicle.audio.mel import hz_to_mel, mel_filters, mel_to_hz
from ossicle.support.errors import SpecError


def numpy_log_mel(samples_T, sample_rate=16000, n_fft=512, win=400, hop=160, n_mels=64, f_min=0.0, f_max=None):
    """The definition, frame by frame in float64, with the filters written as a loop."""
    num_frames = int(np.ceil(len(samples_T) / hop))
    window = np.zeros(n_fft)
    at = (n_fft - win) // 2
    window[at : at + win] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win) / win)
    padded = np.concatenate([np.zeros(n_fft), np.asarray(samples_T, np.float64), np.zeros(2 * n_fft + hop)])
    top = 2595 * np.log10(1 + (f_max or sample_rate / 2) / 700)
    bottom = 2595 * np.log10(1 + f_min / 700)
    edges = [700 * (10 ** ((bottom + (top - bottom) * i / (n_mels + 1)) / 2595) - 1) for i in range(n_mels + 2)]
    out = np.empty((num_frames, n_mels))
    for frame in range(num_frames):
        begin = n_fft + frame * hop + hop // 2 - n_fft // 2
        power = np.abs(np.fft.rfft(padded[begin : begin + n_fft] * window)) ** 2
        for band in range(n_mels):
            low, centre, high = edges[band : band + 3]
            total = 0.0
            for k, p in enumerate(power):
                hz = k * sample_rate / n_fft
                if low < hz <= centre:
                    total += p * (hz - low) / (centre - low)
                elif centre < hz < high:
                    total += p * (high - hz) / (high - centre)
            out[frame, band] = np.log10(max(total, 1e-10))
    return out


@pytest.mark.parametrize("num_samples", [1, 159, 160, 161, 1000, 2345])
def test_equals_the_definition(num_samples):
    samples = np.random.default_rng(num_samples).standard_normal(num_samples).astype(np.float32) * 0.1
    found = log_mel(samples).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, numpy_log_mel(samples), atol=2e-4)


def test_equals_the_definition_with_other_sizes():
    samples = np.random.default_rng(0).standard_normal(3000) * 0.1
    sizes = {
        "sample_rate": 48000,
        "n_fft": 2048,
        "win": 1200,
        "hop": 480,
        "n_mels": 40,
        "f_min": 50.0,
        "f_max": 14000.0,
    }
    np.testing.assert_allclose(log_mel(samples, **sizes).numpy(), numpy_log_mel(samples, **sizes), atol=2e-4)


@given(st.integers(0, 5000), st.sampled_from([1, 100, 160, 512]))
@settings(deadline=None)
def test_frames_are_one_per_begun_hop(num_samples, hop):
    frames = log_mel(np.zeros(num_samples, np.float32), hop=hop)
    assert frames.shape == (num_mel_frames(num_samples, hop), 64)
    assert num_mel_frames(num_samples, hop) == int(np.ceil(num_samples / hop))
    assert (frames == -10).all()


@pytest.fixture(scope="module")
def long():
    """More frames than are made at once by one thread."""
    return 0.1 * torch.randn(60_000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("hops", [1, 100, 255, 256, 257, 300])
def test_a_frame_knows_nothing_of_those_far_from_it(long, hops):
    whole = log_mel(long)
    torch.testing.assert_close(log_mel(long[: hops * 160 + 400])[:hops], whole[:hops], rtol=0, atol=1e-6)
    torch.testing.assert_close(log_mel(long[hops * 160 :])[2:], whole[hops + 2 :], rtol=0, atol=1e-6)


def test_the_number_of_threads_changes_nothing(long):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = log_mel(long)
        torch.set_num_threads(2)
        torch.testing.assert_close(log_mel(long), one, rtol=0, atol=1e-6)
    finally:
        torch.set_num_threads(threads)


def test_gradients_reach_the_samples_also_after_inference(long):
    with torch.inference_mode():
        log_mel(long, n_mels=48)
    samples = long[:8000].clone().requires_grad_()
    log_mel(samples, n_mels=48).sum().backward()
    assert samples.grad.ne(0).all()


@pytest.mark.parametrize("at", [0, 1000, 8000, 15999])
def test_a_click_is_loudest_in_the_frame_of_its_time(at):
    samples = np.zeros(16000, np.float32)
    samples[at] = 1
    energy = log_mel(samples).sum(-1)
    loudest = int(energy.argmax())
    assert abs(mel_frame_times(100)[loudest] - at / 16000) <= 0.005 + 1e-9
    assert loudest == at // 160


@pytest.mark.parametrize("hz", [200, 440, 1000, 3000, 7000])
def test_a_tone_is_loudest_in_the_band_around_it(hz):
    samples = np.sin(2 * np.pi * hz * np.arange(16000) / 16000)
    band = int(log_mel(samples)[50].argmax())
    assert band in np.argsort(np.abs(mel_centres_hz() - hz))[:2]


def test_ten_times_the_sound_is_two_more():
    samples = torch.randn(8000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_mel(10 * samples), log_mel(samples) + 2, atol=1e-4, rtol=0)


def test_filters_are_triangles_of_height_one_that_cover_the_range():
    bank_KM = mel_filters(16000, 4096, 40)
    assert bank_KM.min() >= 0 and 0.9 < bank_KM.max(axis=0).min() <= bank_KM.max() <= 1
    centres = mel_centres_hz(40)
    inside = (np.linspace(0, 8000, 2049) >= centres[0]) & (np.linspace(0, 8000, 2049) <= centres[-1])
    np.testing.assert_allclose(bank_KM.sum(axis=1)[inside], 1, atol=1e-6)  # neighbours overlap by half
    peaks = bank_KM.argmax(axis=0) * 8000 / 2048
    np.testing.assert_allclose(peaks, centres, atol=4)


@pytest.mark.parametrize(("n_mels", "f_min", "f_max"), [(64, 0.0, 8000.0), (40, 20.0, 7600.0), (23, 300.0, 3400.0)])
def test_filters_equal_those_of_transformers(n_mels, f_min, f_max):
    audio_utils = pytest.importorskip("transformers.audio_utils")
    theirs = audio_utils.mel_filter_bank(257, n_mels, f_min, f_max, 16000, norm=None, mel_scale="htk")
    np.testing.assert_allclose(mel_filters(16000, 512, n_mels, f_min, f_max), theirs, atol=1e-6)


@given(st.floats(0, 24000))
@settings(deadline=None)
def test_mel_and_hertz_are_inverse(hz):
    assert mel_to_hz(hz_to_mel(hz)) == pytest.approx(hz, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_mels": 256}, "fewer bands"),
        ({"f_max": 9000.0}, "f_max"),
        ({"f_min": 500.0, "f_max": 400.0}, "f_min"),
        ({"win": 600}, "win=600"),
        ({"hop": 0}, "hop=0"),
        ({"hop": 600}, "hop=600"),
        ({"n_mels": 0}, "at least one band"),
    ],
)
def test_impossible_options_are_refused(options, says):
    with pytest.raises(SpecError, match=says):
        log_mel(np.zeros(1600, np.float32), **options)


def test_more_than_one_channel_is_refused():
    with pytest.raises(ValueError, match=r"\[2, 100\]"):
        log_mel(np.zeros((2, 100), np.float32))
