"""Classifiers: one class for each example."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from backlight import Score
from backlight.evaluating.evaluate import DEFAULT_METRICS
from backlight_study.format import StudyRecord
from backlight_study.neighbours import log_odds_space
from backlight_study.order import better_order
from backlight_study.order_record import order_record
from backlight_study.performance import Performance, performance
from backlight_study.predictions import Predictions
from backlight_study.questions import Question, quantity, rivals, targets
from backlight_study.selection import ORDERS, Choice, Order, Rows, Selection, rule_of, select
from backlight_study.tasks.task import Task, TaskName, check_order


@final
@dataclass(frozen=True, eq=False)
class Classification(Task):
    """See the module.

    Attributes:
        predictions: of all examples.
        named: whether the data names its classes.
    """

    name: ClassVar[TaskName] = "classification"
    orders: ClassVar[Mapping[Order, str]] = ORDERS
    metrics: ClassVar[tuple[str, ...]] = tuple(DEFAULT_METRICS)
    predictions: Predictions
    named: bool

    @property
    def question(self) -> Question:
        return "predicted" if self.predictions.single else "contrast"

    @cached_property
    def performance(self) -> Performance:
        found = self.predictions
        independent = found.kind == "sigmoid" and not found.single
        return performance(
            found.labels, found.probabilities, independent=independent, seed=self.seed
        )

    @cached_property
    def space(self) -> NDArray[np.float64]:
        return log_odds_space(self.predictions.probabilities)

    def select(self, choice: Choice) -> Selection:
        check_order(self, choice.order)
        return select(self.predictions, choice)

    def wrong(self, rows: Rows, parts: Rows) -> NDArray[np.bool_]:
        return self.predictions.wrong[rows]

    def right(self, part: int) -> NDArray[np.bool_]:
        return ~self.predictions.wrong

    def questions(self, rows: Rows, parts: Rows) -> dict[Question, Score]:
        found = self.predictions
        return targets(
            found.classes[rows], rivals(found, rows), found.kind, found.single, found.path
        )

    def judged(self, rows: Rows, parts: Rows) -> Score:
        return self.questions(rows, parts)[self.question]

    def quantity(self) -> str:
        return quantity(self.predictions, list(self.classes))

    def rule(self, selection: Selection) -> str:
        return rule_of(selection, self.classes)

    def summary(self) -> str:
        found = self.predictions
        share = found.correct / len(found.labels)
        return f"{found.correct:,} of {len(found.labels):,} right ({share:.1%})"

    def record(self) -> StudyRecord:
        found = self.predictions
        order = better_order(found)
        return {
            "outputs": found.kind,
            "one_output": found.single,
            "order": order and order_record(order, found, list(self.classes), self.named),
        }

    def case(self, row: int, part: int) -> StudyRecord:
        found = self.predictions
        odds, true, predicted = found.probabilities[row], found.labels[row], found.classes[row]
        (rival,) = rivals(found, np.array([row]))

        def named(k: int) -> StudyRecord:
            return {"class": k, "name": self.classes[k], "probability": float(odds[k])}

        best = np.sort(odds)[-2:]
        return {
            "true": named(int(true)),
            "predicted": named(int(predicted)),
            "rival": named(int(rival)),
            "probabilities": [named(int(k)) for k in np.argsort(-odds, kind="stable")[:5]],
            "confidence": float(odds[predicted]),
            "margin": float(best[1] - best[0]),
            "loss": -log(max(float(odds[true]), np.finfo(np.float64).tiny)),
        }

    def beside(self, row: int, part: int) -> StudyRecord:
        return {"class": int(self.predictions.labels[row])}

    def columns(self, rows: Rows, parts: Rows) -> dict[str, Any]:
        found = self.predictions
        odds = found.probabilities[rows]
        true, predicted = found.labels[rows], found.classes[rows]
        return {
            "true": [self.classes[k] for k in true],
            "predicted": [self.classes[k] for k in predicted],
            "wrong": found.wrong[rows],
            "p_true": odds[np.arange(len(rows)), true],
            "p_predicted": odds[np.arange(len(rows)), predicted],
        }
