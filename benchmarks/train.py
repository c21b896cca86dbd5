"""How many useful tokens a second are learnt from, beside transformers' Trainer on the same weights, taking turns.

    python benchmarks/train.py                # 1 and 4 questions about each recording
    python benchmarks/train.py --size tiny    # on a slow or busy machine

The model is the Qwen2-Audio of random weights of ``benchmarks/generate.py``; all of it is trained, in float32, by
AdamW, on recordings of 2 to 15 s (as sound and speech sets are) with questions and replies of unequal length.
Transformers' way: its own processor (which pads every recording to 30 s) and model, rows padded to the longest of their
batch of 8. Ours: the same weights through ``{base: FOLDER}``, batches of as many seconds. Useful tokens are those of
rows, sound and words, without padding; both read files, make features and train in one process. Figures are medians
over paired runs, with the ratio of each pair's lowest and highest. Time is the clock's. Beside ours stands the model's
arithmetic per second, and its share of what the device could do, where that is known (MFU). Nothing is downloaded.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import soundfile
import torch
from torch.utils.data import Dataset
from transformers import AutoProcessor, PrinterCallback, Qwen2AudioForConditionalGeneration, Trainer, TrainingArguments
from transformers.utils import logging

from generate import ANSWER, QUESTIONS, RATE, SIZES, make_model, recording, written
from ossicle.chat import Conversation
from ossicle.data import make_source
from ossicle.training import train
from ossicle.training.flops import describe_flops

ROWS_PER_BATCH = 8
LEAST = 2.5
"""How many times as many useful tokens a second we must learn from."""


class Speed(NamedTuple):
    """What was learnt from, and how long it took."""

    tokens: float
    seconds: float
    flops: float = 0.0
    """The model's operations a second, where they were counted."""
    mfu: float | None = None

    @property
    def rate(self) -> float:
        """Useful tokens a second."""
        return self.tokens / self.seconds


def write_rows(folder: Path, recordings: int, questions: int) -> Path:
    """Recordings, and conversations about them in JSON lines."""
    rng = Random(0)
    words = ANSWER.split()
    lines = []
    for number in range(recordings):
        audio = recording(rng.uniform(2, 15), number)
        soundfile.write(folder / f"{number}.wav", audio.load(RATE)[0], RATE)
        for asked in range(questions):
            reply = " ".join((words * 3)[: rng.randint(1, 40)])
            said = [{"type": "audio", "path": f"{number}.wav"}, {"type": "text", "text": QUESTIONS[asked % 4]}]
            messages = [{"role": "user", "content": said}, {"role": "assistant", "content": reply}]
            lines.append(json.dumps({"messages": messages}))
    file = folder / f"rows_{questions}.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


class Padded(Dataset[Conversation]):
    """The rows, and how transformers' users join them."""

    def __init__(self, chats: Sequence[Conversation], processor: Any) -> None:
        self.chats, self.processor = chats, processor
        self.tokens = 0

    def __len__(self) -> int:
        return len(self.chats)

    def __getitem__(self, index: int) -> Conversation:
        return self.chats[index]

    def collate(self, chats: Sequence[Conversation]) -> dict[str, torch.Tensor]:
        """Padded rows with features of 30 s, and the replies as labels."""
        texts = [self.processor.apply_chat_template(written(chat)) for chat in chats]
        sounds = [audio.load(RATE)[0] for chat in chats for audio in chat.audios]
        given = self.processor(text=texts, audio=sounds, sampling_rate=RATE, padding=True, return_tensors="pt")
        replies = [len(self.processor.tokenizer(str(chat.messages[-1].parts[0])).input_ids) + 1 for chat in chats]
        real = given["attention_mask"].bool()
        from_end = real.long().flip(1).cumsum(1).flip(1)
        is_reply = real & (from_end <= torch.tensor(replies)[:, None])
        self.tokens += int(real.sum())
        return {**given, "labels": given["input_ids"].masked_fill(~is_reply, -100)}


