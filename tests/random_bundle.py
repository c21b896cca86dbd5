"""A tiny model with random weights, which hears up to 4 s at once and answers nonsense, but not always the same."""

from typing import Any

import torch

from ossicle.models import Bundle, build
from ossicle.training.tiny_form import LANGUAGE_MODEL

SPEC = {
    "encoder": {"type": "melnet", "channels": [4, 8, 8, 16], "dim": 32, "layers": 1, "heads": 2, "window_s": 4.0},
    "projector": {"type": "mlp", "stride": 2},
    "language_model": dict(LANGUAGE_MODEL),
    "tokenizer": {"vocab_size": 700},
}


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
