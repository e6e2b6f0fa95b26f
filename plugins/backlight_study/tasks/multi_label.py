"""Nets that say of each of several labels whether an example has it: a case is an example and a label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from backlight import Class, Function, Logit, Score
from backlight.errors import InputError, TargetError
from backlight.values.arrays import Array, shape_of
from backlight.values.examples import Labels
from backlight_datasets import Source
from backlight_study.cells import PartCell
from backlight_study.format import StudyRecord
from backlight_study.performance import MultiLabelPerformance, multi_label_performance
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

THRESHOLD = 0.5
"""A label is predicted where its probability is at least this."""

KINDS: Final = {
    "fp": "false positive",
    "fn": "false negative",
    "tp": "true positive",
    "tn": "true negative",
}
"""What a case may be, as users write it and in words."""

SHOWN = 5
"""How many labels of a case are told."""


@final
@dataclass(frozen=True, eq=False)
class MultiLabel(Task):
    """See the module.

    Attributes:
        probabilities: of each label, (N, L).
        has: which labels each example has, (N, L).
    """

    name: ClassVar[TaskName] = "multi-label"
    orders: ClassVar[Mapping[Order, str]] = {
        "confidence": "mistakes before right ones, and the most confident first",
        "loss": "those first whose truth has the lowest probability",
        "margin": "those first that are furthest on the wrong side",
        "borderline": "those first whose probability is closest to 50 %",
        "random": "in an order drawn at random",
    }
    kinds: ClassVar[Mapping[str, str]] = KINDS
    probabilities: NDArray[np.float64]
    has: NDArray[np.bool_]

    @property
    def question(self) -> Question:
        return "label"

    @cached_property
    def said(self) -> NDArray[np.bool_]:
        """Which labels the model predicts, (N, L)."""
        return np.asarray(self.probabilities >= THRESHOLD)

    @property
    def mistaken(self) -> NDArray[np.bool_]:
        """Where it is wrong, (N, L)."""
        return np.asarray(self.said != self.has)

    @cached_property
    def performance(self) -> MultiLabelPerformance:
        return multi_label_performance(
            self.has, self.probabilities, threshold=THRESHOLD, seed=self.seed
        )

    @cached_property
    def space(self) -> NDArray[np.float64]:
        tiny = np.finfo(np.float64).tiny
        return np.asarray(
            np.log(np.maximum(self.probabilities, tiny))
            - np.log(np.maximum(1 - self.probabilities, np.finfo(np.float64).eps))
        )

    def select(self, choice: Choice) -> Selection:
        """See `Task.select`; without parts that are asked for, mistakes in any label.

        Raises:
            InputError: true or predicted classes are asked for, or no such rows are there.
        """
        check_order(self, choice.order)
        if choice.cells or choice.true or choice.predicted:
            raise InputError(
                "A net of several labels has no true and no predicted class: say cells as LABEL:fn "
                "(missed), LABEL:fp (invented) or LABEL:*."
            )
        fits = choice.among(self.mistaken)
        return selected(fits, choice, self.holds, self.ranks, self.right_ones)

    def holds(self, cell: PartCell) -> NDArray[np.bool_]:
        """Which examples and labels, (N, L), are of a cell."""
        said, has = self.said, self.has
        kinds = {"fp": said & ~has, "fn": ~said & has, "tp": said & has, "tn": ~said & ~has}
        return cell.within(self.mistaken if cell.kind is None else kinds[cell.kind])

    def ranks(self, rows: Rows, parts: Rows, choice: Choice) -> list[NDArray[np.float64]]:
        p, wrong = self.probabilities[rows, parts], self.mistaken[rows, parts]
        said = np.where(self.said[rows, parts], p, 1 - p)
        truth = np.where(self.has[rows, parts], p, 1 - p)
        match choice.order:
            case "confidence":
                return [(~wrong).astype(np.float64), -said]
            case "loss":
                return [truth]
            case "margin":
                return [truth - said]
            case "borderline":
                return [np.abs(2 * p - 1)]
            case _:
                return [random_ranks(choice, self.has.size)[rows * self.has.shape[1] + parts]]

    def right_ones(self, rows: Rows, parts: Rows, choice: Choice) -> list[tuple[int, int]]:
        """Cases of the labels concerned that the model gets right: as many that have the label as have
        it not, if there are, drawn at random."""
        rng = np.random.default_rng(choice.seed)
        turns: list[tuple[int, int, bool, int]] = []
        for part in np.unique(parts).tolist() if choice.right else ():
            free = ~self.mistaken[:, part]
            free[rows[parts == part]] = False
            for has in (True, False):
                own = np.flatnonzero(free & (self.has[:, part] == has))
                drawn = rng.permutation(own)[: choice.right].tolist()
                turns += [(turn, part, has, row) for turn, row in enumerate(drawn)]
        return [(row, part) for _, part, _, row in sorted(turns)[: choice.right]]

    def wrong(self, rows: Rows, parts: Rows) -> NDArray[np.bool_]:
        return np.asarray(self.mistaken[rows, parts])

    def right(self, part: int) -> NDArray[np.bool_]:
        return np.asarray(~self.mistaken[:, part])

    def questions(self, rows: Rows, parts: Rows) -> dict[Question, Score]:
        found = self.replies
        if self.has.shape[1] == 1:
            return {"label": self.judged(rows, parts)}
        score = Class if found.kind == "logits" else Logit
        return {"label": score(parts, found.path)}

    def judged(self, rows: Rows, parts: Rows) -> Score:
        found = self.replies
        logit = found.kind == "sigmoid"
        return Function(PartOfOutput(self.has.shape[1], logit, found.path), parts)

    def quantity(self) -> str:
        if self.replies.kind == "logits":
            return "the label's output as the model gives it, the logit of a sigmoid"
        return (
            "the label's logit: log p \N{MINUS SIGN} log (1 \N{MINUS SIGN} p), what its sigmoid was "
            "given"
        )

    def rule(self, selection: Selection) -> str:
        choice = selection.choice
        kinds = {"misclassified": "mistakes", "correct": "right ones", "all": "cases"}
        text = f"{kinds[choice.asked]}, a label of an example each"
        if choice.part_cells:
            text += ": " + " or ".join(described(cell, self.classes) for cell in choice.part_cells)
        if choice.where:
            text += f", with {', '.join(choice.where)}"
        elif choice.rows is not None:
            text += ", of the examples that were named"
        order = order_in_words(choice, self.orders)
        return f"{text[0].upper()}{text[1:]}; {order}: {counted(selection)}."

    def summary(self) -> str:
        wrong, all = int(self.mistaken.sum()), self.has.size
        whole = int((~self.mistaken).all(axis=1).sum())
        return (
            f"{wrong:,} mistakes in {all:,} labels ({wrong / all:.1%}); all labels right in {whole:,} of "
            f"{len(self.has):,} examples ({whole / len(self.has):.1%})"
        )

    def case(self, row: int, part: int) -> StudyRecord:
        odds, has = self.probabilities[row], self.has[row]

        def named(k: int) -> StudyRecord:
            return {
                "class": k,
                "name": self.classes[k],
                "probability": float(odds[k]),
                "has": bool(has[k]),
            }

        p = float(odds[part])
        truth = p if has[part] else 1 - p
        said = max(p, 1 - p)
        order = np.argsort(-odds, kind="stable")
        shown = [int(k) for k in order if has[k] or self.said[row, k] or k == part]
        return {
            "label": named(part),
            "kind": self.kind_of(row, part),
            "labels": [named(k) for k in dict.fromkeys([part, *shown])][: SHOWN + 1],
            "confidence": said,
            "margin": abs(2 * p - 1),
            "loss": -log(max(truth, np.finfo(np.float64).tiny)),
        }

    def kind_of(self, row: int, part: int) -> str:
        """Of a case, one of `KINDS`."""
        return f"{'f' if self.mistaken[row, part] else 't'}{'p' if self.said[row, part] else 'n'}"

    def beside(self, row: int, part: int) -> StudyRecord:
        return {"has": bool(self.has[row, part])}

    def columns(self, rows: Rows, parts: Rows) -> dict[str, Any]:
        return {
            "label": [self.classes[k] for k in parts],
            "true": self.has[rows, parts],
            "predicted": self.said[rows, parts],
            "wrong": self.wrong(rows, parts),
            "p": self.probabilities[rows, parts],
        }


def described(cell: PartCell, names: Sequence[str]) -> str:
    what = "false positives and false negatives" if cell.kind is None else f"{KINDS[cell.kind]}s"
    return f"{what} of {'any label' if cell.part is None else names[cell.part]}"


def check_outputs(outputs: Array, rows: int, classes: Sequence[str]) -> None:
    """Raise TargetError unless these are one number for each label."""
    shape = shape_of(outputs)
    if shape[:1] != (rows,) or len(shape) != 2:
        raise TargetError(
            "A net of several labels gives one number for each, (N, labels); for "
            f"{rows} examples this model gives {shape}."
        )


def multi_label(source: Source, replies: Replies, seed: int) -> MultiLabel:
    """The task of a net with several labels.

    Raises:
        InputError: labels are not 0 and 1, or not as many as outputs.
        TargetError: outputs depend on each other, as after a softmax, or are no probabilities.
    """
    labels, outputs = replies.labels, replies.outputs
    if replies.kind not in ("sigmoid", "logits"):
        raise TargetError(
            f"The model's outputs are {replies.kind.replace('_', '-')} that add up to 1, so the labels "
            "of an example rule each other out; labels that do not need a sigmoid each, or nothing."
        )
    has = truths(labels)
    if has.shape != outputs.shape:
        raise InputError(
            f"There are {has.shape[1]} labels, but the model has {outputs.shape[1]} outputs: they must "
            "be as many."
        )
    odds = outputs if replies.kind == "sigmoid" else 1 / (1 + np.exp(-outputs))
    if not ((odds >= 0) & (odds <= 1)).all():
        raise TargetError(
            "The outputs are said to be those of sigmoids, but are not all from 0 to 1. If they are "
            "logits, say backlight.wrap(net, outputs='logits')."
        )
    return MultiLabel(replies, names_of(source, has.shape[1], "label"), odds, has, seed=seed)


def truths(labels: Labels) -> NDArray[np.bool_]:
    """Labels (N, L) as truth values.

    Raises:
        InputError: they are not 0 and 1, or of another shape.
    """
    if labels.ndim != 2 or not np.isin(labels, (0, 1)).all():
        seen = f"shape {labels.shape}" if labels.ndim != 2 else "other numbers among them"
        raise InputError(
            f"The labels of a multi-label task are 0 and 1, or truth values, (N, labels); got {seen}. "
            "--task (task= in Python) says which task it is."
        )
    return labels.astype(np.bool_)
