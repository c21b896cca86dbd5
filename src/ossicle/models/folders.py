"""Where models lie: those inside the package by their names, others by their folders."""

import functools
import hashlib
from pathlib import Path

from ossicle.models.remote import is_endpoint
from ossicle.support.errors import ModelError, nearest
from ossicle.support.files import sha256_of
from ossicle.support.hub import reason

_WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
_UNWANTED = ("consolidated*",)
"""The same weights once more, in the layout of another program."""
SHIPPED = Path(__file__).parent / "shipped"


def shipped_models() -> list[str]:
    """Names of the models inside the package."""
    return sorted(folder.name for folder in SHIPPED.iterdir() if (folder / "config.json").is_file())


def model_folder(ref: str) -> Path:
    """Where the model called ``ref`` lies; ``hf:OWNER/NAME[@REVISION]`` comes from the hub, or from its cache.

    Raises:
        ModelError: neither a shipped model nor a folder, or not to be had from the hub.
    """
    if ref.startswith("hf:"):
        return _from_hub(ref.removeprefix("hf:"))
    if (SHIPPED / ref / "config.json").is_file():
        return SHIPPED / ref
    if is_endpoint(ref):
        raise ModelError(f"{ref} is an endpoint: it can be asked; to show, train or export a model takes its folder.")
    folder = Path(ref)
    if not folder.is_dir():
        names = shipped_models()
        raise ModelError(
            f"there is no model {ref!r}.{nearest(ref, names)} Give one of {', '.join(names)}, the folder of a "
            "model, hf:OWNER/NAME, or openai:http://HOST:PORT/v1#NAME."
        )
    # A training run holds its finished model in a folder of its own.
    return folder / "model" if (folder / "model" / "config.json").is_file() else folder


@functools.cache
def _from_hub(name: str) -> Path:
    """Weights as safetensors, and the small files beside them; nothing that runs. Asked for once in a process."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    repository, _, revision = name.partition("@")
    try:
        found = snapshot_download(
            repository, revision=revision or None, allow_patterns=_WANTED, ignore_patterns=_UNWANTED
        )
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        raise ModelError(f"the model 'hf:{name}' cannot be loaded: {reason(error)}") from error
    return Path(found)


def weights_files(folder: Path) -> list[Path]:
    """The weights in a model folder, one file or several. Raises ModelError if it has none."""
    files = [file for file in (folder / "model.safetensors",) if file.is_file()]
    files = files or sorted(folder.glob("model-*-of-*.safetensors"))
    if not files:
        raise ModelError(f"{folder} has no model.safetensors; it is incomplete, copy or train it again.")
    return files


def weights_of(folder: Path) -> str:
    """SHA-256 of a model folder's weights, in hexadecimal (of several files: of theirs, one a line). Raises ModelError
    if it has none."""
    found = [sha256_of(file) for file in weights_files(folder)]
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()
