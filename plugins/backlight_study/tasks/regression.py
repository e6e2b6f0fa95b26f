"""Models that give numbers: a case is an example and one of its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from backlight import Class, Function, Output, Score
from backlight.errors import InputError, TargetError
from backlight.values.arrays import Array, shape_of
from backlight_datasets import Source
from backlight_study.cells import PartCell
from backlight_study.format import StudyRecord
from backlight_study.performance.regression import NumbersPerformance, numbers_performance
from backlight_study.questions import Question
from backlight_study.replies import Replies
from backlight_study.selection import (
    Choice,
    Order,
    Rows,
    Selection,
    counted,
    order_in_words,
    random_ranks,
)
from backlight_study.tasks.outputs import PartOfOutput
from backlight_study.tasks.task import (
    Task,
    TaskName,
    check_order,
    names_of,
    selected,
)

KINDS: Final = {"over": "too high", "under": "too low"}
"""Which way a number is off, as users write it and in words."""


@final
@dataclass(frozen=True, eq=False)
class Regression(Task):
    """See the module. An error is the model's number minus the true one.

    Attributes:
        values: what the model gives, (N, k).
        targets: what is true, (N, k).
    """

    name: ClassVar[TaskName] = "regression"
    mistakes: ClassVar[str] = "whose error is larger than the median"
    orders: ClassVar[Mapping[Order, str]] = {
        "error": "the largest errors first",
        "over": "those first that are most too high",
        "under": "those first that are most too low",
        "random": "in an order drawn at random",
    }
    kinds: ClassVar[Mapping[str, str]] = KINDS
    values: NDArray[np.float64]
    targets: NDArray[np.float64]

    @property
    def question(self) -> Question:
        return "value"

    @cached_property
    def errors(self) -> NDArray[np.float64]:
        """(N, k)."""
        return self.values - self.targets

    @cached_property
    def scaled(self) -> NDArray[np.float64]:
        """Errors that can be compared between numbers of several units: divided by the targets'
        standard deviation where there are several; (N, k)."""
        if self.errors.shape[1] == 1:
            return self.errors
        return self.errors / spread(self.targets)

    @cached_property
    def performance(self) -> NumbersPerformance:
        return numbers_performance(self.targets, self.values, self.classes, seed=self.seed)

    @cached_property
    def space(self) -> NDArray[np.float64]:
        return self.values / spread(self.values)

    def select(self, choice: Choice) -> Selection:
        """See `Task.select`.

        Raises:
            InputError: classes, or right and wrong examples, are asked for; or no such rows are there.
        """
        check_order(self, choice.order)
        if choice.cells or choice.true or choice.predicted or choice.only not in (None, "all"):
            raise InputError(
                "A regression has no classes, and no right and wrong examples: say order error, over or "
                "under, and cells as NUMBER:over, NUMBER:under or NUMBER:*."
            )
        side = choice.order if choice.order in ("over", "under") else None
        fits = self.holds(PartCell(None, side))
        return selected(fits, choice, self.holds, self.ranks, self.right_ones)

    def holds(self, cell: PartCell) -> NDArray[np.bool_]:
        """Which examples and numbers, (N, k), are of a cell."""
        kinds = {
            "over": self.errors > 0,
            "under": self.errors < 0,
            None: np.ones_like(self.errors, dtype=bool),
        }
        return cell.within(kinds[cell.kind])

    def ranks(self, rows: Rows, parts: Rows, choice: Choice) -> list[NDArray[np.float64]]:
        errors = self.scaled[rows, parts]
        match choice.order:
            case "over":
                return [-errors]
            case "under":
                return [errors]
            case "random":
                return [random_ranks(choice, self.errors.size)[rows * self.errors.shape[1] + parts]]
            case _:
                return [-np.abs(errors)]

    def right_ones(self, rows: Rows, parts: Rows, choice: Choice) -> list[tuple[int, int]]:
        """The cases of the numbers concerned with the smallest errors, as many of each as can be."""
        most, turns = choice.right, list[tuple[int, int, int]]()
        for part in np.unique(parts).tolist() if most else ():
            order = np.argsort(np.abs(self.errors[:, part]), kind="stable")
            free = order[~np.isin(order, rows[parts == part])][:most]
            turns += [(turn, part, row) for turn, row in enumerate(free.tolist())]
        return [(row, part) for _, part, row in sorted(turns)[:most]]

    @cached_property
    def small(self) -> NDArray[np.bool_]:
        """Whose error is at most the median size, (N, k)."""
        sizes = np.abs(self.errors)
        return np.asarray(sizes <= np.median(sizes, axis=0))

    def wrong(self, rows: Rows, parts: Rows) -> NDArray[np.bool_]:
        """Those whose error is larger than the median."""
        return np.asarray(~self.small[rows, parts])

    def right(self, part: int) -> NDArray[np.bool_]:
        """Those whose error is at most the median."""
        return np.asarray(self.small[:, part])

    def questions(self, rows: Rows, parts: Rows) -> dict[Question, Score]:
        path = self.replies.path
        if self.values.shape[1] == 1:
            return {"value": Output(path)}
        return {"value": Class(parts, path)}

    def judged(self, rows: Rows, parts: Rows) -> Score:
        return Function(PartOfOutput(self.values.shape[1], False, self.replies.path), parts)

    def quantity(self) -> str:
        return "the number as the model gives it"

    def rule(self, selection: Selection) -> str:
        choice = selection.choice
        text = "Examples" if len(self.classes) == 1 else "Numbers of examples"
        if choice.part_cells:
            text += " " + " or ".join(map(self.described, choice.part_cells))
        if choice.where:
            text += f" with {', '.join(choice.where)}"
        elif choice.rows is not None:
            text += " that were named"
        order = order_in_words(choice, self.orders)
        said = counted(selection).replace("that are right", "with the smallest errors")
        return f"{text}, {order}: {said}."

    def described(self, cell: PartCell) -> str:
        which = "any number" if cell.part is None else self.classes[cell.part]
        return f"of {which}" if cell.kind is None else f"whose {which} is {KINDS[cell.kind]}"

    def summary(self) -> str:
        found = self.performance.numbers
        told = ", ".join(
            f"{name} {one.mae.value:.4g}" for name, one in zip(self.classes, found, strict=True)
        )
        single = f"mean absolute error {found[0].mae.value:.4g}"
        return single if len(found) == 1 else f"mean absolute errors: {told}"

    def case(self, row: int, part: int) -> StudyRecord:
        error = float(self.errors[row, part])
        sizes = np.abs(self.errors[:, part])
        return {
            "number": {"class": part, "name": self.classes[part]},
            "kind": "over" if error > 0 else "under" if error < 0 else "exact",
            "value": float(self.values[row, part]),
            "target": float(self.targets[row, part]),
            "error": error,
            "larger": float((sizes > abs(error)).mean()),
        }

    def beside(self, row: int, part: int) -> StudyRecord:
        return {
            "target": float(self.targets[row, part]),
            "value": float(self.values[row, part]),
        }

    def columns(self, rows: Rows, parts: Rows) -> dict[str, Any]:
        return {
            "number": [self.classes[k] for k in parts],
            "true": self.targets[rows, parts],
            "predicted": self.values[rows, parts],
            "error": self.errors[rows, parts],
        }


def spread(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard deviation of each of several numbers, (k,) from (N, k); 1 of one that stays."""
    found = columns.std(axis=0)
    return np.where(found > 0, found, 1.0)


def check_outputs(outputs: Array, rows: int, classes: Sequence[str]) -> None:
    """Raise TargetError unless these are a number, or a few, for each example."""
    shape = shape_of(outputs)
    if shape[:1] != (rows,) or len(shape) > 2:
        raise TargetError(
            f"A regression gives numbers, (N,) or (N, k); for {rows} examples this model gives {shape}."
        )


def regression(source: Source, replies: Replies, seed: int) -> Regression:
    """The task of a model that gives numbers.

    Raises:
        InputError: targets or values are not finite, or not as many.
    """
    targets = replies.labels.astype(np.float64).reshape(len(replies.labels), -1)
    values = replies.outputs
    if targets.shape != values.shape:
        raise InputError(
            f"There are {targets.shape[1]} true numbers for each example, but the model gives "
            f"{values.shape[1]}: they must be as many."
        )
    for name, array in (("true numbers", targets), ("model's numbers", values)):
        lacking = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(lacking):
            raise InputError(
                f"The {name} must be finite; those of example {int(replies.ids[lacking[0]])} are not. "
                "Leave such examples out."
            )
    names = names_of(source, values.shape[1], "number")
    return Regression(replies, names, values, targets, seed=seed)
