"""Shared fixtures: where the real recordings are, if they are here."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The quick tests try the same examples every time; `make test-all` looks for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


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

    from ossicle.models import save
    from random_bundle import random_bundle

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models") / "random"
    save(random_bundle(), folder, files={"about.json": '{"knows": "This model knows no words at all."}'})
    return folder
