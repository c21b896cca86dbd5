"""Sounds made from nothing: material for scenes where there are no recordings at all.

Each is a function of a ``random.Random`` and a sample rate and varies in pitch, timbre, decay and rhythm.
Variables ending in ``_T`` are arrays over samples. Times are seconds, frequencies hertz.
"""

import math
from collections.abc import Callable
from random import Random

import numpy as np

from ossicle.synthesis.bricks import (
    MAX_S,
    band,
    fade,
    harmonic,
    log_uniform,
    noise,
    phase,
    place,
    ring,
    seconds,
    thud,
)
from ossicle.synthesis.noise import white

Maker = Callable[[Random, int], np.ndarray]
SOUNDS: dict[str, Maker] = {}
RHYTHMIC: set[str] = set()
"""Labels whose one sound is itself several (knocks, rings, steps), which nobody would count as one."""


def sound(label: str, *, rhythmic: bool = False) -> Callable[[Maker], Maker]:
    """Enter a maker into ``SOUNDS`` under the words a person would say."""

    def enter(maker: Maker) -> Maker:
        SOUNDS[label] = maker
        if rhythmic:
            RHYTHMIC.add(label)
        return maker

    return enter


def make_sound(label: str, seed: int, sample_rate: int = 16000) -> np.ndarray:
    """One variant of a procedural sound: float32 [T], 0.15 to 4 s, peak 0.9, the same for the same arguments.

    Raises:
        KeyError: ``label`` is not one of ``SOUNDS``.
    """
    rng = Random(f"{label}/{seed}")
    wave_T = np.asarray(SOUNDS[label](rng, sample_rate), np.float64)[: round(MAX_S * sample_rate)]
    shortest = round(0.15 * sample_rate)
    if len(wave_T) < shortest:
        wave_T = np.pad(wave_T, (0, shortest - len(wave_T)))
    ramp = min(len(wave_T), sample_rate // 250)
    wave_T[-ramp:] *= np.linspace(1.0, 0.0, ramp)
    return (wave_T * (0.9 / (np.abs(wave_T).max() + 1e-12))).astype(np.float32)


# --- tones --------------------------------------------------------------------------------------------------------


@sound("tone")
def _tone(rng: Random, sr: int) -> np.ndarray:
    duration = rng.uniform(0.8, 2.5)
    phase_T = phase(log_uniform(rng, 180, 3000), round(duration * sr), sr)
    return fade(np.sin(phase_T) + rng.choice([0.0, 0.15]) * np.sin(2 * phase_T), sr, 0.02, 0.03)


@sound("beep")
def _beep(rng: Random, sr: int) -> np.ndarray:
    hz = log_uniform(rng, 700, 3000)
    phase_T = phase(hz, round(rng.uniform(0.15, 0.35) * sr), sr)
    wave_T = np.tanh(rng.uniform(0.8, 5.0) * np.sin(phase_T))
    return fade(wave_T, sr, 0.004, 0.006)


@sound("rising chirp")
def _rising(rng: Random, sr: int) -> np.ndarray:
    return _sweep(rng, sr, up=True)


@sound("falling chirp")
def _falling(rng: Random, sr: int) -> np.ndarray:
    return _sweep(rng, sr, up=False)


def _sweep(rng: Random, sr: int, *, up: bool) -> np.ndarray:
    low = log_uniform(rng, 150, 1000)
    high = min(low * rng.uniform(3.0, 8.0), 0.4 * sr)
    count = round(rng.uniform(0.3, 1.5) * sr)
    path_T = np.linspace(0, 1, count) ** rng.uniform(0.7, 1.6)
    hz_T = low * (high / low) ** (path_T if up else 1 - path_T)
    return fade(harmonic(phase(hz_T, count, sr), [1.0, rng.uniform(0, 0.2)]), sr, 0.02, 0.03)


@sound("siren")
def _siren(rng: Random, sr: int) -> np.ndarray:
    time_T = seconds(rng.uniform(2.0, 4.0), sr)
    centre, depth, rate = rng.uniform(600, 1100), rng.uniform(0.25, 0.45), rng.uniform(0.5, 1.5)
    hz_T = centre * (1 + depth * np.sin(2 * np.pi * rate * time_T + rng.uniform(0, 6.28)))
    return fade(harmonic(phase(hz_T, len(time_T), sr), [1, 0.35, 0.2, 0.1]), sr, 0.05, 0.1)


@sound("alarm", rhythmic=True)
def _alarm(rng: Random, sr: int) -> np.ndarray:
    time_T = seconds(rng.uniform(1.2, 3.0), sr)
    low = rng.uniform(700, 1600)
    high_now_T = (time_T * rng.uniform(2.0, 5.0)) % 1.0 < 0.5
    hz_T = np.where(high_now_T, low * rng.uniform(1.2, 1.6), low)
    return fade(np.tanh(rng.uniform(1, 5) * np.sin(phase(hz_T, len(time_T), sr))), sr, 0.005, 0.01)


@sound("buzzer")
def _buzzer(rng: Random, sr: int) -> np.ndarray:
    count, hz = round(rng.uniform(0.5, 1.6) * sr), rng.uniform(90, 240)
    weights = [1 / k**0.5 if k % 2 else rng.uniform(0, 0.5) / k**0.5 for k in range(1, 30)]
    wave_T = harmonic(phase(hz, count, sr), weights, 0.45 * sr / hz)
    return fade(np.tanh(0.8 * wave_T), sr, 0.005, 0.01)


@sound("telephone ring", rhythmic=True)
def _telephone(rng: Random, sr: int) -> np.ndarray:
    low, ratio, warble = rng.uniform(1000, 1900), rng.uniform(1.15, 1.35), rng.uniform(16, 26)
    ring_s, gap_s = rng.uniform(0.35, 0.7), rng.uniform(0.15, 0.22)
    time_T = seconds(ring_s, sr)
    hz_T = np.where((time_T * warble) % 1.0 < 0.5, low, low * ratio)
    ring_T = harmonic(phase(hz_T, len(time_T), sr), [1, 0.3, 0.25])
    ring_T = fade(ring_T * (0.7 + 0.3 * np.abs(np.sin(np.pi * warble * time_T))), sr, 0.01, 0.06)
    return place([(k * (ring_s + gap_s), ring_T) for k in range(rng.randint(2, 3))], sr)


@sound("morse code", rhythmic=True)
def _morse(rng: Random, sr: int) -> np.ndarray:
    hz, unit, at = rng.uniform(450, 1100), rng.uniform(0.06, 0.09), 0.0
    parts = []
    for _ in range(rng.randint(5, 9)):
        length = unit * rng.choice([1, 3])
        parts.append((at, fade(np.sin(phase(hz, round(length * sr), sr)), sr, 0.004, 0.004)))
        at += length + unit * rng.choice([1, 1, 2])
    return place(parts, sr)


@sound("sonar ping", rhythmic=True)
def _sonar(rng: Random, sr: int) -> np.ndarray:
    hz, decay = rng.uniform(900, 2200), rng.uniform(1.0, 2.2)
    ping_T = ring(rng, sr, [(hz, 1.0, decay), (hz * 1.003, 0.3, decay)])
    echo = rng.uniform(0.25, 0.5)
    return place([(k * echo, 0.35**k * ping_T) for k in range(3)], sr)


@sound("foghorn")
def _foghorn(rng: Random, sr: int) -> np.ndarray:
    count, hz = round(rng.uniform(1.2, 3.0) * sr), rng.uniform(70, 150)
    hz_T = hz * (1 - 0.06 * np.exp(-np.arange(count) / (0.15 * sr)))
    weights = [1 / k ** rng.uniform(0.9, 1.4) * math.exp(-((k - 2) ** 2) / 30) for k in range(1, 14)]
    return fade(harmonic(phase(hz_T, count, sr), weights), sr, 0.12, 0.2)


@sound("organ chord")
def _organ(rng: Random, sr: int) -> np.ndarray:
    count, root = round(rng.uniform(1.0, 2.5) * sr), log_uniform(rng, 130, 330)
    chord = rng.choice([(1, 5 / 4, 3 / 2), (1, 6 / 5, 3 / 2), (1, 5 / 4, 3 / 2, 2), (1, 4 / 3, 5 / 3)])
    stops = [1.0, rng.uniform(0.3, 0.9), rng.uniform(0, 0.5), rng.uniform(0.2, 0.6), 0, rng.uniform(0, 0.3)]
    voices = [harmonic(phase(root * note, count, sr) + rng.uniform(0, 6), stops) for note in chord]
    return fade(np.sum(voices, axis=0), sr, 0.04, 0.08)


@sound("whistle")
def _whistle(rng: Random, sr: int) -> np.ndarray:
    time_T = seconds(rng.uniform(0.5, 1.3), sr)
    start, bend = rng.uniform(1100, 2200), rng.uniform(-0.2, 0.35)
    arc_T = np.sin(np.pi * time_T / time_T[-1]) ** 2
    vibrato_T = rng.uniform(0.01, 0.03) * np.sin(2 * np.pi * rng.uniform(5, 8) * time_T)
    hz_T = start * (1 + bend * arc_T + vibrato_T)
    breath_T = band(rng, len(time_T) / sr, sr, 1500, 6000) * 0.04
    return fade(np.sin(phase(hz_T, len(time_T), sr)) + breath_T[: len(time_T)], sr, 0.05, 0.08)


@sound("bird chirp", rhythmic=True)
def _bird(rng: Random, sr: int) -> np.ndarray:
    top, shape, pace = rng.uniform(3500, 6500), rng.choice([-1, 1]), rng.uniform(0.07, 0.14)
    length = rng.uniform(0.04, 0.09)
    path_T = np.linspace(0, 1, round(length * sr))
    parts = []
    for k in range(rng.randint(3, 8)):
        curve_T = path_T if shape > 0 else 1 - path_T
        hz_T = top * rng.uniform(0.92, 1.08) * (0.62 + 0.38 * curve_T + 0.1 * np.sin(np.pi * path_T))
        note_T = np.sin(phase(np.minimum(hz_T, 0.45 * sr), len(path_T), sr)) * np.sin(np.pi * path_T)
        parts.append((k * pace + rng.uniform(0, 0.01), note_T * rng.uniform(0.6, 1)))
    return place(parts, sr)


@sound("crickets", rhythmic=True)
def _crickets(rng: Random, sr: int) -> np.ndarray:
    hz, pulse, group = rng.uniform(3800, 5200), rng.uniform(0.014, 0.022), rng.randint(3, 5)
    pulse_T = np.sin(phase(hz, round(pulse * sr), sr)) * np.hanning(round(pulse * sr))
    pause, at, parts = rng.uniform(0.12, 0.25), 0.0, []
    for _ in range(rng.randint(4, 9)):
        parts += [(at + k * pulse * 1.5, pulse_T * rng.uniform(0.8, 1.0)) for k in range(group)]
        at += group * pulse * 1.5 + pause
    return place(parts, sr)


@sound("frog croak")
def _frog(rng: Random, sr: int) -> np.ndarray:
    hz, rate = rng.uniform(350, 900), rng.uniform(28, 55)
    duration = rng.uniform(0.3, 0.8)
    pulse_T = ring(rng, sr, [(hz, 1, 0.09), (hz * 2.3, 0.6, 0.06), (hz * 3.6, 0.25, 0.04)])
    times = np.cumsum([1 / rate * (1 + 0.4 * k / (duration * rate)) for k in range(int(duration * rate))])
    return place(
        [(float(t), pulse_T * math.sin(math.pi * (i + 1) / (len(times) + 1))) for i, t in enumerate(times)],
        sr,
    )


# --- struck and plucked -------------------------------------------------------------------------------------------


@sound("click")
def _click(rng: Random, sr: int) -> np.ndarray:
    time_T = seconds(0.15, sr)
    decay = rng.uniform(0.0012, 0.004)
    burst_T = band(rng, 0.15, sr, rng.uniform(800, 2000), 7000) * np.exp(-time_T / decay)
    return burst_T + np.sin(2 * np.pi * rng.uniform(1800, 4500) * time_T) * np.exp(-time_T / decay)


@sound("knock", rhythmic=True)
def _knock(rng: Random, sr: int) -> np.ndarray:
    hz, pace, snap = rng.uniform(130, 380), rng.uniform(0.16, 0.24), rng.uniform(0.3, 1.0)
    times = [k * pace + rng.uniform(0, 0.02) for k in range(rng.randint(2, 4))]
    return place(
        [(t, rng.uniform(0.75, 1.0) * thud(rng, sr, hz * rng.uniform(0.97, 1.03), 0.14, snap)) for t in times],
        sr,
    )


@sound("bell")
def _bell(rng: Random, sr: int) -> np.ndarray:
    hz, decay = log_uniform(rng, 350, 1300), rng.uniform(1.5, 4.0)
    ratios = [0.5, 1.0, 1.19, 1.5, 2.0, 2.52, 2.66, 3.01, 4.17, 5.4]
    return ring(
        rng,
        sr,
        [(hz * r * rng.uniform(0.995, 1.005), rng.uniform(0.3, 1) / r**0.6, decay / r**0.8) for r in ratios],
    )


@sound("chime", rhythmic=True)
def _chime(rng: Random, sr: int) -> np.ndarray:
    root, pace, decay = log_uniform(rng, 500, 1100), rng.uniform(0.22, 0.4), rng.uniform(0.7, 1.4)
    scale = [1, 9 / 8, 5 / 4, 3 / 2, 5 / 3, 2]
    notes = rng.sample(scale, rng.randint(3, 5))
    parts = [
        (k * pace, ring(rng, sr, [(root * n, 1, decay), (root * n * 2.76, 0.35, decay / 3)]))
        for k, n in enumerate(notes)
    ]
    return place(parts, sr)


@sound("plucked string")
def _plucked(rng: Random, sr: int) -> np.ndarray:
    hz, decay, pick = log_uniform(rng, 90, 420), rng.uniform(0.9, 2.5), rng.uniform(0.1, 0.4)
    stiff = rng.uniform(0, 3e-4)
    top = int(0.45 * sr / hz)
    partials = [
        (hz * k * math.sqrt(1 + stiff * k * k), abs(math.sin(math.pi * k * pick)) / k, decay / (1 + 0.12 * k))
        for k in range(1, min(top, 24))
    ]
    return ring(rng, sr, partials)


@sound("drum roll")
def _drum_roll(rng: Random, sr: int) -> np.ndarray:
    duration, rate, hz = rng.uniform(0.9, 2.5), rng.uniform(14, 22), rng.uniform(160, 260)
    rattle_T = band(rng, 0.09, sr, 700, 7000) * np.exp(-seconds(0.09, sr) / 0.025)
    head_T = np.sin(phase(hz, len(rattle_T), sr)) * np.exp(-seconds(0.09, sr) / 0.03)
    hit_T, swell, count = rattle_T + 1.2 * head_T, rng.uniform(0.0, 0.7), int(duration * rate)
    parts = [((k + rng.uniform(0, 0.12)) / rate, hit_T * (1 - swell + swell * k / count)) for k in range(count)]
    return place(parts, sr)


@sound("footsteps", rhythmic=True)
def _footsteps(rng: Random, sr: int) -> np.ndarray:
    pace, hz, scuff = rng.uniform(0.4, 0.62), rng.uniform(60, 130), rng.uniform(0.1, 0.5)
    parts = []
    for k in range(rng.randint(4, 6)):
        heel_T = thud(rng, sr, hz * rng.uniform(0.9, 1.1), 0.12, 0.35)
        sole_T = band(rng, 0.09, sr, 500, 4000) * np.hanning(round(0.09 * sr)) * scuff * 0.5
        parts += [(k * pace, heel_T), (k * pace + rng.uniform(0.04, 0.08), sole_T)]
    return place(parts, sr)


@sound("ticking clock", rhythmic=True)
def _clock(rng: Random, sr: int) -> np.ndarray:
    pace, hz, decay = rng.uniform(0.18, 0.5), rng.uniform(2200, 4800), rng.uniform(0.015, 0.05)
    tick_T = ring(rng, sr, [(hz, 1, decay), (hz * 1.6, 0.6, decay / 2), (hz * 0.4, 0.3, decay)])
    tock_T = ring(rng, sr, [(hz * 0.8, 0.8, decay), (hz * 1.3, 0.5, decay / 2)])
    count = max(4, int(rng.uniform(1.5, 3.0) / pace))
    return place([(k * pace, tock_T if k % 2 else tick_T) for k in range(count)], sr)


@sound("heartbeat", rhythmic=True)
def _heart(rng: Random, sr: int) -> np.ndarray:
    period, hz = rng.uniform(0.6, 1.0), rng.uniform(45, 80)
    lub_T, dub_T = (ring(rng, sr, [(f, 1, 0.22), (1.6 * f, 0.4, 0.12)]) for f in (hz, 1.3 * hz))
    gap = period * rng.uniform(0.28, 0.36)
    beats = rng.randint(2, 4)
    return place([p for k in range(beats) for p in ((k * period, lub_T), (k * period + gap, 0.7 * dub_T))], sr)


@sound("bouncing ball", rhythmic=True)
def _ball(rng: Random, sr: int) -> np.ndarray:
    hz, gap, spring = rng.uniform(180, 420), rng.uniform(0.4, 0.6), rng.uniform(0.68, 0.8)
    at, loud, parts = 0.0, 1.0, []
    while gap > 0.035 and at < 3.5:
        parts.append((at, loud * thud(rng, sr, hz, 0.1, 0.4)))
        at, gap, loud = at + gap, gap * spring, loud * spring
    return place(parts, sr)


@sound("drip", rhythmic=True)
def _drip(rng: Random, sr: int) -> np.ndarray:
    low, length = rng.uniform(500, 1100), rng.uniform(0.06, 0.12)
    parts, at = [], 0.0
    for _ in range(rng.randint(2, 4)):
        path_T = np.linspace(0, 1, round(length * rng.uniform(0.8, 1.2) * sr))
        hz_T = low * rng.uniform(0.85, 1.2) * (1 + rng.uniform(0.8, 1.8) * path_T**2)
        parts.append((at, np.sin(phase(hz_T, len(path_T), sr)) * np.exp(-4 * path_T) * rng.uniform(0.6, 1)))
        at += rng.uniform(0.18, 0.24)
    return place(parts, sr)


# --- noises and machines ------------------------------------------------------------------------------------------


@sound("white noise")
def _white_noise(rng: Random, sr: int) -> np.ndarray:
    return fade(noise(rng, rng.uniform(0.6, 2.5), sr), sr, 0.02, 0.03)


@sound("hiss")
def _hiss(rng: Random, sr: int) -> np.ndarray:
    wave_T = band(rng, rng.uniform(0.6, 2.2), sr, rng.uniform(3500, 5000), 9000, slope=5)
    return fade(wave_T, sr, rng.uniform(0.02, 0.15), rng.uniform(0.05, 0.4))


@sound("rumble")
def _rumble(rng: Random, sr: int) -> np.ndarray:
    duration = rng.uniform(1.2, 3.5)
    wave_T = band(rng, duration, sr, 20, rng.uniform(70, 130), slope=4)
    slow_T = 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.4, 1.5) * seconds(duration, sr))
    return fade(wave_T * slow_T[: len(wave_T)], sr, 0.15, 0.3)


