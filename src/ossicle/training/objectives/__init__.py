"""What is minimised. One file per objective; the file name is the type name."""

from ossicle.training.objectives.base import Objective, Seen, objectives

__all__ = ["Objective", "Seen", "objectives"]
