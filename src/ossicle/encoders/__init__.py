"""Samples → frames. One file per encoder; the file name is the type name."""

from ossicle.encoders.base import Encoder, Frames, Span, encoders

__all__ = ["Encoder", "Frames", "Span", "encoders"]
