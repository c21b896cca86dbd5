"""SLAM-LLM's style: ``source`` is a recording, ``target`` the reply."""

from ossicle.data.importers.base import Importer, Json, audio_part, importers, rest_of, text_part
from ossicle.support.errors import DataError


@importers.register("slam")
class Slam(Importer):
    """``{"key": "a", "source": "a.wav", "target": "the reply"}``, perhaps with a ``prompt``."""

    from_where = "SLAM-LLM"

    @staticmethod
    def recognises(row: Json) -> bool:
        """By ``source`` and ``target``."""
        return isinstance(row.get("source"), str) and "target" in row

    def row(self, row: Json, question: str) -> Json:
        """The prompt, or the question, is asked of the recording."""
        source, target = row.get("source"), row.get("target")
        if not isinstance(source, str) or not isinstance(target, str):
            raise DataError("needs the texts 'source' and 'target'.")
        asked = row.get("prompt") if isinstance(row.get("prompt"), str) else question
        user = {"role": "user", "content": [audio_part(source), text_part(str(asked))]}
        meta = {**({"id": row["key"]} if "key" in row else {}), **rest_of(row, ("source", "target", "prompt", "key"))}
        return {"messages": [user, {"role": "assistant", "content": target}], "meta": meta}
