"""Batches, prepared in other processes while the model trains; what comes out does not depend on how many there are."""

import signal
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from ossicle.chat import Conversation
from ossicle.data.batching import BatchPlan, PlannedBatch, Position
from ossicle.data.keys import key_of
from ossicle.data.mixture import Place
from ossicle.data.transfer import Parcel, unwrap, wrap
from ossicle.support import errors
from ossicle.support.errors import DataError, OssicleError

R = TypeVar("R")
B = TypeVar("B")

Prepare = Callable[[Conversation, str], R]
"""A conversation and the key of its recording → a prepared row. All chance comes from the key."""
Pack = Callable[[list[R]], B]
Change = Callable[[list[Conversation]], list[Conversation]]


class Loaded(NamedTuple, Generic[B]):
    """A batch, the seconds of audio and recordings in all of it, and where the stream goes on after it."""

    batch: B
    seconds: float
    num_rows: int
    after: Position
    counts: bool = True
    """False where there were fewer recordings than parts, and this part is one that another holds as well."""
    is_control: bool = False
    """Whether this is a batch whose control is wanted."""
    control: B | None = None
    """The batch with its conversations changed; None where that leaves them as they were."""


class Control(NamedTuple):
    """Batches now and then made once more, from changed conversations: one of ``every``, chosen by chance."""

    change: Change
    every: int


class Loader(Generic[R, B]):
    """The endless stream of a plan's batches.

    Args:
        plan: which rows form which batch.
        prepare: makes one row; runs in a worker on one thread.
        pack: joins the rows of a batch; runs in the worker as well.
        workers: processes; 0 prepares in this one, when asked.
        prefetch: batches that each worker keeps ready.
        part: ``(k, n)``: of each batch only the k-th of n parts, for processes that share a step.
        control: what else some batches are wanted with.
    """

    def __init__(
        self,
        plan: BatchPlan,
        prepare: Prepare[R],
        pack: Pack[R, B],
        *,
        workers: int = 0,
        prefetch: int = 4,
        part: tuple[int, int] = (0, 1),
        control: Control | None = None,
    ) -> None:
        self.plan = plan
        self._rows = _Batches(plan, prepare, pack, wrapped=workers > 0, part=part, control=control)
        self._workers = workers
        self._prefetch = prefetch

    def batches(self, start: Position = Position()) -> Iterator[Loaded[B]]:
        """Batches from ``start`` on; close the iterator to end its workers.

        Raises:
            DataError, AudioError, …: as ``prepare`` raised it; the row is named.
        """
        loader = DataLoader(
            self._rows,
            batch_size=None,
            sampler=_Planned(self.plan, start, known := {}, ahead=self._workers > 0),
            num_workers=self._workers,
            prefetch_factor=self._prefetch if self._workers else None,
            worker_init_fn=_start_worker,
            collate_fn=_as_is,
            generator=torch.Generator(),  # else it draws from the global one, and resume is no longer exact
        )
        stream = iter(loader)
        try:
            while True:
                loaded = _next(stream)
                if isinstance(loaded, Parcel):
                    loaded = unwrap(loaded)
                if isinstance(loaded, _Failure):
                    loaded.raise_here()
                elif isinstance(loaded, _Chunk):
                    known[loaded.number] = loaded.batches
                else:
                    yield loaded
        finally:
            if self._workers:
                stream._shutdown_workers()  # type: ignore[attr-defined]  # else they live until collected


class _Failure(NamedTuple):
    """An OssicleError on its way from a worker; exceptions themselves don't all survive pickling."""

    kind: str
    message: str

    def raise_here(self) -> None:
        raise getattr(errors, self.kind, DataError)(self.message)


class _Ahead(NamedTuple):
    """Asks a worker for the plan of a chunk: asking sources for seconds may take long, and here it costs no step."""

    number: int


class _Chunk(NamedTuple):
    """The plan of a chunk."""

    number: int
    batches: list[PlannedBatch]


