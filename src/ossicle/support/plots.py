"""A picture of what was heard: a log-mel spectrogram with the events under it and over it.

Shapes: F frames, M mel bands.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ossicle.support.errors import OssicleError
from ossicle.support.extras import require
from ossicle.support.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET_INK, GRID = "#1b1f2a", "#6b7280", "#e5e7eb"
_SHADES = ("#ffffff", "#dfe5ee", "#9fb1ca", "#4f6a94", "#16244a")  # paper to ink, even in lightness
COLOURS = (
    "#d1495b",
    "#00798c",
    "#e09f1f",
    "#5b5f97",
    "#4c956c",
    "#b5179e",
    "#3a86c8",
    "#9c6644",
    "#6a994e",
    "#7b2cbf",
)
_RANGE = 6.0  # decades of power shown below the loudest: 60 dB
_MAX_COLUMNS = 2400  # about two per pixel
_WIDTH_IN, _SPECTROGRAM_IN, _ROW_IN = 10.0, 2.9, 0.3


class Event(Protocol):
    """A sound with a name and a place in time."""

    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def start_s(self) -> float: ...  # noqa: D102
    @property
    def end_s(self) -> float: ...  # noqa: D102


def check_plot(path: str | os.PathLike[str]) -> None:
    """See, before there is work to lose, that a picture can be drawn.

    Raises:
        OssicleError: its format is none that is drawn. MissingExtraError: matplotlib is not installed.
    """
    if os.path.splitext(os.fspath(path))[1].lower() not in (".png", ".svg", ".pdf"):
        raise OssicleError(f"--plot {os.fspath(path)}: name it .png, .svg or .pdf.")
    require("matplotlib", extra="plots")


def plot_events(
    log_mel_FM: np.ndarray | Any,
    hop_s: float,
    events: Sequence[Event],
    path: str | os.PathLike[str],
    title: str = "",
    *,
    bands_hz: np.ndarray | None = None,
) -> None:
    """Draw a log-mel spectrogram with one coloured row of bars per label beneath it.

    Args:
        log_mel_FM: log10 power ``[F, M]``, an array or a CPU tensor.
        hop_s: seconds per frame.
        events: what was heard, in any order; rows are ordered by first onset.
        path: where to write; the suffix is the format (png, svg, pdf).
        title: above the picture; the recording's name, say.
        bands_hz: the middle of each band in hertz ``[M]`` (``audio.mel_centres_hz``), for the scale in kHz.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    require("matplotlib", extra="plots")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    power_FM = np.asarray(log_mel_FM, dtype=np.float32)
    duration_s = max(len(power_FM) * hop_s, hop_s)
    labels = tuple(dict.fromkeys(event.label for event in sorted(events, key=lambda e: (e.start_s, e.end_s))))
    colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}
    rows_in = _ROW_IN * max(1, len(labels)) + 0.1
    figure = Figure(figsize=(_WIDTH_IN, _SPECTROGRAM_IN + rows_in + 1.0), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(_SPECTROGRAM_IN, rows_in))
    _draw_spectrogram(above, power_FM, duration_s, bands_hz)
    for event in events:  # edges rather than tints, which would mix into colours that mean nothing
        above.axvline(event.start_s, color=colours[event.label], linewidth=1.1, alpha=0.9)
        above.axvline(event.end_s, color=colours[event.label], linewidth=0.9, alpha=0.7, linestyle=(0, (3, 3)))
    _draw_seconds(below, duration_s)
    _draw_rows(below, events, labels, colours)
    if title:
        above.set_title(
            _shortened(title, 90), loc="left", color=INK, fontsize=12, fontweight="bold", pad=10, parse_math=False
        )
    suffix = os.path.splitext(os.fspath(path))[1].lstrip(".") or "png"
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=150, format=suffix)


