"""Sound and its features, changed a little each time they are heard.

C channels · T samples, or mel frames · M mel bands
"""

import functools
from pathlib import Path

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from ossicle.audio import Audio, AudioError
from ossicle.audio.rooms import aligned_response, decaying_response, response_length, reverberated
from ossicle.data.paths import expand
from ossicle.spec import Spec
from ossicle.support.errors import DataError

_GAP_S = (0.002, 0.008)  # from the direct sound to the first reflection: walls 0.3 to 1.4 m behind the microphone


class Augment(Spec):
    """Rooms, noise and loudness of the sound; of its features SpecAugment (Park et al. 2019), stretches of time and of
    frequency covered with the mean, and FilterAugment (Nam et al. 2022, arXiv 2110.03282, linear type), a random curve
    over frequency, as of another microphone.

    Each mask is as long as chance says, up to the given size. All chance comes from the seed of the row.
    """

    reverb_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the recordings that are put into a room. Onsets stay where they are and the loudness is kept; what ends
    rings on, for at most 0.9 s."""
    reverb_rt60_s: tuple[float, float] = (0.12, 0.9)
    """Reverberation time of simulated rooms, drawn between the two."""
    reverb_direct_db: tuple[float, float] = (0.0, 16.0)
    """Energy of the direct sound over that of its reflections, drawn between the two: less is farther away."""
    reverb_responses: str | None = None
    """Measured impulse responses in place of simulated rooms: a recording, or a folder of ``.wav`` and ``.flac``."""
    noise_snr_db: tuple[float, float] | None = None
    """Noise is added this many dB below the recording, drawn between the two; its colour is between white and brown."""
    noise_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the recordings that noise is added to."""
    gain_db: float = Field(default=0.0, ge=0, le=60)
    """Most by which a recording is made louder or softer, dB."""
    time_masks: int = Field(default=0, ge=0)
    time_mask_frames: int = Field(default=20, ge=1)
    """Longest, in feature steps; never more than a fifth of the window."""
    band_masks: int = Field(default=0, ge=0)
    bands: int = Field(default=8, ge=1)
    """Widest, in mel bands; never more than a quarter of them."""
    filter_gain: float = Field(default=0.0, ge=0)
    """Most that the curve adds or takes anywhere, in units of the features (melnet and whisper: 0.025 is 1 dB). What
    lies on the floor of a window stays there."""

    @model_validator(mode="after")
    def _in_order(self) -> "Augment":
        for name in ("reverb_rt60_s", "reverb_direct_db", "noise_snr_db"):
            pair = getattr(self, name)
            if pair is not None and pair[0] > pair[1]:
                raise ValueError(f"{name} goes from the least to the most, not {list(pair)}")
        if not 0.1 <= self.reverb_rt60_s[0] <= self.reverb_rt60_s[1] <= 1.5:
            raise ValueError(f"reverb_rt60_s lies between 0.1 and 1.5 s, not {list(self.reverb_rt60_s)}")
        return self

    @property
    def alters_features(self) -> bool:
        """Whether it needs features that are a spectrogram."""
        return bool(self.time_masks or self.band_masks or self.filter_gain)

    def sound(self, samples_CT: np.ndarray, seed: int, sample_rate: int) -> np.ndarray:
        """The samples [C, T], changed; the same number of them.

        Raises:
            DataError: an impulse response cannot be read.
        """
        if self.reverb_share:
            samples_CT = self._in_a_room(samples_CT, seed, sample_rate)
        rng = np.random.default_rng([seed & (2**63 - 1), 1])
        if self.noise_snr_db is not None and rng.random() < self.noise_share:
            snr_db, slope = rng.uniform(*self.noise_snr_db), rng.uniform(0.0, 2.0)
            noise_CT = _noise(samples_CT.shape, slope, rng)
            level = np.sqrt(np.mean(np.square(samples_CT, dtype=np.float64))) * 10 ** (-snr_db / 20)
            samples_CT = samples_CT + (level * noise_CT).astype(np.float32)
        if self.gain_db:
            samples_CT = samples_CT * np.float32(10 ** (rng.uniform(-self.gain_db, self.gain_db) / 20))
        return samples_CT

    def _in_a_room(self, samples_CT: np.ndarray, seed: int, sample_rate: int) -> np.ndarray:
        rng = np.random.default_rng([seed & (2**63 - 1), 2])  # of its own, so that the noise is the same without rooms
        if rng.random() >= self.reverb_share:
            return samples_CT
        if self.reverb_responses is not None:
            files = _responses(self.reverb_responses)
            return reverberated(samples_CT, _measured(files[rng.integers(len(files))], sample_rate))
        rt60_s, direct_db, gap_s = (rng.uniform(*span) for span in (self.reverb_rt60_s, self.reverb_direct_db, _GAP_S))
        noise_L = rng.standard_normal(response_length(rt60_s, sample_rate))
        return reverberated(samples_CT, decaying_response(noise_L, rt60_s, direct_db, gap_s, sample_rate))

    def __call__(self, features_TM: Tensor, seed: int) -> Tensor:
        """A changed copy of one window's features [T, M]."""
        rng = torch.Generator().manual_seed(seed & (2**63 - 1))
        out_TM = features_TM.clone()
        mean = features_TM.mean()
        num_frames, num_bands = features_TM.shape
        if self.filter_gain:
            floor = features_TM.min()
            filtered_TM = (out_TM + _curve(num_bands, self.filter_gain, rng)).clamp(min=floor)
            out_TM = torch.where(out_TM > floor, filtered_TM, out_TM)
        for _ in range(self.time_masks):
            start, size = _stretch(num_frames, min(self.time_mask_frames, num_frames // 5), rng)
            out_TM[start : start + size] = mean
        for _ in range(self.band_masks):
            start, size = _stretch(num_bands, min(self.bands, num_bands // 4), rng)
            out_TM[:, start : start + size] = mean
        return out_TM


@functools.lru_cache(maxsize=8)
def _responses(path: str) -> tuple[Path, ...]:
    """The recordings of impulse responses, in the order of their names."""
    place = expand(path)
    files = [place] if place.is_file() else place.rglob("*")
    found = tuple(sorted(file for file in files if file.suffix.lower() in (".wav", ".flac")))
    if not found:
        raise DataError(f"{place}: there is no impulse response (.wav or .flac); check augment.reverb_responses.")
    return found


@functools.lru_cache(maxsize=256)
def _measured(file: Path, sample_rate: int) -> np.ndarray:
    try:
        return aligned_response(Audio(file).load(sample_rate, channels=(0,))[0], sample_rate)
    except AudioError as error:
        raise DataError(f"augment.reverb_responses, {file}: {error}") from None


def _stretch(length: int, longest: int, rng: torch.Generator) -> tuple[int, int]:
    """Where a mask begins and how long it is."""
    size = int(torch.randint(longest + 1, (), generator=rng))
    return int(torch.randint(length - size + 1, (), generator=rng)), size


def _noise(shape: tuple[int, ...], slope: float, rng: np.random.Generator) -> np.ndarray:
    """Noise [C, T] of power 1 that falls with ``1 / f^slope``."""
    spectrum = np.fft.rfft(rng.standard_normal(shape))
    spectrum[..., 0] = 0.0
    frequencies = np.maximum(1, np.arange(spectrum.shape[-1]))
    noise = np.fft.irfft(spectrum * frequencies ** (-slope / 2), n=shape[-1])
    return noise / max(1e-12, float(np.sqrt(np.mean(noise**2))))


def _curve(num_bands: int, gain: float, rng: torch.Generator) -> Tensor:
    """Straight lines between two to six random gains [M] at random places."""
    corners = int(torch.randint(2, 7, (), generator=rng))
    inner = torch.rand(corners - 2, generator=rng).sort().values
    places = torch.cat([torch.zeros(1), inner, torch.ones(1)])
    gains = (2 * torch.rand(corners, generator=rng) - 1) * gain
    at_M = torch.linspace(0, 1, num_bands)
    left_M = (torch.searchsorted(places, at_M, right=True) - 1).clamp(0, corners - 2)
    share_M = (at_M - places[left_M]) / (places[left_M + 1] - places[left_M]).clamp(min=1e-6)
    return torch.lerp(gains[left_M], gains[left_M + 1], share_M)
