"""Recordings that lie beside columns of words: how columns become questions and answers."""

import abc
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ossicle.audio import Audio
from ossicle.chat import Conversation, assistant, user
from ossicle.data.importing import QUESTION
from ossicle.spec import Spec
from ossicle.support.errors import DataError, OssicleError, SpecError, nearest

Columns = Mapping[str, Any]
"""Values of one recording by their names, as JSON has them."""


class AskingOptions(Spec):
    """How columns become questions and answers."""

    questions: tuple[str, ...] = (QUESTION,)
    """Every recording is asked each of them, one per row; ``{column}`` stands for a column's value, ``{column[0]}`` for
    the first of a list."""
    answer: str
    """The reply, filled likewise."""


class Asking(abc.ABC):
    """Base of sources whose recordings have columns: each recording is asked every question, one per row.

    Args:
        options: the templates.
        where: the data set, for errors.
        num_recordings: how many it holds.

    Raises:
        DataError: it holds none.
        SpecError: a template cannot be read, or names a column that the first recording lacks.
    """

    def __init__(self, options: AskingOptions, where: str, num_recordings: int) -> None:
        self._questions, self._answer = options.questions, options.answer
        if not options.questions:
            raise SpecError(f"{where}: questions is empty; give at least one.")
        if not num_recordings:
            raise DataError(f"{where}: holds no recordings.")
        self.num_rows: int | None = num_recordings * len(options.questions)
        self._seconds: dict[int, float] = {}
        known = list(self.columns(0))
        for name in wanted_columns(options, where):
            if name not in known:
                raise SpecError(
                    f"{where}: a template names the column {name!r}, which is not there.{nearest(name, known)} "
                    f"Known: {', '.join(known) or 'none'}."
                )

    @abc.abstractmethod
    def columns(self, at: int) -> Columns:
        """The columns of recording ``at``."""

    @abc.abstractmethod
    def audio(self, at: int) -> Audio:
        """Recording ``at``."""

    @abc.abstractmethod
    def place(self, at: int) -> str:
        """Where recording ``at`` lies, for errors."""

    def rows(self, index: int) -> tuple[Conversation, ...]:
        """The one conversation of row ``index``: a recording, a question, its answer."""
        at = index // len(self._questions)
        columns = self.columns(at)
        question, answer = self._texts(index, columns)
        plain = {name: value for name, value in columns.items() if value is not None}
        meta = {**plain, "id": str(columns.get("id", columns.get("key", at))), "targets": [answer]}
        return (Conversation.of(user(self.audio(at), question), assistant(answer), meta=meta),)

    def texts(self, index: int) -> tuple[str, ...]:
        """The question and the answer of row ``index``."""
        return self._texts(index, self.columns(index // len(self._questions)))

    def seconds(self, index: int) -> float:
        """The recording's duration, from its header."""
        at = index // len(self._questions)
        if at not in self._seconds:
            self._seconds.update(self.durations(at))
        return self._seconds[at]

    def durations(self, at: int) -> Mapping[int, float]:
        """Seconds of recording ``at``, and of others where they cost nothing more."""
        try:
            return {at: float(self.audio(at).duration_s)}
        except OssicleError as error:
            raise DataError(f"{self.place(at)}: {error}") from None

    def _texts(self, index: int, columns: Columns) -> tuple[str, str]:
        at, question = divmod(index, len(self._questions))
        answer = _filled(self._answer, columns, self.place(at)).strip()
        if not answer:
            raise DataError(f"{self.place(at)}: the answer {self._answer!r} is empty; fill its column.")
        return _filled(self._questions[question], columns, self.place(at)), answer

    def check(self) -> None:
        """Read every header and fill every template; DataError names the first row that fails."""
        for index in range(self.num_rows or 0):
            self.seconds(index)
            self.texts(index)


def wanted_columns(options: AskingOptions, where: str) -> list[str]:
    """The columns that the templates name, each once. Raises SpecError where a template cannot be read."""
    names: list[str] = []
    for template in (*options.questions, options.answer):
        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
        except ValueError as error:
            raise SpecError(f"{where}: the template {template!r} cannot be read ({error}).") from None
        names += [field.partition("[")[0] for field in fields]
    return list(dict.fromkeys(names))


class _Filler(string.Formatter):
    """``str.format`` for texts and numbers alone: the written form of a list or of nothing is no answer."""

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if key not in kwargs:
            raise DataError(f"there is no column {key!r}.{nearest(str(key), kwargs)} Known: {', '.join(kwargs)}.")
        return kwargs[str(key)]

    def format_field(self, value: Any, format_spec: str) -> str:
        if not isinstance(value, str | int | float):
            kind = "nothing" if value is None else f"a {type(value).__name__}"
            raise DataError(f"needs a text or a number, not {kind}; of a list, take one: {{column[0]}}.")
        return super().format_field(value, format_spec)


_fill: Callable[..., str] = _Filler().vformat


def _filled(template: str, columns: Columns, where: str) -> str:
    try:
        return _fill(template, (), columns)
    except (DataError, IndexError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{where}: the template {template!r} cannot be filled: {error}") from None
