"""Optional libraries, imported when used."""

import importlib
from types import ModuleType

from ossicle.support.errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """Import ``module``, or say which extra brings it.

    Raises:
        MissingExtraError: the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"this needs {module.partition('.')[0]}, which is not installed: pip install 'ossicle[{extra}]'."
        ) from error
