"""Audio tokens in the prompt, and low-rank adapters in the language model whose strength the question chooses.

N rows · L tokens · Q questions · P words of a question · D width · W widths of the adapted layers, side by side
"""

import math
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from ossicle.models.integrations._turns import TurnOptions, resolved, turns_of
from ossicle.models.integrations.base import Heard, integrations
from ossicle.models.integrations.prompt import Prompt
from ossicle.support.errors import ModelError, SpecError

if TYPE_CHECKING:
    from ossicle.models.lalm import OssicleModel


class PromptAdapterOptions(TurnOptions):
    """Where the adapters stand, and their sizes; those of WavLLM by default."""

    rank: int = Field(default=8, ge=1)
    targets: tuple[str, ...] = Field(default=("q_proj", "k_proj", "v_proj", "o_proj"), min_length=1)
    """Names of linear layers of the language model's attention."""
    hidden: int | None = Field(default=None, ge=1)
    """Width of the bottleneck; by default a quarter of the language model's."""
    most: float = Field(default=3.0, gt=0)
    """Greatest strength."""


class Asked(NamedTuple):
    """How strong the adapters are in the turn that each row has come to."""

    strength_NW: Tensor

    def select(self, rows: Tensor) -> "Asked":
        """Some of the rows, perhaps repeated."""
        return Asked(self.strength_NW[rows])

    @staticmethod
    def joined(memories: Sequence["Asked"], counts: Sequence[int]) -> "Asked":
        """The rows of several."""
        return Asked(torch.cat([memory.strength_NW for memory in memories]))


class Strength(NamedTuple):
    """What is passed through the language model to the adapters."""

    by_width: dict[int, Tensor]
    """[N, L, width]"""
    memory: Asked
    reached: set[str]
    """The modules whose adapters have worked."""


_STRENGTH: ContextVar[Strength | None] = ContextVar("strength", default=None)
"""Of the module that is at work."""