@sound("explosion")
def _explosion(rng: Random, sr: int) -> np.ndarray:
    duration = rng.uniform(1.2, 2.8)
    time_T = seconds(duration, sr)
    low_T = band(rng, duration, sr, 25, rng.uniform(200, 400), slope=1.5) * np.exp(-time_T / (duration / 5))
    crack_T = noise(rng, duration, sr) * np.exp(-time_T / 0.05)
    return low_T * 1.4 + crack_T * rng.uniform(0.6, 1.2)


@sound("rain")
def _rain(rng: Random, sr: int) -> np.ndarray:
    duration = rng.uniform(1.8, 4.0)
    bed_T = 0.35 * band(rng, duration, sr, rng.uniform(400, 900), 7000, slope=1)
    drop_T = band(rng, 0.012, sr, 1000, 7000) * np.exp(-seconds(0.012, sr) / 0.0025)
    parts = [(0.0, bed_T)]
    for _ in range(int(duration * rng.uniform(40, 110))):
        parts.append((rng.uniform(0, duration - 0.02), drop_T * log_uniform(rng, 0.3, 3.0)))
    return fade(place(parts, sr), sr, 0.15, 0.2)


@sound("wind")
def _wind(rng: Random, sr: int) -> np.ndarray:
    duration = rng.uniform(2.0, 4.0)
    time_T = seconds(duration, sr)
    wave_T = np.zeros(len(time_T))
    rate, turn = rng.uniform(0.3, 0.8), rng.uniform(0, 6.28)
    for k, centre in enumerate((220, 360, 560, 850, 1250)):
        strength_T = np.clip(np.sin(2 * np.pi * rate * time_T + turn - 0.5 * k), -0.55, 1) + 0.6
        wave_T += band(rng, duration, sr, centre * 0.85, centre * 1.15, 6)[: len(time_T)] * strength_T / (1 + 0.35 * k)
    return fade(wave_T, sr, 0.2, 0.3)


