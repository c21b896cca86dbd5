"""How fast sound is encoded, beside transformers on the same weights and recordings, taking turns.

    python benchmarks/encode.py                  # Whisper base: transformers pads to 30 s; ours exact and trim
    python benchmarks/encode.py --features       # only the log-mel, beside transformers, librosa and kaldi-native-fbank

The weights are random, of the published sizes: speed does not depend on them. Recordings are noise of 2 to 15 s, as
sound and speech sets are. A run is all recordings in batches; figures are medians over paired runs, with the ratio of
each pair's lowest and highest. Nothing is downloaded.
"""

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from random import Random

import numpy as np
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ossicle.audio import log_mel
from ossicle.encoders import encoders

SIZES: Mapping[str, Mapping[str, int]] = {
    "tiny": {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536},
    "base": {"d_model": 512, "encoder_layers": 6, "encoder_attention_heads": 8, "encoder_ffn_dim": 2048},
    "small": {"d_model": 768, "encoder_layers": 12, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072},
}
RATE = 16_000
LEAST = {"exact": 0.95, "trim": 3.0, "features": 1.0}
"""What each must be, as a share of the fastest other."""


def recordings(count: int, seed: int = 0) -> list[np.ndarray]:
    """Noise of 2 to 15 s, float32 [T]."""
    rng = Random(seed)
    noise = np.random.default_rng(seed)
    return [0.1 * noise.standard_normal(round(rng.uniform(2, 15) * RATE)).astype(np.float32) for _ in range(count)]


def encode_ways(size: str, batch: int) -> dict[str, Callable[[Sequence[np.ndarray]], None]]:
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


def feature_ways() -> dict[str, Callable[[Sequence[np.ndarray]], None]]:
    """Name → the log-mel of all recordings, one by one, 80 bands; those that are not installed are left out."""
    whisper = WhisperFeatureExtractor(feature_size=80)

    def each(make: Callable[[np.ndarray], object]) -> Callable[[Sequence[np.ndarray]], None]:
        return lambda sounds: [make(samples) for samples in sounds] and None

    ways = {
        "features": each(lambda x: log_mel(x, sample_rate=RATE, hop=160, n_mels=80)),
        "transformers (torch)": each(lambda x: whisper._torch_extract_fbank_features(x[None], "cpu")),
        "transformers (numpy)": each(lambda x: whisper._np_extract_fbank_features(x[None], "cpu")),
    }
    if importlib.util.find_spec("librosa"):
        import librosa

        mel = librosa.feature.melspectrogram
        ways["librosa"] = each(lambda x: np.log10(mel(y=x, sr=RATE, n_fft=400, hop_length=160, n_mels=80) + 1e-10))
    if importlib.util.find_spec("kaldi_native_fbank"):
        import kaldi_native_fbank

        options = kaldi_native_fbank.FbankOptions()
        options.frame_opts.dither, options.mel_opts.num_bins = 0.0, 80

        def kaldi(x: np.ndarray) -> list[np.ndarray]:
            fbank = kaldi_native_fbank.OnlineFbank(options)
            fbank.accept_waveform(RATE, x.tolist())
            return [fbank.get_frame(number) for number in range(fbank.num_frames_ready)]

        ways["kaldi-native-fbank"] = each(kaldi)
    return ways


def measure(
    ways: Mapping[str, Callable[[Sequence[np.ndarray]], None]], sounds: Sequence[np.ndarray], runs: int
) -> dict[str, list[float]]:
    """Seconds of every run of every way, taking turns; a first turn that warms up is not counted."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for turn in range(runs + 1):
            for name, run in ways.items():
                begun = time.perf_counter()
                run(sounds)
                if turn:
                    times[name].append(time.perf_counter() - begun)
    return times


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--recordings", type=int, default=16)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--features", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sounds = recordings(given.recordings)
    audio_s = sum(map(len, sounds)) / RATE
    ways = feature_ways() if given.features else encode_ways(given.size, given.batch)
    times = measure(ways, sounds, given.runs)
    others = [name for name in times if name not in LEAST]
    fastest = min(others, key=lambda name: statistics.median(times[name]))
    rows = []
    for name, spent in times.items():
        ratios = [other / own for other, own in zip(times[fastest], spent, strict=True)]
        rows.append(
            {
                "way": name,
                "audio_s_per_s": round(audio_s / statistics.median(spent), 1),
                "times_as_fast": round(statistics.median(ratios), 2),
                "from": round(min(ratios), 2),
                "to": round(max(ratios), 2),
                "at_least": LEAST.get(name),
            }
        )
    if given.json:
        print(json.dumps({"audio_s": round(audio_s, 1), "beside": fastest, "rows": rows}, indent=1))
    else:
        print(f"{len(sounds)} recordings, {audio_s:.0f} s; {given.runs} paired runs, beside {fastest}\n")
        for row in rows:
            asked = "" if row["at_least"] is None else f"   asked: {row['at_least']:g}"
            verdict = asked and (" ✔" if row["times_as_fast"] >= row["at_least"] else " ✘")
            print(
                f"  {row['way']:<22}{row['audio_s_per_s']:>9,.1f} s of audio a second   "
                f"{row['times_as_fast']:.2f} × [{row['from']:.2f}, {row['to']:.2f}]{asked}{verdict}"
            )
    missed = [row for row in rows if row["at_least"] is not None and row["times_as_fast"] < row["at_least"]]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
