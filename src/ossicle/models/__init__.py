"""Composed audio-language models: building, saving, loading, answering."""

from ossicle.models.build import Bundle, ModelSpec, build, load_bundle, save
from ossicle.models.config import OssicleConfig
from ossicle.models.lalm import LALM
from ossicle.models.load import load
from ossicle.models.local import Local

__all__ = ["LALM", "Bundle", "Local", "ModelSpec", "OssicleConfig", "build", "load", "load_bundle", "save"]
