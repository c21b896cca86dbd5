"""Render spoken words and coffee orders with two free speech synthesisers, as sets that scenes are made of.

    apt-get install espeak-ng flite
    python tools/speak.py $OSSICLE_DATA

Writes ``spoken_words`` (digits and keywords) and ``spoken_orders`` (coffee orders, whole and in pieces) with a
``metadata.csv`` each: 16 kHz FLAC, the words, and where known when each begins and ends. The same seed writes the same
orders in the same voices. espeak-ng speaks with about 50 variants of its voice in six accents, flite with four voices
recorded from people, higher and lower. Nothing is downloaded.
"""

import argparse
import csv
import ctypes
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from ossicle.support.progress import progress
from ossicle.synthesis.readers import DIGITS

SAMPLE_RATE = 16_000
KEYWORDS = ("alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass")

SIZES = ("small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce")
ROASTS = ("light roast", "medium roast", "dark roast")
SHOTS = ("single shot", "double shot", "triple shot")
DRINKS = (
    "coffee", "house coffee", "drip coffee", "iced coffee", "mocha", "iced mocha", "americano", "cappuccino",
    "espresso", "latte",
)  # fmt: skip
AMOUNTS = ("", "", "", "some ", "a bit of ", "a little bit of ", "a lot of ", "lots of ")
MILKS = ("milk", "whole milk", "skim milk", "soy milk", "almond milk", "cream")
SUGARS = ("sugar", "brown sugar", "sweetener")
BEFORE = (
    "", "", "can i get a", "can i have a", "i would like a", "i'd like a", "i want a", "give me a", "please make me a",
    "could you make me a", "make me a", "could i please have a", "let me have a", "i'll take a", "get me a",
    "i need a", "may i have a", "hey there one", "we would like one",
)  # fmt: skip
AFTER = ("", "", "", "", "please", "thanks", "thank you", "to go")

ACCENTS = ("en-us", "en-us", "en-us", "en-us-nyc", "en-gb-x-rp", "en-gb-scotland", "en-029", "en-gb-x-gbcwmd")
VARIANTS = (
    "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee",
    "Marco", "Mario", "Michael", "Mike", "Nguyen", "adam", "anika", "antonio", "aunty", "belinda", "benjamin", "boris",
    "caleb", "david", "ed", "edward", "edward2", "f1", "f2", "f3", "f4", "f5", "grandma", "grandpa", "gustave", "iven",
    "iven2", "iven3", "iven4", "john", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "marcelo", "max",
    "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph",
    "steph2", "steph3", "travis", "victor", "zac",
)  # fmt: skip
FLITE = ("awb", "kal16", "rms", "slt")


class Said(NamedTuple):
    """Samples at ``SAMPLE_RATE`` [T], and ``[word, start_s, end_s]`` for each word, or nothing where not known."""

    samples_T: np.ndarray
    words: list[tuple[str, float, float]]
    voice: str


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


class Espeak:
    """espeak-ng, by its own library: the program does not tell when each word begins."""

    _WORD, _SYNCHRONOUS, _UTF8 = 1, 2, 1

    def __init__(self) -> None:
        self._lib = ctypes.CDLL("libespeak-ng.so.1")
        self._rate = self._lib.espeak_Initialize(self._SYNCHRONOUS, 0, None, 0)
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._hear = kind(self._collect)
        self._lib.espeak_SetSynthCallback(self._hear)
        self._chunks: list[np.ndarray] = []
        self._starts: list[tuple[int, float]] = []

    def _collect(self, wave: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]") -> int:
        if wave and count:
            self._chunks.append(np.ctypeslib.as_array(wave, (count,)).astype(np.float32) / 32768)
        number = 0
        while events[number].type:
            if events[number].type == self._WORD:
                self._starts.append((events[number].text_position - 1, events[number].audio_position / 1000))
            number += 1
        return 0

    def say(self, text: str, rng: Random) -> Said:
        """``text`` by a voice drawn from ``rng``."""
        accent, variant = rng.choice(ACCENTS), rng.choice(VARIANTS)
        if self._lib.espeak_SetVoiceByName(f"{accent}+{variant}".encode()):
            raise SystemExit(f"espeak-ng has no voice {accent}+{variant}; install espeak-ng 1.51 or newer.")
        pace, pitch, span = round(rng.uniform(125, 215)), round(rng.uniform(25, 75)), round(rng.uniform(25, 80))
        for name, value in ((1, pace), (3, pitch), (4, span)):
            self._lib.espeak_SetParameter(name, value, 0)
        self._chunks, self._starts = [], []
        data = text.encode()
        self._lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, self._UTF8, None, None)
        wave_T = soxr.resample(np.concatenate(self._chunks), self._rate, SAMPLE_RATE)
        return Said(wave_T, self._times(text, len(wave_T) / SAMPLE_RATE), f"espeak-{accent}-{variant}")

    def _times(self, text: str, end_s: float) -> list[tuple[str, float, float]]:
        """A word ends where the next begins; nothing where espeak-ng spoke words as one."""
        at, places = 0, []
        for word in text.split():
            at = text.index(word, at)
            places.append(at)
            at += len(word)
        if [place for place, _ in self._starts] != places:
            return []
        starts = [start for _, start in self._starts] + [end_s]
        return [(w, starts[i], starts[i + 1]) for i, w in enumerate(text.split())]


