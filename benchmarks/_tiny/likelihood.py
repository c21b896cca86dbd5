"""Log probabilities of many possible answers to a question, its prompt read once.

N questions · R answers to all of them · L tokens of a prompt · A tokens of an answer · V vocabulary
"""

from collections.abc import Sequence

import torch
from transformers import DynamicCache

from ossicle.batch import Batch
from ossicle.chat import Conversation
from ossicle.models import Local


@torch.inference_mode()
def log_likelihoods(lm: Local, pairs: Sequence[tuple[Conversation, Sequence[str]]]) -> list[list[float]]:
    """What ``lm.score`` gives, with every recording encoded once for all questions about it and each prompt read once.

    Args:
        pairs: single-turn questions, each with its possible answers.
    """
    model, pad_id = lm.bundle.model, lm.bundle.pad_id
    prompts = [lm.prepare(chat, reply=True) for chat, _ in pairs]
    inputs = Batch.pack(prompts).inputs(pad_id=pad_id, side="left")
    inputs = {name: value.to(model.device) for name, value in inputs.items()}
    if "input_features" in inputs:
        inputs["input_features"] = inputs["input_features"].to(model.dtype)
    mask_NL = inputs["attention_mask"]
    cache = DynamicCache(config=model.config.text_config)
    positions_NL = (mask_NL.cumsum(-1) - 1).clamp(min=0)
    out = model(**inputs, position_ids=positions_NL, past_key_values=cache, use_cache=True, logits_to_keep=1)

    # An answer is what its row holds beyond the prompt: the rendered prompt is a prefix of the rendered whole.
    rows = [lm.prepare(chat.with_reply(answer)) for chat, answers in pairs for answer in answers]
    of_R = torch.tensor([at for at, (_, answers) in enumerate(pairs) for _ in answers], device=model.device)
    starts = [len(prompts[at].ids) for at in of_R.tolist()]
    tails = [row.ids[start:] for row, start in zip(rows, starts, strict=True)]
    trained = [row.trained[start:] for row, start in zip(rows, starts, strict=True)]
    ids_RA = _padded(tails, pad_id).to(model.device)
    trained_RA = _padded(trained, 0).bool().to(model.device)

    cache.batch_select_indices(of_R)
    real_RA = _padded([[1] * len(tail) for tail in tails], 0).to(mask_NL)
    mask_RLA = torch.cat([mask_NL[of_R], real_RA], dim=1)
    positions_RA = (mask_RLA.cumsum(-1) - 1).clamp(min=0)[:, mask_NL.shape[1] :]
    later = model(
        input_ids=ids_RA[:, :-1],
        attention_mask=mask_RLA[:, :-1],
        position_ids=positions_RA[:, :-1],
        past_key_values=cache,
        use_cache=True,
    )
    logits_RAV = torch.cat([out.logits[of_R], later.logits], dim=1).float()
    log_p_RA = logits_RAV.log_softmax(-1).gather(-1, ids_RA[..., None])[..., 0]
    totals = iter((log_p_RA * trained_RA).sum(1).tolist())
    return [[next(totals) for _ in answers] for _, answers in pairs]


def _padded(rows: Sequence[Sequence[int | bool]], fill: int) -> torch.Tensor:
    length = max(map(len, rows))
    return torch.tensor([[*map(int, row), *[fill] * (length - len(row))] for row in rows])
