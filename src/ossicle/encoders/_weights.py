"""Encoders of our own that load what others published, tensor by tensor.

Sizes are asked of the tensors, so that nobody types them.
"""

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from safetensors import SafetensorError, safe_open
from transformers.utils import cached_file

from ossicle.encoders.base import Encoder, Options
from ossicle.support.errors import ModelError
from ossicle.support.hub import reason

FILE = "model.safetensors"
PICKLED = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth", ".th"})
CONVERT = (
    "python -c \"import torch; from safetensors.torch import save_file; w = torch.load('{old}', map_location='cpu', "
    "weights_only=True); save_file({{k: v.clone() for k, v in w.get('model', w).items()}}, '{new}')\""
)

Shape = tuple[int, ...]


class OwnOptions(Options):
    """Pretrained weights, where there are any to begin from."""

    id: str | None = None
    """A safetensors file, a folder that holds one, or a hub id. The sizes are those of its tensors."""


class Own(Encoder):
    """Base of encoders whose layers are ours and whose weights may be another's. A subclass says how names differ."""

    Options = OwnOptions
    unused: ClassVar[tuple[str, ...]] = ()
    """How names of published tensors begin that frames do not need: heads, and what follows from the sizes."""

    @classmethod
    @abc.abstractmethod
    def renamed(cls, name: str) -> str:
        """Our name of a published tensor."""

    @classmethod
    @abc.abstractmethod
    def sizes(cls, shapes: "Shapes") -> dict[str, Any]:
        """Options that follow from the shapes of the published tensors.

        Raises:
            ModelError: a tensor is missing, or these are weights of another model.
        """

    @classmethod
    def resolve(cls, options: OwnOptions) -> OwnOptions:
        """With the sizes of the published weights written out.

        Raises:
            ModelError: they cannot be had, or are not what the options say.
        """
        if options.id is None:
            return options
        shapes = {ours: shape for ours, (_, shape) in cls._published(options.id).items()}
        sizes = cls.sizes(Shapes(shapes, f"{cls.type_name} {options.id!r}"))
        for name in sizes.keys() & options.model_fields_set:
            if getattr(options, name) != sizes[name]:
                raise ModelError(
                    f"encoder ({cls.type_name}): {name} is {getattr(options, name)} in the options and {sizes[name]} "
                    f"in the weights {options.id!r}; leave it out."
                )
        return options.model_copy(update=sizes)

    def load_pretrained(self) -> None:
        """Fill the weights from ``options.id``, where it names any.

        Raises:
            ModelError: they cannot be had, or a tensor is missing, unknown or of another shape.
        """
        ref = self.options.id
        if ref is None:
            return
        ours, theirs = self.state_dict(), self._published(ref)
        for name, tensor in ours.items():
            if name not in theirs:
                raise ModelError(f"the weights of {self.type_name} {ref!r} have no tensor {name!r}.")
            published, shape = theirs[name]
            if shape != tuple(tensor.shape):
                raise ModelError(f"{ref}: tensor {published!r} has shape {shape}, and {tuple(tensor.shape)} is needed.")
        for name in sorted(theirs.keys() - ours.keys()):
            if not name.startswith(self.unused):
                raise ModelError(
                    f"{ref}: tensor {theirs[name][0]!r} is none of a {self.type_name} model's; are these its weights?"
                )
        with safe_open(weights_file(ref, self.type_name), "pt") as file:
            self.load_state_dict({name: file.get_tensor(theirs[name][0]) for name in ours})

    @classmethod
    def _published(cls, ref: str) -> dict[str, tuple[str, Shape]]:
        """Our names → the published ones and their shapes."""
        path = weights_file(ref, cls.type_name)
        try:
            with safe_open(path, "pt") as file:
                shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path} is no safetensors file that can be read: {reason(error)}") from error
        return {cls.renamed(name): (name, shape) for name, shape in shapes.items()}


class Shapes:
    """Shapes of published tensors by our names."""

    def __init__(self, shapes: Mapping[str, Shape], whose: str) -> None:
        self.shapes, self.whose = shapes, whose

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def of(self, name: str, dimensions: int) -> Shape:
        """The shape of a tensor. Raises ModelError if it is missing, empty, or has not that many dimensions."""
        if name not in self.shapes:
            raise ModelError(f"the weights of {self.whose} have no tensor {name!r}.")
        shape = self.shapes[name]
        if len(shape) != dimensions or 0 in shape:
            raise ModelError(
                f"the weights of {self.whose}: tensor {name!r} has shape {shape}; it must have {dimensions} dimensions."
            )
        return shape

    def layers(self, prefix: str) -> int:
        """One more than the highest number that follows ``prefix`` in a tensor's name."""
        rests = (name.removeprefix(prefix).split(".")[0] for name in self.shapes if name.startswith(prefix))
        return 1 + max((int(rest) for rest in rests if rest.isdecimal()), default=0)


def weights_file(ref: str, kind: str) -> str:
    """The safetensors file that a path or hub id means.

    Raises:
        ModelError: there is none, or only a pickled one, which could run code.
    """
    path = Path(ref)
    if path.is_dir():
        files = [path / FILE] if (path / FILE).is_file() else sorted(path.glob("*.safetensors"))
        if len(files) == 1:
            return str(files[0])
        if files:
            raise ModelError(f"{ref} holds {len(files)} safetensors files and none is called {FILE}; give one of them.")
        pickled = sorted(file for file in path.iterdir() if file.suffix in PICKLED)
        if not pickled:
            raise ModelError(f"the folder {ref} holds no {FILE}, the weights of {kind}.")
        path = pickled[0]
    if path.suffix in PICKLED:
        command = CONVERT.format(old=path, new=path.with_suffix(".safetensors"))
        raise ModelError(
            f"{path} holds pickled weights, which could run code and are refused; convert them once and give the "
            f"result: {command}"
        )
    if path.is_file():
        return ref
    if path.suffix == ".safetensors":
        raise ModelError(f"there is no file {ref}, the weights of {kind}.")
    try:
        return cached_file(ref, FILE)
    except (OSError, ValueError) as error:
        raise ModelError(f"the weights of {kind} {ref!r} cannot be found: {reason(error)}") from error
