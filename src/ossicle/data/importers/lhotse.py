"""Lhotse's cuts (JSON lines): a stretch of a recording, and what is said in it."""

from collections.abc import Iterable
from typing import Any

from ossicle.data.importers.base import Importer, Json, audio_part, importers, text_part
from ossicle.support.errors import DataError


@importers.register("lhotse")
class Lhotse(Importer):
    """``{"id": …, "start": 0.0, "duration": 3.2, "recording": {"sources": [{"source": "a.wav"}]}, "supervisions":
    [{"text": …, "start": …}]}``. The supervisions' texts, in order of time, are the reply."""

    from_where = "Lhotse cuts (MonoCut, MultiCut)"

    @staticmethod
    def recognises(row: Json) -> bool:
        """By ``recording`` and ``supervisions``."""
        return isinstance(row.get("recording"), dict) and "supervisions" in row

    def row(self, row: Json, question: str) -> Json:
        """The question is asked of the cut's stretch."""
        path = _source(row.get("recording"))
        start, duration = row.get("start", 0.0), row.get("duration")
        if not isinstance(start, int | float) or not isinstance(duration, int | float):
            raise DataError("a cut needs 'start' and 'duration' in seconds.")
        said = supervisions_of(row)
        text = text_of(said)
        if not text:
            raise DataError("no supervision of this cut has a text.")
        whole = start == 0 and duration == row["recording"].get("duration")
        part = audio_part(path) if whole else audio_part(path, float(start), float(start + duration))
        speakers = list(dict.fromkeys(one["speaker"] for one in said if one.get("speaker")))
        user = {"role": "user", "content": [part, text_part(question)]}
        meta = {"id": row.get("id"), **({"speakers": speakers} if speakers else {})}
        return {"messages": [user, {"role": "assistant", "content": text}], "meta": meta}


def supervisions_of(cut: Json) -> list[Json]:
    """The supervisions of a cut that have a text, in order of time."""
    said = [one for one in cut.get("supervisions") or () if isinstance(one, dict) and isinstance(one.get("text"), str)]
    return sorted(said, key=lambda one: one.get("start", 0.0))


def text_of(said: Iterable[Json]) -> str:
    """The texts of supervisions, one after the other."""
    return " ".join(one["text"].strip() for one in said).strip()


def _source(recording: Any) -> str:
    sources = recording.get("sources") if isinstance(recording, dict) else None
    files = [s.get("source") for s in sources or () if isinstance(s, dict) and s.get("type", "file") == "file"]
    if recording.get("transforms") if isinstance(recording, dict) else None:
        raise DataError(
            "the cut's recording is to be transformed on the fly; save the transformed audio to files first."
        )
    if any(len(s.get("channels", [0])) > 1 for s in sources or () if isinstance(s, dict)):
        raise DataError(
            "the cut's recording has several channels, of which a row names none; save each to a file first."
        )
    if len(files) != 1 or not isinstance(files[0], str):
        raise DataError("a cut needs a recording with one source of type 'file'; save its audio to files first.")
    return files[0]
