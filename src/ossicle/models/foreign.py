"""Published audio language models that are not taken apart: transformers' own model and processor answer.

V vocabulary
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from jinja2 import TemplateError
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedModel, ProcessorMixin, StoppingCriteria

from ossicle.audio import Audio
from ossicle.chat import Conversation, Delta, Message, Reply, Sampling, Usage
from ossicle.chat.stopping import before_stop, settled, stop_at
from ossicle.models import long_audio
from ossicle.models.asking import Asking
from ossicle.models.decoding import context_of, drawn
from ossicle.models.local import LongAudio
from ossicle.models.read_foreign import extractor_of
from ossicle.support.errors import AudioError, DataError, ModelError
from ossicle.support.hub import reason

TAIL_S = 0.1
"""What is changed at the end of a recording to see whether it is heard: shorter than anything that would be missed."""
_UNFIT = (ValueError, TypeError, IndexError, KeyError, AttributeError, RuntimeError, TemplateError)
"""How processors and models of transformers refuse what they cannot take."""


class Foreign(Asking):
    """A model of transformers and its processor, one conversation at a time.

    The conversation is put as the processor's chat template puts it. That every recording reached the features up to
    its end is seen by changing the end: where nothing else changes, it is not heard, and the question is refused.

    Args:
        model: in evaluation mode.
        processor: with a chat template and a feature extractor.
        name: how it is called in logs.
        long_audio: what becomes of a recording longer than the processor says that the model hears; see
            :class:`~ossicle.models.local.Local`.
    """

    capabilities: frozenset[str] = frozenset()
    max_batch = 1

    def __init__(
        self, model: PreTrainedModel, processor: ProcessorMixin, name: str, *, long_audio: LongAudio = "window"
    ) -> None:
        self.model, self.processor, self.name, self.long_audio = model, processor, name, long_audio
        extractor = extractor_of(processor)
        self.sample_rate = int(extractor.sampling_rate)
        self.window_s = float(getattr(extractor, "chunk_length", None) or math.inf)
        """Seconds of the windows that its features are made in."""
        self.span_s = math.inf if long_audio == "whole" else _limit_s(processor, self.window_s)
        """Seconds that the model hears at once, as far as its processor says so or has been seen to."""
        self._context = context_of(model.config.get_text_config())

    def generate(self, chats: Sequence[Conversation], sampling: Sampling = Sampling()) -> list[Reply]:
        """One reply to each conversation, in order; long recordings by ``long_audio``.

        Raises:
            DataError: a conversation that is empty, or that holds a control token.
            ModelError: the processor or the model does not take it, or a recording does not arrive whole.
            AudioError: a recording that cannot be read, or that is too long where ``long_audio`` is ``"error"``.
        """
        return [[delta.reply for delta in self.stream(chat, sampling) if delta.reply is not None][-1] for chat in chats]

    def stream(self, chat: Conversation, sampling: Sampling = Sampling()) -> Iterator[Delta]:
        """The reply as it comes; the last piece carries the whole. Raises as :meth:`generate`."""
        longest_s = long_audio.longest_s(chat)
        if longest_s <= self.span_s:
            try:
                inputs = self.inputs(chat)
            except _CutShortError:
                if self.long_audio == "whole" or longest_s <= self.window_s:
                    raise
                self.span_s = self.window_s
            else:
                yield from self._answer(chat, inputs, sampling)
                return
        if self.long_audio == "error":
            raise AudioError(f"a recording is longer than the {self.span_s:.0f} s this model hears at once; cut it.")
        beginning = self.long_audio == "truncate"
        parts: list[tuple[long_audio.Stretch, Reply]] = []
        said = ""
        for stretch in [long_audio.first(chat, self.span_s)] if beginning else long_audio.stretches(chat, self.span_s):
            pieces = self._answer(stretch.chat, self.inputs(stretch.chat), sampling)
            parts.append((stretch, [delta.reply for delta in pieces if delta.reply is not None][-1]))
            text = long_audio.join(parts).text
            known = text[: text.rfind("\n") + 1]  # of the last line, the times may yet grow
            if len(known) > len(said):
                yield Delta(known[len(said) :])
                said = known
        joined = long_audio.join(parts)
        yield Delta(joined.text[len(said) :], joined)

    def inputs(self, chat: Conversation) -> dict[str, Any]:
        """What the processor makes of a conversation for the model; every recording is in it whole.

        Raises:
            DataError, ModelError, AudioError: as :meth:`generate`.
        """
        self._check_text(chat)
        samples = [audio.load(self.sample_rate)[0] for audio in chat.audios]
        inputs = self._processed(chat, samples)
        if samples and not int((inputs["input_ids"] == self.processor.audio_token_id).sum()):
            shortest_s = min(audio.duration_s for audio in chat.audios)
            raise ModelError(
                f"{self.name}: nothing in its prompt stands for a recording; {shortest_s:.3f} s is too short for it, "
                "or its chat template leaves recordings out."
            )
        for number, audio in enumerate(chat.audios):
            others = [changed_at_end(x_T, self.sample_rate) if n == number else x_T for n, x_T in enumerate(samples)]
            if _same_features(inputs, self._processed(chat, others)):
                raise _CutShortError(
                    f"{self.name}: its processor leaves out the end of {audio.name} ({audio.duration_s:.1f} s), which "
                    "is longer than it hears; ask about shorter recordings."
                )
        return inputs

    def _check_text(self, chat: Conversation) -> None:
        if not chat.messages:
            raise DataError("a conversation without messages cannot be put; add at least one user message.")
        tokenizer = self.processor.tokenizer
        special = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
        for token in (*special, *tokenizer.all_special_tokens, self.processor.audio_token):
            if any(token in message.text for message in chat.messages):
                raise DataError(f"a text holds {token!r}, which is a control token of {self.name}; write it otherwise.")

    def _processed(self, chat: Conversation, samples: Sequence[np.ndarray]) -> dict[str, Any]:
        remaining = iter(samples)
        try:
            return self.processor.apply_chat_template(
                [{"role": message.role, "content": _content(message, remaining)} for message in chat.messages],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"audio_kwargs": {"sampling_rate": self.sample_rate}},
            )
        except _UNFIT as error:
            raise ModelError(f"{self.name}: its processor does not take this conversation: {reason(error)}") from error

    def _answer(self, chat: Conversation, inputs: dict[str, Any], sampling: Sampling) -> Iterator[Delta]:
        num_prompt = inputs["input_ids"].shape[1]
        if num_prompt >= self._context:
            raise ModelError(
                f"{num_prompt:,} tokens are more than the {self._context:,} that the language model of {self.name} "
                "reads; ask about fewer or shorter recordings at once."
            )
        pieces: SimpleQueue[list[int] | None] = SimpleQueue()
        watch = _Watch(num_prompt, self._decode, sampling, pieces)
        said = ""
        # Transformers' generate tells of its tokens only from within.
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(self._run, inputs, sampling, watch)
            future.add_done_callback(lambda _: pieces.put(None))
            try:
                while (ids := pieces.get()) is not None:
                    text = self._decode(ids)
                    shown = settled(text, sampling.stop)
                    if not text.endswith("\ufffd") and len(shown) > len(said):
                        yield Delta(shown[len(said) :])
                        said = shown
            finally:
                watch.cancelled = True
            ids = future.result()
        text = before_stop(self._decode(ids), sampling.stop)
        yield Delta(text[len(said) :].rstrip(), self._reply(chat, inputs, ids, text, sampling))

    @torch.inference_mode()
    def _run(self, inputs: dict[str, Any], sampling: Sampling, watch: "_Watch") -> list[int]:
        given = {
            name: value.to(self.model.device, self.model.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
            if isinstance(value, Tensor)
        }
        try:
            # Some models add noise to what they hear (VibeVoice does); the same question gets the same.
            with torch.random.fork_rng([self.model.device] if self.model.device.type == "cuda" else []):
                torch.manual_seed(sampling.seed)
                out = self.model.generate(
                    **given,
                    max_new_tokens=int(min(sampling.max_new_tokens, self._context - watch.num_prompt)),
                    do_sample=False,  # what is drawn, is drawn by _Drawn
                    logits_processor=[_Drawn(sampling)] if sampling.temperature > 0 else None,
                    stopping_criteria=[watch],
                    return_dict_in_generate=False,
                )
        except _UNFIT as error:
            raise ModelError(f"{self.name} does not take this conversation: {reason(error)}") from error
        return out[0, watch.num_prompt :].tolist()

    def _reply(
        self, chat: Conversation, inputs: dict[str, Any], ids: list[int], text: str, sampling: Sampling
    ) -> Reply:
        ends = self.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        stopped = (ids and ids[-1] in ends) or stop_at(self._decode(ids), sampling.stop) is not None
        each = _tokens_of(inputs["input_ids"][0] == self.processor.audio_token_id, len(chat.audios))
        audio_tokens = int((inputs["input_ids"] == self.processor.audio_token_id).sum())
        heard_s = sum(audio.duration_s for audio in chat.audios)
        usage = Usage(heard_s, audio_tokens, inputs["input_ids"].shape[1], len(ids))
        return Reply(text.strip(), usage, "stop" if stopped else "length", each)

    def _decode(self, ids: list[int]) -> str:
        return self.processor.tokenizer.decode(ids, skip_special_tokens=True)


class _CutShortError(ModelError):
    """The end of a recording does not reach the features."""


class _Watch(StoppingCriteria):
    """Tells of every token of a reply in the making; ends it at a stop string, or when nobody listens any more."""

    def __init__(self, num_prompt: int, decode: Any, sampling: Sampling, pieces: SimpleQueue) -> None:
        self.num_prompt, self.decode, self.stop, self.pieces = num_prompt, decode, sampling.stop, pieces
        self.cancelled = False

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Whether each row is done [1]."""
        ids = input_ids[0, self.num_prompt :].tolist()
        self.pieces.put(ids)
        ended = self.cancelled or (bool(self.stop) and stop_at(self.decode(ids), self.stop) is not None)
        return torch.full((1,), ended, device=input_ids.device)


