"""All examinations of a recipe, the cheap ones first."""

from collections.abc import Iterator
from itertools import islice

import torch

from ossicle.chat import Conversation
from ossicle.models import Bundle, build
from ossicle.models.parts import Parts, parts_of_spec
from ossicle.support.errors import OssicleError, SpecError
from ossicle.support.progress import Progress, progress
from ossicle.training.doctor.finding import Finding
from ossicle.training.doctor.learning import of_learning
from ossicle.training.doctor.recordings import Looked, across, look, of_source
from ossicle.training.doctor.rows import of_rows
from ossicle.training.doctor.settings import of_memory, of_settings
from ossicle.training.recipe import Recipe
from ossicle.training.run import resolve

ROWS_READ = 64
"""Rows of a stage that are rendered and prepared."""


def examine(
    recipe: Recipe, *, rows: int = 500, steps: int = 60, device: str | None = None, quiet: bool = False
) -> list[Finding]:
    """Look for what makes training fail, or learn nothing, or learn the wrong thing.

    Args:
        recipe: is resolved first.
        rows: most rows read of each source; others are taken to be like them.
        steps: for which one batch is learnt; 0 does not try.
        device: of torch; default ``cuda`` where there is one.
        quiet: show no progress.

    Returns:
        What was found, of the data, the rows, the settings, memory and learning. Nothing is written anywhere.

    Raises:
        SpecError: the recipe itself cannot be read. ModelError: its weights cannot.
    """
    recipe = resolve(recipe)
    where = _device(device)
    findings = [*of_settings(recipe)]
    by_stage, held = look(recipe, rows, findings)
    read_once = {id(looked): looked for sources in (*by_stage.values(), held) for looked in sources}
    for looked in read_once.values():
        findings += of_source(looked)
    findings += across(recipe, by_stage, held)
    parts = parts_of_spec(recipe.model)
    findings += of_memory(recipe, parts, where, _tokens_per_s(parts))
    if any(finding.topic == "memory" and finding.verdict == "fault" for finding in findings):
        return [*findings, Finding("learning", "doubt", "not tried, as there is no room for it.")]
    chats = {name: _mixed(sources) for name, sources in by_stage.items()}
    if not all(chats.values()):
        return [*findings, Finding("learning", "doubt", "not tried, as there are no rows to learn; mend the data.")]
    bundle = _bundle(recipe, chats)
    bundle.model.to(where)
    read: set[tuple[int, ...]] = set()
    for name, sources in by_stage.items():
        key = tuple(map(id, sources))
        if key not in read:
            findings += of_rows(bundle, chats[name][:ROWS_READ], f"stages.{name}")
            read.add(key)
    if any(finding.topic == "rows" and finding.verdict == "fault" for finding in findings):
        return [*findings, Finding("learning", "doubt", "not tried, as there are faults in the rows; mend them.")]
    if steps:
        with progress(steps, "steps", "one batch", quiet=quiet) as bar:
            findings += _learning(recipe, bundle, chats[recipe.stages[0].name], steps, bar)
    return findings


def _learning(
    recipe: Recipe, bundle: Bundle, chats: list[Conversation], steps: int, bar: Progress
) -> Iterator[Finding]:
    """What learning one batch tells, also where it cannot be done."""
    try:
        yield from of_learning(recipe, bundle, chats, steps, bar)
    except OssicleError as error:
        yield Finding("learning", "fault", str(error))
    except torch.OutOfMemoryError:
        yield Finding("learning", "fault", "there is no room to learn one batch; lower seconds_per_batch.")


def _device(name: str | None) -> torch.device:
    try:
        return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise SpecError(f"there is no device {name!r}; torch knows cpu, cuda, cuda:1, mps.") from None


def _mixed(sources: list[Looked]) -> list[Conversation]:
    """Rows of all sources in turn."""
    iterators = [iter(looked.chats) for looked in sources]
    found: list[Conversation] = []
    while iterators:
        going = []
        for iterator in iterators:
            if more := list(islice(iterator, 1)):
                found += more
                going.append(iterator)
        iterators = going
    return found


def _tokens_per_s(parts: Parts) -> float:
    """Audio tokens per second, and half as many words beside them."""
    encoder = parts.encoder
    frames = encoder.num_frames(encoder.window_samples)
    return 1.5 * parts.projector.num_tokens([frames]) * encoder.sample_rate / encoder.window_samples


def _bundle(recipe: Recipe, chats: dict[str, list[Conversation]]) -> Bundle:
    """The model, its tokenizer made, where it is made, from the rows that were read."""
    texts = (
        part
        for some in chats.values()
        for chat in some
        for m in chat.messages
        for part in m.parts
        if isinstance(part, str)
    )
    torch.manual_seed(recipe.seed)
    return build(recipe.model, texts)
