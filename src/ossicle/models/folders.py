"""Where models lie: those inside the package by their names, others by their folders."""

from pathlib import Path

from ossicle.support.errors import ModelError, nearest
from ossicle.support.files import sha256_of

SHIPPED = Path(__file__).parent / "shipped"


def shipped_models() -> list[str]:
    """Names of the models inside the package."""
    return sorted(folder.name for folder in SHIPPED.iterdir() if (folder / "config.json").is_file())


def model_folder(ref: str) -> Path:
    """Where the model called ``ref`` lies.

    Raises:
        ModelError: neither a shipped model nor a folder.
    """
    if (SHIPPED / ref / "config.json").is_file():
        return SHIPPED / ref
    folder = Path(ref)
    if not folder.is_dir():
        names = shipped_models()
        raise ModelError(
            f"there is no model {ref!r}.{nearest(ref, names)} Give one of {', '.join(names)}, or the folder of a model."
        )
    # A training run holds its finished model in a folder of its own.
    return folder / "model" if (folder / "model" / "config.json").is_file() else folder


def weights_file(folder: Path) -> Path:
    """The weights in a model folder. Raises ModelError if it has none."""
    file = folder / "model.safetensors"
    if not file.is_file():
        raise ModelError(f"{folder} has no model.safetensors; it is incomplete, copy or train it again.")
    return file


def weights_of(folder: Path) -> str:
    """SHA-256 of a model folder's weights, in hexadecimal. Raises ModelError if it has none."""
    return sha256_of(weights_file(folder))
