"""How fast questions about recordings are answered, beside transformers on the same weights, taking turns.

    python benchmarks/generate.py                # 16 unequal conversations at once, and the fifth turn of a dialogue
    python benchmarks/generate.py --size tiny    # on a slow or busy machine

The model is a Qwen2-Audio of random weights, written to disk as its makers publish it and read from there by both:
speed does not depend on the weights. Each conversation has a recording (noise of 2 to 15 s, as sound and speech sets
are), a question and a length of reply of its own; all are greedy, and all replies are compared. The fifth turn asks
about a recording of 12 s that four questions were asked about before: seconds to the first token, beside the same
without what is recalled, and beside transformers, which both begin anew. Everything counts from the samples on,
features included. Figures are medians over paired runs, with the ratio of each pair's lowest and highest. Time is the
clock's; on a machine that has other work, the processor's time says more. Nothing is downloaded.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import (
    AutoProcessor,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    StoppingCriteria,
    WhisperFeatureExtractor,
)
from transformers.utils import logging

from ossicle.audio import Audio
from ossicle.chat import Conversation, Message, Sampling, assistant, user
from ossicle.chat.tokenizer import TokenizerSpec, train_tokenizer
from ossicle.models import Local, load
from ossicle.models.decoding import DecodeLoop

RATE = 16_000
MEL = {"num_mel_bins": 128, "max_source_positions": 1500}
SIZES: Mapping[str, tuple[tuple[int, int, int], tuple[int, int, int, int]]] = {
    "tiny": ((256, 2, 4), (256, 4, 4, 704)),
    "small": ((384, 4, 6), (512, 8, 8, 1408)),
    "base": ((512, 6, 8), (896, 16, 14, 4864)),
}
"""Width, layers and heads of the encoder (``small`` and ``base`` are Whisper's tiny and base); width, layers, heads and
inner width of the language model. As in Qwen2-Audio itself, most of the weights are the language model's."""
VOCABULARY = 32_000
TOKENS = ("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<|im_start|>", "<|im_end|>")
QUESTIONS = (
    "What is heard?",
    "What happens first, and what happens after it? Answer in one sentence.",
    "Is a dog barking in this recording? Answer yes or no, and then say at which second it begins.",
    "Write down what is said, word for word, with a line for each speaker. Where a word cannot be understood, put a "
    "question mark in its place, and at the end say how many people there are and where they may be.",
)
ANSWER = "A dog barks twice, a door falls shut, and someone laughs in the next room."
LEAST = {"conversations": 1.5, "fifth turn": 5.0}
"""How many times as fast as the fastest other each must be."""


class Asked(NamedTuple):
    """One conversation, and how many tokens its reply takes."""

    chat: Conversation
    tokens: int


def make_model(folder: Path, size: str) -> int:
    """Write the model; how many weights it has."""
    torch.manual_seed(0)
    # About a token for each word, as large vocabularies have.
    tokenizer = train_tokenizer([*QUESTIONS, ANSWER] * 20, TokenizerSpec(vocab_size=1000))
    tokenizer.add_special_tokens({"additional_special_tokens": list(TOKENS), "eos_token": "<|im_end|>"})
    extractor = WhisperFeatureExtractor(feature_size=MEL["num_mel_bins"])
    processor = Qwen2AudioProcessor(extractor, tokenizer, chat_template=tokenizer.chat_template)
    processor.chat_template = tokenizer.chat_template = processor.default_chat_template
    (heard, heard_layers, heard_heads), (width, layers, heads, inner) = SIZES[size]
    config = Qwen2AudioConfig(
        audio_config={
            "d_model": heard,
            "encoder_layers": heard_layers,
            "encoder_attention_heads": heard_heads,
            "encoder_ffn_dim": 4 * heard,
            **MEL,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": VOCABULARY,
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "intermediate_size": inner,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids(TOKENS[0]),
    )
    model = Qwen2AudioForConditionalGeneration(config)
    with torch.no_grad():  # wide enough that replies differ from one another
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2.0)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def recording(seconds: float, seed: int) -> Audio:
    """Noise."""
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return Audio.from_samples(samples.astype(np.float32), RATE)


def unequal(count: int, seed: int = 0) -> list[Asked]:
    """Recordings of 2 to 15 s, questions of 3 to 50 words, replies of 8 to 96 tokens (a label, or a caption)."""
    rng = Random(seed)
    return [
        Asked(
            Conversation.of(user(recording(rng.uniform(2, 15), number), QUESTIONS[number % len(QUESTIONS)])),
            round(8 * 12 ** rng.random()),
        )
        for number in range(count)
    ]


def dialogue(turns: int, seconds: float = 12.0) -> Conversation:
    """A recording, and so many questions with all but the last answered."""
    messages: list[Message] = []
    for turn in range(turns):
        question = QUESTIONS[(turn + 1) % len(QUESTIONS)]
        messages += [user(recording(seconds, 99), question) if turn == 0 else user(question)]
        if turn < turns - 1:
            messages += [assistant(ANSWER)]
    return Conversation.of(*messages)


class EachAsLong(StoppingCriteria):
    """Transformers' own way to end the rows of a batch one by one."""

    def __init__(self, prompt: int, tokens: Sequence[int]) -> None:
        self.prompt, self.tokens = prompt, torch.tensor(tokens)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Which rows have said enough."""
        return input_ids.shape[1] - self.prompt >= self.tokens


class Theirs:
    """Transformers' own class and processor."""

    def __init__(self, folder: Path) -> None:
        self.model = Qwen2AudioForConditionalGeneration.from_pretrained(folder).eval()
        self.processor = AutoProcessor.from_pretrained(folder)
        self.processor.tokenizer.padding_side = "left"

    def generate(self, asked: Sequence[Asked]) -> list[list[int]]:
        """The new tokens of each."""
        texts = [self.processor.apply_chat_template(written(one.chat), add_generation_prompt=True) for one in asked]
        sounds = [audio.load(RATE)[0] for one in asked for audio in one.chat.audios]
        given = self.processor(text=texts, audio=sounds, sampling_rate=RATE, padding=True, return_tensors="pt")
        prompt = given["input_ids"].shape[1]
        tokens = [one.tokens for one in asked]
        out = self.model.generate(
            **given,
            max_new_tokens=max(tokens),
            do_sample=False,
            eos_token_id=self.processor.tokenizer.eos_token_id,
            pad_token_id=self.processor.tokenizer.pad_token_id,
            stopping_criteria=[EachAsLong(prompt, tokens)],
        )
        return [row[prompt : prompt + count].tolist() for row, count in zip(out, tokens, strict=True)]


def written(chat: Conversation) -> list[dict[str, Any]]:
    """A conversation as transformers' templates take it."""
    return [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part} if isinstance(part, str) else {"type": "audio", "audio": ""}
                for part in message.parts
            ],
        }
        for message in chat.messages
    ]


