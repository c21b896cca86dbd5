"""Frames → language-model width. One file per projector; the file name is the type name."""

from ossicle.projectors.base import Projector, projectors

__all__ = ["Projector", "projectors"]
