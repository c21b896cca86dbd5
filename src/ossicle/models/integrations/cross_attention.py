"""Gated blocks between the layers of the language model look at the recordings, which take no room in the prompt.

N rows · L tokens · R runs of audio tokens · M audio tokens of a row · H heads · D width
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from ossicle.encoders.base import Options, sinusoids
from ossicle.models.integrations.base import Heard, Integration, by_row, check_silent, integrations
from ossicle.support.errors import DataError, ModelError, SpecError

if TYPE_CHECKING:
    from ossicle.models.lalm import OssicleModel


class CrossAttentionOptions(Options):
    """Where the blocks stand, and their sizes; those of Audio Flamingo by default."""

    every: int = Field(default=1, ge=1)
    """One block before every so many layers, the first layer included."""
    layers: tuple[int, ...] | None = None
    """The layers, counted from 0, before which a block stands; instead of ``every``."""
    heads: int = Field(default=8, ge=1)
    head_dim: int = Field(default=64, ge=1)
    expansion: int = Field(default=4, ge=1)
    """Width of the feed-forward layer, in widths of the language model."""

    @model_validator(mode="after")
    def _one_schedule(self) -> "CrossAttentionOptions":
        if self.layers is not None:
            if self.every != 1:
                raise ValueError("every and layers both say where the blocks stand; leave one of them out")
            if not self.layers or list(self.layers) != sorted(set(self.layers)):
                raise ValueError(f"layers {list(self.layers)} must be different numbers, from low to high")
        return self

    def numbers(self, num_layers: int) -> Sequence[int]:
        """The layers, of so many, before which a block stands.

        Raises:
            SpecError: one of ``layers`` is not there.
        """
        if self.layers is None:
            return range(0, num_layers, self.every)
        wrong = [number for number in self.layers if not 0 <= number < num_layers]
        if wrong:
            raise SpecError(
                f"model.integration.layers: there is no layer {wrong[0]}; the language model has {num_layers}, 0 to "
                f"{num_layers - 1}."
            )
        return self.layers


class Memory(NamedTuple):
    """What each row can hear, for as long as its conversation lasts."""

    x_NMD: Tensor
    recording_NM: Tensor
    """Which of the row's recordings a token is of, from 0 on; −1 for padding."""
    begun_N: Tensor
    """How many of its recordings the row has named so far."""
    seen: dict[int, tuple[Tensor, Tensor]]
    """Keys and values [N, H, M, D] of each block, once computed."""

    def select(self, rows: Tensor) -> "Memory":
        """Some of the rows, perhaps repeated."""
        seen = {number: (keys[rows], values[rows]) for number, (keys, values) in self.seen.items()}
        return Memory(self.x_NMD[rows], self.recording_NM[rows], self.begun_N[rows], seen)

    @staticmethod
    def joined(memories: Sequence["Memory | None"], counts: Sequence[int]) -> "Memory | None":
        """The rows of several; ``counts`` says how many rows each has, as None has rows that hear nothing."""
        known = next((memory for memory in memories if memory is not None), None)
        if known is None:
            return None
        longest = max(memory.x_NMD.shape[1] for memory in memories if memory is not None)
        parts = [
            memory._padded(longest) if memory is not None else known._silent(count, longest)
            for memory, count in zip(memories, counts, strict=True)
        ]
        seen = {
            number: (
                torch.cat([part.seen[number][0] for part in parts]),
                torch.cat([part.seen[number][1] for part in parts]),
            )
            for number in known.seen
        }
        return Memory(*(torch.cat(tensors) for tensors in zip(*(part[:3] for part in parts), strict=True)), seen)

    def _padded(self, length: int) -> "Memory":
        room = length - self.x_NMD.shape[1]
        seen = {number: tuple(F.pad(x, (0, 0, 0, room)) for x in pair) for number, pair in self.seen.items()}
        recording_NM = F.pad(self.recording_NM, (0, room), value=-1)
        return Memory(F.pad(self.x_NMD, (0, 0, 0, room)), recording_NM, self.begun_N, seen)

    def _silent(self, count: int, length: int) -> "Memory":
        """Rows without recordings, of the same widths."""
        seen = {
            number: tuple(x.new_zeros(count, x.shape[1], length, x.shape[3]) for x in pair)
            for number, pair in self.seen.items()
        }
        x_NMD = self.x_NMD.new_zeros(count, length, self.x_NMD.shape[2])
        return Memory(x_NMD, self.recording_NM.new_full((count, length), -1), self.begun_N.new_zeros(count), seen)


