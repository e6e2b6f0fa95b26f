"""Precision, recall, F1 and the area under the ROC curve of each class, and their means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from backlight_study.performance.areas import Areas
from backlight_study.performance.counts import Counts
from backlight_study.performance.estimate import (
    Average,
    Estimate,
    Floats,
    Json,
    average,
    estimate,
    undefined,
)
from backlight_study.performance.intervals import percentile

FIGURES = ("precision", "recall", "f1", "auc")
NEVER_PREDICTED = "never predicted"
NOT_IN_DATA = "no example of it"
NEITHER = "no example of it, and never predicted"
NO_OTHER = "every example is of it"
NOWHERE = "undefined for every class"


@final
@dataclass(frozen=True)
class ClassPerformance:
    """How well the model knows one class.

    Attributes:
        precision: TP / (TP + FP), the share of what is predicted as this class that is.
        recall: TP / (TP + FN), the share of this class's examples that are predicted as it.
        f1: 2 TP / (2 TP + FP + FN).
        auc: the area under the ROC curve of this class against all others, by its probability.
        support: how many examples are of this class.
    """

    precision: Estimate
    recall: Estimate
    f1: Estimate
    auc: Estimate
    support: int

    def to_dict(self) -> dict[str, Json]:
        return {
            **{figure: getattr(self, figure).to_dict() for figure in FIGURES},
            "support": self.support,
        }


@final
@dataclass(frozen=True)
class Macro:
    """The plain means over classes, each class counting alike."""

    precision: Average
    recall: Average
    f1: Average
    auc: Average

    def to_dict(self) -> dict[str, Json]:
        return {figure: getattr(self, figure).to_dict() for figure in FIGURES}


def each_class(counts: Counts, areas: Areas) -> tuple[ClassPerformance, ...]:
    total = len(counts.true)
    precision = listed(counts.precision, counts.precision_limits(), [NEVER_PREDICTED] * total)
    recall = listed(counts.recall, counts.recall_limits(), [NOT_IN_DATA] * total)
    f1 = listed(counts.f1, counts.f1_limits(), [NEITHER] * total)
    reasons = [NO_OTHER if support else NOT_IN_DATA for support in counts.true]
    auc = listed(areas.values, (areas.low, areas.high), reasons)
    return tuple(
        ClassPerformance(precision[k], recall[k], f1[k], auc[k], int(counts.true[k]))
        for k in range(total)
    )


def macro(counts: Counts, areas: Areas, draws: Floats) -> Macro:
    """The means, from counts (K,), and from the bootstrap values (samples, 3) of precision's, recall's
    and F1's."""
    precision, recall, f1 = (percentile(column) for column in draws.T)
    return Macro(
        average(counts.precision, *counts.precision_limits(), precision, NOWHERE),
        average(counts.recall, *counts.recall_limits(), recall, NOWHERE),
        average(counts.f1, *counts.f1_limits(), f1, NOWHERE),
        average(areas.values, areas.low, areas.high, areas.macro, NOWHERE),
    )


def undefined_figures(classes: Sequence[ClassPerformance]) -> list[Json]:
    return undefined({figure: [getattr(one, figure) for one in classes] for figure in FIGURES})


def listed(
    values: Floats, limits: tuple[Floats, Floats], reasons: Sequence[str]
) -> tuple[Estimate, ...]:
    low, high = limits
    return tuple(
        estimate(float(values[k]), (float(low[k]), float(high[k])), reason)
        for k, reason in enumerate(reasons)
    )
