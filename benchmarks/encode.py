"""How fast sound is encoded, beside transformers on the same weights and recordings, taking turns.

    python benchmarks/encode.py                  # Whisper base: transformers pads to 30 s; ours exact and trim
    python benchmarks/encode.py --features       # only the log-mel, beside transformers, librosa and kaldi-native-fbank

The last two must be installed, or left out by name (``--without librosa``): otherwise nothing is measured and the exit
code is 2. It is 1 where ours is slower than asked, and else 0.

The weights are random, of the published sizes: speed does not depend on them. Recordings are noise of 2 to 15 s, as
sound and speech sets are. Encoders take all of them in batches, features are made one by one; each way has its turn
at the same sound, in an order that is drawn anew, and ratios are of such pairs: the median and, in brackets, the
lowest and highest tenth. Time is the clock's; on a machine that has other work, the processor's time says more.
Nothing is downloaded.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from random import Random
from typing import Any, TypeVar

import numpy as np
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ossicle.audio import log_mel
from ossicle.encoders import encoders
from ossicle.encoders._fbank import fbank

SIZES: Mapping[str, Mapping[str, int]] = {
    "tiny": {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536},
    "base": {"d_model": 512, "encoder_layers": 6, "encoder_attention_heads": 8, "encoder_ffn_dim": 2048},
    "small": {"d_model": 768, "encoder_layers": 12, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072},
}
RATE = 16_000
BANDS = 80
KALDI = "kaldi-native-fbank"
OPTIONAL = {"librosa": "librosa", KALDI: "kaldi_native_fbank"}
LEAST = {"exact": 0.95, "trim": 3.0, "log_mel": 1.0, "fbank": 1.0}
"""How many times as fast as each other way each of ours must be."""
BESIDE = {"fbank": (KALDI,)}
"""The other ways that do the same, where not all of them do."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Given = TypeVar("Given")


def recordings(count: int, seed: int = 0) -> list[np.ndarray]:
    """Noise of 2 to 15 s, float32 [T]."""
    rng = Random(seed)
    noise = np.random.default_rng(seed)
    return [0.1 * noise.standard_normal(round(rng.uniform(2, 15) * RATE)).astype(np.float32) for _ in range(count)]


def encode_ways(size: str, batch: int) -> dict[str, Callable[[Sequence[np.ndarray]], object]]:
    """Name → all recordings through the encoder, features included."""
    config = dict(SIZES[size])
    cls = encoders.get("whisper")
    ours = {mode: cls(cls.Options(config=config, mode=mode)).eval() for mode in ("exact", "trim")}
    ours["trim"].load_state_dict(ours["exact"].state_dict())
    theirs = WhisperEncoder(WhisperConfig(**config)).eval()
    theirs.load_state_dict(ours["exact"].encoder.state_dict())
    extractor = WhisperFeatureExtractor(feature_size=80)

    def padded(sounds: Sequence[np.ndarray]) -> None:
        for start in range(0, len(sounds), batch):
            given = extractor(list(sounds[start : start + batch]), sampling_rate=RATE, return_tensors="pt")
            theirs(given.input_features)

    def own(mode: str) -> Callable[[Sequence[np.ndarray]], None]:
        def run(sounds: Sequence[np.ndarray]) -> None:
            for start in range(0, len(sounds), batch):
                features = [ours[mode].prepare(samples[None]) for samples in sounds[start : start + batch]]
                lengths = torch.tensor([len(one) for one in features])
                ours[mode](torch.nn.utils.rnn.pad_sequence(features, batch_first=True), lengths)

        return run

    return {"transformers": padded, "exact": own("exact"), "trim": own("trim")}


def feature_ways(without: Collection[str] = ()) -> dict[str, Callable[[np.ndarray], object]]:
    """Name → the log-mel of one recording; those of other packages but for some.

    ``log_mel`` is scaled as Whisper wants it, which transformers does, too; ``fbank`` is what Kaldi computes.
    """
    whisper = WhisperFeatureExtractor(feature_size=BANDS)

    def ours(samples: np.ndarray) -> np.ndarray:
        mel = log_mel(samples, sample_rate=RATE, hop=160, n_mels=BANDS)
        return torch.maximum(mel, mel.max() - 8).add_(4).div_(4).numpy()

    ways: dict[str, Callable[[np.ndarray], object]] = {
        "log_mel": ours,
        "fbank": lambda samples: fbank(samples, n_mels=BANDS, window="povey", scale=2.0**15).numpy(),
        "transformers (torch)": lambda samples: whisper._torch_extract_fbank_features(samples[None], "cpu"),
        "transformers (numpy)": lambda samples: whisper._np_extract_fbank_features(samples[None], "cpu"),
    }
    made = {"librosa": librosa_way, KALDI: kaldi_way}
    return ways | {name: make() for name, make in made.items() if name not in without}


def librosa_way() -> Callable[[np.ndarray], object]:
    """Librosa's log-mel, with filters that are made once: its ``melspectrogram`` makes them every time."""
    import librosa

    bank_MK = librosa.filters.mel(sr=RATE, n_fft=400, n_mels=BANDS)

    def run(samples: np.ndarray) -> np.ndarray:
        return np.log10(
            np.maximum(bank_MK @ librosa.util.abs2(librosa.stft(samples, n_fft=400, hop_length=160)), 1e-10)
        )

    return run


