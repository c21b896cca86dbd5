"""Log-mel spectrograms.

Shapes: T samples, F frames, K frequency bins (``n_fft // 2 + 1``), M mel bands.

The choices, all of which change the numbers: a periodic Hann window of ``win`` samples centred in ``n_fft``;
power (squared magnitude); triangles of height one on the HTK mel scale, ``2595 log10(1 + f/700)``, not
normalised by area; ``log10`` with a floor of 1e-10. Beyond its ends a recording is silent (zeros rather than
reflection, which does not exist for very short sounds).
"""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ossicle.support.errors import SpecError

FLOOR = 1e-10
FRAMES_AT_ONCE = 256
"""For each thread: so few that what becomes of them on the way to mel bands stays in the cache, which halves the time,
and so many that threads seldom wait for one another."""


def num_mel_frames(num_samples: int, hop: int = 160) -> int:
    """The number of frames of ``num_samples`` samples: one per begun hop."""
    return -(-num_samples // hop)


def log_mel(
    samples_T: np.ndarray | Tensor,
    *,
    sample_rate: int = 16000,
    n_fft: int = 512,
    win: int = 400,
    hop: int = 160,
    n_mels: int = 64,
    f_min: float = 0.0,
    f_max: float | None = None,
) -> Tensor:
    """Log-mel power of a mono recording.

    Frame ``i`` is centred on the middle of samples ``[i * hop, (i + 1) * hop)`` and stands for exactly those:
    the frames tile the recording (times: :func:`mel_frame_times`).

    Args:
        samples_T: float samples ``[T]``, of any length.
        sample_rate: samples per second.
        n_fft: length of the transform, at least ``win``.
        win: length of the window, in samples.
        hop: samples from one frame to the next.
        n_mels: number of bands.
        f_min: lowest frequency, in hertz.
        f_max: highest frequency, in hertz; half the sample rate if None.

    Returns:
        float32 ``[num_mel_frames(T, hop), n_mels]``, at least -10 (``log10`` of the floor).

    Raises:
        SpecError: a band would hold no frequency bin, or the sizes contradict one another.
    """
    if not (0 < win <= n_fft and 0 < hop <= n_fft):
        raise SpecError(f"log-mel needs win and hop in 1 to n_fft, not win={win}, hop={hop}, n_fft={n_fft}.")
    samples_T = torch.as_tensor(samples_T, dtype=torch.float32)
    if samples_T.ndim != 1:
        raise ValueError(f"log_mel takes mono samples of shape [T], not {list(samples_T.shape)}.")
    window_N, bank_KM = _tables(samples_T.device, sample_rate, n_fft, win, n_mels, f_min, f_max)
    num_frames = num_mel_frames(len(samples_T), hop)
    if num_frames == 0:
        return samples_T.new_zeros(0, n_mels)
    left = (n_fft - hop) // 2
    right = (num_frames - 1) * hop + n_fft - left - len(samples_T)
    frames_FN = torch.nn.functional.pad(samples_T, (left, right)).unfold(0, n_fft, hop)
    return mel_power(frames_FN, lambda some_FN: some_FN * window_N, n_fft, bank_KM).clamp_min_(FLOOR).log10_()


def mel_power(frames_FN: Tensor, windowed: Callable[[Tensor], Tensor], n_fft: int, bank_KM: Tensor) -> Tensor:
    """Squared magnitudes of a real Fourier transform, summed into mel bands.

    Args:
        frames_FN: samples of each of at least one frame; overlapping views of one recording cost no memory.
        windowed: frames → what is transformed; applied to a few frames at a time.
        n_fft: length of the transform; what is shorter is filled with zeros.
        bank_KM: the mel filters; their type is that of the result.

    Returns:
        ``[F, M]``. A frame's numbers know nothing of the other frames.
    """
    found = []
    for some_FN in frames_FN.split(FRAMES_AT_ONCE * torch.get_num_threads()):
        parts_FK2 = torch.view_as_real(torch.fft.rfft(windowed(some_FN), n=n_fft)).square_()
        found.append((parts_FK2[..., 0] + parts_FK2[..., 1]).to(bank_KM.dtype) @ bank_KM)
    return torch.cat(found)


def mel_filters(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float = 0.0, f_max: float | None = None
) -> np.ndarray:
    """Triangles that sum frequency bins into mel bands: float32 ``[n_fft // 2 + 1, n_mels]``, in 0 to 1.

    Raises:
        SpecError: a band would hold no frequency bin (it would be -10 whatever the sound).
    """
    f_max = sample_rate / 2 if f_max is None else f_max
    if not 0 <= f_min < f_max <= sample_rate / 2 or n_mels < 1:
        raise SpecError(
            f"log-mel needs 0 <= f_min < f_max <= {sample_rate / 2:g} Hz and at least one band, "
            f"not f_min={f_min:g}, f_max={f_max:g}, n_mels={n_mels}."
        )
    edges_hz = mel_to_hz(np.linspace(hz_to_mel(f_min), hz_to_mel(f_max), n_mels + 2))
    bins_hz_K1 = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)[:, None]
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (bins_hz_K1 - low) / (centre - low)
    falling = (high - bins_hz_K1) / (high - centre)
    bank_KM = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    if not (bank_KM.max(axis=0) > 0).all():
        empty = int((bank_KM.max(axis=0) > 0).argmin())
        raise SpecError(
            f"log-mel band {empty} of {n_mels} (at {centre[empty]:.0f} Hz) holds no frequency bin of n_fft={n_fft}: "
            "ask for fewer bands or a longer n_fft."
        )
    return bank_KM


def mel_centres_hz(
    n_mels: int = 64, *, sample_rate: int = 16000, f_min: float = 0.0, f_max: float | None = None
) -> np.ndarray:
    """The middle of each band, in hertz: float64 ``[M]``."""
    f_max = sample_rate / 2 if f_max is None else f_max
    return mel_to_hz(np.linspace(hz_to_mel(f_min), hz_to_mel(f_max), n_mels + 2))[1:-1]


def hz_to_mel(hz: float | np.ndarray) -> np.ndarray:
    """Hertz to HTK mels."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, np.float64) / 700.0)


def mel_to_hz(mel: float | np.ndarray) -> np.ndarray:
    """HTK mels to hertz."""
    return 700.0 * (10.0 ** (np.asarray(mel, np.float64) / 2595.0) - 1.0)


@functools.lru_cache(maxsize=16)
@torch.inference_mode(mode=False)  # what is made in that mode could not be used outside it where gradients are wanted
def _tables(
    device: torch.device, sample_rate: int, n_fft: int, win: int, n_mels: int, f_min: float, f_max: float | None
) -> tuple[Tensor, Tensor]:
    """The window, centred in ``n_fft`` samples, and the mel filters."""
    before = (n_fft - win) // 2
    window_N = torch.nn.functional.pad(torch.hann_window(win), (before, n_fft - win - before))
    bank_KM = torch.from_numpy(mel_filters(sample_rate, n_fft, n_mels, f_min, f_max))
    return window_N.to(device), bank_KM.to(device)


def mel_frame_times(num_frames: int, *, sample_rate: int = 16000, hop: int = 160) -> np.ndarray:
    """The middle of each frame, in seconds: float64 ``[F]``."""
    return (np.arange(num_frames) + 0.5) * hop / sample_rate