def ours(lm: Local, asked: Sequence[Asked]) -> list[list[int]]:
    """The new tokens of each."""
    loop = DecodeLoop(lm.bundle, lm.recall)
    requests = [loop.add(lm.prepare(one.chat, reply=True), Sampling(max_new_tokens=one.tokens)) for one in asked]
    while loop.busy:
        loop.step()
    return [request.ids for request in requests]


class Spent(NamedTuple):
    """Seconds of the clock, and of the processor in all threads."""

    clock: float
    processor: float


def timed(run: Callable[[], list[list[int]]]) -> tuple[Spent, list[list[int]]]:
    """How long it takes, and what was said."""
    begun, begun_at_work = time.perf_counter(), time.process_time()
    said = run()
    return Spent(time.perf_counter() - begun, time.process_time() - begun_at_work), said


class Measured(NamedTuple):
    """One comparison."""

    name: str
    times: dict[str, list[Spent]]
    """Of every run of every way."""
    equal: int
    """Replies that transformers and we say alike."""
    replies: int

    def rows(self) -> list[dict[str, Any]]:
        """Each way, beside the fastest that is not ours."""
        others = [way for way in self.times if way != "ossicle"]
        fastest = min(others, key=lambda way: statistics.median(spent.clock for spent in self.times[way]))
        rows = []
        for way, spent in self.times.items():
            pairs = list(zip(self.times[fastest], spent, strict=True))
            ratios = [other.clock / own.clock for other, own in pairs]
            rows.append(
                {
                    "measured": self.name,
                    "way": way,
                    "seconds": round(statistics.median(one.clock for one in spent), 4),
                    "times_as_fast": round(statistics.median(ratios), 2),
                    "from": round(min(ratios), 2),
                    "to": round(max(ratios), 2),
                    "of_processor_time": round(statistics.median(o.processor / own.processor for o, own in pairs), 2),
                    "at_least": LEAST[self.name] if way == "ossicle" else None,
                }
            )
        return rows


