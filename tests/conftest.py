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
