"""Procedural sounds: there, different, and the same for the same seed."""

import numpy as np
import pytest

from ossicle.synthesis.activity import active_part
from ossicle.synthesis.noise import BANK_SAMPLES, COLOURS, background, bank, white
from ossicle.synthesis.sounds import SOUNDS, make_sound


def test_there_are_enough_sounds() -> None:
    assert len(SOUNDS) >= 24


@pytest.mark.parametrize("label", sorted(SOUNDS))
def test_sound_is_finite_audible_and_of_the_promised_length(label: str) -> None:
    for seed in range(3):
        wave = make_sound(label, seed)
        assert wave.dtype == np.float32 and wave.ndim == 1
        assert 0.15 * 16000 <= len(wave) <= 4.0 * 16000
        assert np.isfinite(wave).all()
        assert np.abs(wave).max() == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("label", sorted(SOUNDS))
def test_seed_decides(label: str) -> None:
    assert np.array_equal(make_sound(label, 5), make_sound(label, 5))
    one, other = make_sound(label, 5), make_sound(label, 6)
    assert len(one) != len(other) or np.abs(one - other).max() > 0.05


def test_other_rates_sound_for_as_long() -> None:
    for label in ("bell", "rain", "siren"):
        assert len(make_sound(label, 1, 8000)) / 8000 == pytest.approx(len(make_sound(label, 1)) / 16000, abs=0.02)


def test_chirps_go_the_way_they_say() -> None:
    def tilt(wave: np.ndarray) -> float:
        half = len(wave) // 2
        centres = [
            float(np.average(np.fft.rfftfreq(half), weights=np.abs(np.fft.rfft(part[:half])) ** 2))
            for part in (wave, wave[half:])
        ]
        return centres[1] - centres[0]

    for seed in range(6):
        assert tilt(make_sound("rising chirp", seed)) > 0 > tilt(make_sound("falling chirp", seed))


def test_noise_is_white_has_unit_power_and_is_pinned() -> None:
    noise = white(1 << 16, 7)
    assert float(np.std(noise)) == pytest.approx(1.0, abs=0.01) and abs(float(noise.mean())) < 0.02
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    assert spectrum[: len(spectrum) // 2].sum() == pytest.approx(spectrum[len(spectrum) // 2 :].sum(), rel=0.05)
    # Golden: raw bits of PCG64, so the same on every machine.
    assert white(3, 7).tolist() == pytest.approx([0.203847, 1.388052, 1.152728], abs=1e-5)


@pytest.mark.parametrize("colour", COLOURS)
def test_backgrounds_have_unit_power_and_go_round(colour: str) -> None:
    assert float(np.sqrt(np.mean(bank(colour) ** 2))) == pytest.approx(1.0, abs=0.05)
    around = background(colour, 1000, (BANK_SAMPLES - 400, 17))
    assert np.isfinite(around).all() and around[400] == pytest.approx(
        0.7071 * (bank(colour)[0] + bank(colour)[417]), abs=1e-5
    )


def test_active_part_of_steps_and_clicks_is_exact_to_the_millisecond() -> None:
    rng = np.random.default_rng(0)
    for start, stop in ((1234, 9000), (0, 16000), (5000, 5003), (3000, 3400)):
        wave = np.zeros(16000)
        wave[start:stop] = rng.standard_normal(stop - start)
        found = active_part(wave)
        assert abs(found.onset - start) <= 16 and (abs(found.offset - stop) <= 16 or stop - start < 160)
        assert found.spans == 1


def test_active_part_ignores_a_noise_floor_and_bridges_short_pauses() -> None:
    rng = np.random.default_rng(1)
    wave = 0.002 * rng.standard_normal(48000)
    wave[10000:14000] += rng.standard_normal(4000)
    wave[16000:20000] += rng.standard_normal(4000)  # 0.125 s later: bridged
    found = active_part(wave)
    assert abs(found.onset - 10000) < 32 and abs(found.offset - 20000) < 32 and found.spans == 1
    wave[30000:32000] += rng.standard_normal(2000)  # 0.6 s later: another stretch
    assert active_part(wave).spans == 2
