"""Shared fixtures: where the real recordings are, if they are here."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings, or a skip that says so."""
    folder = Path(os.environ.get("OSSICLE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the folder of real recordings (OSSICLE_DATA) is absent")
    return folder


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model with random weights, which hears up to 4 s at once and answers nonsense."""
    import torch

    from ossicle.models import build, save

    torch.set_num_threads(1)
    torch.manual_seed(0)
    spec = {
        "encoder": {"type": "melnet", "channels": [4, 8, 8, 16], "dim": 32, "layers": 1, "heads": 2, "window_s": 4.0},
        "projector": {"type": "mlp", "stride": 2},
        "language_model": {
            "type": "qwen3",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
        },
        "tokenizer": {"vocab_size": 700},
    }
    bundle = build(spec, ["What is this? A dog, a bell."] * 20)
    with torch.no_grad():  # wide enough weights that greedy replies differ from one another
        for parameter in bundle.model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8.0)
    folder = tmp_path_factory.mktemp("models") / "random"
    save(bundle, folder, files={"about.json": '{"knows": "This model knows no words at all."}'})
    return folder
