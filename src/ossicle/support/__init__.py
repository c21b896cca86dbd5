"""Errors, whole-or-nothing writes, progress, plots, optional libraries."""
