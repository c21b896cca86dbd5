"""``ossicle ask --each``: one question to every recording on its own, resumable."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from ossicle.commands.answering import Choice, writing
from ossicle.support.errors import DataError, EndpointError, OssicleError

if TYPE_CHECKING:
    from ossicle.chat import Sampling
    from ossicle.models import Local
    from ossicle.models.foreign import Foreign
    from ossicle.models.remote import Remote

SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".au", ".m4a", ".mp4", ".webm"}
)


class Key(NamedTuple):
    """What makes two rows the same: asked again, they are not."""

    model: str
    weights: str
    """The beginning of their SHA-256: a model that was trained further is asked again. Empty for an endpoint."""
    question: str
    file: str


def ask_each(source: Path, question: str, out: Path, choice: Choice) -> int:
    """Answer, or go on answering; rows are written as they come, in order of the recordings.

    A row is ``{"file", "question", "model", "weights", "answer", "duration_s", "tokens"}``, or has ``"error"`` for a
    recording that cannot be read; those are tried again the next time. ``tokens`` is null where an endpoint doesn't
    count them.

    Returns:
        How many recordings failed.

    Raises:
        DataError: no recordings, or ``out`` is something else than such rows.
        EndpointError: an endpoint is not there, or refuses whatever is asked; what was answered is kept.
    """
    files = recordings(source)
    sampling = choice.sampling()
    choice = choice.named()
    weights = choice.weights()
    keys = [Key(choice.model, weights, question, file) for file in files]
    with writing(out):
        answered = repair(out, keys)
    waiting = [key for key in keys if key not in answered]
    failed = 0
    if waiting:
        lm = choice.load()
        from ossicle.support.progress import progress

        with (
            writing(out),
            out.open("a", encoding="utf-8") as file,
            progress(len(keys), "recordings", "ask", start=len(keys) - len(waiting)) as bar,
        ):
            for row in answer(lm, waiting, sampling):
                failed += "error" in row
                _write_row(file, row)
                bar.advance(1, failed=failed)
    kept = len(keys) - len(waiting)
    print(f"{len(waiting) - failed} answered, {kept} kept, {failed} failed: {out}", file=sys.stderr)
    return failed


def recordings(source: Path) -> list[str]:
    """The recordings below a folder, sorted, or those of a list with one path a line. Raises DataError."""
    if source.is_dir():
        found = sorted(str(file) for file in source.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not found:
            raise DataError(f"{source} holds no recordings ({', '.join(sorted(SUFFIXES))}).")
        return found
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"there is no folder or list {source}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{source} is no list: --each takes a folder, or a text file with one path a line.") from None
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error.strerror}).") from None
    found = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not found:
        raise DataError(f"{source} names no recordings; write one path a line.")
    return found


def repair(out: Path, keys: Sequence[Key]) -> set[Key]:
    """Drop a half-written last row and the failures about to be tried again.

    Returns:
        What has been answered.

    Raises:
        DataError: a line that is no row.
    """
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        return set()
    from ossicle.support.files import atomic_write

    text = out.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines(keepends=True)
    wanted, kept, answered = set(keys), [], set()
    for number, line in enumerate(lines, 1):
        key, row = _read_row(line)
        if row is None and number == len(lines):
            continue
        if row is None:
            raise DataError(f"{out}, line {number}: not a row of answers; give another file to --out.")
        if "answer" in row:
            answered.add(key)
        elif key in wanted:
            continue
        kept.append(line)
    if kept != lines:
        with atomic_write(out) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")
    return answered


def _read_row(line: str) -> tuple[Key | None, dict[str, Any] | None]:
    """A line's key and row; None for a line that is no row or has no end."""
    try:
        row = json.loads(line)
        complete = line.endswith("\n") and ("answer" in row or "error" in row)
        return (
            (Key(row["model"], row.get("weights", ""), row["question"], row["file"]), row) if complete else (None, None)
        )
    except (ValueError, TypeError, KeyError):
        return None, None


def answer(lm: "Local | Foreign | Remote", keys: Sequence[Key], sampling: "Sampling") -> Iterator[dict[str, Any]]:
    """One row per recording, in order; recordings are answered in groups, and alone where a group holds a bad one."""
    for start in range(0, len(keys), lm.max_batch):
        group = keys[start : start + lm.max_batch]
        try:
            yield from _answer_group(lm, group, sampling)
        except EndpointError:
            raise
        except OssicleError:
            for key in group:
                try:
                    yield from _answer_group(lm, [key], sampling)
                except EndpointError:
                    raise
                except OssicleError as error:
                    yield {**_named(key), "error": str(error)}


def _answer_group(lm: "Local | Foreign | Remote", keys: Sequence[Key], sampling: "Sampling") -> list[dict[str, Any]]:
    from ossicle.audio import Audio
    from ossicle.chat import Conversation, user

    audios = [Audio(key.file) for key in keys]
    for audio in audios:
        audio.duration_s  # noqa: B018 - reads the header: a bad recording is known before any is asked about
    chats = [Conversation.of(user(audio, key.question)) for audio, key in zip(audios, keys, strict=True)]
    return [
        {
            **_named(key),
            "answer": reply.text,
            "duration_s": round(audio.duration_s, 6),
            "tokens": reply.usage.audio_tokens if reply.audio_tokens else None,
        }
        for key, audio, reply in zip(keys, audios, lm.generate(chats, sampling), strict=True)
    ]


def _named(key: Key) -> dict[str, str]:
    return {"file": key.file, "question": key.question, "model": key.model, "weights": key.weights}


def _write_row(file: TextIO, row: dict[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    file.flush()