class Sound(NamedTuple):
    """What is passed through the language model to the blocks."""

    memory: Memory
    allowed_NLM: Tensor
    """What each token may look at."""
    asked: list[int]
    """Numbers of the blocks that were reached."""


class Place(nn.Module):
    """Adds to each audio token where it stands in its recording: sinusoids, a learnt share of the token's own length.

    Attention has no order of its own, and projectors know that of one window only: without this, a recording of
    several windows would be a bag of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5))

    def forward(self, x_NMD: Tensor, recording_NM: Tensor) -> Tensor:
        """The same tokens, later ones turned further; each recording begins anew."""
        unit_MD = F.normalize(sinusoids(x_NMD.shape[1], x_NMD.shape[2]), dim=-1).to(x_NMD)
        unit_NMD = unit_MD[places(recording_NM)]
        return x_NMD + self.share * x_NMD.norm(dim=-1, keepdim=True) * unit_NMD


def places(recording_NM: Tensor) -> Tensor:
    """How many tokens of the same recording precede each [N, M], where those of one stand together."""
    at_M = torch.arange(recording_NM.shape[1], device=recording_NM.device)
    begins_NM = F.pad(recording_NM[:, 1:] != recording_NM[:, :-1], (1, 0), value=True)
    return at_M - (at_M * begins_NM).cummax(1).values


class GatedBlock(nn.Module):
    """``x + tanh(a) · attention(norm(x), sound)``, then ``x + tanh(b) · feed_forward(norm(x))``.

    Flamingo's gated cross-attention (Alayrac et al. 2022, arXiv 2204.14198, section 2.2) as Audio Flamingo has it (Kong
    et al. 2024, arXiv 2402.01831, section 3.1). Both gates begin at 0, where the block changes nothing; until they
    open, they alone learn.
    """

    def __init__(self, number: int, dim: int, options: CrossAttentionOptions) -> None:
        super().__init__()
        self.number, self.heads, inner = number, options.heads, options.heads * options.head_dim
        self.norm, self.sound_norm, self.forward_norm = (nn.LayerNorm(dim) for _ in range(3))
        self.q_proj = nn.Linear(dim, inner, bias=False)
        self.k_proj = nn.Linear(dim, inner, bias=False)
        self.v_proj = nn.Linear(dim, inner, bias=False)
        self.o_proj = nn.Linear(inner, dim, bias=False)
        self.up_proj = nn.Linear(dim, options.expansion * dim, bias=False)
        self.down_proj = nn.Linear(options.expansion * dim, dim, bias=False)
        self.attention_gate = nn.Parameter(torch.zeros(()))
        self.forward_gate = nn.Parameter(torch.zeros(()))

    def forward(self, x_NLD: Tensor, sound: Sound) -> Tensor:
        """The hidden states with what is heard; a token that may hear nothing passes as it is."""
        hears_NL1 = sound.allowed_NLM.any(-1, keepdim=True)
        x_NLD = x_NLD + self.attention_gate.tanh() * hears_NL1 * self._attend(self.norm(x_NLD), sound, hears_NL1)
        inner_NLD = F.gelu(self.up_proj(self.forward_norm(x_NLD)))
        return x_NLD + self.forward_gate.tanh() * hears_NL1 * self.down_proj(inner_NLD)

    def before(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Hook of the layer that this block stands before."""
        sound = kwargs.get("sound")
        if sound is not None:
            sound.asked.append(self.number)
            if args:
                args = (self(args[0], sound), *args[1:])
            else:
                kwargs = {**kwargs, "hidden_states": self(kwargs["hidden_states"], sound)}
        return without_sound(layer, args, kwargs)

    def _attend(self, x_NLD: Tensor, sound: Sound, hears_NL1: Tensor) -> Tensor:
        keys, values = sound.memory.seen.get(self.number) or self._remember(sound.memory)
        # A softmax over nothing is not a number; such tokens look at everything, and what they found is dropped.
        mask = (sound.allowed_NLM | ~hears_NL1)[:, None]
        found_NHLD = F.scaled_dot_product_attention(self._split(self.q_proj(x_NLD)), keys, values, attn_mask=mask)
        return self.o_proj(found_NHLD.transpose(1, 2).flatten(2))

    def _remember(self, memory: Memory) -> tuple[Tensor, Tensor]:
        x_NMD = self.sound_norm(memory.x_NMD.to(self.sound_norm.weight.dtype))
        made = self._split(self.k_proj(x_NMD)), self._split(self.v_proj(x_NMD))
        if not torch.is_grad_enabled():
            memory.seen[self.number] = made
        return made

    def _split(self, x_NLD: Tensor) -> Tensor:
        return x_NLD.unflatten(2, (self.heads, -1)).transpose(1, 2)


