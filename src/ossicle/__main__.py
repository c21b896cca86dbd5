"""``python -m ossicle``."""

from ossicle.cli import program

program()
