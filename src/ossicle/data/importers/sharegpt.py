"""LLaMA-Factory's sharegpt style: ``conversations`` of ``from`` and ``value``, with ``<audio>`` for ``audios``."""

from ossicle.data.importers.base import Importer, Json, importers, messages_of, rest_of, strings, text_part, turns_of
from ossicle.support.errors import DataError


@importers.register("sharegpt")
class ShareGpt(Importer):
    """``{"conversations": [{"from": "human", "value": "<audio>What?"}, …], "audios": ["a.wav"]}``; ``chosen`` and
    ``rejected`` become a preference."""

    from_where = "LLaMA-Factory (sharegpt)"

    @staticmethod
    def recognises(row: Json) -> bool:
        """By ``conversations`` beside ``audios``."""
        return isinstance(row.get("conversations"), list) and "audios" in row

    def row(self, row: Json, question: str) -> Json:
        """Marks become recordings; a system prompt becomes the first message."""
        turns = turns_of(row.get("conversations"), "conversations", "from", "value")
        if isinstance(row.get("system"), str):
            turns = [("system", row["system"]), *turns]
        ours: Json = {"messages": messages_of(turns, strings(row.get("audios"), "audios"), ("<audio>",))}
        if "chosen" in row or "rejected" in row:
            chosen, rejected = (_reply(row.get(key), key) for key in ("chosen", "rejected"))
            ours["messages"].append({"role": "assistant", "content": [text_part(chosen)]})
            ours["rejected"] = rejected
        return {**ours, "meta": rest_of(row, ("conversations", "audios", "system", "chosen", "rejected"))}


def _reply(value: object, key: str) -> str:
    text = value.get("value") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise DataError(f"{key!r} should be a reply.")
    return text
