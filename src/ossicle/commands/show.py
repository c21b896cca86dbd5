"""``ossicle show``: what a recipe or model is made of, before any weights are loaded."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ossicle.support.errors import ModelError, SpecError

if TYPE_CHECKING:
    from torch import nn

    from ossicle.models.parts import Parts
    from ossicle.training import Recipe


class _Joined(NamedTuple):
    """The parts as an integration finds them in a model, where it says whether they suit it."""

    audio_tower: "nn.Module"
    multi_modal_projector: "nn.Module"
    language_model: "nn.Module"


def show(what: str, overrides: Sequence[str], *, tokens: bool, tiny: bool = False, plot: Path | None = None) -> None:
    """Print a recipe, a model or a training run.

    Args:
        tokens: a conversation as ids, instead of the parts.
        tiny: a recipe in its smallest form.
        plot: where to draw the course of a run.

    Raises:
        SpecError, ModelError: no such recipe or model, or one that cannot be built.
    """
    from ossicle.commands.answering import hush_libraries
    from ossicle.commands.course import is_run, show_run

    hush_libraries()
    if plot is not None and not is_run(Path(what)):
        raise SpecError(
            f"{what} is no training run, so there is no course to draw; --plot goes with the folder of one."
        )
    if Path(what).suffix.lower() in (".yaml", ".yml") or Path(what).is_file():
        from ossicle.commands.recipes import read_recipe
        from ossicle.training import tiny_form
        from ossicle.training.run import resolve

        _refuse_sweep(what)
        recipe = read_recipe(what, overrides)
        recipe = resolve(tiny_form(recipe) if tiny else recipe)
        if tokens:
            from ossicle.commands.tokens import show_recipe_tokens

            show_recipe_tokens(recipe)
        else:
            _show_recipe(recipe)
        return
    if overrides:
        raise SpecError(f"{what} is a model, which takes no overrides; name a recipe (.yaml) to change one.")
    if tiny:
        raise SpecError(f"{what} is a model, and --tiny is for recipes (.yaml).")
    if tokens:
        from ossicle.commands.tokens import show_model_tokens

        show_model_tokens(what)
    elif is_run(Path(what)):
        show_run(Path(what), plot)
        if (Path(what) / "model").is_dir():
            print()
            _show_model(what)
    else:
        _show_model(what)


def _refuse_sweep(file: str) -> None:
    """Raise SpecError for a file that holds several versions of a recipe."""
    from ossicle.spec import read_yaml

    if {"recipe", "cases"} <= read_yaml(file).keys():
        raise SpecError(
            f"{file}: is a sweep, which trains its recipe in several versions; try whether they fit together with "
            f"ossicle sweep {file} --tiny --out FOLDER."
        )


def _show_recipe(recipe: "Recipe") -> None:
    from ossicle.models.parts import parts_of_base, parts_of_spec

    parts = parts_of_spec(recipe.model)
    parts.integration.install(_Joined(parts.encoder, parts.projector, parts.language_model.base_model))
    print(f"{recipe.name}: a recipe of {len(recipe.stages)} stage(s), seed {recipe.seed}\n")
    if "base" in recipe.model:
        anew = " with another projector" if "projector" in recipe.model else ""
        print(f"goes on from {recipe.model['base']}, weights {recipe.model['weights'][:12]}{anew}")
        _print_parts(parts, _spec_of(parts_of_base(recipe.model)[0]))
    else:
        _print_parts(parts, recipe.model)
        if "id" not in recipe.model["language_model"]:
            print("\ntokenizer: made from the recipe's own texts, at most as large as counted here")
    _print_stages(recipe, parts)


def _print_stages(recipe: "Recipe", parts: "Parts") -> None:
    from ossicle.training.lora import adapter_size

    counts = parts.trained_counts()
    for number, stage in enumerate(recipe.stages, 1):
        print(f"\nstage {number}: {stage.name}, {stage.steps:,} steps of up to {stage.seconds_per_batch:g} s of audio")
        trained = 0
        for name in counts:
            rate = stage.optimiser.lr * stage.optimiser.lr_scale.get(name, 1.0)
            how = stage.train.get(name, "frozen")
            if how == "full":
                trained, said = trained + counts[name], f"trained, lr {rate:g}"
            elif how != "frozen":
                part = parts.language_model.base_model if name == "language_model" else getattr(parts, name)
                size, layers = adapter_size(part, how.lora)
                trained, said = trained + size, f"adapters of rank {how.lora.rank} on {layers} layers, lr {rate:g}"
            print(f"  {name:<16}{'frozen' if how == 'frozen' else said}")
        print(f"  {'in all':<16}{trained:,} of {sum(counts.values()):,} parameters")
        objectives = " + ".join(f"{weight:g} × {spec['type']}" for weight, spec in stage.objectives())
        print(f"  {'objective':<16}{objectives}, {stage.dtype}")
        for name, source in stage.data.items():
            given = {k: v for k, v in source.items() if k in ("path", "root", "weight", "split")}
            print(f"  {'data':<16}{name}: {source['type']} {_plain(given)}".rstrip())


def _show_model(ref: str) -> None:
    from ossicle.commands.answering import about
    from ossicle.models.folders import model_folder
    from ossicle.models.parts import parts_of_folder
    from ossicle.models.read_foreign import is_foreign

    folder = model_folder(ref, weights=False)
    if is_foreign(folder):
        _show_foreign(ref, folder)
        return
    config, parts = parts_of_folder(folder)
    print(f"{ref}: a model in {folder}\n")
    _print_parts(parts, _spec_of(config))
    print(f"\nformat {config.format_version}, {_size_of_model(folder)}")
    if knows := about(ref).get("knows"):
        print(knows)
    if (folder / "recipe.yaml").is_file():
        from ossicle.training import load_recipe

        _print_stages(load_recipe(folder / "recipe.yaml"), parts)


def _show_foreign(ref: str, folder: Path) -> None:
    """A published model that is not taken apart."""
    from ossicle.models.decoding import context_of
    from ossicle.models.read_foreign import count_parts, extractor_of, hears_s, read_processor, shape_of

    model = shape_of(folder)
    print(f"{ref}: a model in {folder}, which transformers runs\n")
    counts = count_parts(model)
    for name, count in counts.items():
        if count:
            print(f"{name:<32}{count:>14,}")
    print(f"{'in all':<32}{sum(counts.values()):>14,}  parameters\n")
    try:
        processor = read_processor(folder)
        span_s = hears_s(processor)
        at_once = f"up to {span_s:g} s at once" if span_s < math.inf else "no longest recording is said"
        print(f"hears {extractor_of(processor).sampling_rate:,} Hz, {at_once}")
        asked = "it can be asked and scored"
    except ModelError as error:
        asked = f"it cannot be asked here ({error})"
    text = model.config.get_text_config()
    print(f"language model {text.model_type}, vocabulary {text.vocab_size:,}, context {context_of(text):,} tokens")
    print(f"\n{_size_of_model(folder)}\n{asked}; as it is not taken apart, it is neither trained on nor exported")


def _spec_of(config: Any) -> dict[str, Any]:
    """What a recipe would say of a model's parts."""
    return {
        "encoder": config.audio_config.encoder,
        "projector": config.audio_config.projector,
        "language_model": {"type": config.text_config.model_type},
        "integration": config.integration,
        "clock": config.clock,
    }