def kaldi_way() -> Callable[[np.ndarray], object]:
    """kaldi-native-fbank without dither; it takes numbers one by one, fastest from a list."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither, options.mel_opts.num_bins = 0.0, BANDS

    def run(samples: np.ndarray) -> np.ndarray:
        made = kaldi_native_fbank.OnlineFbank(options)
        made.accept_waveform(RATE, (samples * 2.0**15).tolist())
        return np.stack([made.get_frame(number) for number in range(made.num_frames_ready)])

    return run


Spent = tuple[float, float]
"""Seconds of the clock, and of the processor in all threads."""


def measure(
    ways: Mapping[str, Callable[[Given], object]], sounds: Sequence[Given], runs: int
) -> dict[str, list[Spent]]:
    """What every way spent on every sound in every run; a first run that warms up is not counted."""
    spent: dict[str, list[Spent]] = {name: [] for name in ways}
    rng = Random(0)
    with torch.inference_mode():
        for turn in range(runs + 1):
            for sound in sounds:
                for name in rng.sample(list(ways), len(ways)):
                    begun, begun_at_work = time.perf_counter(), time.process_time()
                    ways[name](sound)
                    if turn:
                        spent[name].append((time.perf_counter() - begun, time.process_time() - begun_at_work))
    return spent


def measured(given: argparse.Namespace) -> dict[str, list[Spent]]:
    """With the threads that this process has."""
    sounds = recordings(given.recordings)
    if given.features:
        return measure(feature_ways(given.without), sounds, given.runs)
    return measure(encode_ways(given.size, given.batch), [sounds], given.runs)


def measured_with(threads: int, given: argparse.Namespace) -> dict[str, list[Spent]]:
    """In a process of its own: libraries read how many threads they may use while they are loaded."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measured, (given,))


@dataclass(frozen=True)
class Row:
    """One of our ways beside one other: how many times as fast it is."""

    way: str
    beside: str
    times_as_fast: float
    lowest_tenth: float
    highest_tenth: float
    of_processor_time: float
    at_least: float

    @property
    def holds(self) -> bool:
        """Whether it is as fast as asked."""
        return self.times_as_fast >= self.at_least

    def __str__(self) -> str:
        return (
            f"  {self.way:<8}{self.times_as_fast:7.2f} × [{self.lowest_tenth:.2f}, {self.highest_tenth:.2f}] "
            f"as fast as {self.beside}; {self.of_processor_time:.2f} × by processor time; "
            f"asked: {self.at_least:g} {'✔' if self.holds else '✘'}"
        )


def compared(spent: Mapping[str, Sequence[Spent]]) -> list[Row]:
    """Ours beside the others."""
    rows = []
    for way in filter(LEAST.get, spent):
        for beside in [name for name in spent if name not in LEAST and name in BESIDE.get(way, spent)]:
            clock, processor = (np.array(spent[beside]) / np.array(spent[way])).T
            lowest, median, highest = np.quantile(clock, (0.1, 0.5, 0.9)).tolist()
            rows.append(Row(way, beside, median, lowest, highest, float(np.median(processor)), LEAST[way]))
    return rows


def speeds(spent: Mapping[str, Sequence[Spent]], audio_s: Sequence[float]) -> dict[str, float]:
    """Name → seconds of audio in a second of the clock: the median of the sounds, which last ``audio_s``."""
    return {
        name: statistics.median(audio_s[number % len(audio_s)] / clock for number, (clock, _) in enumerate(of))
        for name, of in spent.items()
    }


def main() -> int:
    """Measure and print; 0 if all is as fast as asked, 1 if not, 2 if it cannot be compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--recordings", type=int, default=16)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--features", action="store_true")
    parser.add_argument("--without", choices=OPTIONAL, nargs="+", default=[], help="compare features with fewer others")
    parser.add_argument("--threads", type=int, nargs="+", help="one after the other; 1 and 2 for features, else 2")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.without and not given.features:
        parser.error("--without is for --features")
    missing = [name for name, module in OPTIONAL.items() if name not in given.without and not find_spec(module)]
    if given.features and missing:
        names = " ".join(missing)
        parser.error(f"not installed: {names}. pip install {names}, or compare without: --without {names}")
    audio_s = [len(sound) / RATE for sound in recordings(given.recordings)]
    about = {"recordings": len(audio_s), "audio_s": round(sum(audio_s), 1), "runs": given.runs}
    if not given.json:
        print(f"{about['recordings']} recordings, {about['audio_s']:.0f} s; {about['runs']} runs")
    results = []
    for threads in given.threads or ([1, 2] if given.features else [2]):
        spent = measured_with(threads, given)
        speed = speeds(spent, audio_s if given.features else [sum(audio_s)])
        results.append({"threads": threads, "audio_s_per_s": speed, "rows": compared(spent)})
        if not given.json:
            show(results[-1])
    if given.json:
        print(json.dumps({**about, "results": results}, indent=1, default=asdict))
    return 0 if all(row.holds for result in results for row in result["rows"]) else 1


def show(result: Mapping[str, Any]) -> None:
    """Print what was found with one number of threads."""
    print(f"\n{result['threads']} thread{'s' * (result['threads'] > 1)}")
    for name, speed in result["audio_s_per_s"].items():
        print(f"  {name:<22}{speed:>9,.0f} s of audio a second")
    for row in result["rows"]:
        print(row)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