def without_sound(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Hook: the layer itself knows nothing of sound."""
    return args, {name: value for name, value in kwargs.items() if name != "sound"}


@integrations.register("cross_attention")
class CrossAttention(Integration):
    """One audio id names a recording; from there on, every token may look at it.

    As in Audio Flamingo 1 (Kong et al. 2024, arXiv 2402.01831), text also sees the recordings before the last one, and
    what precedes the first recording sees that one. Audio tokens are told where in their recording they stand, over all
    of its windows. Keys and values of the sound are computed once for a conversation. The language model may be frozen:
    before the first step it answers as it would by itself, to the last bit.
    """

    Options = CrossAttentionOptions
    numbers_recordings = True
    looks_back = True

    @classmethod
    def tiny_options(cls) -> dict[str, Any]:
        """Two narrow heads; the layers of a large model are not there."""
        return {"heads": 2, "head_dim": 8, "layers": None}

    def __init__(self, options: CrossAttentionOptions, text_config: PreTrainedConfig) -> None:
        super().__init__(options, text_config)
        numbers = options.numbers(text_config.num_hidden_layers)
        self.place = Place()
        self.blocks = nn.ModuleDict({str(n): GatedBlock(n, text_config.hidden_size, options) for n in numbers})

    @staticmethod
    def placeholders(num_tokens: int) -> int:
        """One, however long the recording is."""
        return 1

    def install(self, model: "OssicleModel") -> None:
        """Put each block before its layer."""
        super().install(model)
        for number, layer in enumerate(decoder_layers(model.language_model)):
            hook = self.blocks[str(number)].before if str(number) in self.blocks else without_sound
            layer.register_forward_pre_hook(hook, with_kwargs=True)

    def join(self, model: "OssicleModel", input_ids: Tensor, heard: Heard | None, cache: Any) -> dict[str, Any]:
        """Embeddings of the words, and what they may hear."""
        names_NL = input_ids == model.config.audio_token_id
        memory = getattr(cache, "memory", None)
        if heard is not None:
            if memory is not None:
                raise DataError("sound came in the middle of a conversation; give the whole of it, from its beginning.")
            memory = remember(names_NL, heard, self._named_before(model, names_NL, cache))
            memory = memory._replace(x_NMD=self.place(memory.x_NMD, memory.recording_NM))
        joined: dict[str, Any] = {"inputs_embeds": model.get_input_embeddings()(input_ids)}
        if memory is None:
            check_silent(names_NL, cache)
            return joined
        begun_NL = memory.begun_N[:, None] + names_NL.cumsum(1)
        of_N1M = memory.recording_NM[:, None]
        allowed_NLM = (of_N1M >= 0) & (of_N1M <= (begun_NL - 1).clamp(min=0)[..., None])
        joined["sound"] = Sound(memory._replace(begun_N=begun_NL[:, -1]), allowed_NLM, [])
        return joined

    @staticmethod
    def _named_before(model: "OssicleModel", names_NL: Tensor, cache: Any) -> Tensor | None:
        """How many recordings each row named in what was read of it before."""
        whole = getattr(cache, "ids", None)
        if whole is None:
            return None
        counts = [ids.count(model.config.audio_token_id) for ids in whole]
        return torch.tensor(counts, device=names_NL.device) - names_NL.sum(1)

    def run(self, language_model: PreTrainedModel, joined: dict[str, Any], **kwargs: Any) -> Any:
        """The language model with the blocks; its cache remembers the sound.

        Raises:
            ModelError: the language model's layers are not told of what it is given.
        """
        sound: Sound | None = joined.get("sound")
        if sound is None:
            return language_model(**joined, **kwargs)
        out = language_model(**joined, **kwargs)
        if len(sound.asked) < len(self.blocks):
            raise ModelError(
                f"integration cross_attention: the layers of a {language_model.config.model_type} model are not "
                "passed what it is given, so the blocks before them hear nothing; choose another language model."
            )
        if out.past_key_values is not None:
            out.past_key_values.memory = sound.memory
        return out


def decoder_layers(language_model: PreTrainedModel) -> nn.ModuleList:
    """The layers of a decoder.

    Raises:
        ModelError: there is no one list of as many layers as the configuration says.
    """
    wanted = language_model.config.num_hidden_layers
    found = [m for m in language_model.modules() if isinstance(m, nn.ModuleList) and len(m) == wanted]
    if not found:
        raise ModelError(
            f"integration cross_attention: a {language_model.config.model_type} model has no list of {wanted} layers."
        )
    return found[0]


def remember(names_NL: Tensor, heard: Heard, named_N: Tensor | None = None) -> Memory:
    """The recordings of each row, end to end.

    Args:
        names_NL: where an audio id names a recording.
        heard: the recordings.
        named_N: how many recordings each row named before these tokens; none by default.

    Raises:
        DataError: a row names more or fewer recordings than it hears, or all rows together do.
    """
    runs = heard.runs()
    recordings = list(range(len(runs))) if heard.recordings is None else heard.recordings.tolist()
    if named_N is None:
        named_N = torch.zeros(len(names_NL), dtype=torch.long, device=names_NL.device)
    names, counts = by_row(named_N + names_NL.sum(1), heard, len(runs))
    row_of = [row for row, count in enumerate(names) for _ in range(count)]
    at = 0
    for row, count in enumerate(counts or ()):
        if (found := len(set(recordings[at : at + count]))) != names[row]:
            raise DataError(
                f"row {row} names {names[row]} recordings and its sound is of {found}; "
                "render and prepare with one Preparer."
            )
        at += count
    if len(row_of) != len(set(recordings)):
        raise DataError(
            f"the rows name {len(row_of)} recordings and the sound is of {len(set(recordings))}; "
            "render and prepare with one Preparer."
        )
    rows: list[list[Tensor]] = [[] for _ in names_NL]
    numbers: list[list[Tensor]] = [[] for _ in names_NL]
    first = {row: recording for recording, row in reversed(list(enumerate(row_of)))}
    for run_KD, recording in zip(runs, recordings, strict=True):
        row = row_of[recording]
        rows[row].append(run_KD)
        numbers[row].append(torch.full((len(run_KD),), recording - first[row], device=names_NL.device))
    nothing_KD, nobody_K = runs[0][:0], torch.zeros(0, dtype=torch.long, device=names_NL.device)
    x_NMD = nn.utils.rnn.pad_sequence([torch.cat([nothing_KD, *parts]) for parts in rows], batch_first=True)
    recording_NM = nn.utils.rnn.pad_sequence(
        [torch.cat([nobody_K, *parts]) for parts in numbers], batch_first=True, padding_value=-1
    )
    return Memory(x_NMD, recording_NM, named_N, {})
