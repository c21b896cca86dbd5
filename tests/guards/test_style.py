"""Rules of taste that a machine can hold us to."""

import ast
import re
from pathlib import Path

import pytest

from ossicle.data.source import sources
from ossicle.encoders import encoders
from ossicle.projectors import projectors
from ossicle.training.objectives import objectives

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "ossicle"
NAMES = ("src", "tests", "examples", "benchmarks", "claims", "docs", "tools")
FOLDERS = [path for name in NAMES if (path := ROOT / name).is_dir()]
PYTHON = sorted(file for folder in FOLDERS for file in folder.rglob("*.py") if ".egg-info" not in str(file))
TEXTS = [
    *PYTHON,
    *(file for folder in FOLDERS for file in folder.rglob("*.md")),
    *ROOT.glob("*.md"),
    *ROOT.glob("recipes/*.yaml"),
    ROOT / "Makefile",
    ROOT / "pyproject.toml",
]
MAX_LINES = 500
# Spelled in halves, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
MACHINE = re.compile("/" + r"(?:work|home|Users|root|mnt)/\w")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in PYTHON if SRC in path.parents]


def test_files_fit_in_the_head():
    long = {name(path): n for path in PYTHON if (n := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES}
    assert long == {}, f"more than {MAX_LINES} lines: split by noun"


def test_no_error_is_swallowed_whole():
    found = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None
                or (isinstance(node.type, ast.Name) and node.type.id == "Exception")
                or (isinstance(node.type, ast.Name) and node.type.id == "BaseException" and not reraises(node))
            ):
                found.append(f"{name(path)}:{node.lineno}")
    assert found == [], "name the errors that are expected"


def reraises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def test_weights_are_never_loaded_loosely():
    found = [
        f"{name(path)}:{node.lineno}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and "load" in ast.unparse(node.func)
        for keyword in node.keywords
        if keyword.arg == "strict" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
    ]
    assert found == []


def test_nothing_fetches_code_or_unpickles_weights():
    found = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                if called == "torch.load" or given.get("trust_remote_code") == "True":
                    found.append(f"{name(path)}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize(
    ("pattern", "why"),
    [(UNFINISHED, "finish it, or leave it out"), (MACHINE, "a path of one machine")],
    ids=["unfinished", "machine paths"],
)
def test_texts_are_finished_and_belong_to_no_machine(pattern, why):
    found = [
        f"{name(path)}:{number}: {line.strip()[:80]}"
        for path in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == [], why


@pytest.mark.parametrize("registry", [encoders, projectors, sources, objectives], ids=lambda registry: registry.kind)
def test_the_file_name_is_the_type_name(registry):
    for component in registry.names():
        cls = registry.get(component)
        assert cls.type_name == component
        assert cls.__module__.rpartition(".")[2] == component, f"{cls.__module__} registers {component!r}"
        assert cls.__doc__, f"{component} does not say what it is"


def test_recipes_read_and_resolve():
    from ossicle.training import load_recipe
    from ossicle.training.run import resolve

    for path in ROOT.glob("recipes/*.yaml"):
        recipe = resolve(load_recipe(path))
        assert recipe.name == path.stem
