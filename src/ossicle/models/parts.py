"""The parts of a model without their weights: what a recipe or a folder would make, as shapes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from ossicle.chat.tokenizer import TokenizerSpec
from ossicle.encoders import Encoder, encoders
from ossicle.models.build import Placeholders, with_projector
from ossicle.models.config import OssicleAudioConfig, OssicleConfig
from ossicle.models.folders import model_folder
from ossicle.models.integrations import Integration, integrations, made_of, spec_of
from ossicle.models.lalm import build_audio
from ossicle.models.published import LAYOUTS, read_config
from ossicle.models.read_foreign import refuse_foreign
from ossicle.projectors import Projector
from ossicle.spec import build_options, dump_yaml
from ossicle.support.errors import ModelError, SpecError
from ossicle.support.hub import reason
from ossicle.support.sizes import making


class Parts(NamedTuple):
    """The parts of a model on the meta device: shapes without weights."""

    encoder: Encoder
    projector: Projector
    integration: Integration
    language_model: nn.Module
    text_config: Any

    def counts(self) -> dict[str, int]:
        """Parameters of each; tied ones once."""
        return {name: sum(p.numel() for p in getattr(self, name).parameters()) for name in self._fields[:4]}

    def trained_counts(self) -> dict[str, int]:
        """Parameters of what a stage trains, by the names that it gives them: an integration's go with the projector,
        or are a part of their own."""
        counts = self.counts()
        del counts["integration"]
        for name, module in self.integration.parts().items():
            counts[name] = counts.get(name, 0) + sum(p.numel() for p in module.parameters())
        return counts

    def placeholders(self) -> Placeholders:
        """How many audio ids a recording takes in a row."""
        return Placeholders(self.encoder, self.projector, self.integration.type_name)


def parts_of_spec(model: Mapping[str, Any]) -> Parts:
    """The parts of a recipe's ``model``. Raises SpecError, ModelError."""
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
        said = dump_yaml(model["language_model"], one_line=True)
        raise SpecError(f"model.language_model {said} cannot be built: {reason(error)}") from None
    integration_cls, options = build_options(
        integrations, spec_of(model.get("integration", "prompt")), "model.integration"
    )
    return _on_meta(audio, text, {"type": integration_cls.type_name, **options.model_dump(mode="json")})


def parts_of_base(model: Mapping[str, Any]) -> tuple[Any, Parts]:
    """The configuration and parts of a trained model that a recipe goes on from. Raises ModelError."""
    config, parts = parts_of_folder(model_folder(model["base"], weights=False))
    if model.get("projector") is None:
        return config, parts
    config = with_projector(config, model["projector"])
    return config, _on_meta(config.audio_config, config.text_config, config.integration)


def parts_of_folder(folder: Path) -> tuple[Any, Parts]:
    """The configuration and parts of a model folder. Raises ModelError."""
    file = folder / "config.json"
    if not file.is_file():
        raise ModelError(f"{folder} is not a model folder: it has no config.json.")
    raw = json.loads(file.read_text(encoding="utf-8"))
    if raw.get("model_type") in LAYOUTS:
        config = read_config(folder)
    elif raw.get("model_type") == OssicleConfig.model_type:
        config = OssicleConfig.from_dict(raw)
    else:
        refuse_foreign(folder)
        raise ModelError(f"{folder} holds a {raw.get('model_type')!r} model, not one made by Ossicle.")
    return config, _on_meta(config.audio_config, config.text_config, config.integration)


def _on_meta(audio: Any, text: Any, integration: Any) -> Parts:
    with torch.device("meta"):
        encoder, projector = build_audio(audio, text.hidden_size)
        with making(f"model.language_model ({text.model_type})"):
            language_model = AutoModelForCausalLM.from_config(text)
        joint = made_of(integration, text)
    return Parts(encoder, projector, joint, language_model, text)
