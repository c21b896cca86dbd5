"""What asking costs, beside the bare import of what it stands on: wall time and peak memory, in one run.

    python benchmarks/cost.py              # help, import and ask, taking turns
    python benchmarks/cost.py --hour       # and a recording of one hour beside one of ten seconds

Every command is a process of its own; the first turn of each only warms the disk cache. Nothing heavy is imported
here: on Linux a child's peak memory begins at its parent's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

QUESTION = "What is heard first?"
CLIP_S, HOUR_S = 10, 3600

MAX_RATIO, PLUS_S = 1.5, 1.0
MAX_ASK_MB = 1500.0
MAX_HELP_S = 0.3
MAX_HOUR_MB = 300.0

# What ``ossicle ask`` needs of transformers: the names that the package's loaded modules take from it as they are
# imported, and the classes of the language model and the tokenizer.
PROBE = """
import ast, pathlib, sys
from ossicle.models import load
bundle = load(sys.argv[1]).bundle
needed = {}
for name, module in list(sys.modules.items()):
    if name.partition('.')[0] == 'ossicle':
        for node in ast.parse(pathlib.Path(module.__file__).read_text(encoding='utf-8')).body:
            if isinstance(node, ast.ImportFrom) and (node.module or '').partition('.')[0] == 'transformers':
                needed.setdefault(node.module, set()).update(alias.name for alias in node.names)
for thing in (bundle.model.model.language_model, bundle.tokenizer):
    needed.setdefault(type(thing).__module__, set()).add(type(thing).__name__)
lines = [f'from {module} import {", ".join(sorted(names))}' for module, names in sorted(needed.items())]
print('; '.join(['import torch', *lines]))
"""

# One scene of the package's own sounds, repeated to the length wanted.
RENDER = """
import sys
import numpy as np, soundfile
from ossicle.synthesis import Library, SceneOptions, make_scene
folder, lengths = sys.argv[1], [int(s) for s in sys.argv[2:]]
options = SceneOptions(duration_s=(10.0, 10.0), events=(3, 3), layouts={'scene': 1.0})
scene = make_scene(Library.from_folders(None, procedural=2), 1, options).audio.load(16000)[0]
for seconds in lengths:
    with soundfile.SoundFile(f'{folder}/{seconds}.flac', 'w', 16000, 1, 'PCM_16') as file:
        left = seconds * 16000
        while left > 0:
            file.write(scene[:left])
            left -= len(scene)
"""


@dataclass(frozen=True)
class Run:
    """One finished process: seconds from start to end, and peak resident memory in MB (None where unknown)."""

    wall_s: float
    peak_mb: float | None


class CommandFailedError(Exception):
    """A measured command did not end well."""


def measure(command: Sequence[str], env: Mapping[str, str]) -> tuple[Run, str]:
    """Run a command; its cost and what it printed.

    Raises:
        CommandFailedError: with the last line of its errors.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun_s = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(env))
        peak_mb = None
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            # Kilobytes on Linux, bytes on macOS.
            peak_mb = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        else:
            process.wait()
        wall_s = time.perf_counter() - begun_s
        out.seek(0)
        err.seek(0)
        text, errors = (file.read().decode(errors="replace") for file in (out, err))
    if process.returncode:
        last = (errors.strip().splitlines() or ["it said nothing"])[-1]
        shown = " ".join(word if "\n" not in word else "…" for word in command)
        raise CommandFailedError(f"{shown} ended with {process.returncode}: {last}")
    return Run(wall_s, peak_mb), text