class _Drawn(LogitsProcessor):
    """Leaves one token to choose: the one that is drawn, as for models of ours, by a seed of its own."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling, self.generator = sampling, torch.Generator().manual_seed(sampling.seed)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits [1, V] → the same, with all but one impossible."""
        only_1V = torch.full_like(scores, -math.inf)
        only_1V[0, drawn(scores[0], self.sampling, self.generator)] = 0.0
        return only_1V


def changed_at_end(samples_T: np.ndarray, sample_rate: int) -> np.ndarray:
    """The recording with noise, as loud as the rest of it and never inaudible, in its last ``TAIL_S`` seconds."""
    tail = min(len(samples_T), round(TAIL_S * sample_rate))
    loudness = max(0.01, float(np.sqrt(np.mean(np.square(samples_T, dtype=np.float64)))))
    changed_T = samples_T.copy()
    changed_T[len(changed_T) - tail :] = loudness * np.random.default_rng(0).standard_normal(tail)
    return changed_T


def _same_features(one: dict[str, Any], other: dict[str, Any]) -> bool:
    pairs = [(x, other[name]) for name, x in one.items() if isinstance(x, Tensor) and x.is_floating_point()]
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def _tokens_of(is_audio_L: Tensor, num_recordings: int) -> tuple[int, ...]:
    """Audio tokens of each recording, where runs of them tell the recordings apart."""
    padded = torch.nn.functional.pad(is_audio_L.int(), (1, 1)).diff()
    counts = ((padded < 0).nonzero() - (padded > 0).nonzero())[:, 0].tolist()
    if num_recordings == 1:
        return (sum(counts),)
    return tuple(counts) if len(counts) == num_recordings else ()


def _limit_s(processor: Any, window_s: float) -> float:
    """The longest recording that the processor takes: what it says, in whole windows where it cuts those."""
    most_s = float(getattr(processor, "max_audio_len", None) or math.inf)
    return most_s // window_s * window_s if window_s <= most_s < math.inf else most_s


def _content(message: Message, samples: Iterator[np.ndarray]) -> list[dict[str, Any]]:
    """A turn as transformers' processors read it. Words side by side are one part: templates put breaks between."""
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Audio):
            parts.append({"type": "audio", "audio": next(samples)})
        elif parts and parts[-1]["type"] == "text":
            parts[-1]["text"] += part
        else:
            parts.append({"type": "text", "text": part})
    return parts
