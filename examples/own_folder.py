"""Train a model of your own on a folder of recordings (one folder per label), and ask it.

python examples/own_folder.py recordings runs/mine
"""

import sys
from pathlib import Path

import ossicle
from ossicle.training import train

RECIPE = Path(__file__).parents[1] / "recipes" / "own-folder.yaml"


def main(recordings: str, out: str, *overrides: str) -> None:
    """Train, then ask about five of the recordings."""
    # The same call continues an interrupted run; its losses are those of one that was never interrupted.
    source = f"stages.learn.data.recordings.path={recordings}"
    folder = train(RECIPE, out, overrides=[source, *overrides])

    lm = ossicle.load(str(folder))
    for path in sorted(Path(recordings).glob("*/*"))[:5]:
        print(path, "→", lm.ask(path, "What is this sound?").text)


if __name__ == "__main__":
    main(*sys.argv[1:])
