"""What a language model does after its last hidden state: its own head, and how it scales logits."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from ossicle.support.errors import ModelError
from ossicle.support.sizes import making


def head_of(text_config: Any) -> nn.Linear:
    """A head of the shape that transformers gives this language model."""
    with torch.device("meta"):
        theirs = AutoModelForCausalLM.from_config(text_config).get_output_embeddings()
    return nn.Linear(theirs.in_features, theirs.out_features, bias=theirs.bias is not None)


def scaled(logits: Tensor, text_config: Any) -> Tensor:
    """Logits as the family scales them: Cohere and Falcon H1 multiply, Granite divides, Gemma 2 caps."""
    for name in ("logit_scale", "lm_head_multiplier"):
        if (factor := getattr(text_config, name, None)) is not None:
            logits = logits * factor
    if (divisor := getattr(text_config, "logits_scaling", None)) is not None:
        logits = logits / divisor
    if (cap := getattr(text_config, "final_logit_softcapping", None)) is not None:
        logits = torch.tanh(logits / cap) * cap
    return logits


def embeddings_name(language_model: nn.Module) -> str:
    """Where a language model keeps its token embeddings, e.g. ``embed_tokens``."""
    table = language_model.get_input_embeddings()
    return next(name for name, module in language_model.named_modules() if module is table)


class Said(NamedTuple):
    """What a language model by itself made of a few tokens."""

    ids: Tensor
    logits: Tensor
    model_type: str


@torch.inference_mode()
def said_by(theirs: PreTrainedModel, without: int) -> Said:
    """Logits of a few tokens, none of them the id ``without``."""
    ids = torch.tensor([[word for word in range(theirs.config.vocab_size) if word != without][:6]])
    return Said(ids, theirs.eval()(input_ids=ids).logits, theirs.config.model_type)


@torch.inference_mode()
def check_sizes(made: PreTrainedModel) -> None:
    """See that a model from scratch reads two tokens: some sizes that do not fit together are told only by that.

    Raises:
        SpecError: they do not.
    """
    with making(f"model.language_model ({made.config.text_config.model_type})"):
        made.eval()(input_ids=torch.zeros(1, 2, dtype=torch.long))


@torch.inference_mode()
def check_logits(ours: PreTrainedModel, said: Said, name: str) -> None:
    """Compare a composed model with the language model that it was made from.

    Raises:
        ModelError: the logits differ, so the family does something after its last hidden state that
            :func:`scaled` doesn't know.
    """
    was = ours.training
    wanted, got = said.logits, ours.eval()(input_ids=said.ids).logits
    ours.train(was)
    away = float((got[..., : wanted.shape[-1]] - wanted).abs().max())
    if away > max(1e-3, 4 * torch.finfo(wanted.dtype).eps) * max(1.0, float(wanted.abs().max())):
        raise ModelError(
            f"the language model {name!r} ({said.model_type}) makes its logits in a way that Ossicle does not "
            f"know: they differ from transformers' by {away:.2g}; please report the model type."
        )
