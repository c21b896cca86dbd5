"""Scenes with known truth, and questions about them."""

from ossicle.synthesis.clips import Clip, Library
from ossicle.synthesis.confusable import confusable
from ossicle.synthesis.options import SceneOptions
from ossicle.synthesis.plan import Plan, PlannedEvent
from ossicle.synthesis.scene import Scene, make_scene, plan_scene, render
from ossicle.synthesis.sounds import SOUNDS, make_sound

__all__ = [
    "SOUNDS",
    "Clip",
    "Library",
    "Plan",
    "PlannedEvent",
    "Scene",
    "SceneOptions",
    "confusable",
    "make_scene",
    "make_sound",
    "plan_scene",
    "render",
]
