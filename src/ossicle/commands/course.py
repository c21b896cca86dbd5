"""``ossicle show RUN``: how a training run goes, from its ``metrics.jsonl``."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from ossicle.commands.answering import writing
from ossicle.commands.train import print_evaluation
from ossicle.support.errors import DataError
from ossicle.support.plots import check_plot
from ossicle.support.progress import describe_seconds

_GAIN = "audio_gain"
_FACTS = {"stage", "step", "total_steps", "grad_norm", "lr", "tokens", "batch_s", "audio_s", "wall_s", "flops", "mfu"}
_NO_LOSS = _FACTS | {_GAIN}
_AT_ENDS = 5
"""Lines of the journal whose mean is a stage's first, or last, loss."""


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a training run that has made a step."""
    return (folder / "metrics.jsonl").is_file() and (folder / "recipe.yaml").is_file()


def show_run(folder: Path, plot: Path | None) -> None:
    """Print, and draw, how far a run is and how its losses went.

    Raises:
        DataError: its journal is broken. MissingExtraError: matplotlib is not there to draw with.
    """
    from ossicle.training import load_recipe

    if plot is not None:
        check_plot(plot)
    recipe = load_recipe(folder / "recipe.yaml")
    lines = _read(folder / "metrics.jsonl")
    total = sum(stage.steps for stage in recipe.stages)
    done = lines[-1]["total_steps"] if lines else 0
    state = "finished" if (folder / "model").is_dir() else f"{done / total:.0%} done; the same command continues it"
    print(f"{folder}: a run of {recipe.name}, {done:,} of {total:,} steps, {state}")
    if lines:
        audio_s, wall_s = lines[-1]["audio_s"], max(lines[-1]["wall_s"], 1e-9)
        print(
            f"{audio_s / 3600:.2f} h of sound in {describe_seconds(wall_s)}: "
            f"{audio_s / wall_s:.0f} × as fast as it sounds, {done / wall_s:.2g} steps/s\n"
        )
    steps = {stage.name: stage.steps for stage in recipe.stages}
    for name, group in groupby(lines, key=lambda line: line["stage"]):
        of_stage = list(group)
        keys = dict.fromkeys(key for line in of_stage for key in line if key not in _FACTS)
        told = {key: [line[key] for line in of_stage if key in line] for key in sorted(keys, key=lambda k: k == _GAIN)}
        went = ", ".join(f"{key} {fmean(v[:_AT_ENDS]):.3g} → {fmean(v[-_AT_ENDS:]):.3g}" for key, v in told.items())
        print(f"stage {name}: {of_stage[-1]['step']:,} of {steps.get(name, 0):,} steps; {went}{_arithmetic(of_stage)}")
    print_evaluation(folder / "evaluation.json")
    if plot is not None:
        with writing(plot):
            _draw(lines, plot, f"{folder.name}: {recipe.name}")


def _arithmetic(lines: Sequence[dict[str, Any]]) -> str:
    """The mean speed of the model, and of what the device could do, where that is known."""
    from ossicle.training.flops import describe_flops

    flops, mfu = ([line[key] for line in lines if key in line] for key in ("flops", "mfu"))
    if not flops:
        return ""
    return f"; {describe_flops(fmean(flops))}" + (f" (MFU {fmean(mfu):.0%})" if mfu else "")


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise DataError(f"{file}: is not valid JSON ({error}); was it edited?") from None


def _draw(lines: Sequence[dict[str, Any]], plot: Path, title: str) -> None:
    from ossicle.support.charts import Course, plot_courses

    steps = [line["total_steps"] for line in lines]
    keys = list(dict.fromkeys(key for line in lines for key in line if key not in _NO_LOSS))
    starts = [next(group)["total_steps"] for _, group in groupby(lines, key=lambda line: line["stage"])]

    def course(key: str) -> tuple[list[float], list[float]]:
        here = [(step, line[key]) for step, line in zip(steps, lines, strict=True) if key in line]
        return [step for step, _ in here], [value for _, value in here]

    gain, flops, mfu = (course(key) for key in (_GAIN, "flops", "mfu"))
    speed = ("operations per second", {"flops": flops}) if not mfu[0] else ("model FLOPs utilisation", {"mfu": mfu})
    courses = [
        Course("loss", {key: course(key) for key in keys}, starts),
        *([Course("audio gain", {_GAIN: gain}, starts)] if gain[0] else []),
        Course("learning rate", {"lr": course("lr")}, starts, is_smooth=True),
        Course("length of the gradient", {"grad_norm": course("grad_norm")}, starts),
        *([Course(*speed, starts)] if flops[0] else []),
    ]
    plot_courses(courses, "step", plot, title)
