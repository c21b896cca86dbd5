"""Encoders whose published feature extractor holds facts that the weights depend on."""

import inspect
import warnings
from typing import Any, ClassVar

from transformers import FeatureExtractionMixin

from ossicle.encoders._upstream import Upstream, UpstreamOptions
from ossicle.support.errors import ModelError, SpecError, nearest
from ossicle.support.hub import reason


class ExtractedOptions(UpstreamOptions):
    """As upstream; and what the feature extractor is told."""

    extractor: dict[str, Any] | None = None
    """Arguments of transformers' feature extractor; as published where ``id`` is given, else its defaults."""


class Extracted(Upstream):
    """Base of encoders that need to know how their features were scaled. A subclass names the extractor's class."""

    Options = ExtractedOptions
    extractor_class: ClassVar[type[FeatureExtractionMixin]]

    def __init__(self, options: ExtractedOptions) -> None:
        super().__init__(options)
        given = options.extractor or {}
        known = self.arguments()
        for name in given:
            if name not in known:
                raise SpecError(
                    f"encoder ({self.type_name}).extractor: there is no {name!r}.{nearest(name, known)} "
                    f"Known: {', '.join(sorted(known))}."
                )
        with warnings.catch_warnings(action="ignore"):  # of mel bands without a frequency bin, which are as published
            self.extractor = self.extractor_class(**{**self.sizes(), **given})

    @classmethod
    def arguments(cls) -> set[str]:
        """What the extractor can be told."""
        return set(inspect.signature(cls.extractor_class.__init__).parameters) - {"self", "kwargs"}

    def sizes(self) -> dict[str, Any]:
        """What the extractor must be told to fit the sizes of the model."""
        return {}

    @classmethod
    def resolve(cls, options: ExtractedOptions) -> ExtractedOptions:
        """With what is published of sizes and features.

        Raises:
            ModelError: the extractor's configuration cannot be had.
        """
        options = super().resolve(options)
        if options.extractor is not None or options.id is None:
            return options
        try:
            found, _ = cls.extractor_class.get_feature_extractor_dict(options.id)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{options.id!r} does not say how its features are made ({reason(error)}); give extractor."
            ) from error
        return options.model_copy(update={"extractor": {k: found[k] for k in cls.arguments() & found.keys()}})