def in_turns(commands: Mapping[str, Sequence[str]], repeats: int, env: Mapping[str, str]) -> dict[str, list[Run]]:
    """Run all commands in turn ``repeats`` times, after a first turn that is not counted."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(repeats + 1):
        for name, command in commands.items():
            run, _ = measure(command, env)
            note(f"{'warm-up' if turn == 0 else f'{turn}/{repeats}'}: {name} {run.wall_s:.2f} s")
            if turn:
                runs[name].append(run)
    return runs


def note(text: str) -> None:
    """Say on standard error how far along this is."""
    print(text, file=sys.stderr, flush=True)


def median(runs: Sequence[Run]) -> Run:
    """Median time and median peak."""
    peaks = [run.peak_mb for run in runs if run.peak_mb is not None]
    return Run(statistics.median(run.wall_s for run in runs), statistics.median(peaks) if peaks else None)


@dataclass(frozen=True)
class Bound:
    """Something that must hold. ``holds`` is None where it could not be measured."""

    what: str
    value: float | None
    limit: float
    unit: str

    @property
    def holds(self) -> bool | None:
        """Whether the value is within the limit."""
        return None if self.value is None else self.value <= self.limit

    def __str__(self) -> str:
        if self.value is None:
            return f"?  {self.what}: not measured on this system"
        mark = "✔" if self.holds else "✘"
        return f"{mark}  {self.what}: {self.value:.2f} {self.unit} (at most {self.limit:.2f} {self.unit})"


def bounds_of(found: Mapping[str, Run]) -> list[Bound]:
    """What is promised of these medians."""
    bare, ask = found["import"], found["ask"]
    bounds = [
        Bound("ossicle ask, 10 s clip", ask.wall_s, MAX_RATIO * bare.wall_s + PLUS_S, "s"),
        Bound("its peak memory", ask.peak_mb, MAX_ASK_MB, "MB"),
        Bound("ossicle --help", found["help"].wall_s, MAX_HELP_S, "s"),
    ]
    if "ask hour" in found:
        peak, base = found["ask hour"].peak_mb, ask.peak_mb
        more = None if peak is None or base is None else peak - base
        bounds.append(Bound("peak memory of one hour above that of 10 s", more, MAX_HOUR_MB, "MB"))
    return bounds


def ossicle_command() -> list[str]:
    """The installed command beside this interpreter, or else the package that it imports."""
    for name in ("ossicle", "ossicle.exe"):
        if (script := Path(sys.executable).parent / name).is_file():
            return [str(script)]
    return [sys.executable, "-c", "import sys; sys.argv[0] = 'ossicle'; from ossicle.cli import main; main()"]


def two_cores() -> int:
    """Keep this process and its children to two cores where that can be done; how many cores there are then."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(args: argparse.Namespace, folder: Path) -> tuple[dict[str, list[Run]], str]:
    """All measurements, and the import statement that was measured beside."""
    source = Path(__file__).parents[1] / "src"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH")]))}
    lengths = [CLIP_S, HOUR_S] if args.hour else [CLIP_S]
    note("rendering")
    measure([sys.executable, "-c", RENDER, str(folder), *map(str, lengths)], env)
    statement = measure([sys.executable, "-c", PROBE, args.model], env)[1].strip()
    ask = [*ossicle_command(), "ask", "--model", args.model]
    commands = {
        "import": [sys.executable, "-c", statement],
        "ask": [*ask, str(folder / f"{CLIP_S}.flac"), QUESTION],
        "help": [*ossicle_command(), "--help"],
    }
    runs = in_turns(commands, args.repeats, env)
    if args.hour:
        note("one hour")
        runs["ask hour"] = [measure([*ask, str(folder / f"{HOUR_S}.flac"), QUESTION], env)[0]]
    return runs, statement


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0 if every bound holds, 1 if not, 2 if a command failed."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/cost.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--repeats", type=int, default=5, help="turns that are counted; medians are shown")
    parser.add_argument("--hour", action="store_true", help="ask about one hour, too")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    cores = two_cores()
    try:
        with tempfile.TemporaryDirectory() as folder:
            runs, statement = run(args, Path(folder))
    except CommandFailedError as error:
        print(f"cost.py: {error}", file=sys.stderr)
        return 2
    found = {name: median(of) for name, of in runs.items()}
    bounds = bounds_of(found)
    show(found, bounds, statement, cores, args.repeats)
    if args.json:
        args.json.write_text(json.dumps(as_json(runs, bounds, statement, cores), indent=1) + "\n", encoding="utf-8")
    return 0 if all(bound.holds is not False for bound in bounds) else 1


def show(found: Mapping[str, Run], bounds: Sequence[Bound], statement: str, cores: int, repeats: int) -> None:
    """Print medians, ratios and whether the bounds hold."""
    bare = found["import"].wall_s
    print(f"medians of {repeats} turns on {cores} cores; import is: {statement}\n")
    print(f"{'':10} {'wall, s':>8} {'of import':>10} {'peak, MB':>9}")
    for name, one in found.items():
        peak = "–" if one.peak_mb is None else f"{one.peak_mb:.0f}"
        print(f"{name:10} {one.wall_s:8.2f} {one.wall_s / bare:10.2f} {peak:>9}")
    print()
    for bound in bounds:
        print(bound)


def as_json(runs: Mapping[str, Sequence[Run]], bounds: Sequence[Bound], statement: str, cores: int) -> dict[str, Any]:
    """Everything, exact."""
    return {
        "cores": cores,
        "import": statement,
        "runs": {name: [asdict(one) for one in of] for name, of in runs.items()},
        "bounds": [{**asdict(bound), "holds": bound.holds} for bound in bounds],
    }


if __name__ == "__main__":
    sys.exit(main())