class Adapter(nn.Module):
    """``g ⊙ (B A x)``, with ``B`` zero at first."""

    def __init__(self, dim_in: int, dim_out: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, dim_in))
        self.up = nn.Parameter(torch.zeros(dim_out, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x_NLD: Tensor, g_NLW: Tensor) -> Tensor:
        """What is added to the output of the layer that it stands beside."""
        return g_NLW * F.linear(F.linear(x_NLD, self.down), self.up)

    def add(self, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
        """Hook of that layer."""
        strength = _STRENGTH.get()
        if strength is None:
            return None
        return output + self(args[0], strength.by_width[output.shape[-1]]).to(output.dtype)


class Adapters(nn.ModuleDict):
    """Those beside the layers of one module, which is told of their strength."""

    def __init__(self, name: str, adapters: dict[str, Adapter]) -> None:
        super().__init__(adapters)
        self.name = name

    def stand_beside(self, module: nn.Module) -> None:
        """Take their places; for layers that are others than before, once more."""
        for name, adapter in self.items():
            layer = module.get_submodule(name)
            layer = getattr(layer, "base_layer", layer)  # peft's wraps it
            if adapter.add not in layer._forward_hooks.values():
                layer.register_forward_hook(adapter.add)

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Hook of the module. It is within what is computed again for the way back, as a layer's own is not."""
        strength: Strength | None = kwargs.get("strength")
        if strength is not None:
            self.stand_beside(module)
            strength.reached.add(self.name)
        _STRENGTH.set(strength)
        return args, {name: value for name, value in kwargs.items() if name != "strength"}

    def after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Hook of the module."""
        _STRENGTH.set(None)


class Gate(nn.Module):
    """``g = min(max(0, Σ_p a_p s_p), most)`` with ``s_p = W₂ GELU(W₁ h_p) + b`` and ``a = softmax_p(w · s_p)``, for the
    hidden states ``h_p`` of a question's words.

    ``W₂`` begins at 0 and ``b`` at 1, so that every question has strength 1, where the adapters are plain ones.
    """

    def __init__(self, dim: int, hidden: int, width: int, most: float) -> None:
        super().__init__()
        self.most = most
        self.inner = nn.Linear(dim, hidden)
        self.up = nn.Parameter(torch.zeros(width, hidden))
        self.bias = nn.Parameter(torch.ones(width))
        self.attention = nn.Linear(width, 1, bias=False)

    def forward(self, h_QPD: Tensor, is_word_QP: Tensor) -> Tensor:
        """The strength [Q, W] for each question; of one without words, that of ``s = b``."""
        s_QPW = F.linear(F.gelu(self.inner(h_QPD)), self.up)
        scores_QP = self.attention(s_QPW)[..., 0].float().masked_fill(~is_word_QP, torch.finfo(torch.float32).min)
        a_QP = (scores_QP.softmax(-1) * is_word_QP).to(s_QPW.dtype)
        return (self.bias + torch.einsum("qp,qpw->qw", a_QP, s_QPW)).clamp(0.0, self.most)


@integrations.register("prompt_adapter")
class PromptAdapter(Prompt):
    """WavLLM's prompt adapter (Hu et al. 2024, arXiv 2404.00656; the formulas are those of the authors' release):
    ``W x + g ⊙ (B A x)`` in every attention layer, with a strength ``g`` in [0, 3] for each output, made of what the
    language model by itself, without adapters, makes of the question's words.

    Here, each turn of a conversation has the strength that its own question asks for, its reply included, so that a
    later question changes nothing of what was read; the hidden states are the last ones, normed; and where layers have
    outputs of several widths (fewer key than query heads), each width has a ``g`` of its own. The adapters are trained
    with the projector. The part ``prompt_adapter`` is what makes ``g``: before a stage trains it, ``g`` is 1.
    """

    Options = PromptAdapterOptions
    options: PromptAdapterOptions
    asks = True

    def __init__(self, options: PromptAdapterOptions, text_config: PreTrainedConfig) -> None:
        super().__init__(options, text_config)
        with torch.device("meta"):
            shapes = _shapes(AutoModel.from_config(text_config))
        wanted = {name: shape for name, shape in shapes.items() if name.rpartition(".")[2] in options.targets}
        if not wanted:
            short = ", ".join(sorted({name.rpartition(".")[2] for name in shapes})) or "none"
            raise SpecError(
                f"model.integration.targets: none of {', '.join(options.targets)} is there; linear layers: {short}."
            )
        self.widths = sorted({width for _, width in wanted.values()})
        grouped: dict[str, dict[str, Adapter]] = {}
        for name, (dim_in, dim_out) in wanted.items():
            module, _, layer = name.rpartition(".")
            grouped.setdefault(module, {})[layer] = Adapter(dim_in, dim_out, options.rank)
        self.adapters = nn.ModuleDict({n.replace(".", "_"): Adapters(n, beside) for n, beside in grouped.items()})
        dim = text_config.hidden_size
        self.gate = Gate(dim, options.hidden or max(1, dim // 4), sum(self.widths), options.most)

    @classmethod
    def tiny_options(cls) -> dict[str, Any]:
        """A narrow bottleneck."""
        return {"rank": 2, "hidden": 8}

    @classmethod
    def resolve(
        cls, options: PromptAdapterOptions, tokenizer: PreTrainedTokenizerBase, audio_token_id: int
    ) -> PromptAdapterOptions:
        """With the ids that this tokenizer's chat template sets around replies.

        Raises:
            SpecError: it sets none.
        """
        return options.model_copy(update=resolved(options, tokenizer, audio_token_id, cls.type_name))

    def parts(self) -> dict[str, nn.Module]:
        """The adapters go with the projector, and what makes their strength by itself."""
        return {"projector": self.adapters, "prompt_adapter": self.gate}

    def install(self, model: "OssicleModel") -> None:
        """Put the adapters beside their layers."""
        super().install(model)
        for adapters in self.adapters.values():
            module = model.language_model.get_submodule(adapters.name)
            adapters.stand_beside(module)
            module.register_forward_pre_hook(adapters.before, with_kwargs=True)
            module.register_forward_hook(adapters.after, always_call=True)

    def turns(self, ids: np.ndarray) -> list[tuple[int, int]]:
        """Each question, as its first word is read with a strength that its last one may change."""
        return [(turn.start, turn.asked) for turn in turns_of(ids.tolist(), self.options)]

    def join(self, model: "OssicleModel", input_ids: Tensor, heard: Heard | None, cache: Any) -> dict[str, Any]:
        """Embeddings of words and sound, and how strong the adapters are at each."""
        joined = super().join(model, input_ids, heard, cache)
        memory: Asked | None = getattr(cache, "memory", None)
        if memory is not None and input_ids.shape[1] == 1:
            strength_NLW = memory.strength_NW[:, None]
        else:
            strength_NLW, memory = self._strengths(model, input_ids, memory, getattr(cache, "ids", None))
        by_width = dict(zip(self.widths, strength_NLW.split(self.widths, -1), strict=True))
        return {**joined, "strength": Strength(by_width, memory, set())}

    def run(self, language_model: PreTrainedModel, joined: dict[str, Any], **kwargs: Any) -> Any:
        """The language model with the adapters; its cache remembers their strength.

        Raises:
            ModelError: the modules with the adapters are not told of it.
        """
        out = language_model(**joined, **kwargs)
        strength: Strength | None = joined.get("strength")
        if strength is None:
            return out
        if len(strength.reached) < len(self.adapters):
            raise ModelError(
                f"integration prompt_adapter: in a {language_model.config.model_type} model, the modules with "
                f"{', '.join(self.options.targets)} are not passed what it is given, so their adapters have no "
                "strength; choose layers of its attention as targets, or another language model."
            )
        if out.past_key_values is not None:
            out.past_key_values.memory = strength.memory
        return out

    def _strengths(
        self, model: "OssicleModel", input_ids: Tensor, memory: Asked | None, whole: Sequence[Sequence[int]] | None
    ) -> tuple[Tensor, Asked]:
        """Of each token [N, L, W], and of the turn that each row ends in.

        Args:
            memory: of the turns that go on with these tokens; None if they begin, or if ``whole`` knows.
            whole: all ids of each row, where ``input_ids`` are the last of them, padded on the left; None if they are
                all.
        """
        length, unread = input_ids.shape[1], frozenset(self.options.control or ())
        known = 0 if memory is None else len(input_ids)
        numbers: dict[tuple[int, ...], int] = {}
        places: list[list[int]] = []
        for row, ids in enumerate(input_ids.tolist() if whole is None else whole):
            of_token = [0] * max(0, length - len(ids))
            for turn in turns_of(ids, self.options, replying=memory is not None):
                if known and turn.begun == 0:
                    number = row
                elif turn.end > len(ids) - length:
                    words = tuple(token for token in ids[turn.start : turn.asked] if token not in unread)
                    number = numbers.setdefault(words, known + len(numbers))
                else:
                    number = 0  # of a turn that was read before
                of_token += [number] * (turn.end - turn.start)
            places.append(of_token[-length:])
        found = [] if memory is None else [memory.strength_NW]
        if numbers:
            found.append(self.gate(*self._read(model, list(numbers), input_ids.device)))
        place_NL = torch.tensor(places, device=input_ids.device)
        table = torch.cat(found)
        return table[place_NL], Asked(table[place_NL[:, -1]])

    @torch.no_grad()
    def _read(
        self, model: "OssicleModel", questions: list[tuple[int, ...]], device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Hidden states [Q, P, D] of the words of each question, by the language model alone, and which are words."""
        lengths_Q = torch.tensor([len(words) for words in questions], device=device)
        padded_QP = pad_sequence([torch.tensor(words or (0,)) for words in questions], batch_first=True).to(device)
        at_P = torch.arange(padded_QP.shape[1], device=device)
        kind = device.type
        # Weights that are cast here must not be kept, as those kept would pass no gradient.
        on, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
        with torch.autocast(kind, dtype, enabled=on, cache_enabled=False):
            out = model.language_model(
                inputs_embeds=model.get_input_embeddings()(padded_QP),
                attention_mask=(at_P < lengths_Q.clamp(min=1)[:, None]).long(),
                use_cache=False,
            )
        return out.last_hidden_state, at_P < lengths_Q[:, None]


def _shapes(language_model: nn.Module) -> dict[str, tuple[int, int]]:
    """Widths in and out of its linear layers, by name (GPT-2's are called Conv1D)."""
    found = {}
    for name, module in language_model.named_modules():
        if isinstance(module, nn.Linear):
            found[name] = (module.in_features, module.out_features)
        elif isinstance(module, Conv1D):
            found[name] = (module.nx, module.nf)
    return found
