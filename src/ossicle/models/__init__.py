"""Composed audio-language models: building, saving, loading, answering."""

from ossicle.models.asking import Asking
from ossicle.models.build import Bundle, ModelSpec, build, load_bundle, save
from ossicle.models.config import OssicleConfig
from ossicle.models.foreign import Foreign
from ossicle.models.lalm import LALM
from ossicle.models.load import load
from ossicle.models.local import Local
from ossicle.models.remote import Remote

__all__ = [
    "LALM",
    "Asking",
    "Bundle",
    "Foreign",
    "Local",
    "ModelSpec",
    "OssicleConfig",
    "Remote",
    "build",
    "load",
    "load_bundle",
    "save",
]
