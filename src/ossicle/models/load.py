"""A name or a folder → something that answers."""

from pathlib import Path

import torch

from ossicle.models.build import load_bundle
from ossicle.models.local import Local, LongAudio
from ossicle.support.errors import ModelError, nearest

SHIPPED = Path(__file__).parent / "shipped"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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


def load(ref: str = "tiny", *, device: str = "cpu", dtype: str = "float32", long_audio: LongAudio = "window") -> Local:
    """Load a model for asking.

    Args:
        ref: ``"tiny"`` (inside the package), a model folder, or the folder of a finished training run.
        device: of torch, e.g. ``"cpu"``, ``"cuda:0"``, ``"mps"``.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        long_audio: see :class:`~ossicle.models.local.Local`.

    Raises:
        ModelError: no such model, an incomplete one, or a device or dtype that is not there.
    """
    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r} is unknown; give one of {', '.join(DTYPES)}.")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {device!r} cannot be used here; try --device cpu.") from error
    return Local(load_bundle(model_folder(ref), device=device, dtype=DTYPES[dtype]), ref, long_audio=long_audio)
