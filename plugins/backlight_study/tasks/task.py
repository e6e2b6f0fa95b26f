"""What all tasks have in common: what a study asks of any."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight import Score
from backlight.errors import HyperParameterError, InputError
from backlight_datasets import Source
from backlight_study.cells import PartCell
from backlight_study.format import StudyRecord
from backlight_study.performance import Json
from backlight_study.questions import Question
from backlight_study.replies import Replies
from backlight_study.selection import Choice, Order, Rows, Selection, rows_fit

TaskName: TypeAlias = Literal["classification", "multi-label", "regression"]


class Figures(Protocol):
    """How well a model does its task."""

    def to_dict(self) -> Mapping[str, Json]:
        """All figures, for `study.json`."""


@dataclass(frozen=True, eq=False)
class Task(ABC):
    """What a model says of all examples, what is true of them, and what can be asked about it.

    A case is an example and a part of the answer: a label, or one of several numbers. A classifier's
    answer has one part, number 0.

    Attributes:
        replies: the model's outputs, and the labels.
        classes: the names of the classes, labels or numbers.
        seed: of intervals.
    """

    name: ClassVar[TaskName]
    orders: ClassVar[Mapping[Order, str]]
    """In which order cases may be taken, in words; the first one where nothing is said."""
    metrics: ClassVar[tuple[str, ...]] = ("srg",)
    """What techniques are judged by where nothing is said."""
    kinds: ClassVar[Mapping[str, str]] = {}
    """In which ways a part of an answer is right or wrong, as users write it and in words; a classifier
    has the cells of its confusion matrix instead."""
    mistakes: ClassVar[str] = "that are mistakes"
    """Which cases `wrong` tells, in words."""
    replies: Replies
    classes: tuple[str, ...]
    seed: int = field(default=0, kw_only=True)

    @property
    @abstractmethod
    def question(self) -> Question:
        """The question that is asked of a mistake."""

    @property
    def ids(self) -> Rows:
        """The examples' numbers in the source, rising, (N,)."""
        return self.replies.ids

    @property
    @abstractmethod
    def performance(self) -> Figures:
        """How well the model does on all examples, with intervals."""

    @property
    @abstractmethod
    def space(self) -> NDArray[np.float64]:
        """The outputs as a space in which examples are near or far, (N, features)."""

    @abstractmethod
    def select(self, choice: Choice) -> Selection:
        """The cases that are asked for."""

    @abstractmethod
    def wrong(self, rows: Rows, parts: Rows) -> NDArray[np.bool_]:
        """Which of these cases are mistakes, (n,)."""

    @abstractmethod
    def right(self, part: int) -> NDArray[np.bool_]:
        """Of which examples the model gets this part right, (N,)."""

    @abstractmethod
    def questions(self, rows: Rows, parts: Rows) -> dict[Question, Score]:
        """What is asked about these cases."""

    @abstractmethod
    def judged(self, rows: Rows, parts: Rows) -> Score:
        """The score by which the maps of these cases are judged."""

    @abstractmethod
    def quantity(self) -> str:
        """In words, which number the maps explain."""

    @abstractmethod
    def rule(self, selection: Selection) -> str:
        """How cases were chosen, as a sentence."""

    @abstractmethod
    def summary(self) -> str:
        """How well it does, in half a line."""

    def record(self) -> StudyRecord:
        """What `study.json` holds of all examples beside the figures."""
        return {"outputs": self.replies.kind, "one_output": False, "order": None}

    @abstractmethod
    def case(self, row: int, part: int) -> StudyRecord:
        """What `study.json` holds of a case beside its pictures and maps."""

    @abstractmethod
    def beside(self, row: int, part: int) -> StudyRecord:
        """What it holds of an example that is near a case."""

    @abstractmethod
    def columns(self, rows: Rows, parts: Rows) -> dict[str, Any]:
        """A table's columns about these cases."""


def check_order(task: type[Task] | Task, order: Order) -> None:
    """Raise HyperParameterError for an order that is none of the task's."""
    if order not in task.orders:
        raise HyperParameterError(
            f"order must be one of {', '.join(task.orders)} in a study of {task.name}; got {order!r}."
        )


def names_of(source: Source, count: int, called: str) -> tuple[str, ...]:
    """The names that the data has for so many parts of an answer, or numbers in words.

    Raises:
        InputError: there are names, but not as many.
    """
    names = tuple(str(name) for name in source.classes)
    if names and len(names) != count:
        raise InputError(
            f"The data names {len(names)} {called}s ({', '.join(names[:6])}), the model has {count} "
            f"outputs: they must be as many. --classes FILE names all of them, one a line."
        )
    return names or tuple(f"{called} {k}" for k in range(count))


def selected(
    fits: NDArray[np.bool_],
    choice: Choice,
    holds: Callable[[PartCell], NDArray[np.bool_]],
    ranks: Callable[[Rows, Rows, Choice], Sequence[NDArray[np.float64]]],
    right_ones: Callable[[Rows, Rows, Choice], Sequence[tuple[int, int]]],
) -> Selection:
    """The cases that are asked for, in their order, and right ones beside them.

    Args:
        fits: which rows and parts are asked for, cells and rows that a choice names aside, (N, parts).
        holds: which rows and parts, (N, parts), are of a cell.
        ranks: of rows and parts (n,): what they are sorted by, the first key first, the lowest first;
            equals by number.
        right_ones: rows and parts beside those that are chosen.

    Raises:
        InputError: rows are named that are not there.
    """
    fits = fits & rows_fit(choice, len(fits))[:, None]
    if choice.part_cells:
        fits &= np.logical_or.reduce([holds(cell) for cell in choice.part_cells])
    rows, parts = (one.astype(np.int64) for one in np.nonzero(fits))
    order = np.lexsort((parts, rows, *reversed(ranks(rows, parts, choice))))
    places = order[: choice.limit]
    chosen = rows[places], parts[places]
    right = right_ones(*chosen, choice)
    return Selection(
        choice,
        tuple(chosen[0].tolist()),
        tuple(row for row, _ in right),
        len(rows),
        (*chosen[1].tolist(), *(part for _, part in right)),
    )
