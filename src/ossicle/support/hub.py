"""Why a published model could not be had, in a sentence."""

from collections.abc import Iterator

_UNREACHED = (
    "couldn't connect",
    "offline mode",
    "Cannot reach",
    "Name or service not known",
    "cannot find the requested files in the local cache",
    "Cannot find an appropriate cached snapshot",
    "outgoing traffic has been disabled",
    "Connection refused",
)
_NO_NAME = ("Repo id must", "Cannot have -- or .. in repo_id")
_COPY = "give the folder of a downloaded copy"


def reason(error: Exception) -> str:
    """What transformers and the hub mean, and how to mend it."""
    if said := next((words for one in _causes(error) if (words := _refused(one))), None):
        return said
    text = str(error)
    if "trust_remote_code" in text:
        return "it brings code of its own, which Ossicle does not run; name a model whose type transformers knows."
    if "no file named model.safetensors" in text or ("safetensors" in text and "does not appear to have" in text):
        return "it has no weights as safetensors; pickled ones could run code and are refused, so convert them first."
    if any(words.lower() in text.lower() for words in _UNREACHED):
        return f"the hub cannot be reached and it is not in the cache; {_COPY}."
    if any(words in text for words in _NO_NAME):
        return "there is no such folder, and a hub id reads OWNER/NAME; mend the path or the id."
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it was raised from or on account of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _refused(error: BaseException) -> str | None:
    """What the hub itself answered, or that it did not; None for an error that is not of the hub."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            "its makers ask everyone to accept its licence first; do so on the model's page, then set HF_TOKEN to a "
            f"token of that account, or {_COPY}."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return "it has no such revision; mend what stands after the @, or leave it out."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            "the hub has no such model, or it is private; mend the name, or set HF_TOKEN to a token that may read it."
        )
    if isinstance(error, errors.IncompleteSnapshotError):
        return f"the hub cannot be reached and only a part of it is in the cache; try again with a network, or {_COPY}."
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE is set and it is not in the cache; unset it, or {_COPY}."
    if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
        status = error.response.status_code
        if status in (401, 403):
            return f"the hub refuses ({status}); set HF_TOKEN to a token that may read it, or {_COPY}."
        if status == 429 or status >= 500:
            return f"the hub is busy or out of order ({status}); try again later, or {_COPY}."
    return None