@sound("static", rhythmic=True)
def _static(rng: Random, sr: int) -> np.ndarray:
    duration = rng.uniform(0.8, 2.5)
    bed_T = 0.08 * band(rng, duration, sr, 300, 5000)
    out_T = bed_T.astype(np.float64)
    for _ in range(int(duration * rng.uniform(25, 60))):
        at, width = rng.randrange(len(out_T)), round(log_uniform(rng, 0.001, 0.03) * sr)
        burst_T = white(width, rng.getrandbits(63))[: len(out_T) - at]
        out_T[at : at + len(burst_T)] += log_uniform(rng, 0.2, 1.5) * burst_T
    return fade(out_T, sr, 0.01, 0.02)


@sound("engine")
def _engine(rng: Random, sr: int) -> np.ndarray:
    count, idle = round(rng.uniform(1.5, 3.5) * sr), rng.uniform(28, 60)
    time_T = np.arange(count) / sr
    rev = rng.uniform(0.1, 0.7)
    hz_T = idle * (1 + rev * np.sin(np.pi * time_T / time_T[-1]) ** 2 + 0.02 * np.sin(2 * np.pi * 7 * time_T))
    phase_T = phase(hz_T, count, sr)
    weights = [rng.uniform(0.3, 1.0) / k**0.5 for k in range(1, 22)]
    puff_T = np.maximum(np.sin(phase_T), 0) ** 4 * band(rng, count / sr, sr, 150, 1200, 1)[:count]
    return fade(harmonic(phase_T, weights) + 0.9 * puff_T, sr, 0.1, 0.15)


