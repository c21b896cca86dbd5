"""What a model of transformers makes of prompts: replies, several at once where that changes none, and how likely a
reply is.

n rows · L tokens · D width · V vocabulary
"""

import inspect
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedModel, StoppingCriteria

from ossicle.chat import Sampling
from ossicle.chat.stopping import stop_at
from ossicle.models.cache import RowsCache
from ossicle.models.decoding import drawn

_BY_TOKEN = ("attention_mask", "token_type_ids", "mm_token_type_ids")
"""What processors say of each token of a prompt."""


class Watch(StoppingCriteria):
    """Tells of every token of replies in the making; ends one at a stop string or its limit, all when nobody listens.

    Args:
        num_prompt: tokens before the replies.
        decode: ids to text.
        sampling: whose stop strings end a reply.
        limits: tokens of each reply at most.
        tell: given the ids of the first reply so far, each time that one is added.
    """

    def __init__(
        self,
        num_prompt: int,
        decode: Callable[[list[int]], str],
        sampling: Sampling,
        limits: Sequence[int],
        tell: Callable[[list[int]], None] = lambda ids: None,
    ) -> None:
        self.num_prompt, self.decode, self.stop, self.limits, self.tell = (
            num_prompt,
            decode,
            sampling.stop,
            limits,
            tell,
        )
        self.lengths: dict[int, int] = {}
        """Tokens of the replies that were ended here, by row; what transformers puts behind them is padding."""
        self.cancelled = False

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Whether each row is done [n]."""
        length = input_ids.shape[1] - self.num_prompt
        self.tell(input_ids[0, self.num_prompt :].tolist())
        for row, limit in enumerate(self.limits):
            if row not in self.lengths and (length >= limit or self._is_stopped(input_ids[row])):
                self.lengths[row] = length
        ended = [self.cancelled or row in self.lengths for row in range(len(self.limits))]
        return torch.tensor(ended, device=input_ids.device)

    def _is_stopped(self, ids_L: Tensor) -> bool:
        return bool(self.stop) and stop_at(self.decode(ids_L[self.num_prompt :].tolist()), self.stop) is not None


class _Drawn(LogitsProcessor):
    """Leaves one token of each row to choose: the one that is drawn, as for models of ours, by a seed of its own."""

    def __init__(self, sampling: Sampling, num_rows: int) -> None:
        self.sampling = sampling
        self.generators = [torch.Generator().manual_seed(sampling.seed) for _ in range(num_rows)]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits [n, V] → the same, with all but one of each row impossible."""
        only_nV = torch.full_like(scores, -math.inf)
        for row, generator in enumerate(self.generators):
            only_nV[row, drawn(scores[row], self.sampling, generator)] = 0.0
        return only_nV


class _Heard(Exception):  # noqa: N818 - ends a forward pass half-way, and is no error
    """The language model has been given its prompt."""


