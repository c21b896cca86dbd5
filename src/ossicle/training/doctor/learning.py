"""One batch, learnt by heart: can this model learn at all with these settings, and does it need the sound for it?"""

import math
from collections.abc import Iterator, Sequence

import torch

from ossicle.batch import Batch
from ossicle.chat import Conversation
from ossicle.chat.controls import swapped
from ossicle.models import Bundle
from ossicle.support.errors import ModelError
from ossicle.support.progress import Progress
from ossicle.training.checkpoint import State
from ossicle.training.doctor.finding import Finding
from ossicle.training.loop import Objectives, StageRun
from ossicle.training.lora import attach
from ossicle.training.recipe import Recipe, Stage
from ossicle.training.run import objective_options

ROWS = 8
LEARNT, STUCK = 0.5, 0.9
"""Shares of the first loss below which a batch is learnt, above which nothing is."""
LEAST_GAIN = 0.05
"""Nats by which the wrong recordings must make a batch known by heart less likely."""


def of_learning(
    recipe: Recipe, bundle: Bundle, chats: Sequence[Conversation], steps: int, bar: Progress
) -> Iterator[Finding]:
    """Train the first stage on one batch of its rows. The model is changed."""
    stage = recipe.stages[0]
    where = f"stages.{stage.name}"
    picked = pick(chats, stage)
    prepare = bundle.preparer()
    batch = Batch.pack([prepare(chat) for chat in picked])
    run = _run(recipe, stage, bundle, steps)
    losses = []
    for _ in range(steps):
        try:
            losses.append(run.step(batch)["loss"])
        except ModelError as error:
            yield Finding("learning", "fault", str(error))
            return
        bar.advance(1, loss=losses[-1])
    first, last = losses[0], sum(losses[-5:]) / len(losses[-5:])
    fell = f"{where}: the loss of one batch of {len(picked)} rows goes from {first:.3g} to {last:.3g} in {steps} steps"
    rate = f"the learning rate is {stage.optimiser.lr:g}"
    if last < LEARNT * first:
        yield Finding("learning", "good", fell)
    elif last < STUCK * first:
        yield Finding("learning", "doubt", f"{fell}: slow; {rate}: raise it, or train more of the model.")
    else:
        yield Finding(
            "learning", "fault", f"{fell}: nothing is learnt; {rate}: is it too high or too low, or too much frozen?"
        )
        return
    yield from _listens(run, bundle, picked, batch, where)


def pick(chats: Sequence[Conversation], stage: Stage) -> list[Conversation]:
    """A few rows with different recordings, and as many different replies as can be."""
    together: dict[object, list[Conversation]] = {}
    for number, chat in enumerate(chats):  # the halves of a preference are one
        together.setdefault(chat.meta.get("pair", number), []).append(chat)
    found: dict[object, list[Conversation]] = {}
    said: set[str] = set()
    heard: set[str] = set()
    seconds = 0.0
    for fresh in (True, False):
        for key, unit in together.items():
            reply = str(unit[0].messages[-1].parts)
            sounds = {audio.digest: audio.duration_s for audio in unit[0].audios}
            length = sum(sounds.values())
            full = len(found) == ROWS or (found and seconds + length > stage.seconds_per_batch)
            if full or key in found or (fresh and (reply in said or sounds.keys() & heard)):
                continue
            found[key] = unit
            said.add(reply)
            heard |= sounds.keys()
            seconds += length
    return [chat for unit in found.values() for chat in unit]


def _run(recipe: Recipe, stage: Stage, bundle: Bundle, steps: int) -> StageRun:
    """The stage at its learning rate from the first step on, without chance in what is heard."""
    steady = stage.optimiser.model_copy(update={"warmup_steps": 0, "schedule": "constant"})
    changed = stage.model_copy(update={"steps": steps, "ema": None, "augment": None, "optimiser": steady})
    for part, spec in stage.adapters().items():
        attach(bundle.model.trunks()[part], spec, f"stages.{stage.name}.train.{part}.lora")
    built = [(weight, cls(options, bundle)) for weight, cls, options in objective_options(stage)]
    model = bundle.model
    objective = Objectives(built, bundle.pad_id).to(next(model.parameters()).device)
    return StageRun(changed, model, model.parts(), objective, None, State(), recipe.seed)  # type: ignore[arg-type]


def _listens(
    run: StageRun, bundle: Bundle, picked: Sequence[Conversation], batch: Batch, where: str
) -> Iterator[Finding]:
    """Whether the batch is less likely with the recordings of other rows."""
    if any("pair" in chat.meta for chat in picked):
        return  # what is preferred, and not the sound, is what changes places
    replies = {str(chat.messages[-1].parts) for chat in picked}
    sounds = {audio.digest for chat in picked for audio in chat.audios}
    if len(replies) < 2 or len(sounds) < 2:
        return
    prepare = bundle.preparer()
    other = Batch.pack([prepare(chat) for chat in swapped(picked)])
    # In the mode in which it learnt: the statistics of a batch are the same when its recordings change places.
    real, mixed = (_loss(run, one) for one in (batch, other))
    gain = mixed - real
    said = f"{where}: with the recordings of other rows, the loss is {mixed:.3g} instead of {real:.3g}"
    if math.isfinite(gain) and gain > LEAST_GAIN:
        yield Finding("learning", "good", said)
    else:
        yield Finding(
            "learning",
            "doubt",
            f"{said}: it learns the replies without listening; is the right recording with each row, and is a part "
            "trained through which sound passes?",
        )


@torch.no_grad()
def _loss(run: StageRun, batch: Batch) -> float:
    torch.manual_seed(0)
    with run.autocast():
        return float(run.objective(run.model, batch)["loss"])
