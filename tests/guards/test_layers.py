"""A module imports only from modules above it. Reads every static import, also those inside functions."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "ossicle"
ORDER = (
    "registry",
    "spec",
    "support",
    "audio",
    "chat",
    "codecs",
    "encoders",
    "projectors",
    "batch",
    "models",
    "metrics",
    "data",
    "synthesis",
    "training",
    "evaluation",
    "serving",
    "cli",
)
EXEMPT = frozenset({"cli", "commands", "__main__", "__init__"})
# Everyone may fail: errors need nothing and stand under the whole house.
ALSO = {("registry", "support.errors"), ("spec", "support.errors")}


def house(dotted: str) -> str:
    """``ossicle.audio.mel`` → ``audio``."""
    return dotted.split(".")[1] if "." in dotted else ""


def imports(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and full name of everything that is imported from the package, outside ``if TYPE_CHECKING``."""
    found: list[tuple[int, str]] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            found += [item for child in node.orelse for item in imports(child)]
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports from ossicle in full"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        found += imports(node)
    return [(line, name) for line, name in found if name.split(".")[0] == "ossicle"]


def complaints(path: Path) -> list[str]:
    """What a file imports from below itself."""
    mine = path.relative_to(SRC).with_suffix("").parts[0]
    if mine in EXEMPT:
        return []
    wrong = []
    for line, name in imports(ast.parse(path.read_text(encoding="utf-8"))):
        theirs = house(name)
        allowed = theirs == mine or any(mine == a and name.startswith(f"ossicle.{b}") for a, b in ALSO)
        if theirs not in ORDER or (not allowed and ORDER.index(theirs) >= ORDER.index(mine)):
            wrong.append(f"{path.relative_to(SRC)}:{line}: {mine} may not import {name}")
    return wrong


def test_every_folder_has_its_place_in_the_house():
    there = {path.stem for path in SRC.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert there - EXEMPT <= set(ORDER)


@pytest.mark.parametrize("folder", sorted(path.name for path in SRC.iterdir() if path.name != "__pycache__"))
def test_imports_point_upwards(folder):
    files = [SRC / folder] if folder.endswith(".py") else (SRC / folder).rglob("*.py")
    assert [wrong for file in files if file.suffix == ".py" for wrong in complaints(file)] == []


def test_the_guard_sees_what_it_should(tmp_path):
    code = "def f():\n    from ossicle.models import load\nif TYPE_CHECKING:\n    from ossicle.cli import main\n"
    assert imports(ast.parse(code)) == [(2, "ossicle.models.load")]
