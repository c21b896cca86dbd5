"""Questions as careless people type them, so that a model leans on the words that matter."""

import re
from collections.abc import Iterable
from random import Random

_DROPPABLE = frozenset(
    (
        "please",
        "the",
        "a",
        "an",
        "this",
        "that",
        "is",
        "are",
        "was",
        "can",
        "could",
        "would",
        "you",
        "me",
        "just",
        "exactly",
        "in",
        "of",
        "so",
        "hey",
        "ok",
        "tell",
        "do",
        "does",
        "it",
        "there",
        "to",
        "be",
        "now",
        "at",
    )
)
_FILLERS = (
    "um",
    "uh",
    "well",
    "so",
    "btw",
    "actually",
    "kindly",
    "ok",
    "hmm",
    "basically",
    "like",
    "exactly",
    "pls",
    "please",
    "maybe",
    "roughly",
    "now",
    "then",
    "really",
    "thx",
    "just",
    "again",
    "overall",
)
# A typo here would change what is asked.
_MATTERS = frozenset(
    (
        "first",
        "last",
        "before",
        "after",
        "start",
        "starts",
        "end",
        "ends",
        "begin",
        "begins",
        "stop",
        "stops",
        "same",
        "different",
        "louder",
        "loudest",
        "many",
        "often",
        "long",
        "when",
        "which",
        "what",
        "where",
        "how",
        "count",
        "order",
        "earlier",
        "later",
        "none",
        "no",
        "not",
        "digit",
        "keyword",
        "emotion",
        "word",
        "words",
    )
)
_ONSETS = (
    "",
    "b",
    "br",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "w",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "ou", "oo", "y")
_CODAS = ("", "", "", "b", "ck", "d", "l", "m", "n", "nd", "ng", "nt", "p", "r", "rd", "s", "st", "t", "x")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def perturb(text: str, rng: Random, keep: Iterable[str] = ()) -> str:
    """``text`` with random case, punctuation, dropped and added filler words, now and then a typo or a word that nobody
    knows, alone or a whole sentence of them.

    ``keep`` are substrings left as they are (labels, option lists); anything with a digit, a quote
    or an option letter is left alone as well. For training only.
    """
    kept = [piece for piece in sorted(set(keep), key=len, reverse=True) if piece]
    draw = rng.random()
    before = f"{_unknown(rng)}{rng.choice((':', ',', '.', '?', '!'))} " if draw < 0.15 else ""
    after = f" {_unknown(rng)}{rng.choice(('.', '?', '!', ''))}" if 0.1 < draw < 0.2 else ""
    return f"{before}{_changed(text, rng, kept)}{after}"


def _changed(text: str, rng: Random, kept: list[str]) -> str:
    if not kept:
        return _rough(text, rng)
    pattern = "(" + "|".join(rf"(?<!\w){re.escape(piece)}(?!\w)" for piece in kept) + ")"
    parts = re.split(pattern, text)
    case = rng.random()
    # Odd places hold what was matched.
    return "".join(part if i % 2 else _rough(part, rng, case, last=i == len(parts) - 1) for i, part in enumerate(parts))


def _rough(text: str, rng: Random, case: float | None = None, last: bool = True) -> str:
    case = rng.random() if case is None else case
    # Whitespace is kept as it stands: option lists have line breaks that matter.
    pieces = re.split(r"(\s+)", text)
    drop = 0.12 if rng.random() < 0.5 else 0.0
    for i in range(0, len(pieces), 2):
        word = pieces[i]
        bare = word.strip("?.,!:").lower()
        if not bare or not bare.isalpha() or len(bare) == 1:
            continue
        if bare in _DROPPABLE and rng.random() < drop:
            pieces[i] = word[len(word.rstrip("?.,!:")) :] if i + 1 >= len(pieces) else ""
            if pieces[i] == "" and i + 1 < len(pieces) and "\n" not in pieces[i + 1]:
                pieces[i + 1] = "" if i == 0 else pieces[i + 1]
        elif len(bare) > 4 and bare not in _MATTERS and rng.random() < 0.02:
            pieces[i] = _typo(word, rng)
        elif len(bare) > 3 and bare not in _MATTERS and rng.random() < 0.03:
            pieces[i] = f"{_made_up(rng)}{word[len(word.rstrip('?.,!:')) :]}"
        elif len(pieces) > 3 and i > 0 and rng.random() < 0.02:
            pieces[i] = f"{_filler(rng)} {word}"
    out = re.sub(r"  +", " ", "".join(pieces))
    if case < 0.25:
        out = out.lower()
    elif case < 0.28:
        out = out.upper()
    if last:
        out = _ending(out, rng)
    return out


def _ending(text: str, rng: Random) -> str:
    draw = rng.random()
    if draw < 0.15:
        return text.rstrip("?.!")
    if draw < 0.20 and text[-1:] in "?.":
        return text.rstrip("?.") + rng.choice(("?", ".", " ?", "??", "!", "...", "?!"))
    return text


def _filler(rng: Random) -> str:
    if rng.random() < 0.75:
        return rng.choice(_FILLERS)
    return _made_up(rng)


def _unknown(rng: Random) -> str:
    return " ".join(_made_up(rng) for _ in range(rng.randint(1, 5)))


def _made_up(rng: Random) -> str:
    return "".join(rng.choice(part) for _ in range(rng.choice((1, 1, 2, 2, 3))) for part in (_ONSETS, _VOWELS, _CODAS))


def _typo(word: str, rng: Random) -> str:
    i = rng.randrange(1, len(word) - 1)
    draw = rng.random()
    if draw < 0.4:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if draw < 0.7:
        return word[:i] + word[i + 1 :]
    if draw < 0.85:
        return word[:i] + word[i] + word[i:]
    return word[:i] + rng.choice(_LETTERS) + word[i + 1 :]
