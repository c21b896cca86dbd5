"""Rows as other projects write them: one file for each format."""

from ossicle.data.importers.base import Importer, importers

__all__ = ["Importer", "importers"]
