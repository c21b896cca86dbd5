"""Paths as people write them in recipes."""

import os
from pathlib import Path


def expand(path: str) -> Path:
    """``~`` and ``$VARIABLES`` filled in; relative paths stay relative to the current folder."""
    return Path(os.path.expandvars(path)).expanduser()
