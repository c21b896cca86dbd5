"""``ossicle show``: what a recipe or model is made of, before any weights are loaded."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ossicle.support.errors import ModelError, SpecError
from ossicle.support.hub import reason

if TYPE_CHECKING:
    from torch import nn

    from ossicle.encoders import Encoder
    from ossicle.models.build import Placeholders
    from ossicle.models.integrations import Integration
    from ossicle.projectors.base import Projector
    from ossicle.training import Recipe

_PROBE_S = 10.0


class Parts(NamedTuple):
    """The parts of a model on the meta device: shapes without weights."""

    encoder: "Encoder"
    projector: "Projector"
    integration: "Integration"
    language_model: "nn.Module"
    text_config: Any

    def counts(self) -> dict[str, int]:
        """Parameters of each; tied ones once."""
        return {name: sum(p.numel() for p in getattr(self, name).parameters()) for name in self._fields[:4]}


def show(what: str, overrides: Sequence[str], *, tokens: bool, tiny: bool = False) -> None:
    """Print a recipe or model.

    Args:
        tokens: a conversation as ids, instead of the parts.
        tiny: a recipe in its smallest form.

    Raises:
        SpecError, ModelError: no such recipe or model, or one that cannot be built.
    """
    from ossicle.commands.answering import hush_libraries

    hush_libraries()
    if Path(what).suffix.lower() in (".yaml", ".yml") or Path(what).is_file():
        from ossicle.training import load_recipe, tiny_form
        from ossicle.training.run import resolve

        recipe = load_recipe(what, overrides)
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
    else:
        _show_model(what)


def _show_recipe(recipe: "Recipe") -> None:
    parts = parts_of_spec(recipe.model)
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


def _print_stages(recipe: "Recipe", parts: Parts) -> None:
    from ossicle.training.lora import adapter_size

    counts = parts.counts()
    counts["projector"] += counts.pop("integration")  # a stage trains both or neither
    trained_as = {name: getattr(parts, name) for name in counts}
    for number, stage in enumerate(recipe.stages, 1):
        print(f"\nstage {number}: {stage.name}, {stage.steps:,} steps of up to {stage.seconds_per_batch:g} s of audio")
        trained = 0
        for name, part in trained_as.items():
            rate = stage.optimiser.lr * stage.optimiser.lr_scale.get(name, 1.0)
            how = stage.train.get(name, "frozen")
            if how == "full":
                trained, said = trained + counts[name], f"trained, lr {rate:g}"
            elif how != "frozen":
                size, layers = adapter_size(part.base_model if name == "language_model" else part, how.lora)
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

    folder = model_folder(ref)
    config, parts = parts_of_folder(folder)
    print(f"{ref}: a model in {folder}\n")
    _print_parts(parts, _spec_of(config))
    print(f"\nformat {config.format_version}, {_size(folder)}")
    if knows := about(ref).get("knows"):
        print(knows)
    if (folder / "recipe.yaml").is_file():
        from ossicle.training import load_recipe

        _print_stages(load_recipe(folder / "recipe.yaml"), parts)


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


def parts_of_spec(model: Mapping[str, Any]) -> Parts:
    """The parts of a recipe's ``model``. Raises SpecError, ModelError."""
    from transformers import AutoConfig

    from ossicle.chat.tokenizer import TokenizerSpec
    from ossicle.encoders import encoders
    from ossicle.models.config import OssicleAudioConfig
    from ossicle.models.integrations import integrations, spec_of
    from ossicle.spec import build_options

    if "base" in model:
        return parts_of_base(model)[1]
    cls, options = build_options(encoders, model["encoder"], "model.encoder")
    encoder = {"type": cls.type_name, **cls.resolve(options).model_dump(mode="json")}
    audio = OssicleAudioConfig(encoder=encoder, projector=dict(model["projector"]))
    given = dict(model["language_model"])
    try:
        if "id" in given:
            text = AutoConfig.from_pretrained(given["id"], trust_remote_code=False)
        else:
            size = TokenizerSpec(**model.get("tokenizer", {})).vocab_size
            text = AutoConfig.for_model(given.pop("type"), vocab_size=size, tie_word_embeddings=True, **given)
    except (OSError, ValueError, KeyError) as error:
        said = f"model.language_model {_plain(model['language_model'])} cannot be built: {reason(error)}"
        raise SpecError(said) from None
    integration_cls, options = build_options(
        integrations, spec_of(model.get("integration", "prompt")), "model.integration"
    )
    return _on_meta(audio, text, {"type": integration_cls.type_name, **options.model_dump(mode="json")})


