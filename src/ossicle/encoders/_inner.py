"""Encoders inside an encoder."""

from collections.abc import Mapping
from typing import Any

from ossicle.encoders.base import Encoder, encoders
from ossicle.spec import build_options
from ossicle.support.errors import SpecError


def inner(mapping: Mapping[str, Any], where: str) -> Encoder:
    """Build one. Raises SpecError for an unknown type or option, or for codes, which only a model reads."""
    cls, options = build_options(encoders, mapping, where)
    made = cls(options)
    if made.codebooks:
        raise SpecError(f"{where}: {cls.type_name} gives codes here, which cannot be joined; leave codebooks out.")
    return made


def resolved(mapping: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Its spec with everything written out. Raises SpecError, ModelError."""
    cls, options = build_options(encoders, mapping, where)
    return {"type": cls.type_name, **cls.resolve(options).model_dump(mode="json")}
