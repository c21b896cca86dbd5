"""Play ten instruments from free sampled sounds, as a set that scenes are made of.

    apt-get install libfluidsynth3 fluid-soundfont-gm musescore-general-soundfont timgm6mb-soundfont
    pip install pyfluidsynth
    python tools/play.py $OSSICLE_DATA

Writes ``played_instruments`` with its ``metadata.csv``: 16 kHz FLAC of at most four seconds, in which one of the
instruments of ``instruments_fsd2018`` plays a held note, a few notes, a chord or a rhythm. Notes, loudness, vibrato,
swell, tuning, room and soundfont are drawn from the seed; the same seed writes the same recordings.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr

from ossicle.support.progress import progress

SAMPLE_RATE = 16_000
PLAYED_RATE = 32_000
FONTS = (
    ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "MIT"),
    ("/usr/share/sounds/sf3/MuseScore_General_Full.sf3", "MIT"),
    ("/usr/share/sounds/sf2/TimGM6mb.sf2", "GPL-2.0"),
)
"""Where Debian puts the soundfonts, and their licences."""
DRUM_KITS = (0, 1, 2, 4, 8, 10, 16, 32, 33, 35, 40, 41, 48)


class Instrument(NamedTuple):
    """Presets as (bank, program), lowest and highest MIDI note, and how it is played."""

    presets: tuple[tuple[int, int], ...]
    low: int
    high: int
    styles: tuple[str, ...]


INSTRUMENTS = {
    "acoustic guitar": Instrument(((0, 24), (0, 25)), 40, 79, ("strum", "strum", "notes", "broken", "held")),
    "cello": Instrument(((0, 42),), 36, 74, ("held", "held", "notes", "legato")),
    "clarinet": Instrument(((0, 71),), 50, 89, ("held", "held", "notes", "legato")),
    "double bass": Instrument(((0, 32), (0, 43)), 28, 57, ("held", "notes", "notes", "legato")),
    "flute": Instrument(((0, 73),), 60, 94, ("held", "held", "notes", "legato")),
    "saxophone": Instrument(((0, 64), (0, 65), (0, 66), (0, 67)), 44, 82, ("held", "held", "notes", "legato")),
    "violin or fiddle": Instrument(((0, 40), (0, 110), (8, 40)), 55, 93, ("held", "held", "notes", "legato", "double")),
    "bass drum": Instrument((), 35, 36, ("hits",)),
    "hi hat": Instrument((), 42, 46, ("hits",)),
    "snare drum": Instrument((), 38, 40, ("hits", "hits", "roll")),
}
HI_HATS = (42, 42, 44, 46)
CHORDS = ((0, 4, 7, 12, 16), (0, 3, 7, 12, 15), (0, 7, 12, 16, 19), (0, 5, 9, 12, 17), (0, 4, 10, 14))


class Note(NamedTuple):
    """One note, its times in seconds."""

    begin_s: float
    end_s: float
    key: int
    velocity: int


def score(label: str, style: str, rng: Random) -> list[Note]:
    """What is played, in ``style``, by the instrument called ``label``."""
    low, high = INSTRUMENTS[label].low, INSTRUMENTS[label].high
    loudness = rng.randint(45, 120)
    if style in ("hits", "roll"):
        return list(_drums(label, style, loudness, rng))
    if style == "held":
        return [Note(0.0, rng.uniform(0.5, 3.2), rng.randint(low, high), loudness)]
    if style == "double":
        key, length = rng.randint(low, high - 9), rng.uniform(0.6, 2.5)
        return [Note(0.0, length, key + step, loudness) for step in (0, rng.choice((3, 4, 7, 9)))]
    if style in ("strum", "broken"):
        return list(_chords(style, low, loudness, rng))
    return list(_melody(style == "legato", low, high, loudness, rng))


def _drums(label: str, style: str, loudness: int, rng: Random) -> Iterator[Note]:
    gap_s = rng.uniform(0.03, 0.08) if style == "roll" else rng.uniform(0.12, 0.7)
    count = rng.randint(12, 40) if style == "roll" else rng.choice((1, 1, 1, 2, 4, 6, 8))
    keys = HI_HATS if label == "hi hat" else (INSTRUMENTS[label].low, INSTRUMENTS[label].high)
    key = rng.choice(keys)
    for number in range(count):
        begin_s = number * gap_s + rng.uniform(0, 0.01)
        velocity = max(20, min(127, loudness + rng.randint(-20, 10)))
        yield Note(begin_s, begin_s + 0.4, rng.choice(keys) if rng.random() < 0.15 else key, velocity)


def _chords(style: str, low: int, loudness: int, rng: Random) -> Iterator[Note]:
    delay_s = rng.uniform(0.004, 0.04) if style == "strum" else rng.uniform(0.1, 0.3)
    begin_s, root = 0.0, low + rng.randint(0, 17)
    for _ in range(rng.randint(1, 5)):
        length_s = rng.uniform(0.25, 1.5) + (delay_s * 5 if style == "broken" else 0.0)
        keys = [root + step for step in rng.choice(CHORDS)]
        for number, key in enumerate(keys if rng.random() < 0.7 else keys[::-1]):
            velocity = max(20, min(127, loudness + rng.randint(-12, 12)))
            yield Note(begin_s + number * delay_s, begin_s + length_s + 0.1, key, velocity)
        begin_s += length_s
        root = max(low, min(low + 17, root + rng.choice((-5, -2, 0, 0, 2, 5))))


def _melody(legato: bool, low: int, high: int, loudness: int, rng: Random) -> Iterator[Note]:
    begin_s, key, pace_s = 0.0, rng.randint(low, high), rng.uniform(0.12, 0.6)
    step = rng.choice((1, 2))
    for _ in range(rng.randint(2, 12)):
        length_s = pace_s * rng.choice((1, 1, 1, 2, 0.5))
        share = rng.uniform(1.02, 1.1) if legato else rng.uniform(0.5, 0.95)
        yield Note(begin_s, begin_s + length_s * share, key, max(20, min(127, loudness + rng.randint(-15, 10))))
        begin_s += length_s
        key = max(low, min(high, key + step * rng.choice((-3, -2, -1, -1, 1, 1, 2, 3))))


class Band:
    """The soundfonts, each with a synthesiser of its own."""

    def __init__(self, fonts: tuple[str, ...]) -> None:
        import fluidsynth

        self._players: list[tuple[Any, int]] = []
        for font in fonts:
            synth = fluidsynth.Synth(samplerate=float(PLAYED_RATE), gain=0.4)
            number = synth.sfload(font)
            if number < 0:
                raise SystemExit(f"{font} is missing; install the soundfonts that tools/play.py names.")
            self._players.append((synth, number))

    def play(self, label: str, font: int, rng: Random) -> np.ndarray:
        """One recording [T] at ``SAMPLE_RATE``, peak at most 1. A note that the soundfont lacks is drawn again."""
        while True:
            wave_T = self._play_once(label, font, rng)
            peak = float(np.abs(wave_T).max())
            if peak > 0.002:
                return wave_T / peak * rng.uniform(0.2, 0.95)

    def _play_once(self, label: str, font: int, rng: Random) -> np.ndarray:
        synth, number = self._players[font]
        channel = 0
        synth.system_reset()
        if INSTRUMENTS[label].presets:
            # Soundfonts without banks of variations have at least the first preset.
            known = [p for p in INSTRUMENTS[label].presets if synth.sfpreset_name(number, *p)]
            bank, program = rng.choice(known)
        else:
            channel, bank = 9, 128
            program = rng.choice([kit for kit in DRUM_KITS if synth.sfpreset_name(number, bank, kit)])
        synth.program_select(channel, number, bank, program)
        style = rng.choice(INSTRUMENTS[label].styles)
        wet, size = rng.choice((0.0, 0.15, 0.4, 0.8)), rng.uniform(0.1, 0.9)
        synth.set_reverb(roomsize=size, damping=rng.uniform(0.0, 0.8), width=0.5, level=wet)
        synth.cc(channel, 91, round(127 * wet))
        synth.cc(channel, 93, 0)
        synth.pitch_bend(channel, round(rng.gauss(0, 0.12) * 4096))
        return self._perform(synth, channel, score(label, style, rng), style == "held", rng)

    def _perform(self, synth: Any, channel: int, notes: list[Note], held: bool, rng: Random) -> np.ndarray:
        tail_s = rng.uniform(0.1, 0.9)
        total_s = min(4.0, max(note.end_s for note in notes) + tail_s)
        vibrato, swell = rng.choice((0, 0, 30, 70, 110)), rng.uniform(0.3, 1.0) if held else 1.0
        deeds = [(note.begin_s, 1, note) for note in notes] + [(note.end_s, 0, note) for note in notes]
        deeds += [(at * 0.05, 2, notes[0]) for at in range(int(total_s / 0.05))]
        deeds.sort(key=lambda deed: (deed[0], deed[1]))
        chunks, at = [], 0
        middle_s = rng.uniform(0.1, 0.9) * total_s
        for when_s, what, note in deeds:
            until = round(min(when_s, total_s) * PLAYED_RATE)
            if until > at:
                chunks.append(synth.get_samples(until - at).reshape(-1, 2).mean(1))
                at = until
            if when_s >= total_s:
                break
            if what == 1:
                synth.noteon(channel, note.key, note.velocity)
            elif what == 0:
                synth.noteoff(channel, note.key)
            else:
                near = 1 - abs(when_s - middle_s) / total_s
                synth.cc(channel, 11, round(127 * (swell + (1 - swell) * near)))
                synth.cc(channel, 1, round(vibrato * min(1.0, when_s / 0.5)))
        chunks.append(synth.get_samples(max(1, round(total_s * PLAYED_RATE) - at)).reshape(-1, 2).mean(1))
        return soxr.resample(np.concatenate(chunks).astype(np.float32) / 32768, PLAYED_RATE, SAMPLE_RATE)


def write_set(folder: Path, per_instrument: int, seed: int) -> None:
    """Play every instrument so many times, and write the set."""
    band = Band(tuple(font for font, _ in FONTS))
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows = []
    with progress(per_instrument * len(INSTRUMENTS), "clips", folder.name) as shown:
        for label in INSTRUMENTS:
            for number in range(per_instrument):
                rng = Random(f"{seed} {label} {number}")
                font = number % len(FONTS)
                file = f"audio/{label.replace(' ', '_')}_{number:04d}.flac"
                soundfile.write(folder / file, band.play(label, font, rng), SAMPLE_RATE)
                path, licence = FONTS[font]
                rows.append((file, "train", label, Path(path).stem, f"rendered from a soundfont under {licence}"))
                shown.advance()
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(("file", "split", "label", "group", "licence"))
        writer.writerows(rows)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder of sets that this one is written to")
    parser.add_argument("--per-instrument", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write_set(args.out / "played_instruments", args.per_instrument, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
