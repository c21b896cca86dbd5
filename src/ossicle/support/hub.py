"""Why a published model could not be had, in a sentence."""

_UNREACHED = (
    "couldn't connect",
    "offline mode",
    "Cannot reach",
    "Name or service not known",
    "cannot find the requested files in the local cache",
    "Cannot find an appropriate cached snapshot",
    "outgoing traffic has been disabled",
)
_NO_NAME = ("Repo id must", "Cannot have -- or .. in repo_id")


def reason(error: Exception) -> str:
    """What transformers and the hub mean, and how to mend it."""
    text = str(error)
    if "trust_remote_code" in text:
        return "it brings code of its own, which Ossicle does not run; name a model whose type transformers knows."
    if "no file named model.safetensors" in text or ("safetensors" in text and "does not appear to have" in text):
        return "it has no weights as safetensors; pickled ones could run code and are refused, so convert them first."
    if any(words.lower() in text.lower() for words in _UNREACHED):
        return "the hub cannot be reached and it is not in the cache; give the folder of a downloaded copy."
    if any(words in text for words in _NO_NAME):
        return "there is no such folder, and a hub id reads OWNER/NAME; mend the path or the id."
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
