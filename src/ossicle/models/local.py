"""A model of ours, in this process."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from ossicle.batch import Row
from ossicle.chat import Conversation, Delta, Reply, Sampling, Usage
from ossicle.chat.stopping import before_stop, settled
from ossicle.models import decoding, long_audio
from ossicle.models.asking import Asking
from ossicle.models.build import Bundle
from ossicle.models.recall import Recall
from ossicle.support.errors import AudioError

LongAudio = Literal["window", "whole", "error", "truncate"]


class Local(Asking):
    """LALM + Renderer + one decode loop.

    Args:
        bundle: model, tokenizer, renderer.
        name: how it is called in logs.
        long_audio: what becomes of a recording longer than the model hears at once: ``"window"`` asks about one
            stretch after another, ``"whole"`` hears all of it in one prompt, as far as the language model's context
            goes, ``"error"`` refuses, ``"truncate"`` hears the beginning and says so in ``fields``.
        max_batch: replies made at a time.
        recall_bytes: what may be kept of recordings and conversations, so that a further question about them is quick;
            see :class:`~ossicle.models.recall.Recall`, also for the default. 0 keeps nothing.
    """

    capabilities = frozenset({"score"})

    def __init__(
        self,
        bundle: Bundle,
        name: str,
        *,
        long_audio: LongAudio = "window",
        max_batch: int = 16,
        recall_bytes: int | None = None,
    ) -> None:
        self.bundle, self.name, self.long_audio, self.max_batch = bundle, name, long_audio, max_batch
        self.prepare = bundle.preparer()
        self.recall = Recall(bundle.model, recall_bytes)
        encoder = self.prepare.encoder
        window_s = encoder.window_samples / encoder.sample_rate
        self.span_s = math.inf if long_audio == "whole" else max(window_s, bundle.model.config.hears_s or 0.0)
        """Seconds that the model hears at once."""

    def generate(self, chats: Sequence[Conversation], sampling: Sampling = Sampling()) -> list[Reply]:
        """One reply to each conversation, in order; long recordings by ``long_audio``."""
        is_short = [long_audio.longest_s(chat) <= self.span_s for chat in chats]
        short = [chat for chat, fits in zip(chats, is_short, strict=True) if fits]
        made = iter(self._generate_short(short, sampling))
        return [
            next(made) if fits else self._generate_long(chat, sampling)
            for chat, fits in zip(chats, is_short, strict=True)
        ]

    def stream(self, chat: Conversation, sampling: Sampling = Sampling()) -> Iterator[Delta]:
        """The reply as it comes; the last piece carries the whole."""
        if long_audio.longest_s(chat) > self.span_s:
            yield from self._stream_long(chat, sampling)
            return
        loop = decoding.DecodeLoop(self.bundle, self.recall)
        request = loop.add(self.prepare(chat, reply=True), sampling)
        said = ""
        while loop.busy:
            loop.step()
            text = self.bundle.renderer.decode(request.ids)
            shown = settled(text, sampling.stop)
            if not text.endswith("\ufffd") and len(shown) > len(said):
                yield Delta(shown[len(said) :])
                said = shown
        yield Delta(self._said(request)[len(said) :].rstrip(), self._reply(request))

    def score(self, chats: Sequence[Conversation], continuations: Sequence[Sequence[str]]) -> list[list[float]]:
        """Log probability of each continuation as the reply to its conversation, summed over its tokens."""
        scores: list[list[float]] = []
        for chat, options in zip(chats, continuations, strict=True):
            rows = [self.prepare(chat.with_reply(option)) for option in options]
            # The last assistant turn only: what was said before is the same for every option.
            found = decoding.score(self.bundle, [_last_turn(row) for row in rows], self.recall)
            scores.append([total for total, _ in found])
        return scores

    def _answer_stretches(
        self, waiting: list[long_audio.Stretch], sampling: Sampling = Sampling()
    ) -> Iterator[tuple[long_audio.Stretch, Reply]]:
        replies = self._generate_short([stretch.chat for stretch in waiting], sampling)
        yield from zip(waiting, replies, strict=True)

    def _generate_short(self, chats: Sequence[Conversation], sampling: Sampling) -> list[Reply]:
        loop = decoding.DecodeLoop(self.bundle, self.recall)
        live: dict[int, decoding.Request] = {}
        replies: dict[int, Reply] = {}
        for number, chat in enumerate(chats):
            if len(live) >= self.max_batch:
                # A quarter of the batch is let free: new ones are read better together.
                replies |= self._finish(loop, live, 3 * self.max_batch // 4 if loop.joins else 0)
            live[number] = loop.add(self.prepare(chat, reply=True), sampling)
        replies |= self._finish(loop, live, 0)
        return [replies[number] for number in range(len(chats))]

    def _finish(self, loop: decoding.DecodeLoop, live: dict[int, decoding.Request], most: int) -> dict[int, Reply]:
        """Go on until no more than ``most`` are live; the replies of the others."""
        done: dict[int, Reply] = {}
        while len(live) > most:
            loop.step()
            for number in [number for number, request in live.items() if request.finish_reason is not None]:
                done[number] = self._reply(live.pop(number))
        return done

    def _generate_long(self, chat: Conversation, sampling: Sampling) -> Reply:
        replies = [delta.reply for delta in self._stream_long(chat, sampling) if delta.reply is not None]
        return replies[-1]

    def _stream_long(self, chat: Conversation, sampling: Sampling) -> Iterator[Delta]:
        names = ", ".join(audio.name for audio in chat.audios if audio.duration_s > self.span_s)
        if self.long_audio == "error":
            raise AudioError(f"{names} is longer than the {self.span_s:.0f} s this model hears at once; cut it.")
        parts: list[tuple[long_audio.Stretch, Reply]] = []
        waiting: list[long_audio.Stretch] = []
        said = ""
        beginning = self.long_audio == "truncate"
        whole = [long_audio.first(chat, self.span_s)] if beginning else long_audio.stretches(chat, self.span_s)
        for stretch in [*whole, None]:
            if stretch is not None:
                waiting.append(stretch)
            if waiting and (stretch is None or len(waiting) == self.max_batch):
                parts += self._answer_stretches(waiting, sampling)
                waiting = []
                text = long_audio.join(parts).text
                settled = text if stretch is None else text[: text.rfind("\n") + 1]
                if len(settled) > len(said):
                    yield Delta(settled[len(said) :])
                    said = settled
        yield Delta("", long_audio.join(parts))

    def _reply(self, request: decoding.Request) -> Reply:
        row = request.row
        usage = Usage(row.audio_s, sum(row.audio_tokens), len(row.ids), len(request.ids))
        return Reply(self._said(request).strip(), usage, request.finish_reason or "stop", row.audio_tokens)

    def _said(self, request: decoding.Request) -> str:
        """The text up to a stop string."""
        return before_stop(self.bundle.renderer.decode(request.ids), request.sampling.stop)


def _last_turn(row: Row) -> Row:
    """The row with only its last run of trained tokens kept as trained."""
    start = len(row.trained) - 1
    while start > 0 and row.trained[start - 1]:
        start -= 1
    return replace(row, trained=tuple(t and i >= start for i, t in enumerate(row.trained)))
