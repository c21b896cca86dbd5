"""Weights from a folder or the hub into a model of transformers: every tensor of it, or a sentence that says which is
wrong. Transformers alone fills what is missing with random numbers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ossicle.support.errors import ModelError
from ossicle.support.hub import reason

_RECOMPUTED = frozenset({"num_batches_tracked", "position_ids", "relative_position_index", "token_type_ids"})
"""Last words of the names of counters and tables that a model makes itself, and that some checkpoints leave out."""


def read_weights(
    cls: Any,
    ref: Path | str,
    whose: str,
    *,
    needed: Callable[[Any], str | tuple[str, ...]] = lambda model: "",
    **options: Any,
) -> Any:
    """The model of class ``cls`` with the weights that ``ref`` names, in evaluation mode.

    Tensors beyond the model's own are left alone; tied ones need to be there once.

    Args:
        cls: a class with transformers' ``from_pretrained``, e.g. ``AutoModelForCausalLM``.
        ref: folder or hub id.
        whose: how the model is called in messages, e.g. ``"the language model 'mine'"``.
        needed: given the model, how the names of the tensors begin that must be there; by default all must.
        options: more for ``from_pretrained``.

    Raises:
        ModelError: the weights cannot be had or read, or a tensor is missing or of another shape.
    """
    try:
        model, found = cls.from_pretrained(
            ref, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    except SafetensorError as error:
        raise ModelError(
            f"{whose} cannot be loaded: {_damaged(Path(ref))} is damaged or cut short ({error}); copy it again."
        ) from error
    except FileNotFoundError as error:
        raise ModelError(f"{whose} cannot be loaded: a file of it is missing ({error}); copy it again.") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{whose} cannot be loaded: {reason(error)}") from error
    except RuntimeError as error:
        # Transformers joins some tensors while it reads, those of experts for one, and tells which in its log alone.
        if "automatic conversion" not in str(error):
            raise
        raise ModelError(
            f"{whose} cannot be loaded: tensors that go together, such as those of its experts, are missing or of "
            "unlike shapes; copy it again."
        ) from error
    kept = needed(model)
    for name in sorted(found["missing_keys"]):
        if name.startswith(kept) and name.rpartition(".")[2] not in _RECOMPUTED:
            raise ModelError(
                f"{whose}: its weights have no tensor {name!r}; they are incomplete or another's, copy them again."
            )
    for name, theirs, ours in sorted([*found["mismatched_keys"], *_misshaped(model)]):
        if name.startswith(kept):
            raise ModelError(
                f"{whose}: tensor {name!r} has shape {tuple(theirs)}, and {tuple(ours)} is needed; its weights and its "
                "configuration do not belong together."
            )
    return model


def _misshaped(model: Any) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Quantised layers whose weights are of another shape than the layer, which transformers does not compare."""
    for name, module in model.named_modules():
        if type(module).__module__.startswith("bitsandbytes.") and hasattr(module, "in_features"):
            state = getattr(module.weight, "quant_state", None)
            theirs, ours = (module.weight if state is None else state).shape, (module.out_features, module.in_features)
            if theirs != ours:
                yield f"{name}.weight", tuple(theirs), ours


def _damaged(folder: Path) -> str:
    """The first safetensors file in ``folder`` that cannot be opened; of a hub id, in words."""
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "pt"):
                pass
        except SafetensorError:
            return str(file)
    return "a safetensors file of it"
