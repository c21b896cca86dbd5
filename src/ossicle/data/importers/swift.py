"""ms-swift, and LLaMA-Factory's openai style: ``messages``, with ``<audio>`` where one of ``audios`` stands."""

from ossicle.data.importers.base import Importer, Json, importers, messages_of, rest_of, strings, turns_of


@importers.register("swift")
class Swift(Importer):
    """``{"messages": [{"role": "user", "content": "<audio>What?"}, …], "audios": ["a.wav"]}``; a
    ``rejected_response`` becomes a preference."""

    from_where = "ms-swift, LLaMA-Factory (openai)"

    @staticmethod
    def recognises(row: Json) -> bool:
        """By ``messages`` with plain text, beside ``audios``."""
        messages = row.get("messages")
        return isinstance(messages, list) and "audios" in row

    def row(self, row: Json, question: str) -> Json:
        """Marks become recordings."""
        turns = turns_of(row.get("messages"), "messages", "role", "content")
        ours = {"messages": messages_of(turns, strings(row.get("audios"), "audios"), ("<audio>",))}
        if "rejected_response" in row:
            ours["rejected"] = row["rejected_response"]
        return {**ours, "meta": rest_of(row, ("messages", "audios", "rejected_response"))}
