"""Say recordings of speech again in other voices, as sets that scenes are made of.

    pip install pyworld "setuptools<81"
    python tools/voices.py $OSSICLE_DATA --sets emodb fsdd

For every ``train`` row of a set, ``NAME_voices`` gets some recordings with the same words and the same melody, spoken
higher or lower by a longer or shorter throat: WORLD (Morise et al. 2016) parts the sound into pitch, envelope and
breath; pitch is scaled, the envelope is warped along frequency, and all is put together again. Times stay as they were.
Labels, texts and groups are those of the row: leaving out a speaker leaves out the voices made of theirs, and since
every row has equally many, folds hold out the same speakers. The same seed writes the same recordings.
"""

import argparse
import csv
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

import numpy as np
import soundfile
import soxr

from ossicle.support.progress import progress

SAMPLE_RATE = 16_000
FRAME_MS = 5.0


def other_voice(wave_T: np.ndarray, pitch: float, throat: float) -> np.ndarray:
    """``wave_T`` [T] at ``SAMPLE_RATE`` with pitch and formants scaled; the same length.

    Args:
        wave_T: mono speech.
        pitch: factor of the fundamental frequency.
        throat: factor of the formants; above 1 is a shorter throat.
    """
    import pyworld

    x_T = np.ascontiguousarray(wave_T, dtype=np.float64)
    f0_F, times_F = pyworld.dio(x_T, SAMPLE_RATE, f0_floor=60.0, f0_ceil=700.0, frame_period=FRAME_MS)
    f0_F = pyworld.stonemask(x_T, f0_F, times_F, SAMPLE_RATE)
    envelope_FB = pyworld.cheaptrick(x_T, f0_F, times_F, SAMPLE_RATE)
    breath_FB = pyworld.d4c(x_T, f0_F, times_F, SAMPLE_RATE)
    bins = envelope_FB.shape[1]
    from_B = np.clip(np.arange(bins) / throat, 0, bins - 1)
    low_B = np.floor(from_B).astype(int)
    high_B, share_B = np.minimum(low_B + 1, bins - 1), from_B - np.floor(from_B)
    log_FB = np.log(envelope_FB)
    warped_FB = np.exp(log_FB[:, low_B] * (1 - share_B) + log_FB[:, high_B] * share_B)
    breath_FB = breath_FB[:, low_B] * (1 - share_B) + breath_FB[:, high_B] * share_B
    parts = (np.ascontiguousarray(part) for part in (f0_F * pitch, warped_FB, breath_FB))
    said_T = pyworld.synthesize(*parts, SAMPLE_RATE, FRAME_MS)
    said_T = said_T[: len(x_T)] if len(said_T) >= len(x_T) else np.pad(said_T, (0, len(x_T) - len(said_T)))
    peak = max(float(np.abs(said_T).max()), 1e-9)
    return (said_T * min(1.0, 0.99 / peak)).astype(np.float32)


def draw(rng: Random) -> tuple[float, float]:
    """Factors of pitch and formants: they go together somewhat, as in people."""
    throat = rng.uniform(0.84, 1.2)
    return throat ** rng.uniform(0.0, 2.2) * rng.uniform(0.85, 1.18), throat


def _revoice(source: Path, targets: list[Path], seed: str) -> None:
    wave_TC, rate = soundfile.read(source, dtype="float32", always_2d=True)
    wave_T = soxr.resample(wave_TC.mean(1), rate, SAMPLE_RATE)
    rng = Random(seed)
    for target in targets:
        soundfile.write(target, other_voice(wave_T, *draw(rng)), SAMPLE_RATE)


def write_set(folder: Path, out: Path, per_row: int, seed: int) -> None:
    """Say the ``train`` rows of ``folder`` again, ``per_row`` times each, and write the set."""
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as table:
        reader = csv.DictReader(table)
        names = list(reader.fieldnames or ())
        rows = [row for row in reader if row.get("split", "train") == "train"]
    if len({Path(row["file"]).stem for row in rows}) < len(rows):
        raise SystemExit(f"{folder}: two rows have files of one name; rename one.")
    (out / "audio").mkdir(parents=True, exist_ok=True)
    written = []
    with progress(len(rows), "rows", out.name) as shown, ProcessPoolExecutor() as pool:
        jobs = []
        for row in rows:
            stem = Path(row["file"]).stem
            files = [f"audio/{stem}_{number}.flac" for number in range(per_row)]
            jobs.append(pool.submit(_revoice, folder / row["file"], [out / f for f in files], f"{seed} {row['file']}"))
            written += [{**row, "file": file} for file in files]
        for job in jobs:
            job.result()
            shown.advance()
    with (out / "metadata.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, names)
        writer.writeheader()
        writer.writerows(written)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the folder of sets, to which the new ones are written")
    parser.add_argument("--sets", nargs="+", default=["emodb", "fsdd", "speech_intent"])
    parser.add_argument("--per-row", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name in args.sets:
        write_set(args.root / name, args.root / f"{name}_voices", args.per_row, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
