"""What procedural sounds are built from: bands of noise, harmonics, struck modes, and placing in time.

Variables ending in ``_T`` are arrays over samples. Times are seconds, frequencies hertz.
"""

import math
from random import Random

import numpy as np

from ossicle.synthesis.noise import shaped, white

MAX_S = 4.0


def seconds(duration_s: float, sample_rate: int) -> np.ndarray:
    """Samples of a clock: seconds, float64 [T]."""
    return np.arange(round(duration_s * sample_rate)) / sample_rate


def log_uniform(rng: Random, low: float, high: float) -> float:
    """Evenly in pitch between two positive numbers."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def noise(rng: Random, duration_s: float, sample_rate: int) -> np.ndarray:
    """White noise of unit RMS."""
    return white(round(duration_s * sample_rate), rng.getrandbits(63))


def band(rng: Random, duration_s: float, sample_rate: int, low: float, high: float, slope: float = 3.0) -> np.ndarray:
    """Noise between ``low`` and ``high`` hertz with edges of ``slope`` (order of the roll-off), unit RMS."""
    return shaped(
        noise(rng, duration_s, sample_rate),
        sample_rate,
        lambda hz: 1.0 / np.sqrt(1 + (hz / high) ** (2 * slope)) / np.sqrt(1 + (low / (hz + 1e-3)) ** (2 * slope)),
    )


def phase(hz_T: np.ndarray | float, count: int, sample_rate: int) -> np.ndarray:
    """The phase of a tone whose frequency is ``hz_T``, radians [count]."""
    return 2 * np.pi * np.cumsum(np.broadcast_to(hz_T, (count,))) / sample_rate


def harmonic(phase_T: np.ndarray, amplitudes: list[float], top: float = 1e9) -> np.ndarray:
    """Harmonics 1, 2, … of a phase, at ``amplitudes``; ``top`` is how many fit under the Nyquist frequency."""
    return sum(a * np.sin(k * phase_T) for k, a in enumerate(amplitudes, 1) if k < top)  # type: ignore[return-value]


def fade(wave_T: np.ndarray, sample_rate: int, attack_s: float, release_s: float) -> np.ndarray:
    """A copy with straight ramps at both ends."""
    attack, release = (
        min(len(wave_T) // 2, max(1, round(length_s * sample_rate))) for length_s in (attack_s, release_s)
    )
    wave_T = wave_T.copy()
    wave_T[:attack] *= np.linspace(0, 1, attack)
    wave_T[len(wave_T) - release :] *= np.linspace(1, 0, release)
    return wave_T


def place(parts: list[tuple[float, np.ndarray]], sample_rate: int) -> np.ndarray:
    """Sounds added at their start times, as long as the last of them."""
    starts = [round(start_s * sample_rate) for start_s, _ in parts]
    out_T = np.zeros(max(start + len(wave_T) for start, (_, wave_T) in zip(starts, parts, strict=True)))
    for start, (_, wave_T) in zip(starts, parts, strict=True):
        out_T[start : start + len(wave_T)] += wave_T
    return out_T


def ring(rng: Random, sample_rate: int, partials: list[tuple[float, float, float]]) -> np.ndarray:
    """Decaying sinusoids ``(hertz, amplitude, seconds to fall by 60 dB)`` struck at once."""
    length_s = min(MAX_S, 0.7 * max(decay for _, _, decay in partials))
    time_T = seconds(length_s, sample_rate)
    wave_T = np.zeros(len(time_T))
    for hz, amplitude, decay in partials:
        if hz < 0.47 * sample_rate:
            phase = rng.uniform(0, 2 * math.pi)
            wave_T += amplitude * np.exp(-6.9 * time_T / decay) * np.sin(2 * np.pi * hz * time_T + phase)
    return fade(wave_T, sample_rate, 0.001, 0.01)


def thud(rng: Random, sample_rate: int, hz: float, decay: float, snap: float) -> np.ndarray:
    """A struck hollow thing: a few low decaying modes and a short burst of noise of strength ``snap``."""
    ratios = (1.0, rng.uniform(1.4, 1.8), rng.uniform(2.2, 2.9))
    wave_T = ring(rng, sample_rate, [(hz * r, 1 / r, decay / r) for r in ratios])
    burst_T = band(rng, 0.02, sample_rate, 300, 3500) * np.exp(-seconds(0.02, sample_rate) / 0.004)
    count = min(len(burst_T), len(wave_T))
    wave_T[:count] += snap * burst_T[:count]
    return wave_T
