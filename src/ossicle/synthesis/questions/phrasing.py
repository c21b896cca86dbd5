"""Small grammars from which a question's many wordings grow.

They are written down in ``wordings/``. A template is words with ``(this|that)`` choices, ``[maybe|perhaps]`` optional
choices, ``{x}`` slots and ``<rec>`` shared pieces; one template per line makes a Grammar. Final punctuation and
capitals are put on afterwards, so that all of it is in one place.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import NamedTuple

_FOLDER = Path(__file__).parent / "wordings"
SHARED = {
    "rec": "the recording|this recording|the clip|this clip|the audio|this audio|the audio clip|"
    "the sound clip|the file|this file|the audio file|the sample|the track|this take|the excerpt|"
    "the sound file|the take",
    "in": "in <rec>|in <rec>|in <rec>|here|in it|on <rec>|within <rec>|throughout <rec>",
    "thing": "sound|noise|sound event|event|audible event|thing",
    "things": "sounds|noises|sound events|events|audible events|things",
    "heard": "heard|audible|present|to be heard|noticeable|detectable",
    "hear": "hear|notice|detect|make out|perceive|recognise|recognize|catch",
    "tell": "tell me|please tell me|can you tell me|could you tell me|say|please say|do you know|"
    "I want to know|I would like to know|I'd like to know|let me know|would you tell me|"
    "could you say|state|I need to know|are you able to tell|can you say|just tell me|"
    "please state|help me find out",
    "give": "give|give me|please give|state|report|provide|tell me|write|can you give me|could you give|"
    "I need|I want|please report",
    "name": "name|identify|tell me|please name|please identify|can you name|could you identify|say|"
    "give me|state|recognise|point out",
    "happen": "happens|occurs|is heard|takes place|comes|appears|sounds|can be heard|is audible",
}


class Choice(NamedTuple):
    """One of several sequences of nodes."""

    options: tuple[tuple["Node", ...], ...]


class Slot(NamedTuple):
    """A place that the question fills."""

    name: str


Node = str | Choice | Slot
_TOKEN = re.compile(r"[()\[\]|]|\{\w+\}|<\w+>|[^()\[\]|{}<>]+")


def _parse(tokens: list[str], closing: str) -> Choice:
    """Alternatives up to ``closing``, which is consumed; tokens are reversed, so pop() is next."""
    options: list[tuple[Node, ...]] = []
    sequence: list[Node] = []
    while True:
        token = tokens.pop() if tokens else ""
        if token in ("|", closing):
            options.append(tuple(sequence))
            sequence = []
            if token == closing:
                return Choice(tuple(options))
        elif token == "(":
            sequence.append(_parse(tokens, ")"))
        elif token == "[":
            inner = _parse(tokens, "]")
            # Optional pieces are left out as often as not, however many there are to choose from.
            sequence.append(Choice((*inner.options, *((),) * len(inner.options))))
        elif token.startswith("{"):
            sequence.append(Slot(token[1:-1]))
        elif token.startswith("<"):
            sequence.append(_shared(token[1:-1]))
        elif token and token not in ")]":
            if token.strip():
                sequence.append(token.strip())
        else:
            raise ValueError(f"A template closes with {token!r} where {closing!r} was due.")


_SHARED_PARSED: dict[str, Choice] = {}


def _shared(name: str) -> Choice:
    if name not in _SHARED_PARSED:
        _SHARED_PARSED[name] = _parse(list(reversed(_TOKEN.findall(SHARED[name]))), "")
    return _SHARED_PARSED[name]


@dataclass(frozen=True)
class Grammar:
    """Templates, one per line."""

    source: str

    @cached_property
    def templates(self) -> tuple[Choice, ...]:
        """The parsed lines."""
        lines = [line.strip() for line in self.source.strip().splitlines() if line.strip()]
        return tuple(_parse(list(reversed(_TOKEN.findall(line))), "") for line in lines)

    def expand(self, rng: Random, slots: Mapping[str, str]) -> str:
        """One wording, without final punctuation and capital."""
        words: list[str] = []
        _expand(rng.choice(self.templates), rng.random, slots, words)
        text = re.sub(r" (?=[,.?!:])", "", " ".join(words))
        return re.sub(r"(?<=[.?!] )[a-z]", lambda first: first[0].upper(), text)

    def __add__(self, other: "Grammar") -> "Grammar":
        return Grammar(f"{self.source}\n{other.source}")


def _expand(choice: Choice, random, slots: Mapping[str, str], words: list[str]) -> None:
    options = choice.options
    for node in options[0] if len(options) == 1 else options[int(random() * len(options))]:
        if isinstance(node, str):
            words.append(node)
        elif isinstance(node, Slot):
            words.append(slots[node.name])
        else:
            _expand(node, random, slots, words)


class Phrases(NamedTuple):
    """Wordings for training, and the ones kept for testing only."""

    train: Grammar
    test: tuple[str, ...]


def wordings(name: str) -> Phrases:
    """Phrases from ``wordings/NAME.txt``: templates, then, after :data:`HELD_OUT`, plain wordings with ``{slots}``."""
    train, test = _lines(name, HELD_OUT)
    return Phrases(Grammar("\n".join(train)), tuple(test))


HELD_OUT = "# held out for testing"


def _lines(name: str, *marks: str) -> list[list[str]]:
    """The lines of ``wordings/NAME.txt``, parted where a line is one of ``marks``."""
    parts: list[list[str]] = [[]]
    for line in (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line in marks:
            parts.append([])
        elif line.strip():
            parts[-1].append(line.strip())
    return parts


_IMPERATIVE = frozenset(
    (
        "tell",
        "please",
        "say",
        "name",
        "list",
        "give",
        "describe",
        "state",
        "report",
        "write",
        "transcribe",
        "identify",
        "count",
        "let",
        "i'd",
        "i",
        "help",
        "just",
        "classify",
        "recognise",
        "recognize",
        "point",
        "pick",
        "choose",
        "select",
        "determine",
        "find",
        "specify",
        "provide",
        "decide",
        "caption",
        "summarise",
        "summarize",
        "estimate",
        "put",
        "show",
        "type",
        "mark",
        "enumerate",
        "label",
        "produce",
        "make",
        "order",
        "sort",
        "judge",
        "compare",
        "locate",
        "spell",
        "note",
        "repeat",
        "detect",
        "annotate",
        "note",
        "output",
        "read",
        "someone",
        "there",
        "measure",
        "time",
        "make",
        "spot",
        "go",
        "jump",
        "perform",
        "guess",
        "predict",
    )
)
(_OPENINGS,) = _lines("openings")
(_CLOSINGS,) = _lines("closings")


def dress(text: str, rng: Random) -> str:
    """A wording as a whole utterance: punctuation, capital, at times an opening or a closing."""
    mark = "." if text.split(" ", 1)[0].lower().rstrip(",") in _IMPERATIVE else "?"
    draw = rng.random()
    if draw < 0.18:
        opening = rng.choice(_OPENINGS)
        text = f"{opening} {text[0].upper() + text[1:] if opening[-1] in '.!?' else text}"
    if 0.14 < draw < 0.26:
        text = f"{text}{mark} {rng.choice(_CLOSINGS).capitalize()}"
        mark = "."
    style = rng.random()
    if style > 0.16:
        text = text[0].upper() + text[1:]
    if not 0.08 < style < 0.22:
        text += mark
    return text


_MASS = frozenset(
    (
        "water",
        "speech",
        "laughter",
        "paper",
        "music",
        "noise",
        "cutlery",
        "silence",
        "applause",
        "rain",
        "wind",
        "thunder",
        "typing",
        "drizzle",
        "static",
        "hum",
        "traffic",
        "jazz",
    )
)


def article(label: str) -> str | None:
    """``"a"`` or ``"an"`` where it surely fits the label, else None."""
    last = label.rsplit(" ", 1)[-1]
    if last.endswith(("ing", "s")) or last in _MASS or " or " in label:
        return None
    return "an" if label[0] in "aeiou" else "a"


_SOUND_NAMES = (
    "{0}",
    "{0}",
    "{0}",
    "{0}",
    "{0}",
    "the sound of {0}",
    "the {0}",
    "the {0} sound",
    "the {0}",
    "a sound of {0}",
    "the noise of {0}",
    "'{0}'",
    '"{0}"',
    "the {0} noise",
    "some {0}",
    "{0} sound",
    "a {0} sound",
    "{0} sounds",
)
_WORD_NAMES = {
    "digit": (
        "{0}",
        "{0}",
        "the word {0}",
        "the digit {0}",
        "the number {0}",
        '"{0}"',
        "the spoken {0}",
        "someone saying {0}",
        "a voice saying {0}",
        "the word '{0}'",
    ),
    "keyword": (
        "{0}",
        "{0}",
        "the word {0}",
        "the keyword {0}",
        '"{0}"',
        "the wake word {0}",
        "someone saying {0}",
        "a voice saying {0}",
        "the words {0}",
        "the phrase {0}",
    ),
}


def named(label: str, kind: str, rng: Random) -> str:
    """A label as a question would put it, the label itself verbatim inside."""
    forms = _WORD_NAMES.get(kind, _SOUND_NAMES)
    form = rng.choice(forms)
    if form == "some {0}" and (before := article(label)):
        form = before + " {0}"
    if form == "a {0} sound" and label[0] in "aeiou":
        form = "an {0} sound"
    return form.format(label)


def named_alike(labels: list[str], kinds: list[str], rng: Random) -> list[str]:
    """Several labels put in the same way, as one would in one question."""
    if any(kind in _WORD_NAMES for kind in kinds):
        return list(labels)
    form = rng.choice(
        ("{0}", "{0}", "{0}", "the {0}", "the {0}", "the sound of {0}", "'{0}'", '"{0}"', "the {0} sound", "a {0}")
    )
    if form == "a {0}":
        articles = [article(label) for label in labels]
        if all(articles):
            return [f"{a} {label}" for a, label in zip(articles, labels, strict=True)]
        form = "{0}"
    return [form.format(label) for label in labels]


def phrase_of(event_label: str, kind: str) -> str:
    """An event inside an answer: spoken words are said by someone, and a feeling is no sound."""
    if kind == "emotion":
        return "someone speaking"
    return f"someone saying {event_label}" if kind in _WORD_NAMES else event_label
