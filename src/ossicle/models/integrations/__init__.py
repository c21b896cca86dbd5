"""The ways in which sound reaches the language model."""

from ossicle.models.integrations.base import Heard, Integration, Memory, integrations, made_of, spec_of

__all__ = ["Heard", "Integration", "Memory", "integrations", "made_of", "spec_of"]
