"""Do a model's audio tokens themselves say what sounds when, whatever its language model makes of them?

    python benchmarks/alignment.py [--model tiny] [--data ../shared/data] [--scenes 60]

Each event's label is compared with every audio token of its scene (cosine with the mean of the label's word
embeddings). Printed: how often the nearest token lies inside the event, and the median distance of the onset read from
the tokens. Scenes are made of training clips, or of procedural sounds without ``--data``: this says what the language
model could read, not how well the model does on recordings that it never heard.
"""

import argparse
import statistics
import sys
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ossicle.data.source import make_source
from ossicle.models import load
from ossicle.support.errors import OssicleError


def read(similarity_K: Tensor, rate: float, event: dict[str, Any]) -> tuple[bool, float]:
    """Whether the nearest token lies inside the event, and seconds between its true onset and the one read."""
    peak = first = int(similarity_K.argmax())
    inside = int(event["start_s"] * rate) <= peak < max(int(event["start_s"] * rate) + 1, round(event["end_s"] * rate))
    halfway = (similarity_K.max() + similarity_K.median()) / 2
    while first > 0 and similarity_K[first - 1] > halfway:
        first -= 1
    return inside, abs(first / rate - event["start_s"])


@torch.no_grad()
def measure(model: str, data: str | None, scenes: int) -> tuple[float, float, int]:
    """Share of peaks inside, median onset error in seconds, number of events."""
    bundle = load(model).bundle
    prepare, lalm = bundle.preparer(), bundle.model
    layout = {"duration_s": [4, 10], "layouts": {"scene": 1}}
    options = {"type": "scenes", "root": data, "questions_per_scene": 1, "families": ["onset"], "pairs": 0}
    source = make_source({**options, "scenes": layout}, "benchmark")
    found = []
    for index in range(scenes):
        chat = source.rows(index)[0]
        (window,) = prepare.windows(chat.audios[0])
        tokens_KD = lalm.model.encode(window.features[None], torch.tensor([len(window.features)])).x_BFD[0]
        rate = len(tokens_KD) / (window.end_s - window.start_s)
        for event in chat.meta["events"][0]:
            ids = torch.tensor(bundle.renderer.encode_text(" " + event["label"]))
            label_D = lalm.get_input_embeddings()(ids).mean(0)
            found.append(read(F.cosine_similarity(tokens_KD, label_D[None], dim=-1), rate, event))
    return sum(inside for inside, _ in found) / len(found), statistics.median(error for _, error in found), len(found)


def main() -> int:
    """Read the command line; print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--data", help="folder of recordings; without it, procedural sounds")
    parser.add_argument("--scenes", type=int, default=60)
    given = parser.parse_args()
    try:
        inside, onset_s, events = measure(given.model, given.data, given.scenes)
    except OssicleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{events} events: nearest token inside {inside:.2f}, median onset error {onset_s:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
