"""MERT: HuBERT for music, at 24 kHz (Li et al. 2023, arXiv 2306.00107).

Its checkpoints bring code of their own, which is not run: without the constant-Q front end and the scaled residuals
that this code can also build, it is HuBERT.
"""

from typing import Any

from transformers import HubertConfig, HubertModel

from ossicle.encoders._waveform import Waveform
from ossicle.encoders.base import encoders
from ossicle.support.errors import ModelError
from ossicle.support.hub import reason

PUBLISHED = "mert_model"
OTHERWISE = {"feature_extractor_cqt": "a constant-Q front end", "deepnorm": "scaled residuals"}
"""Switches of its configuration that make it another model than HuBERT."""


@encoders.register("mert")
class Mert(Waveform):
    """75 frames per second from samples at 24 kHz."""

    config_class, model_class = HubertConfig, HubertModel
    best_known = "m-a-p/MERT-v1-95M"
    licence = "CC-BY-NC-4.0"
    sample_rate = 24_000

    @classmethod
    def published(cls, ref: str | None) -> dict[str, Any]:
        """The sizes of a published model, as HuBERT's.

        Raises:
            ModelError: they cannot be had, or are those of another kind of model.
        """
        try:
            found, _ = HubertConfig.get_config_dict(ref)
        except (OSError, ValueError) as error:
            raise ModelError(f"the mert model {ref!r} cannot be found: {reason(error)}") from error
        if found.get("model_type") != PUBLISHED:
            raise ModelError(f"{ref!r} is a {found.get('model_type')} model, not a {PUBLISHED}; name another type.")
        for switch, what in OTHERWISE.items():
            if found.get(switch):
                raise ModelError(
                    f"{ref!r} has {what} ({switch}), which HuBERT lacks and Ossicle does not build; take one without."
                )
        own = HubertConfig().to_dict().keys() - {"model_type", "architectures", "transformers_version", "dtype"}
        return HubertConfig(**{name: found[name] for name in own & found.keys()}).to_diff_dict()
