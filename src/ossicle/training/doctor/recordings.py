"""The data of a recipe: can it be read, is there sound in it, is anything in it twice, is the test among it?"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from ossicle.audio import Audio
from ossicle.chat import Conversation
from ossicle.data.halves import is_taught
from ossicle.data.source import Source, make_source
from ossicle.support.errors import AudioError, OssicleError
from ossicle.training.doctor.finding import Finding, some
from ossicle.training.recipe import Recipe, Stage

LISTENED = 100
"""Recordings of a source that are decoded."""
SHORT_S = 0.05
SILENT_PEAK = 1e-4
ENDLESS_ROWS = 64
MANY_TIMES = 100
"""Hearings of one recording in a stage after which it is likely known by heart."""


@dataclass
class Looked:
    """Rows of one source that were read."""

    where: str
    source: Source
    chats: list[Conversation] = field(default_factory=list)

    @property
    def audios(self) -> list[Audio]:
        """Every recording once."""
        return list({audio.digest: audio for chat in self.chats for audio in chat.audios}.values())


def look(recipe: Recipe, most: int, findings: list[Finding]) -> tuple[dict[str, list[Looked]], list[Looked]]:
    """Read up to ``most`` rows of every source: those of each stage by its name, and those held out.

    What cannot be read becomes a finding.
    """
    known: dict[str, Looked | None] = {}
    by_stage: dict[str, list[Looked]] = {}
    for stage in recipe.stages:
        by_stage[stage.name] = []
        for name, mapping in stage.data.items():
            options = {key: value for key, value in mapping.items() if key != "weight"}
            if repr(options) not in known:
                known[repr(options)] = _read(options, f"stages.{stage.name}.data.{name}", most, findings)
            if found := known[repr(options)]:
                by_stage[stage.name].append(found)
    held = [_read(one.data, f"evaluate.{name}.data", most, findings) for name, one in recipe.evaluate.items()]
    return by_stage, [one for one in held if one]


def _read(options: Mapping[str, Any], where: str, most: int, findings: list[Finding]) -> Looked | None:
    try:
        source = make_source(options, where)
    except OssicleError as error:
        findings.append(Finding("data", "fault", f"{where}: {error}"))
        return None
    return look_at(source, where, most, findings)


def look_at(source: Source, where: str, most: int, findings: list[Finding]) -> Looked:
    """Read up to ``most`` rows of a source; what cannot be read becomes a finding."""
    looked = Looked(where, source)
    broken: list[str] = []
    for index in _indices(source, most):
        try:
            source.seconds(index)
            looked.chats += source.rows(index)
        except OssicleError as error:
            broken.append(str(error))
    if broken:
        rest = f" ({len(broken)} rows in all)" if len(broken) > 1 else ""
        findings.append(Finding("data", "fault", f"{where}: {broken[0]}{rest}"))
    return looked


def _indices(source: Source, most: int) -> Sequence[int]:
    if source.num_rows is None:
        return range(min(most, ENDLESS_ROWS))
    if source.num_rows <= most:
        return range(source.num_rows)
    return sorted(Random(0).sample(range(source.num_rows), most))


def of_source(looked: Looked) -> Iterator[Finding]:
    """What is to be said of one source by itself."""
    where, chats = looked.where, looked.chats
    if not chats:
        yield Finding("data", "fault", f"{where}: no row could be read; mend the rows named above.")
        return
    wrong = [*_sound(where, looked.audios), *_text(where, chats)]
    yield from wrong
    if not wrong:
        seconds = sum(audio.duration_s for audio in looked.audios)
        of = "" if looked.source.num_rows is None else f" of {looked.source.num_rows:,}"
        yield Finding(
            "data", "good", f"{where}: {len(chats):,} rows{of} read, {len(looked.audios):,} recordings, {seconds:.0f} s"
        )


def _sound(where: str, audios: Sequence[Audio]) -> Iterator[Finding]:
    short = [audio.name for audio in audios if audio.duration_s < SHORT_S]
    if short:
        yield Finding(
            "data",
            "doubt",
            f"{where}: {len(short)} recording(s) are shorter than {SHORT_S:g} s ({some(short)}); drop them.",
        )
    silent, broken = [], []
    for audio in audios[:LISTENED]:
        try:
            samples_CT = audio.load(audio.sample_rate, channels="all")
        except AudioError as error:
            broken.append(str(error))
            continue
        if np.abs(samples_CT).max(initial=0.0) < SILENT_PEAK:
            silent.append(audio.name)
    if broken:
        yield Finding("data", "fault", f"{where}: {broken[0]} ({len(broken)} of {len(audios[:LISTENED])} decoded)")
    if silent:
        yield Finding(
            "data",
            "doubt",
            f"{where}: {len(silent)} of {len(audios[:LISTENED])} recordings are silent ({some(silent)}); "
            "a model that is asked about them learns to answer without listening: drop them.",
        )


def _text(where: str, chats: Sequence[Conversation]) -> Iterator[Finding]:
    chats = [chat for chat in chats if is_taught(chat.meta)]
    replies: Counter[str] = Counter()
    by_question: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for chat in chats:
        words = tuple((m.role, p if isinstance(p, str) else p.digest) for m in chat.messages for p in m.parts)
        asked = tuple(item for item in words if item[0] != "assistant")
        said = " ".join(text for role, text in words if role == "assistant")
        by_question[asked].append(said)
        replies[said] += 1
    twice = sum(len(said) - len(set(said)) for said in by_question.values())
    torn = [said for said in by_question.values() if len(set(said)) > 1]
    if twice:
        yield Finding("data", "doubt", f"{where}: {twice} of {len(chats)} rows are there twice; keep one of each.")
    if torn:
        one, other = list(dict.fromkeys(torn[0]))[:2]
        yield Finding(
            "data",
            "doubt",
            f"{where}: {len(torn)} question(s) about the same sound have different replies ({one!r} and {other!r}); "
            "word the questions differently, or keep one reply.",
        )
    if len(replies) == 1 and len(chats) > 1:
        only = next(iter(replies))
        yield Finding(
            "data",
            "fault",
            f"{where}: every reply is {only!r}, which is learnt without listening; add rows with others.",
        )


def across(recipe: Recipe, by_stage: Mapping[str, list[Looked]], held: Sequence[Looked]) -> Iterator[Finding]:
    """What is to be said of sources beside each other, and of how often their rows are heard."""
    for out in held:
        for stage, sources in by_stage.items():
            trained = {audio.digest for looked in sources for audio in looked.audios}
            leaked = [audio.name for audio in out.audios if audio.digest in trained]
            if leaked:
                yield Finding(
                    "data",
                    "fault",
                    f"{out.where}: {len(leaked)} of {len(out.audios)} recordings read are trained on in stage {stage} "
                    f"({some(leaked)}); hold out others, or what is measured is memory.",
                )
    for stage in recipe.stages:
        yield from _lengths(stage, by_stage[stage.name])


def _lengths(stage: Stage, sources: Sequence[Looked]) -> Iterator[Finding]:
    long = [a.name for looked in sources for a in looked.audios if a.duration_s > stage.seconds_per_batch]
    if long:
        yield Finding(
            "data",
            "doubt",
            f"stages.{stage.name}: {len(long)} recording(s) are longer than seconds_per_batch "
            f"({stage.seconds_per_batch:g}), such as {some(long)}: they go alone into larger batches; "
            "cut them, or raise it.",
        )
    whole = [_seconds(looked) for looked in sources]
    if whole and all(whole):
        times = stage.steps * stage.accumulate * stage.seconds_per_batch * 0.95 / sum(whole)  # type: ignore[arg-type]
        if times > MANY_TIMES:
            yield Finding(
                "data",
                "doubt",
                f"stages.{stage.name}: each recording is heard about {times:.0f} times, and will be known by heart; "
                "take fewer steps, more data, or augment.",
            )


def _seconds(looked: Looked) -> float | None:
    """Seconds of audio in a whole finite source, from the rows that were read."""
    rows = looked.source.num_rows
    if rows is None or not looked.chats:
        return None
    return sum(sum(a.duration_s for a in chat.audios) for chat in looked.chats) * rows / len(looked.chats)
