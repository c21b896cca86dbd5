"""How the rows of each known set are read; any other folder with a ``metadata.csv`` is read as plain sounds."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ossicle.synthesis.confusable import VOICES

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Reading(NamedTuple):
    """What one row of ``metadata.csv`` says about its recording."""

    label: str
    kind: str
    tags: tuple[str, ...] = ()
    text: str | None = None
    fields: Mapping[str, Any] = {}


def plain_row(row: Mapping[str, str], extra: Mapping[str, Any]) -> Reading:
    """A sound called what its ``label`` column says, with spaces for dashes."""
    label = row["label"].replace("-", " ").replace("_", " ")
    return Reading(label, "sound", ("speech",) if label in VOICES else (), row.get("text") or None)


def _instrument(row: Mapping[str, str], extra: Mapping[str, Any]) -> Reading:
    return Reading(row["label"], "instrument", ("musical instrument",))


def _word(kind: str) -> Callable[[Mapping[str, str], Mapping[str, Any]], Reading]:
    def read(row: Mapping[str, str], extra: Mapping[str, Any]) -> Reading:
        return Reading(row["text"], kind, ("speech",), row["text"], {"gender": extra.get("gender")})

    return read


def _emotion(row: Mapping[str, str], extra: Mapping[str, Any]) -> Reading:
    fields = {"emotion": row["label"], "gender": extra.get("speaker_gender")}
    return Reading(row["label"], "emotion", ("speech",), None, fields)


def _command(row: Mapping[str, str], extra: Mapping[str, Any]) -> Reading:
    fields = {"slots": extra.get("slots", {}), "words": extra.get("words", [])}
    return Reading("spoken order", "command", ("speech",), None, fields)


def _spoken_word(row: Mapping[str, str], extra: Mapping[str, Any]) -> Reading:
    return _word("digit" if row["text"] in DIGITS else "keyword")(row, extra)


def _cry(row: Mapping[str, str], extra: Mapping[str, Any]) -> Reading:
    fields = {"reason_guessed": row["label"], "sex": extra.get("sex"), "age": extra.get("age")}
    return Reading("baby crying", "sound", (), None, fields)


def _music(row: Mapping[str, str], extra: Mapping[str, Any]) -> Reading:
    kind, _, name = row["label"].partition(": ")
    if kind == "animal":
        return Reading(name, "sound", (), None, {"caption": row["text"]})
    spoken = {
        "solo trumpet": "trumpet",
        "solo singing voice (Tagalog)": "singing",
        "classical string orchestra": "string orchestra music",
        "song": "song",
    }
    return Reading(spoken.get(name, f"{name} music"), "music", ("music",), None, {"caption": row["text"]})


def _read_speech(row: Mapping[str, str], extra: Mapping[str, Any]) -> Reading:
    words = re.sub(r"[^\w' ]+", " ", row["text"]).lower()
    return Reading("speech", "sound", ("speech",), " ".join(words.split()) or None)


Reader = Callable[[Mapping[str, str], Mapping[str, Any]], Reading]
READERS: dict[str, Reader] = {
    "noise_of_life": plain_row,
    "kitchen20": plain_row,
    "esc50_sample": plain_row,
    "instruments_fsd2018": _instrument,
    "played_instruments": _instrument,
    "fsdd": _word("digit"),
    "fsdd_voices": _word("digit"),
    "wake_word": _word("keyword"),
    "emodb": _emotion,
    "emodb_voices": _emotion,
    "speech_intent": _command,
    "speech_intent_voices": _command,
    "spoken_orders": _command,
    "spoken_words": _spoken_word,
    "donate_a_cry": _cry,
    "music_and_animals": _music,
    "asr_mini": _read_speech,
}
"""Sets whose rows mean something of their own; any other folder with a ``metadata.csv`` is read as plain sounds."""

NOT_CLIPS = frozenset(("rir_and_noise", "spatial", "diarization_mini", "mmau"))
"""Folders that hold no clips with one label each."""