def show_models() -> None:
    """One line for each model inside the package."""
    from ossicle.models.folders import SHIPPED, shipped_models

    names = shipped_models()
    for name in names:
        file = SHIPPED / name / "about.json"
        knows = json.loads(file.read_text(encoding="utf-8")).get("knows", "") if file.is_file() else ""
        print(f"{name}  {_size(SHIPPED / name)}  {knows}".rstrip())
    if not names:
        print("no model is inside this copy of the package")


def _print_parts(parts: "Parts", spec: Mapping[str, Any]) -> None:
    from ossicle.models.integrations import spec_of

    counts = parts.counts()
    for name, count in counts.items():
        one = spec_of(spec.get(name, "prompt"))
        options = {k: v for k, v in one.items() if k not in ("type", "id")}
        print(f"{name:<16}{one.get('type', one.get('id')):<16}{count:>14,}  {_plain(options)}".rstrip())
    print(f"{'in all':<32}{sum(counts.values()):>14,}  parameters\n")
    encoder, projector = parts.encoder, parts.projector
    frames, window_s = encoder.num_frames(encoder.window_samples), encoder.window_samples / encoder.sample_rate
    heard = [f"{encoder.sample_rate:,} Hz", f"up to {window_s:g} s at once"]
    heard += [f"{frames / window_s:.4g} frames/s", f"{projector.num_tokens([frames]) / window_s:.4g} audio tokens/s"]
    if spec.get("clock"):
        heard.append("each with its place in time")
    print(f"hears {', '.join(heard)}")
    print(f"widths: {encoder.dim} → {parts.text_config.hidden_size}, vocabulary {parts.text_config.vocab_size:,}")


def _plain(options: Mapping[str, Any]) -> str:
    return " ".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in options.items() if v is not None)


def _size_of_model(folder: Path) -> str:
    here = "" if any(folder.glob("*.safetensors")) else "; its weights come when it is asked"
    return f"{_size(folder)}{here}"


def _size(folder: Path) -> str:
    return f"{sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1e6:.1f} MB"