class Flite:
    """flite, whose voices were recorded from people."""

    def __init__(self) -> None:
        self._phones: dict[str, int] = {}

    def say(self, text: str, rng: Random) -> Said:
        """``text`` by a voice drawn from ``rng``, played a little faster (higher) or slower than it was made."""
        voice, pace, shift = rng.choice(FLITE), rng.uniform(0.8, 1.3), rng.uniform(0.84, 1.2)
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            settings = ("--setf", f"duration_stretch={pace * shift:.3f}")
            said = subprocess.run(
                ("flite", "-voice", voice, *settings, "-t", text, "-psdur", "-o", file.name),
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            wave_T, rate = soundfile.read(file.name, dtype="float32")
        wave_T = soxr.resample(wave_T, round(rate * shift), SAMPLE_RATE)
        phones = [(name, float(end)) for name, _, end in (pair.partition(":") for pair in said.stdout.split())]
        return Said(wave_T, self._times(text, phones, shift), f"flite-{voice}")

    def _times(self, text: str, phones: list[tuple[str, float]], shift: float) -> list[tuple[str, float, float]]:
        """Phones are dealt to the words in turn; nothing where a word has other phones in company than alone."""
        ends = [(0.0 if i == 0 else phones[i - 1][1], end) for i, (name, end) in enumerate(phones) if name != "pau"]
        counts = [self._count(word) for word in text.split()]
        if sum(counts) != len(ends):
            return []
        found, first = [], 0
        for word, count in zip(text.split(), counts, strict=True):
            found.append((word, ends[first][0] / shift, ends[first + count - 1][1] / shift))
            first += count
        return found

    def _count(self, word: str) -> int:
        if word not in self._phones:
            command = ("flite", "-voice", "kal16", "-t", word, "-ps", "-o", "none")
            said = subprocess.run(command, capture_output=True, text=True, check=True)
            self._phones[word] = sum(name != "pau" for name in said.stdout.split())
        return self._phones[word]


def order(rng: Random) -> tuple[str, dict[str, str]]:
    """What is said, and its slots: a third are one slot alone, a quarter two, the others whole orders."""
    values = {
        "size": rng.choice(SIZES),
        "roast": rng.choice(ROASTS),
        "numberOfShots": rng.choice(SHOTS),
        "coffeeDrink": rng.choice(DRINKS),
        "milkAmount": rng.choice(AMOUNTS) + rng.choice(MILKS),
        "sugarAmount": rng.choice(AMOUNTS) + rng.choice(SUGARS),
    }
    drawn = rng.random()
    if drawn < 0.6:
        names = rng.sample(list(values), 1 if drawn < 0.35 else 2)
        return " ".join(values[name] for name in names), {name: values[name] for name in values if name in names}
    kept = {name for name in values if name == "coffeeDrink" or rng.random() < 0.5}
    front = [name for name in ("size", "roast", "numberOfShots") if name in kept]
    if rng.random() < 0.6:
        rng.shuffle(front)
    late = [front.pop()] if front and rng.random() < 0.35 else []
    back = [name for name in ("milkAmount", "sugarAmount") if name in kept] + late
    rng.shuffle(back)
    parts = [rng.choice(BEFORE), *(values[name] for name in front), values["coffeeDrink"]]
    for number, name in enumerate(back):
        joint = rng.choice(("with", "with", "with", "")) if number == 0 else rng.choice(("and", "and", "and with", ""))
        article = rng.choice(("a", "")) if name in ("roast", "numberOfShots", "size") else ""
        parts += [joint, article, values[name]]
    parts.append(rng.choice(AFTER))
    text = re.sub(r"\ba (?=[aei])", "an ", " ".join(part for part in parts if part))
    return text, {name: values[name] for name in values if name in kept}


def write_set(folder: Path, sayings: list[tuple[str, str, dict[str, object]]], seed: int) -> None:
    """Speak each ``(label, text, extra)`` and write the set."""
    espeak, flite = Espeak(), Flite()
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows = []
    with progress(len(sayings), "clips", folder.name) as shown:
        for number, (label, text, extra) in enumerate(sayings):
            rng = Random(f"{seed} {folder.name} {number}")
            said = (flite if rng.random() < 0.45 else espeak).say(text, rng)
            file = f"audio/{number:05d}.flac"
            soundfile.write(folder / file, said.samples_T / max(1.0, float(np.abs(said.samples_T).max())), SAMPLE_RATE)
            words = [(word, round(start, 3), round(end, 3)) for word, start, end in said.words]
            rows.append((file, "train", label, text, said.voice, "rendered", json.dumps({**extra, "words": words})))
            shown.advance()
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(("file", "split", "label", "text", "group", "licence", "extra"))
        writer.writerows(rows)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder of sets that the two are written to")
    parser.add_argument("--orders", type=int, default=3000)
    parser.add_argument("--per-word", type=int, default=60, help="recordings of every digit and keyword")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = Random(args.seed)
    words = [(word, word, {}) for word in DIGITS + KEYWORDS for _ in range(args.per_word)]
    write_set(args.out / "spoken_words", words, args.seed)
    orders = [order(rng) for _ in range(args.orders)]
    write_set(args.out / "spoken_orders", [("order", text, {"slots": slots}) for text, slots in orders], args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
