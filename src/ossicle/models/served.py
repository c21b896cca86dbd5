"""What vLLM serves rightly of our models, by its Transformers modelling backend.

That backend encodes each recording by ``get_audio_features``, puts the tokens in the places of the audio ids, and runs
the language model on embeddings; attention, cache and head are its own.
"""

from ossicle.models.config import OssicleConfig
from ossicle.models.integrations import Integration, integrations, spec_of
from ossicle.models.integrations.prompt import Prompt
from ossicle.support.errors import ModelError

VLLM = "vllm"
"""What vLLM calls its attention; it writes that into the language model's configuration before it builds the model."""
_UNSCALED = ("logits_scaling", "lm_head_multiplier")
"""What scales a family's logits and vLLM leaves out there; it knows ``logit_scale`` and ``final_logit_softcapping``."""
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


def check_served(config: OssicleConfig) -> None:
    """See that vLLM would give this model's own answers.

    Raises:
        ModelError: sound enters in another way than among the embeddings, or the language model is of a kind whose
            logits or experts that backend does not make as ours does.
    """
    name = spec_of(config.integration)["type"]
    integration = integrations.get(name)
    text = config.text_config
    why = None
    if integration.join is not Prompt.join or integration.run is not Integration.run:
        why = f"integration {name} does more than put audio tokens into the prompt"
    elif scale := next((one for one in _UNSCALED if getattr(text, one, None) not in (None, 1, 1.0)), None):
        why = f"its language model ({text.model_type}) scales its logits by {scale}"
    elif any(getattr(text, one, None) for one in _EXPERTS):
        why = f"its language model ({text.model_type}) is a mixture of experts"
    if why:
        raise ModelError(f"vLLM would answer otherwise than this model: {why}; answer with Ossicle itself.")
