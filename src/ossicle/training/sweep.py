"""One recipe in several versions, each from several seeds: what is gained, and what it costs."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from pydantic import Field, field_validator

from ossicle.models.config import OssicleConfig
from ossicle.models.lalm import build_audio
from ossicle.models.parts import parts_of_spec
from ossicle.spec import Spec, dump_yaml, load_spec
from ossicle.support.errors import OssicleError, SpecError
from ossicle.support.files import atomic_write
from ossicle.support.progress import progress
from ossicle.training.recipe import Recipe, load_recipe
from ossicle.training.run import resolve, train
from ossicle.training.tiny_form import tiny_form

MEASURES = ("exact", "loss", "loss_swapped", "audio_gain")


class Sweep(Spec):
    """A question that is answered by training the same recipe with this or that changed."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    asks: str = ""
    """The question, for people."""
    recipe: dict[str, Any]
    """What all have in common; it holds rows out (``evaluate``), by which they are compared."""
    cases: dict[str, tuple[dict[str, Any], ...]] = Field(min_length=1)
    """Lines of the plot by name, and the points of each: what is set in the recipe, by dotted keys, e.g.
    ``{model.projector: {type: mlp, stride: 4}}``."""
    seeds: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1)

    @field_validator("cases")
    @classmethod
    def _has_points(cls, cases: dict[str, tuple[dict[str, Any], ...]]) -> dict[str, tuple[dict[str, Any], ...]]:
        for name, points in cases.items():
            if not points:
                raise ValueError(f"case {name} has no point; give at least one, such as {{}}")
            if not re.fullmatch(r"[\w ,.+-]+", name):
                raise ValueError(f"case {name!r} names a folder: use letters, digits, spaces and , . + - _")
        if len({_folder(name) for name in cases}) < len(cases):
            raise ValueError("two cases differ in spaces and dashes only; name them otherwise")
        return cases


def _folder(case: str) -> str:
    return case.replace(" ", "-")


class Version(NamedTuple):
    """One point of one line, from one seed."""

    case: str
    point: int
    seed: int
    recipe: Recipe

    @property
    def folder(self) -> str:
        """Where it is trained."""
        return f"{_folder(self.case)}-{self.point + 1}-seed{self.seed}"


class Point(NamedTuple):
    """All seeds of one version: means, with the lowest and highest."""

    case: str
    point: int
    settings: str
    seeds: int
    rows: int
    measures: dict[str, tuple[float, float, float]]
    audio_tokens_per_s: float
    projector_parameters: int
    step_time: tuple[float, float, float]
    """Of a training step, with all its waiting; 1 is the point with the quickest."""