def theirs(model: Path, rows: Path, out: Path) -> Speed:
    """One epoch by transformers' Trainer."""
    source = make_source({"type": "conversations", "path": str(rows)}, "rows")
    chats = [chat for index in range(source.num_rows or 0) for chat in source.rows(index)]
    processor = AutoProcessor.from_pretrained(model)
    processor.tokenizer.padding_side = "right"
    data = Padded(chats, processor)
    arguments = TrainingArguments(
        output_dir=str(out), per_device_train_batch_size=ROWS_PER_BATCH, num_train_epochs=1, learning_rate=1e-5,
        save_strategy="no", report_to="none", remove_unused_columns=False, disable_tqdm=True, use_cpu=True,
        logging_strategy="no", dataloader_pin_memory=False,
    )  # fmt: skip
    learner = Qwen2AudioForConditionalGeneration.from_pretrained(model)
    trainer = Trainer(model=learner, args=arguments, train_dataset=data, data_collator=data.collate)
    trainer.remove_callback(PrinterCallback)
    found = trainer.train()
    return Speed(data.tokens, found.metrics["train_runtime"])


def ours(model: Path, rows: Path, out: Path, recordings: int, questions: int) -> Speed:
    """As many steps by our own loop."""
    steps = recordings * questions // ROWS_PER_BATCH
    recipe = {
        "name": "speed",
        "model": {"base": str(model)},
        "stages": [
            {
                "name": "all",
                "train": {"encoder": "full", "projector": "full", "language_model": "full"},
                "data": {"rows": {"type": "conversations", "path": str(rows)}},
                "steps": steps,
                "seconds_per_batch": 8.5 * ROWS_PER_BATCH,
                "chunk_rows": recordings * questions,
                "optimiser": {"lr": 1e-5},
                "log_every": steps,
                "save_every_s": None,
            }
        ],
    }
    train(recipe, out, workers=0, quiet=True)
    line = json.loads((out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return Speed(line["tokens"] * steps, line["wall_s"], line["flops"], line.get("mfu"))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--recordings", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        millions = make_model(folder / "model", given.size) / 1e6
        for questions in (1, 4):
            rows = write_rows(folder, given.recordings, questions)
            pairs = []
            for run in range(given.runs):
                out = folder / f"run_{questions}_{run}"
                other = theirs(folder / "model", rows, out.with_name(f"{out.name}_theirs"))
                pairs.append((other, ours(folder / "model", rows, out, given.recordings, questions)))
            ratios = [own.rate / other.rate for other, own in pairs]
            mfu = [own.mfu for _, own in pairs if own.mfu is not None]
            found.append(
                {
                    "questions_per_recording": questions,
                    "trainer_tokens_per_s": round(statistics.median(other.rate for other, _ in pairs), 1),
                    "ossicle_tokens_per_s": round(statistics.median(own.rate for _, own in pairs), 1),
                    "ossicle_flops": statistics.median(own.flops for _, own in pairs),
                    "ossicle_mfu": statistics.median(mfu) if mfu else None,
                    "times": round(statistics.median(ratios), 2),
                    "from": round(min(ratios), 2),
                    "to": round(max(ratios), 2),
                }
            )
    if given.json:
        print(json.dumps({"size": given.size, "millions": round(millions, 1), "rows": found}, indent=1))
    else:
        print(f"Qwen2-Audio of {millions:.0f} M weights ({given.size}), all trained; {given.runs} paired runs")
        for one in found:
            verdict = "✔" if one["times"] >= LEAST else "✘"
            share = f", MFU {one['ossicle_mfu']:.0%}" if one["ossicle_mfu"] else ""
            print(
                f"  {one['questions_per_recording']} question(s) each: Trainer {one['trainer_tokens_per_s']:.0f}, "
                f"ossicle {one['ossicle_tokens_per_s']:.0f} useful tokens/s: {one['times']:.2f} × "
                f"[{one['from']:.2f}, {one['to']:.2f}]   asked: {LEAST:g} {verdict}\n"
                f"    ossicle's arithmetic: {describe_flops(one['ossicle_flops'])}{share}"
            )
    return int(any(one["times"] < LEAST for one in found))


if __name__ == "__main__":
    sys.exit(main())
