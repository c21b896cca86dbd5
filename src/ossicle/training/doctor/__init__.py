"""What is wrong with a recipe, found before hours are spent on it."""

from ossicle.training.doctor.examine import examine
from ossicle.training.doctor.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]
