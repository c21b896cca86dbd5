"""When a recording really sounds: its active part.

Definition, used for every truth that a scene states. The short-time energy is taken over 25 ms every 1 ms. The clip is
active where that energy is above both (a) 35 dB below its loudest 25 ms and (b) 6 dB above its noise floor (the 10th
percentile of the energy), where (b) never asks for more than 20 dB below the loudest, so that a steady sound is active
throughout. Pauses shorter than 0.25 s are bridged. The onset is where the first active window ends and the offset where
the last one begins, which for a sound that starts at once is its first sample, to the millisecond.
"""

from typing import NamedTuple

import numpy as np

WINDOW_S, HOP_S, BRIDGE_S = 0.025, 0.001, 0.25
RANGE_DB, OVER_FLOOR_DB, STEADY_DB = 35.0, 6.0, 20.0


class Activity(NamedTuple):
    """Samples ``onset`` up to, not including, ``offset``; ``spans`` counts the stretches between long pauses."""

    onset: int
    offset: int
    spans: int


def active_part(samples_T: np.ndarray, sample_rate: int = 16000) -> Activity:
    """The active part of mono samples (float or int16, not all zero)."""
    window, hop = round(WINDOW_S * sample_rate), round(HOP_S * sample_rate)
    # Whole numbers: sums are exact, so the truth does not depend on the machine's order of adding.
    # float64 holds them exactly as long as the total is below 2^53 (hours of full-scale 16-bit samples).
    energy_T = np.square(_as_int16(samples_T).astype(np.float64))
    total_T = np.concatenate([np.zeros(window + 1), np.cumsum(energy_T)])
    total_T = np.concatenate([total_T, np.full(window, total_T[-1])])
    energy_W = total_T[window::hop] - total_T[:-window:hop]
    on_W = np.flatnonzero(energy_W > _threshold(energy_W))
    if not len(on_W):
        return Activity(0, len(samples_T), 1)
    onset = max(0, int(on_W[0]) * hop - hop)
    offset = min(len(samples_T), int(on_W[-1]) * hop - window + hop)
    offset = min(max(offset, onset + 10 * hop), len(samples_T))
    pauses = np.flatnonzero(np.diff(on_W) > (BRIDGE_S + WINDOW_S) / HOP_S)
    return Activity(min(onset, offset - 1), offset, len(pauses) + 1)


def _threshold(energy_W: np.ndarray) -> float:
    loudest = float(energy_W.max())
    inside_W = energy_W[energy_W > 0]
    floor = float(np.partition(inside_W, len(inside_W) // 10)[len(inside_W) // 10]) if len(inside_W) else 0.0
    over_floor = min(floor * 10 ** (OVER_FLOOR_DB / 10), loudest * 10 ** (-STEADY_DB / 10))
    return max(loudest * 10 ** (-RANGE_DB / 10), over_floor)


def _as_int16(samples_T: np.ndarray) -> np.ndarray:
    if samples_T.dtype == np.int16:
        return samples_T
    peak = float(np.abs(samples_T).max()) or 1.0
    return np.round(samples_T * (32767.0 / peak)).astype(np.int16)
