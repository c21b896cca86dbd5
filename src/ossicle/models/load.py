"""A name or a folder → something that answers."""

import torch

from ossicle.models.build import load_bundle
from ossicle.models.folders import model_folder
from ossicle.models.local import Local, LongAudio
from ossicle.support.errors import ModelError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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