def parts_of_base(model: Mapping[str, Any]) -> tuple[Any, Parts]:
    """The configuration and parts of a trained model that a recipe goes on from."""
    from ossicle.models.build import with_projector
    from ossicle.models.folders import model_folder

    config, parts = parts_of_folder(model_folder(model["base"]))
    if model.get("projector") is None:
        return config, parts
    config = with_projector(config, model["projector"])
    return config, _on_meta(config.audio_config, config.text_config, config.integration)


def parts_of_folder(folder: Path) -> tuple[Any, Parts]:
    """The configuration and parts of a model folder. Raises ModelError."""
    from ossicle.models.config import OssicleConfig
    from ossicle.models.published import LAYOUTS, read_config

    file = folder / "config.json"
    if not file.is_file():
        raise ModelError(f"{folder} is not a model folder: it has no config.json.")
    raw = json.loads(file.read_text(encoding="utf-8"))
    if raw.get("model_type") in LAYOUTS:
        config = read_config(folder)
        return config, _on_meta(config.audio_config, config.text_config, config.integration)
    if raw.get("model_type") != OssicleConfig.model_type:
        raise ModelError(f"{folder} holds a {raw.get('model_type')!r} model, not one made by Ossicle.")
    config = OssicleConfig.from_dict(raw)
    return config, _on_meta(config.audio_config, config.text_config, config.integration)


def _on_meta(audio: Any, text: Any, integration: Any) -> Parts:
    import torch
    from transformers import AutoModelForCausalLM

    from ossicle.models.integrations import made_of
    from ossicle.models.lalm import build_audio

    with torch.device("meta"):
        encoder, projector = build_audio(audio, text.hidden_size)
        language_model = AutoModelForCausalLM.from_config(text)
        joint = made_of(integration, text)
    return Parts(encoder, projector, joint, language_model, text)


def placeholders(parts: Parts) -> "Placeholders":
    """How many audio ids a recording takes in a row."""
    from ossicle.models.build import Placeholders

    return Placeholders(parts.encoder, parts.projector, parts.integration.type_name)


def _print_parts(parts: Parts, spec: Mapping[str, Any]) -> None:
    from ossicle.models.integrations import spec_of

    counts = parts.counts()
    for name, count in counts.items():
        one = spec_of(spec.get(name, "prompt"))
        options = {k: v for k, v in one.items() if k not in ("type", "id")}
        print(f"{name:<16}{one.get('type', one.get('id')):<16}{count:>14,}  {_plain(options)}".rstrip())
    print(f"{'in all':<32}{sum(counts.values()):>14,}  parameters\n")
    encoder, projector = parts.encoder, parts.projector
    frames = encoder.num_frames(round(_PROBE_S * encoder.sample_rate))
    heard = [f"{encoder.sample_rate:,} Hz", f"up to {encoder.window_samples / encoder.sample_rate:g} s at once"]
    heard += [f"{frames / _PROBE_S:g} frames/s", f"{projector.num_tokens([frames]) / _PROBE_S:g} audio tokens/s"]
    if spec.get("clock"):
        heard.append("each with its place in time")
    print(f"hears {', '.join(heard)}")
    print(f"widths: {encoder.dim} → {parts.text_config.hidden_size}, vocabulary {parts.text_config.vocab_size:,}")


def _plain(options: Mapping[str, Any]) -> str:
    return " ".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in options.items() if v is not None)


def _size(folder: Path) -> str:
    return f"{sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1e6:.1f} MB"