def conversations(theirs: Theirs, lm: Local, count: int, runs: int) -> Measured:
    """All at once; nothing is recalled from the run before."""
    asked = unequal(count)
    for way in (theirs.generate, lambda some: ours(lm, some)):
        way(asked[:2])  # the first call of a kernel is slow
    times: dict[str, list[Spent]] = {"transformers": [], "ossicle": []}
    equal, ends = 0, lm.bundle.renderer.end_ids
    for _ in range(runs):
        fresh = Local(lm.bundle, "fresh")
        spent, wanted = timed(lambda: theirs.generate(asked))
        times["transformers"].append(spent)
        spent, said = timed(lambda fresh=fresh: ours(fresh, asked))
        times["ossicle"].append(spent)
        cut = [list(itertools.takewhile(lambda token: token not in ends, row)) for row in wanted]
        equal = sum(one == other for one, other in zip(cut, said, strict=True))
    return Measured("conversations", times, equal, count)


def fifth_turn(theirs: Theirs, lm: Local, runs: int) -> Measured:
    """To the first token, with the turns before it said and recalled, or not."""
    times: dict[str, list[Spent]] = {"transformers": [], "without recall": [], "ossicle": []}
    equal = 0
    for run in range(runs + 1):
        forgetful, recalling = Local(lm.bundle, "forgetful", recall_bytes=0), Local(lm.bundle, "recalling")
        for turn in range(1, 5):
            ours(recalling, [Asked(dialogue(turn), 16)])
        last = [Asked(dialogue(5), 1)]
        ways = {
            "transformers": lambda last=last: theirs.generate(last),
            "without recall": lambda last=last, lm=forgetful: ours(lm, last),
            "ossicle": lambda last=last, lm=recalling: ours(lm, last),
        }
        found = {way: timed(ask) for way, ask in ways.items()}
        if run:  # the first one warms up
            for way, (spent, _) in found.items():
                times[way].append(spent)
            equal += found["transformers"][1] == found["ossicle"][1]
    return Measured("fifth turn", times, equal, runs)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--conversations", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        millions = make_model(Path(folder), given.size) / 1e6
        lm, theirs = load(folder), Theirs(Path(folder))
        measured = [conversations(theirs, lm, given.conversations, given.runs), fifth_turn(theirs, lm, given.runs)]
    rows = [row for one in measured for row in one.rows()]
    equal = {one.name: [one.equal, one.replies] for one in measured}
    if given.json:
        print(json.dumps({"size": given.size, "millions": round(millions, 1), "equal": equal, "rows": rows}, indent=1))
    else:
        print(f"Qwen2-Audio of {millions:.0f} M weights ({given.size}); {given.runs} paired runs")
        for row in rows:
            asked = "" if row["at_least"] is None else f"   asked: {row['at_least']:g}"
            verdict = asked and (" ✔" if row["times_as_fast"] >= row["at_least"] else " ✘")
            print(
                f"  {row['measured']:<15}{row['way']:<16}{row['seconds']:>9.3f} s   "
                f"{row['times_as_fast']:.2f} × [{row['from']:.2f}, {row['to']:.2f}]   "
                f"{row['of_processor_time']:.2f} × by processor time{asked}{verdict}"
            )
        for name, (same, replies) in equal.items():
            print(f"  {name}: {same} of {replies} replies are transformers' own")
    missed = [row for row in rows if row["at_least"] is not None and row["times_as_fast"] < row["at_least"]]
    return 1 if missed or any(same < replies for same, replies in equal.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
