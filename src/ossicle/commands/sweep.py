"""``ossicle sweep``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ossicle.commands.answering import hush_libraries, note, writing
from ossicle.support.errors import MissingExtraError

if TYPE_CHECKING:
    from ossicle.training.sweep import Point, Sweep


def run(
    file: Path, overrides: Sequence[str], out: Path, *, keep_models: bool, tiny: bool, as_json: bool, **how: Any
) -> None:
    """Train every version, print the comparison, and draw it."""
    hush_libraries()
    from ossicle.training.sweep import load_sweep, run_sweep

    sweep = load_sweep(file, overrides)
    with writing(out):
        points = run_sweep(sweep, out, keep_models=keep_models, tiny=tiny, **how)
        picture = _draw(sweep, points, out / "results.png")
    if as_json:
        print(json.dumps({"name": sweep.name, "points": [point._asdict() for point in points]}))
        return
    print_points(sweep, points)
    print(f"\n{out / 'results.jsonl'}" + (f"\n{picture}" if picture else ""))


def print_points(sweep: "Sweep", points: "Sequence[Point]") -> None:
    """One line for each point."""
    rows, seeds = points[0].rows, len(sweep.seeds)
    if sweep.asks:
        print(f"{sweep.asks}\n")
    print(f"{rows} rows held out; means over {seeds} seed(s), with the lowest and highest\n")
    settings = [point.settings or point.case for point in points]
    width = max(len(text) for text in settings) + 2
    columns = "".join(f"{name:<22}" for name in ("exact", "loss", "audio gain", "step time"))
    print(f"{'':<{width}}{'tokens/s':>9}  {columns}{'projector':>11}")
    for point, text in zip(points, settings, strict=True):
        spreads = [*(point.measures[name] for name in ("exact", "loss", "audio_gain")), point.step_time]
        columns = "".join(f"{_spread(*spread):<22}" for spread in spreads)
        print(f"{text:<{width}}{point.audio_tokens_per_s:>9.2f}  {columns}{point.projector_parameters:>11,}")


def _spread(mean: float, low: float, high: float) -> str:
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _draw(sweep: "Sweep", points: "Sequence[Point]", file: Path) -> Path | None:
    """The picture, or None without matplotlib."""
    from ossicle.support.charts import Panel, Spread, plot_panels

    exact: dict[str, list[Spread]] = {}
    cost: dict[str, list[Spread]] = {}
    for point in points:
        exact.setdefault(point.case, []).append(Spread(point.audio_tokens_per_s, *point.measures["exact"]))
        cost.setdefault(point.case, []).append(Spread(point.audio_tokens_per_s, *point.step_time))
    x = "audio tokens per second"
    try:
        gained = Panel(x, "exact answers", exact, is_log=True)
        spent = Panel(x, "time of a training step (1: the quickest)", cost, is_log=True)
        plot_panels([gained, spent], file, sweep.asks or sweep.name)
    except MissingExtraError as error:
        note(f"no picture: {error}")
        return None
    return file
