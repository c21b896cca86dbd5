"""Where training rows come from, how sources are mixed, and how batches are cut and prepared."""

from ossicle.data.batching import BatchPlan, Position
from ossicle.data.loader import Loader
from ossicle.data.mixture import Mixture, make_mixture
from ossicle.data.source import Source, make_source, sources

__all__ = ["BatchPlan", "Loader", "Mixture", "Position", "Source", "make_mixture", "make_source", "sources"]