def _draw_spectrogram(axes: Axes, power_FM: np.ndarray, duration_s: float, bands_hz: np.ndarray | None) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    pooled_FM = _pooled(power_FM, _MAX_COLUMNS)
    loudest = float(pooled_FM.max(initial=-10 + _RANGE))
    axes.imshow(
        pooled_FM.T,
        origin="lower",
        aspect="auto",
        interpolation="antialiased",
        extent=(0, duration_s, -0.5, power_FM.shape[1] - 0.5),
        cmap=LinearSegmentedColormap.from_list("ink", _SHADES),
        vmin=loudest - _RANGE,
        vmax=loudest,
    )
    if bands_hz is None:
        axes.set_ylabel("mel band", color=QUIET_INK, fontsize=9)
    else:
        ticks_hz = [
            hz for hz in (125, 250, 500, 1000, 2000, 4000, 8000, 16000) if bands_hz[0] <= hz <= bands_hz[-1] * 1.1
        ]
        axes.set_yticks(np.interp(ticks_hz, bands_hz, np.arange(len(bands_hz))), [f"{hz / 1000:g}" for hz in ticks_hz])
        axes.set_ylabel("frequency (kHz)", color=QUIET_INK, fontsize=9)
    axes.tick_params(colors=QUIET_INK, labelsize=9, length=3, bottom=False)
    axes.spines[:].set_color(GRID)


def _draw_rows(axes: Axes, events: Sequence[Event], labels: Sequence[str], colours: dict[str, str]) -> None:
    """One row per label, named at its left in its colour: names never overlap, nor do they hide the sound."""
    seconds_per_inch = axes.get_xlim()[1] / (0.8 * _WIDTH_IN)
    for row, label in enumerate(labels):
        axes.axhline(row, color=GRID, linewidth=0.8, zorder=0)
        for event in events:
            if event.label == label:
                width_s = max(event.end_s - event.start_s, 0.02 * seconds_per_inch)  # an instant is still seen
                axes.barh(row, width_s, left=event.start_s, height=0.64, color=colours[label], linewidth=0)
                times = f"{_clock(event.start_s)} – {_clock(event.end_s)}"
                if width_s > (0.15 + 0.075 * len(times)) * seconds_per_inch:
                    axes.text(
                        event.start_s + 0.07 * seconds_per_inch,
                        row,
                        times,
                        color="white",
                        fontsize=8,
                        va="center_baseline",
                    ).set_clip_on(True)
    axes.set_ylim(max(1, len(labels)) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), [_shortened(label, 36) for label in labels], fontsize=10, parse_math=False)
    for text, label in zip(axes.get_yticklabels(), labels, strict=True):
        text.set_color(colours[label])
    if not labels:
        axes.grid(False)
        axes.text(0.5, 0.5, "nothing heard", transform=axes.transAxes, ha="center", va="center", color=QUIET_INK)
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)


def _draw_seconds(axes: Axes, duration_s: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    in_minutes = duration_s > 120
    axes.set_xlim(0, duration_s)
    if in_minutes:
        step_s = next((s for s in (15, 30, 60, 120, 300, 600, 1800) if duration_s / s <= 13), 3600)
        axes.xaxis.set_major_locator(MultipleLocator(step_s))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda s, _: f"{int(s) // 60}:{int(s) % 60:02d}"))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 2, 5, 10]))
    axes.set_xlabel("time (min:s)" if in_minutes else "time (s)", color=QUIET_INK, fontsize=9)
    axes.tick_params(axis="x", colors=QUIET_INK, labelsize=9, length=3)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _pooled(power_FM: np.ndarray, max_frames: int) -> np.ndarray:
    """The loudest of each group of neighbouring frames, so that a click survives an hour on one page."""
    group = -(-len(power_FM) // max_frames)
    if group <= 1:
        return power_FM
    return np.maximum.reduceat(power_FM, np.arange(0, len(power_FM), group), axis=0)


def _clock(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 60 else f"{int(seconds) // 60}:{seconds % 60:04.1f}"


def _shortened(text: str, max_length: int) -> str:
    """Both ends of a long text: files often differ in the last part of their name."""
    if len(text) <= max_length:
        return text
    return f"{text[: max_length // 2]}…{text[len(text) - max_length // 2 + 1 :]}"