@sound("helicopter", rhythmic=True)
def _helicopter(rng: Random, sr: int) -> np.ndarray:
    duration, rate = rng.uniform(1.8, 3.8), rng.uniform(9, 14)
    time_T = seconds(duration, sr)
    blade_T = np.exp(-((time_T * rate) % 1.0) * rng.uniform(5, 8))
    chop_T = band(rng, duration, sr, 60, rng.uniform(500, 1500), 1.2)[: len(time_T)] * blade_T
    whine_T = 0.08 * np.sin(phase(rng.uniform(900, 1600), len(time_T), sr))
    return fade(chop_T + whine_T, sr, 0.2, 0.3)


@sound("sawing", rhythmic=True)
def _sawing(rng: Random, sr: int) -> np.ndarray:
    pace, teeth = rng.uniform(0.28, 0.45), rng.uniform(60, 130)
    parts = []
    for k in range(rng.randint(4, 7)):
        length = pace * rng.uniform(0.72, 0.82)
        time_T = seconds(length, sr)
        low = 900 if k % 2 else 1800
        grain_T = 0.4 + 0.6 * np.abs(np.sin(np.pi * teeth * time_T))
        stroke_T = band(rng, length, sr, low, low * 2.5, 2)[: len(time_T)] * grain_T * np.hanning(len(time_T))
        parts.append((k * pace, stroke_T))
    return place(parts, sr)


@sound("zipper")
def _zipper(rng: Random, sr: int) -> np.ndarray:
    duration, start, end = rng.uniform(0.4, 0.9), rng.uniform(45, 80), rng.uniform(130, 220)
    if rng.random() < 0.4:
        start, end = end, start
    count = round(duration * sr)
    phase_T = phase(np.linspace(start, end, count), count, sr) / (2 * np.pi)
    teeth_T = np.exp(-(phase_T % 1.0) * 6)
    tone_T = band(rng, duration, sr, 2000, 6500, 2)[:count]
    return fade(tone_T * teeth_T * np.linspace(0.6, 1, count), sr, 0.02, 0.03)
