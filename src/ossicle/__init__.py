"""Ossicle: compose, train, evaluate and serve large audio-language models.

>>> import ossicle
>>> lm = ossicle.load("tiny")
>>> print(lm.ask("door.wav", "What happens first?").text)
"""

from typing import TYPE_CHECKING, Any

from ossicle.support.late import before_first_call, when_imported

if TYPE_CHECKING:
    from ossicle.audio import Audio
    from ossicle.chat import Conversation, Reply, Sampling, assistant, user
    from ossicle.models import load
    from ossicle.models.listening import events

__version__ = "0.1.0"
__all__ = ["Audio", "Conversation", "Reply", "Sampling", "assistant", "events", "load", "user"]

_HOME = {
    "Audio": "ossicle.audio",
    "Conversation": "ossicle.chat",
    "Reply": "ossicle.chat",
    "Sampling": "ossicle.chat",
    "assistant": "ossicle.chat",
    "events": "ossicle.models.listening",
    "load": "ossicle.models",
    "user": "ossicle.chat",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``import ossicle`` and ``ossicle --help`` load neither torch nor transformers."""
    if name not in _HOME:
        raise AttributeError(f"module 'ossicle' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def _know_our_folders() -> None:
    """Importing the models is what makes transformers know them."""
    import ossicle.models  # noqa: F401


# By these classes transformers enters a model folder, whichever of its Auto classes was called.
for _file, _class in (
    ("configuration_auto", "AutoConfig"),
    ("feature_extraction_auto", "AutoFeatureExtractor"),
    ("processing_auto", "AutoProcessor"),
):
    when_imported(
        f"transformers.models.auto.{_file}",
        lambda module, name=_class: before_first_call(getattr(module, name), "from_pretrained", _know_our_folders),
    )