class _Batches(Dataset[Any]):
    """Planned batch → prepared batch; number of a chunk → its plan."""

    def __init__(
        self,
        plan: BatchPlan,
        prepare: Prepare[Any],
        pack: Pack[Any, Any],
        *,
        wrapped: bool,
        part: tuple[int, int],
        control: Control | None,
    ) -> None:
        self._plan, self._prepare, self._pack, self._wrapped = plan, prepare, pack, wrapped
        self._part, self._control = part, control

    def __getitem__(self, planned: PlannedBatch | _Ahead) -> Loaded[Any] | _Chunk | Parcel | _Failure:
        try:
            if isinstance(planned, _Ahead):
                return _Chunk(planned.number, self._plan.chunk(planned.number))
            loaded = self._load(planned)
            return wrap(loaded) if self._wrapped else loaded
        except OssicleError as error:
            return _Failure(type(error).__name__, str(error))

    def _load(self, planned: PlannedBatch) -> Loaded[Any]:
        number, of = self._part
        mine = planned.rows[number::of]
        told = [chat for k in mine or planned.rows[:1] for chat in self._about(k)]
        batch = self._pack([self._prepared(*one) for one in told])
        loaded = Loaded(batch, planned.seconds, len(planned.rows), planned.after, bool(mine))
        chance = key_of(self._plan.mixture.seed, "control", *planned.after)
        if self._control is None or chance % self._control.every:
            return loaded
        changed = self._control.change([chat for _, _, chat in told])
        if all(now is before for now, (_, _, before) in zip(changed, told, strict=True)):
            return loaded._replace(is_control=True)
        try:
            rows = [self._prepared(k, key, chat) for (k, key, _), chat in zip(told, changed, strict=True)]
            return loaded._replace(is_control=True, control=self._pack(rows))
        except OssicleError:  # of a row that nobody wrote
            return loaded._replace(is_control=True)

    def _about(self, k: int) -> list[tuple[int, str, Conversation]]:
        """Every conversation about one recording, under one key, so that they share its sound."""
        mixture = self._plan.mixture
        place = mixture.place(k)
        try:
            return [(k, f"{mixture.seed}/{k}", chat) for chat in mixture.rows(place)]
        except OssicleError as error:
            raise type(error)(_located(error, place)) from None

    def _prepared(self, k: int, key: str, chat: Conversation) -> Any:
        try:
            return self._prepare(chat, key)
        except OssicleError as error:
            raise type(error)(_located(error, self._plan.mixture.place(k))) from None


class _Planned:
    """The plan as a sampler: what it yields is what ``_Batches`` is asked for.

    Args:
        known: plans of chunks by number, as they come back from workers; those that don't come in time are made here.
        ahead: have workers plan each next chunk.
    """

    def __init__(self, plan: BatchPlan, start: Position, known: dict[int, list[PlannedBatch]], *, ahead: bool) -> None:
        self._plan, self._start, self._known, self._ahead = plan, start, known, ahead

    def __iter__(self) -> Iterator[PlannedBatch | _Ahead]:
        chunk, batch = self._start
        while True:
            planned = self._known.pop(chunk, None) or self._plan.chunk(chunk)
            if self._ahead:
                yield _Ahead(chunk + 1)
            yield from planned[batch:]
            chunk, batch = chunk + 1, 0


def _located(error: OssicleError, place: Place) -> str:
    return f"data.{place.source}, row {place.index}: {error}"


def _next(stream: Iterator[Any]) -> Any:
    try:
        return next(stream)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            f"a data worker died ({str(error).splitlines()[0]}); it may have run out of memory: "
            "use fewer workers or a smaller seconds_per_batch."
        ) from error


def _start_worker(_: int) -> None:
    """One thread each, or they fight the training step for cores; Ctrl-C is the parent's to handle."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _as_is(item: Any) -> Any:
    return item
