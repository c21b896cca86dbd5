"""Encoders inside an encoder."""

from collections.abc import Mapping
from typing import Any

from ossicle.encoders.base import Encoder, encoders
from ossicle.spec import build_options


def inner(mapping: Mapping[str, Any], where: str) -> Encoder:
    """Build one. Raises SpecError for an unknown type or option."""
    cls, options = build_options(encoders, mapping, where)
    return cls(options)


def resolved(mapping: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Its spec with everything written out. Raises SpecError, ModelError."""
    cls, options = build_options(encoders, mapping, where)
    return {"type": cls.type_name, **cls.resolve(options).model_dump(mode="json")}
