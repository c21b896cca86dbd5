"""A folder of tones and a recipe that trains on it in a few seconds; what the training tests share."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ossicle.training import run as run_module

PITCHES = {"low": 220.0, "middle": 660.0, "high": 1980.0}


def make_tones(folder: Path, num_each: int = 4) -> Path:
    rng = np.random.default_rng(0)
    for label, pitch in PITCHES.items():
        (folder / label).mkdir(parents=True)
        for n in range(num_each):
            seconds = 0.3 + 0.1 * n
            t = np.arange(round(16_000 * seconds)) / 16_000
            x = 0.2 * np.sin(2 * np.pi * pitch * t) + 0.01 * rng.standard_normal(len(t))
            soundfile.write(folder / label / f"{n}.wav", x, 16_000)
    return folder


def recipe(folder: Path, **stage: Any) -> dict[str, Any]:
    """Two stages: the first trains everything and an objective of its own, with dropout, masks and averages; the
    second begins with a part anew."""
    data = {"tones": {"type": "folder", "path": str(folder)}}
    both = {"data": data, "seconds_per_batch": 3.0, "chunk_rows": 24, "log_every": 1, "save_every_steps": 3}
    return {
        "name": "tones",
        "seed": 7,
        "model": {
            "encoder": {"type": "melnet", "channels": [4, 8, 8, 16], "dim": 16, "layers": 1, "heads": 2},
            "projector": {"type": "linear"},
            "language_model": {
                "type": "qwen3",
                "hidden_size": 16,
                "intermediate_size": 32,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 8,
                "attention_dropout": 0.1,
            },
            "tokenizer": {"vocab_size": 600},
        },
        "stages": [
            {
                "name": "align",
                "train": {"encoder": "full", "projector": "full"},
                "steps": 7,
                "ema": 0.9,
                "augment": {"time_masks": 1, "band_masks": 1},
                **both,
            },
            {
                "name": "tune",
                "train": {"encoder": "full", "projector": "full", "language_model": "full"},
                "renew": ["encoder.layers"],
                "steps": 8,
                "optimiser": {"lr": 3e-3, "warmup_steps": 2, "lr_scale": {"encoder": 0.5}},
                "dtype": "bfloat16",
                **both,
                **stage,
            },
        ],
    }


def stop_once(patch: Any, total_steps: int) -> None:
    """Have the next run be asked to stop when it has made so many steps, and no later one."""
    real, calls = run_module.run_stage, []

    def stopped(run: Any, journal: Any, save: Any, stopping: Any, bar: Any) -> None:
        real(
            run, journal, save, lambda: run.state.total_steps == total_steps and not calls and not calls.append(1), bar
        )

    patch.setattr(run_module, "run_stage", stopped)


def losses(out: Path) -> list[tuple[Any, ...]]:
    """What must not depend on interruptions, from metrics.jsonl: every line, without its wall time and speed."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    timed = ("wall_s", "flops", "mfu")
    return [tuple((key, value) for key, value in line.items() if key not in timed) for line in lines]
