"""Recipes, stages, and the loop that trains them."""

from ossicle.training.loop import TrainingStoppedError
from ossicle.training.recipe import OptimiserSpec, Recipe, Stage, load_recipe
from ossicle.training.run import train
from ossicle.training.tiny_form import tiny_form

__all__ = ["OptimiserSpec", "Recipe", "Stage", "TrainingStoppedError", "load_recipe", "tiny_form", "train"]
