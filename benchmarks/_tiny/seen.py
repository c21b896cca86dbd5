"""Which recordings a model was trained on, by the recipe in its folder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ossicle.spec import read_yaml
from ossicle.support.errors import DataError, ModelError
from ossicle.synthesis import Clip, Library


@dataclass(frozen=True)
class Seen:
    """The rows that one source of one stage takes of the sets."""

    sets: tuple[str, ...] | None
    """None is all of them."""
    split: str | None
    """None is all of them."""
    fold: tuple[int, int] | None = None
    held_out: bool = False
    exclude_groups: tuple[str, ...] = ()
    only_groups: tuple[str, ...] = ()
    licences: tuple[str, ...] | None = None

    def keys(self, root: Path) -> frozenset[str]:
        """Keys of the clips among the sets under ``root``."""
        here = {table.parent.name for table in root.glob("*/metadata.csv")}
        sets = None if self.sets is None else [name for name in self.sets if name in here]
        found: set[str] = set()
        for split in ("train", "test") if self.split is None else (self.split,):
            try:
                library = Library.from_folders(
                    root,
                    sets,
                    split,
                    self.fold,
                    held_out=self.held_out,
                    exclude_groups=self.exclude_groups,
                    only_groups=self.only_groups,
                    licences=self.licences,
                    procedural=0,
                )
            except DataError:
                continue  # nothing of that split
            found |= {clip.key for clip in library.clips}
        return frozenset(found)


def seen(recipe: Mapping[str, Any]) -> frozenset[Seen]:
    """What the stages of a recipe were trained on.

    Raises:
        ModelError: a source of a type whose recordings cannot be told from the recipe.
    """
    found = set()
    for stage in recipe.get("stages", ()):
        for name, source in stage["data"].items():
            read = _READERS.get(source.get("type"))
            if read is None:
                raise ModelError(
                    f"stage {stage['name']} was trained on {name!r} of type {source.get('type')!r}, and which "
                    "recordings that holds cannot be told from the recipe, so nothing is measured; "
                    "train on scenes or folders."
                )
            found |= set(read(source))
    return frozenset(found)


def _of_scenes(source: Mapping[str, Any]) -> Iterable[Seen]:
    if source.get("root") is None:
        return
    sets = source.get("sets")
    fold, licences = source.get("fold"), source.get("licences")
    yield Seen(
        None if sets is None else tuple(sets),
        source.get("split", "train"),
        None if fold is None else (fold[0], fold[1]),
        bool(source.get("held_out", False)),
        tuple(source.get("exclude_groups", ())),
        tuple(source.get("only_groups", ())),
        None if licences is None else tuple(licences),
    )


def _of_folder(source: Mapping[str, Any]) -> Iterable[Seen]:
    yield Seen((Path(source["path"]).name,), source.get("split", "train"))


_READERS = {"scenes": _of_scenes, "folder": _of_folder}


def refuse_seen(folder: Path, root: Path, clips: Iterable[Clip]) -> None:
    """Raise if any of ``clips`` was heard in training.

    Raises:
        ModelError: so it was, or that cannot be told.
    """
    file = folder / "recipe.yaml"
    if not file.is_file():
        raise ModelError(f"{folder} holds no recipe.yaml, so it cannot be told which rows it was trained on.")
    trained: set[str] = set()
    for part in seen(read_yaml(file)):
        trained |= part.keys(root)
    both = sorted({clip.key for clip in clips} & trained)
    if both:
        raise ModelError(
            f"the weights in {folder} were trained on {len(both)} of the rows asked about (the first is {both[0]}), so "
            "no figures are made; measure a model whose recipe holds these rows out."
        )
