"""Language models whose weights are kept in 8 or 4 bits while they answer (bitsandbytes, by way of transformers)."""

from typing import Any

import torch
from transformers import BitsAndBytesConfig

from ossicle.support.errors import ModelError
from ossicle.support.extras import require

BITS = (4, 8)
_KEPT = ["lm_head", "model.audio_tower", "model.multi_modal_projector", "model.integration"]
_KEPT += ["model.encoder", "model.projector"]  # as some published models call the first two


def quantised(bits: int, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """What ``from_pretrained`` needs to quantise while it loads: the language model's linear layers, nothing else.

    What hears (encoder, projector, integration), the embeddings and the head keep ``dtype``, in which 4 bits are also
    computed.

    Args:
        bits: 8 ("LLM.int8()", arXiv 2208.07339) or 4 (NF4 of QLoRA, arXiv 2305.14314, section 3).
        device: where the model goes, at once.
        dtype: of what is not quantised.

    Raises:
        ModelError: another number of bits.
        MissingExtraError: without the extra ``quant``.
    """
    if bits not in BITS:
        raise ModelError(f"weights are kept in {' or '.join(map(str, BITS))} bits, not in {bits}; --quant says which.")
    for library in ("bitsandbytes", "accelerate"):
        require(library, extra="quant")
    config = BitsAndBytesConfig(
        load_in_8bit=bits == 8,
        load_in_4bit=bits == 4,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=_KEPT,
    )
    return {"quantization_config": config, "device_map": {"": device}}
