"""A tiny model with random weights, which hears up to 4 s at once and answers nonsense, but not always the same."""

from typing import Any

import torch

from ossicle.encoders import encoders
from ossicle.models import Bundle, build
from ossicle.models.integrations import integrations
from ossicle.training.tiny_form import LANGUAGE_MODEL

SPEC = {
    "encoder": {"type": "melnet", "channels": [4, 8, 8, 16], "dim": 32, "layers": 1, "heads": 2, "window_s": 4.0},
    "projector": {"type": "mlp", "stride": 2},
    "language_model": dict(LANGUAGE_MODEL),
    "tokenizer": {"vocab_size": 700},
}
CODEC = {"type": "mimi", **encoders.get("mimi").tiny().options.model_dump(mode="json")}
INTEGRATIONS: dict[str, dict[str, Any]] = {
    "prompt": {"integration": "prompt"},
    "cross_attention": {"integration": {"type": "cross_attention", "heads": 2, "head_dim": 8}},
    "task_aware": {"integration": {"type": "task_aware", "experts": 2, "hidden": 16}},
    "prompt_adapter": {"integration": {"type": "prompt_adapter", "rank": 2, "hidden": 8}},
    "question_prefix": {
        "integration": {"type": "question_prefix", **integrations.get("question_prefix").tiny_options(), "hidden": 24}
    },
    "codes": {
        "integration": "codes",
        "encoder": {**CODEC, "codebooks": 2, "window_s": 4.0},
        "projector": {"type": "codes"},
    },
}
"""What each way in changes of the spec: a test that is parametrised with these holds all of them to its promise."""


def random_bundle(**changes: Any) -> Bundle:
    """The same one each time; ``changes`` replace parts of the spec."""
    torch.manual_seed(0)
    bundle = build({**SPEC, **changes}, ["What is this? A dog, a bell, a knock."] * 20)
    with torch.no_grad():  # wide enough weights that greedy replies differ from one another
        for name, parameter in bundle.model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(8.0)
            if name.endswith(".up"):
                parameter.normal_(0.0, 0.5)
        for name, parameter in bundle.model.named_parameters():
            if name.endswith("_gate"):  # ajar, so that what is behind them counts
                parameter.fill_(0.7)
    bundle.model.eval()
    return bundle
