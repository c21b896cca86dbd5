"""Paths as people write them in recipes."""

import os
import re
from pathlib import Path

from ossicle.support.errors import DataError


def expand(path: str) -> Path:
    """``~`` and ``$VARIABLES`` filled in; relative paths stay relative to the current folder.

    Raises:
        DataError: a variable is not set.
    """
    filled = os.path.expandvars(path)
    if missing := re.search(r"\$\{?(\w+)", filled):
        raise DataError(
            f"the path {path!r} needs the environment variable {missing[1]}: set it, or write the path out."
        )
    return Path(filled).expanduser()
