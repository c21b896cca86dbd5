"""Rooms: reverberation moves no onset, changes no length and no loudness, and follows from its seed."""

import numpy as np
import pytest
import soundfile

from ossicle.audio.rooms import aligned_response, decaying_response, reverberated
from ossicle.data.augment import Augment
from ossicle.spec import load_spec
from ossicle.support.errors import DataError, SpecError

ALWAYS = Augment(reverb_share=1.0)


def clicks(num_samples=48_000, at=(4_000, 21_000), channels=1):
    """Silence, and bursts of 10 ms that begin at once."""
    samples = np.zeros((channels, num_samples), np.float32)
    rng = np.random.default_rng(0)
    for place in at:
        samples[:, place : place + 160] = 0.3 * rng.standard_normal((channels, 160))
    return samples


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize("num_samples", [1, 200, 5_000, 48_000, 200_001])
def test_a_room_is_a_convolution_of_the_same_length_and_loudness(num_samples):
    rng = np.random.default_rng(num_samples)
    samples = (0.1 * rng.standard_normal((2, num_samples))).astype(np.float32)
    response = decaying_response(rng.standard_normal(6_000), 0.5, 3.0, 0.004, 16_000)
    wet = reverberated(samples, response)
    assert wet.shape == samples.shape and wet.dtype == np.float32
    exact = np.stack([np.convolve(one.astype(np.float64), response)[:num_samples] for one in samples])
    assert rms(wet) == pytest.approx(rms(samples), rel=1e-5)
    assert np.abs(wet - exact * rms(samples) / rms(exact)).max() < 1e-5
    assert not reverberated(np.zeros_like(samples), response).any()


def test_onsets_stay_and_what_ends_rings_on():
    dry = clicks()
    for seed in range(40):
        wet = ALWAYS.sound(dry, seed, 16_000)
        assert wet.shape == dry.shape and wet.dtype == np.float32
        first = np.flatnonzero(np.abs(wet[0]) > 1e-4 * np.abs(wet).max())[0]
        assert first == 4_000, "silence before the first sound stays silent, and the sound begins where it began"
        level = np.abs(wet[0])
        assert level[21_000:21_080].mean() > 3 * level[20_900:21_000].mean(), "the second begins where it began, too"
        assert level[4_160:8_000].sum() > 0
        assert rms(wet) == pytest.approx(rms(dry), rel=1e-4)


def test_reverberation_follows_from_its_seed_and_leaves_the_rest_of_chance_alone():
    dry = clicks(channels=2)
    assert np.array_equal(ALWAYS.sound(dry, 5, 16_000), ALWAYS.sound(dry, 5, 16_000))
    assert not np.array_equal(ALWAYS.sound(dry, 5, 16_000), ALWAYS.sound(dry, 6, 16_000))
    same = np.repeat(dry[:1], 2, axis=0)
    wet = ALWAYS.sound(same, 5, 16_000)
    assert np.array_equal(wet[0], wet[1]), "one response for all channels, so that directions stay"
    share = sum(not np.array_equal(Augment(reverb_share=0.3).sound(dry, seed, 16_000), dry) for seed in range(200))
    assert 40 < share < 80
    assert Augment().sound(dry, 1, 16_000) is dry and not ALWAYS.alters_features
    noisy = {"noise_snr_db": (10.0, 20.0), "noise_share": 1.0, "gain_db": 6.0}
    never = Augment(reverb_share=1e-9, **noisy)
    assert np.array_equal(never.sound(dry, 3, 16_000), Augment(**noisy).sound(dry, 3, 16_000))


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 48_000])
def test_the_reverberation_time_is_in_seconds_at_every_rate(sample_rate):
    augment = Augment(reverb_share=1.0, reverb_rt60_s=(0.6, 0.6), reverb_direct_db=(0.0, 0.0))
    click = np.zeros((1, sample_rate), np.float32)
    click[0, 0] = 1.0
    energy = np.square(augment.sound(click, 3, sample_rate)[0].astype(np.float64))
    decay_db = 10 * np.log10(np.cumsum(energy[::-1])[::-1] / energy.sum() + 1e-12)
    late = decay_db[round(0.05 * sample_rate) : round(0.3 * sample_rate)]
    slope = np.polyfit(np.arange(len(late)) / sample_rate, late, 1)[0]
    assert -60 / slope == pytest.approx(0.6, rel=0.1)
    assert energy[1:].sum() == pytest.approx(energy[0], rel=0.02), "0 dB: as much reflected as direct"


def test_measured_responses_begin_at_their_direct_sound(tmp_path):
    tail = np.exp(-np.arange(4_000) / 700) * np.random.default_rng(1).standard_normal(4_000) * 0.1
    response = np.concatenate([np.zeros(333), [-0.5], tail])
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "more" / "a.wav", response, 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "b.flac", np.roll(response, 500), 16_000)
    (tmp_path / "readme.txt").write_text("not sound")
    augment = Augment(reverb_share=1.0, reverb_responses=str(tmp_path))
    dry = clicks()
    aligned = aligned_response(response.astype(np.float32), 16_000)
    assert aligned[0] == 1 and len(aligned) == len(response) - 333
    wets = [augment.sound(dry, seed, 16_000) for seed in range(20)]
    assert any(np.allclose(wet, reverberated(dry, aligned)) for wet in wets)
    assert not all(np.allclose(wet, wets[0]) for wet in wets), "one of the folder by chance"
    assert all(np.flatnonzero(np.abs(wet[0]) > 1e-3 * np.abs(wet).max())[0] == 4_000 for wet in wets)
    assert np.array_equal(augment.sound(dry, 7, 16_000), augment.sound(dry, 7, 16_000))
    one = Augment(reverb_share=1.0, reverb_responses=str(tmp_path / "more" / "a.wav"))
    assert np.allclose(one.sound(dry, 0, 16_000), reverberated(dry, aligned))
    longer = one.sound(np.repeat(dry, 3, axis=1), 0, 48_000)
    assert longer.shape == (1, 144_000), "resampled to the recording's rate"


def test_real_rooms_keep_onsets(shared_data):
    augment = Augment(reverb_share=1.0, reverb_responses=str(shared_data / "rir_and_noise" / "audio" / "rir1.flac"))
    wet = augment.sound(clicks(), 1, 16_000)
    level = np.convolve(np.square(wet[0]), np.ones(80) / 80, mode="same")
    assert abs(int(np.argmax(level > 0.05 * level.max())) - 4_000) <= 80


def test_what_cannot_be_a_room_is_said(tmp_path):
    for options, says in [
        ({"reverb_rt60_s": [0.8, 0.2]}, "reverb_rt60_s goes from the least to the most"),
        ({"reverb_direct_db": [9, 1]}, "reverb_direct_db goes from the least to the most"),
        ({"reverb_rt60_s": [0.0, 0.2]}, r"lies between 0\.1 and 1\.5 s"),
        ({"reverb_share": 1.5}, "reverb_share"),
    ]:
        with pytest.raises(SpecError, match=says):
            load_spec(Augment, options)
    soundfile.write(tmp_path / "silent.wav", np.zeros(100), 16_000)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.wav").write_bytes(b"no sound")
    for path, says in [
        ("none", r"there is no impulse response .* check augment\.reverb_responses"),
        ("silent.wav", r"silent\.wav: an impulse response is silent"),
        ("broken", r"x\.wav is not a recording"),
    ]:
        with pytest.raises(DataError, match=says):
            Augment(reverb_share=1.0, reverb_responses=str(tmp_path / path)).sound(clicks(), 0, 16_000)
