"""``ossicle export``: a model, or its adapters, in the layout of the architecture that it was taken from."""

from pathlib import Path

from ossicle.commands.answering import hush_libraries, writing
from ossicle.support.errors import ModelError


def run(model: str, out: Path, dtype: str, *, adapters: bool = False) -> None:
    """Write it, complete or not at all, its weights as ``dtype``; or its adapters, as they were learnt.

    Raises:
        ModelError: the model was composed by us, ``out`` is there already, there is no such type, or adapters are not
            all that was learnt.
    """
    hush_libraries()
    from ossicle.models.build import export, load_bundle
    from ossicle.models.folders import model_folder
    from ossicle.models.load import dtype_called

    if out.exists():
        raise ModelError(f"{out} is there already; give a folder that is not.")
    if adapters:
        from ossicle.training.published_adapters import export_adapters

        with writing(out):
            export_adapters(Path(model), out)
        print(f"{out}: for peft, over the published model in transformers")
        return
    weights = dtype_called(dtype)
    with writing(out):
        export(load_bundle(model_folder(model), dtype=weights), out)
    print(f"{out}: for transformers alone, and what reads its models")