def load_sweep(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Sweep:
    """Read a sweep. Raises SpecError."""
    return load_spec(Sweep, source, overrides)


def versions(sweep: Sweep) -> Iterator[Version]:
    """Every version from the first seed, then from the next. Raises SpecError for one that is no recipe."""
    for seed in sweep.seeds:
        for case, points in sweep.cases.items():
            for number, changes in enumerate(points):
                assignments = [f"{key}={dump_yaml(value, one_line=True)}" for key, value in changes.items()]
                try:
                    recipe = load_recipe({"name": sweep.name, **sweep.recipe, "seed": seed}, assignments)
                except SpecError as error:
                    raise SpecError(f"cases.{case}.{number}: {error}") from None
                if not recipe.evaluate:
                    raise SpecError("recipe.evaluate: a sweep compares by rows held out; name at least one source.")
                yield Version(case, number, seed, recipe)


def run_sweep(
    sweep: Sweep, out: str | Path, *, keep_models: bool = False, tiny: bool = False, quiet: bool = False, **how: Any
) -> list[Point]:
    """Train every version, and compare.

    ``out/runs`` holds a run of each, ``out/results.jsonl`` a line for each that is done. The same call continues.

    Args:
        keep_models: keep weights and checkpoints, which are else deleted once a version is measured.
        tiny: each version at its smallest, to see whether they fit together (:func:`tiny_form`).
        how: passed on to :func:`train`.

    Returns:
        The points, in the order of ``sweep.cases``.

    Raises:
        SpecError: a version that cannot be built; all are looked at before the first is trained.
        TrainingStoppedError: Ctrl-C; what is done is kept.
    """
    out = Path(out)
    all_versions = []
    for version in versions(sweep):
        try:
            recipe = resolve(tiny_form(version.recipe) if tiny else version.recipe)
            parts_of_spec(recipe.model)
        except OssicleError as error:
            raise type(error)(f"cases.{version.case}.{version.point}: {error}") from None
        all_versions.append(version._replace(recipe=recipe))
    file = out / "results.jsonl"
    done = _done(file)
    with progress(len(all_versions), "runs", sweep.name, start=len(done), quiet=quiet) as bar:
        for version in all_versions:
            key = (version.case, version.point, version.seed)
            wanted = version.recipe.to_mapping()
            if key in done and done[key]["recipe"] == wanted:
                continue
            folder = out / "runs" / version.folder
            try:
                model = train(version.recipe, folder, quiet=True, **how)
            except OssicleError as error:
                raise type(error)(f"{version.folder}: {error}") from None
            done[key] = {**_named(version), **_result(folder, model, version.recipe), "recipe": wanted}
            _write(file, done.values())
            if not keep_models:
                shutil.rmtree(folder / "checkpoints", ignore_errors=True)
                shutil.rmtree(model)
            bar.advance(1, case=version.case)
    wanted_keys = {(version.case, version.point, version.seed) for version in all_versions}
    return _points(sweep, [result for key, result in done.items() if key in wanted_keys])


def _named(version: Version) -> dict[str, Any]:
    return {"case": version.case, "point": version.point, "seed": version.seed}


def _result(folder: Path, model: Path, recipe: Recipe) -> dict[str, Any]:
    """What a finished run measured, and what it cost."""
    config = OssicleConfig.from_dict(json.loads((model / "config.json").read_text(encoding="utf-8")))
    with torch.device("meta"):
        _, projector = build_audio(config.audio_config, config.text_config.hidden_size)
    last = json.loads((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return {
        "evaluation": json.loads((folder / "evaluation.json").read_text(encoding="utf-8")),
        "projector_parameters": sum(parameter.numel() for parameter in projector.parameters()),
        "seconds_per_step": round(last["wall_s"] / sum(stage.steps for stage in recipe.stages), 4),
    }


def _done(file: Path) -> dict[tuple[str, int, int], dict[str, Any]]:
    if not file.is_file():
        return {}
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {(line["case"], line["point"], line["seed"]): line for line in lines}


def _write(file: Path, results: Any) -> None:
    with atomic_write(file) as temporary:
        temporary.write_text("".join(json.dumps(result) + "\n" for result in results), encoding="utf-8")


def _points(sweep: Sweep, results: Sequence[Mapping[str, Any]]) -> list[Point]:
    points: list[Point] = []
    for case, changes in sweep.cases.items():
        for number, settings in enumerate(changes):
            found = [result for result in results if result["case"] == case and result["point"] == number]
            measured = [_averaged(result["evaluation"]) for result in found]
            spread = {name: [one[name] for one in measured] for name in MEASURES}
            points.append(
                Point(
                    case,
                    number,
                    ", ".join(_said(value) for value in settings.values()),
                    len(found),
                    sum(one["rows"] for one in found[0]["evaluation"].values()),
                    {name: _spread(values) for name, values in spread.items()},
                    fmean(one["audio_tokens_per_s"] for one in measured),
                    found[0]["projector_parameters"],
                    _spread([result["seconds_per_step"] for result in found]),
                )
            )
    quickest = min(point.step_time[0] for point in points)
    return [point._replace(step_time=tuple(s / quickest for s in point.step_time)) for point in points]


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, lowest and highest."""
    return fmean(values), min(values), max(values)


def _averaged(evaluation: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The mean over what was held out, each set counting once."""
    sets = evaluation.values()
    means = {name: fmean(one[name][0] for one in sets) for name in MEASURES}
    return {**means, "audio_tokens_per_s": fmean(one["audio_tokens_per_s"] for one in sets)}


def _said(value: Any) -> str:
    """``{type: mlp, stride: 4}`` as ``mlp stride 4``."""
    if not isinstance(value, Mapping):
        return str(value)
    rest = [f"{key} {_said(inner)}" for key, inner in value.items() if key != "type"]
    return " ".join([*([str(value["type"])] if "type" in value else []), *rest])
