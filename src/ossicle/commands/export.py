"""``ossicle export``: a model in the layout of the architecture that it was taken from."""

from pathlib import Path

from ossicle.commands.answering import hush_libraries, writing
from ossicle.support.errors import ModelError


def run(model: str, out: Path, dtype: str) -> None:
    """Write it, complete or not at all, its weights as ``dtype``.

    Raises:
        ModelError: the model was composed by us, ``out`` is there already, or there is no such type.
    """
    hush_libraries()
    from ossicle.models.build import export, load_bundle
    from ossicle.models.folders import model_folder
    from ossicle.models.load import dtype_called

    if out.exists():
        raise ModelError(f"{out} is there already; give a folder that is not.")
    weights = dtype_called(dtype)
    with writing(out):
        export(load_bundle(model_folder(model), dtype=weights), out)
    print(f"{out}: for transformers alone, and what reads its models")
