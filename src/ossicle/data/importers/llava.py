"""LLaVA's style as Audio Flamingo uses it: ``sound`` and ``conversations``, with ``<sound>`` in the words."""

from ossicle.data.importers.base import Importer, Json, importers, messages_of, rest_of, strings, turns_of
from ossicle.support.errors import DataError

_KEYS = ("sound", "audio", "speech")


@importers.register("llava")
class Llava(Importer):
    """``{"id": …, "sound": "a.wav", "conversations": [{"from": "human", "value": "<sound>\\nWhat?"}, …]}``."""

    from_where = "LLaVA, Audio Flamingo 3, VILA"

    @staticmethod
    def recognises(row: Json) -> bool:
        """By ``conversations`` beside ``sound`` (or ``audio``, ``speech``)."""
        return isinstance(row.get("conversations"), list) and any(key in row for key in _KEYS)

    def row(self, row: Json, question: str) -> Json:
        """Marks become recordings."""
        turns = turns_of(row.get("conversations"), "conversations", "from", "value")
        named = [key for key in _KEYS if strings(row.get(key), key)]
        if len(named) > 1:
            raise DataError(f"has recordings under {' and '.join(named)}, so their order is not known; use one key.")
        audios = [path for key in named for path in strings(row.get(key), key)]
        messages = messages_of(turns, audios, ("<sound>", "<audio>", "<speech>"))
        return {"messages": messages, "meta": rest_of(row, ("conversations", *_KEYS))}