def given(model: PreTrainedModel, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors that a processor made of one conversation, where the model is and as it computes."""
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        for name, value in inputs.items()
        if isinstance(value, Tensor)
    }


def end_ids(model: PreTrainedModel) -> frozenset[int]:
    """Ids that end a reply, as the model's generation settings say."""
    ends = model.generation_config.eos_token_id
    return frozenset({ends} if isinstance(ends, int) else ends or ())


def batches(model: PreTrainedModel) -> bool:
    """Whether several prompts may be read at once, as embeddings: :meth:`generate` of the model takes them, and its
    language model keeps each token apart, so that padding changes nothing. What it is told beside them,
    :func:`embedded` sees."""
    return _takes_embeddings(model) and "inputs_embeds" in _names(model.prepare_inputs_for_generation)


@torch.inference_mode()
def embedded(model: PreTrainedModel, prompt: Mapping[str, Tensor], seed: int) -> Tensor | None:
    """A prompt as the language model reads it [1, L, D]: the sound is encoded, and stands among the words.

    Args:
        model: whose own forward pass makes it, up to where its language model begins.
        prompt: as :func:`given`.
        seed: of the noise that some models add to what they hear (VibeVoice does).

    Returns:
        None where the language model could not go on from these alone: it keeps more than keys and values of each
        token, or is told more of the prompt than its embeddings, one after the other.
    """
    if not _takes_embeddings(model):
        return None
    told: dict[str, Any] = {}
    here = threading.get_ident()

    def listen(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if threading.get_ident() != here:  # a reply that is streamed meanwhile
            return
        told.update({name: x for name, x in kwargs.items() if x is not None and not isinstance(x, bool)})
        told.update({"args": args} if args else {})
        raise _Heard

    handle = model.get_decoder().register_forward_pre_hook(listen, with_kwargs=True)
    try:
        with _seeded(model, seed):
            model(**prompt, use_cache=False)
    except _Heard:
        pass
    finally:
        handle.remove()
    prompt_1LD, mask = told.pop("inputs_embeds", None), told.pop("attention_mask", None)
    if prompt_1LD is None or (mask is not None and (not isinstance(mask, Tensor) or mask.ndim != 2)):
        return None
    positions = told.pop("position_ids", None)
    counted_L = torch.arange(prompt_1LD.shape[1], device=model.device)
    in_order = positions is None or bool((positions == counted_L).all())
    return prompt_1LD if in_order and not told else None


@torch.inference_mode()
def generate(model: PreTrainedModel, prompt: Mapping[str, Tensor], sampling: Sampling, watch: Watch) -> list[list[int]]:
    """The ids of a reply to each row, by the model's own ``generate``; the id that ends one is among them.

    Args:
        model: who replies.
        prompt: of one conversation as :func:`given`, or of several as :func:`joined`.
        sampling: how replies are drawn.
        watch: of ``watch.limits`` rows; ends them.
    """
    limits, ends = watch.limits, end_ids(model)
    with _seeded(model, sampling.seed):
        out = model.generate(
            **prompt,
            max_new_tokens=max(limits),
            do_sample=False,  # what is drawn, is drawn by _Drawn
            logits_processor=[_Drawn(sampling, len(limits))] if sampling.temperature > 0 else None,
            stopping_criteria=[watch],
            return_dict_in_generate=False,
        )
    replies = []
    for row, made_L in enumerate(out[:, watch.num_prompt :].tolist()):
        ids = made_L[: watch.lengths.get(row, len(made_L))]
        end = next((at for at, token in enumerate(ids) if token in ends), len(ids))
        replies.append(ids[: end + 1])
    return replies


def joined(prompts: Sequence[Mapping[str, Tensor]], embedded_1LD: Sequence[Tensor]) -> dict[str, Tensor]:
    """Several prompts as one, padded on the left.

    Args:
        prompts: each as :func:`given`.
        embedded_1LD: the same, as :func:`embedded`.
    """
    longest = max(x_1LD.shape[1] for x_1LD in embedded_1LD)
    ids, masks, xs = [], [], []
    for prompt, x_1LD in zip(prompts, embedded_1LD, strict=True):
        ids_1L, padding = prompt["input_ids"], longest - x_1LD.shape[1]
        # What punishes repetition looks at the ids: an id that the prompt holds anyhow changes nothing there.
        ids.append(torch.cat([ids_1L[:, :1].expand(-1, padding), ids_1L], dim=1))
        masks.append(torch.nn.functional.pad(torch.ones_like(ids_1L), (padding, 0)))
        xs.append(torch.nn.functional.pad(x_1LD, (0, 0, padding, 0)))
    return {"input_ids": torch.cat(ids), "attention_mask": torch.cat(masks), "inputs_embeds": torch.cat(xs)}


@torch.inference_mode()
def score(
    model: PreTrainedModel, prompt: Mapping[str, Tensor], continuations: Sequence[Sequence[int]], seed: int
) -> list[float]:
    """Log probability of each continuation of one prompt, summed over its tokens.

    The prompt is read once where :func:`embedded` allows that, else with each continuation.

    Args:
        model: who reads.
        prompt: as :func:`given`.
        continuations: ids.
        seed: see :func:`embedded`.
    """
    prompt_1LD = embedded(model, prompt, seed)
    read = _read_whole(model, prompt, seed) if prompt_1LD is None else _read_on(model, prompt_1LD)
    totals = []
    for ids in continuations:
        ids_1n = torch.tensor([ids], dtype=torch.long, device=model.device)
        totals.append(float(read(ids_1n).float().log_softmax(-1).gather(-1, ids_1n.T).sum()) if ids else 0.0)
    return totals


def _read_on(model: PreTrainedModel, prompt_1LD: Tensor) -> Callable[[Tensor], Tensor]:
    """What gives the logits [n, V] that foretell ids [1, n] after a prompt, which is read now."""
    length = prompt_1LD.shape[1]

    def places(begin: int, end: int) -> dict[str, Tensor]:
        mask_1L = torch.ones(1, end, dtype=torch.long, device=model.device)
        return {"attention_mask": mask_1L, "position_ids": torch.arange(begin, end, device=model.device)[None]}

    out = model(inputs_embeds=prompt_1LD, use_cache=True, **places(0, length), **_last(model, 1))
    first_1V, past = out.logits[0, -1:], out.past_key_values

    def read(ids_1n: Tensor) -> Tensor:
        rest = ids_1n.shape[1] - 1
        if rest == 0:
            return first_1V
        known = places(length, length + rest)
        out = model(input_ids=ids_1n[:, :-1], past_key_values=past, use_cache=True, **known)
        past.crop(-rest)
        return torch.cat([first_1V, out.logits[0]])

    return read


def _read_whole(model: PreTrainedModel, prompt: Mapping[str, Tensor], seed: int) -> Callable[[Tensor], Tensor]:
    """As :func:`_read_on`, of all models: the prompt is read each time."""

    def read(ids_1n: Tensor) -> Tensor:
        count = ids_1n.shape[1]
        whole = {**prompt, "input_ids": torch.cat([prompt["input_ids"], ids_1n], dim=1)}
        for name in _BY_TOKEN:
            if name in prompt:  # the last token of a prompt is text, as a continuation is
                whole[name] = torch.cat([prompt[name], prompt[name][:, -1:].expand(-1, count)], dim=1)
        with _seeded(model, seed):
            return model(**whole, use_cache=False, **_last(model, count + 1)).logits[0, -count - 1 : -1]

    return read


def _last(model: PreTrainedModel, count: int) -> dict[str, int]:
    """Asks for the logits of the last tokens alone, where a model can be asked that: a long prompt has many."""
    return {"logits_to_keep": count} if "logits_to_keep" in _names(model.forward) else {}


def _takes_embeddings(model: PreTrainedModel) -> bool:
    # What is recurrent, or looks at a sliding window, is changed by padding, and cannot forget its last tokens.
    return "inputs_embeds" in _names(model.forward) and RowsCache(model.config.get_text_config()).is_plain


def _names(function: Callable[..., Any]) -> Mapping[str, Any]:
    return inspect.signature(function).parameters


@contextmanager
def _seeded(model: PreTrainedModel, seed: int) -> Iterator[None]:
    """Some models add noise to what they hear (VibeVoice does); the same question gets the same."""
    with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
