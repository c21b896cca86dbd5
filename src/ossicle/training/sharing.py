"""Whether rows about one recording can share its tokens in a language model."""

from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import PreTrainedModel

_KNOWN: "WeakKeyDictionary[PreTrainedModel, bool]" = WeakKeyDictionary()


def takes_any_mask(language_model: PreTrainedModel) -> bool:
    """Whether rows may share their beginning: full attention in every layer, by a kernel that takes a mask, at the
    positions that it is given.

    Recurrent and convolutional layers would carry one question into the next, flash attention knows padding only, and
    some families (ALiBi) count positions by themselves; where the configuration doesn't say, a few tokens do.
    """
    config = language_model.config
    alike = "sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"
    layers = set(getattr(config, "layer_types", None) or (alike,))
    stateful = getattr(language_model, "_is_stateful", False)
    if config._attn_implementation not in ("sdpa", "eager") or layers != {"full_attention"} or stateful:
        return False
    if language_model not in _KNOWN:
        _KNOWN[language_model] = _tried(language_model)
    return _KNOWN[language_model]


def additive(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask of what may be seen, as eager attention adds it."""
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(~allowed, torch.finfo(dtype).min)


@torch.no_grad()
def _tried(language_model: PreTrainedModel) -> bool:
    """Two continuations of one beginning, joined, against the second by itself."""
    device, dtype = language_model.device, language_model.dtype
    ids = torch.arange(1, 8, device=device)[None] % language_model.config.vocab_size
    positions = torch.tensor([[0, 1, 2, 3, 4, 3, 4]], device=device)
    allowed = torch.ones(7, 7, dtype=torch.bool, device=device).tril()
    allowed[5:, 3:5] = False
    mask = allowed[None, None]
    if language_model.config._attn_implementation == "eager":
        mask = additive(mask, dtype)
    alone = torch.tensor([0, 1, 2, 5, 6], device=device)
    was_training = language_model.training
    language_model.eval()
    try:
        joined = language_model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False)
        single = language_model(input_ids=ids[:, alone], use_cache=False)
    except (TypeError, ValueError, RuntimeError, IndexError):
        return False  # a family that reads the mask in another way
    finally:
        language_model.train(was_training)
    x, y = joined.last_hidden_state[0, 5:].float(), single.last_hidden_state[0, 3:].float()
    return bool((x - y).abs().max() <= (0.05 if dtype != torch.float32 else 1e-3) * y.abs().max())
