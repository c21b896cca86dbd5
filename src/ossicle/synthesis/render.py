"""Plans become samples: one transform there and back per sound does its speed, colour and room at once."""

import numpy as np

from ossicle.synthesis.clips import Library
from ossicle.synthesis.noise import background
from ossicle.synthesis.plan import CLIP, PLAIN, Background, Plan, PlannedEvent, Room, Tone
from ossicle.synthesis.rooms import made_response

CEILING = 0.99
_FADE_LEAST, _FADE_IN, _FADE_OUT = 16, 160, 320


def render(plan: Plan, library: Library) -> np.ndarray:
    """The samples of a scene: float32 [num_samples], never beyond ±0.99 (else the whole scene is turned down).

    Raises:
        DataError: a clip of the plan is not in the library. AudioError: it cannot be read.
    """
    out_T = _background(plan.background, plan.num_samples, library)
    for event in plan.events:
        piece_T, onset = _sound(event, plan, library)
        at = event.start - onset
        skip = max(0, -at)
        take = min(len(piece_T), plan.num_samples - at)
        if take > skip:
            out_T[at + skip : at + take] += piece_T[skip:take]
    peak = max(float(out_T.max()), -float(out_T.min())) if len(out_T) else 0.0
    if peak > CEILING:
        out_T *= np.float32(CEILING / peak)
    return out_T


def _sound(event: PlannedEvent, plan: Plan, library: Library) -> tuple[np.ndarray, int]:
    """One event at its level, room included, and where in it the active part begins."""
    first, last = event.cut
    take = library.take(event.clip_key)
    dry_T = take.samples_T[first:last].astype(np.float32)
    if plan.fades:
        _fade(dry_T, event, take.num_samples)
    before, after = event.lengths
    onset, offset = (round(sample * after / before) for sample in event.active)
    if before == after and event.tone == PLAIN and plan.room is None:
        wet_T = dry_T
    else:
        spectrum_F = np.fft.rfft(dry_T, before)[: after // 2 + 1]
        if len(spectrum_F) < after // 2 + 1:
            spectrum_F = np.pad(spectrum_F, (0, after // 2 + 1 - len(spectrum_F)))
        if event.tone != PLAIN:
            spectrum_F *= _response(event.tone, len(spectrum_F), plan.sample_rate)
        if plan.room is not None:
            spectrum_F *= np.fft.rfft(_room(plan.room, library), after)
        tail = plan.room.tail if plan.room else 0
        wet_T = np.fft.irfft(spectrum_F, after)[: round((last - first) * after / before) + tail]
    active_T = wet_T[onset:offset]
    rms = float(np.sqrt(np.dot(active_T, active_T) / max(1, len(active_T))))
    return wet_T * np.float32(10 ** (event.level_db / 20) / max(rms, 1e-9)), onset


def _fade(dry_T: np.ndarray, event: PlannedEvent, num_samples: int) -> None:
    """Smooth cut edges, in place, as far as there is room outside the active part (1 ms inside it where there is none).

    Where the cut is the clip's own beginning or end, that is left alone: a fade would blunt an attack.
    """
    if event.cut[0] > 0:
        count = min(max(_FADE_LEAST, min(_FADE_IN, event.active[0])), len(dry_T) // 2)
        dry_T[:count] *= np.linspace(0, 1, count, dtype=np.float32)
    if event.cut[1] < num_samples:
        count = min(max(_FADE_LEAST, min(_FADE_OUT, len(dry_T) - event.active[1])), len(dry_T) // 2)
        dry_T[len(dry_T) - count :] *= np.linspace(1, 0, count, dtype=np.float32)


_OCTAVES_BASE_HZ = 1000.0


def _response(tone: Tone, num_bins: int, sample_rate: int) -> np.ndarray:
    """Magnitudes of a tone at the bins of a transform (zero phase): float32 [num_bins]."""
    nyquist = sample_rate / 2
    # 257 knots evenly spaced: fine enough for slopes, far cheaper than logarithms of every bin.
    knots = np.linspace(0.0, nyquist, 257)
    gain_db = tone.tilt_db * np.log2(np.maximum(knots, 60.0) / _OCTAVES_BASE_HZ)
    gain = 10 ** (gain_db / 20)
    if tone.high_hz < nyquist:
        gain /= np.sqrt(1 + (knots / tone.high_hz) ** 24)
    if tone.low_hz > 0:
        gain /= np.sqrt(1 + (tone.low_hz / np.maximum(knots, 1.0)) ** 4)
    return np.interp(np.linspace(0.0, nyquist, num_bins), knots, gain).astype(np.float32)


def _room(room: Room, library: Library) -> np.ndarray:
    if room.key is not None:
        return library.surroundings.response(room.key)
    return made_response(room.rt60_s, room.direct_db, room.seed)


def _background(noise: Background | None, num_samples: int, library: Library) -> np.ndarray:
    if noise is None:
        return np.zeros(num_samples, np.float32)
    if noise.colour == CLIP:
        take = library.take(noise.key or "")
        active_T = take.samples_T[take.activity.onset : take.activity.offset]
        wave_T = np.take(active_T, np.arange(noise.offsets[0], noise.offsets[0] + num_samples), mode="wrap")
        wave_T = wave_T.astype(np.float32) * np.float32(take.scale * 10 ** (-take.level_db / 20))
    elif noise.key is not None:
        wave_T = library.surroundings.noise(noise.key, noise.offsets[0], num_samples)
    else:
        wave_T = background(noise.colour or "white", num_samples, noise.offsets)
    return wave_T * np.float32(10 ** (noise.level_db / 20))
