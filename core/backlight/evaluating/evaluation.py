"""The table of an evaluation: techniques and controls by metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.evaluating.metric import Metric


@final
@dataclass(frozen=True)
class Comparison:
    """How much better a technique is than the best control, over the examples that both have.

    Attributes:
        control: which one is the best, by its mean.
        mean: of the differences; positive is better, whichever way the metric goes.
        low, high: a 95 % bootstrap interval of it, paired by examples.
        n: how many examples.
    """

    control: str
    mean: float
    low: float
    high: float
    n: int

    @property
    def is_better(self) -> bool:
        """Whether the whole interval is."""
        return self.low > 0


@final
@dataclass(frozen=True, eq=False)
class Cell:
    """What one metric says of one technique.

    Attributes:
        values: of each example, float64, shape (N,); NaN where there is none.
        details: see `Outcome.details`.
        interval: a 95 % bootstrap interval of the mean over examples.
        comparison: with the best control; None for controls, and for metrics without a direction or
            that no control need be worse in (`Metric.beside_controls`).
        error: why there is nothing, where there is nothing.
        notes: what the metric has to say.
    """

    values: NDArray[np.float64]
    details: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    interval: tuple[float, float] = (float("nan"), float("nan"))
    comparison: Comparison | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> NDArray[np.float64]:
        """The values that there are."""
        return self.values[~np.isnan(self.values)]

    @property
    def n(self) -> int:
        """How many examples have a value."""
        return len(self.present)

    @property
    def n_nan(self) -> int:
        """How many have none."""
        return len(self.values) - self.n

    @property
    def mean(self) -> float:
        """Over the examples that have a value; NaN where none has."""
        return float(self.present.mean()) if self.n else float("nan")

    def counts(self) -> dict[str, int]:
        """How often each detail that is a truth is true."""
        return {name: int(one.sum()) for name, one in self.details.items() if one.dtype.kind == "b"}


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """What metrics say of techniques, with controls beside them.

    Attributes:
        metrics: by name.
        techniques, controls: their names, in the table's order.
        cells: by technique (or control) and metric.
        errors: why a technique gave no maps, by its name.
        warnings: what techniques said, by name.
        score: of each example, float64, shape (N,).
        target: the score that is explained, with its classes.
        baseline: what stands for "nothing there", as it was said.
        seed: of all that was drawn.
        framework, framework_version: whose net it is.
    """

    metrics: Mapping[str, Metric]
    techniques: tuple[str, ...]
    controls: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    errors: Mapping[str, str]
    warnings: Mapping[str, tuple[str, ...]]
    score: NDArray[np.float64]
    target: str
    baseline: str
    seed: int
    framework: str
    framework_version: str

    def __getitem__(self, key: tuple[str, str]) -> Cell:
        """The cell of a technique and a metric, both by name."""
        return self.cells[key]

    @property
    def n(self) -> int:
        """The number of examples."""
        return len(self.score)

    def __str__(self) -> str:
        from backlight.evaluating.text import table

        return table(self)

    def to_dict(self) -> dict[str, object]:
        """All of it as JSON has it: numbers, texts, lists; None for NaN and infinities."""
        return {
            "target": self.target,
            "baseline": self.baseline,
            "seed": self.seed,
            "framework": self.framework,
            "framework_version": self.framework_version,
            "n": self.n,
            "score": plain(self.score),
            "metrics": {name: described(metric) for name, metric in self.metrics.items()},
            "techniques": [*self.techniques],
            "controls": [*self.controls],
            "errors": dict(self.errors),
            "warnings": {name: [*notes] for name, notes in self.warnings.items()},
            "cells": [
                {"technique": technique, "metric": metric, **plain_cell(cell)}
                for (technique, metric), cell in self.cells.items()
            ],
        }


def described(metric: Metric) -> dict[str, object]:
    return {
        "metric": repr(metric),
        "sentence": metric.sentence(),
        "direction": metric.direction,
        "range": [plain_number(one) for one in metric.range],
        "unit": metric.unit,
    }


def plain_cell(cell: Cell) -> dict[str, object]:
    one = cell.comparison
    return {
        "mean": plain_number(cell.mean),
        "interval": [plain_number(end) for end in cell.interval],
        "n": cell.n,
        "n_nan": cell.n_nan,
        "comparison": one
        and {
            "control": one.control,
            "mean": plain_number(one.mean),
            "interval": [plain_number(one.low), plain_number(one.high)],
            "n": one.n,
            "is_better": one.is_better,
        },
        "error": cell.error,
        "notes": [*cell.notes],
        "values": plain(cell.values),
        "details": {name: plain(detail) for name, detail in cell.details.items()},
    }


def plain(array: NDArray[np.generic]) -> list[object]:
    """An array as nested lists."""
    if array.dtype.kind != "f":
        return list(array.tolist())
    with_none = array.astype(object)
    with_none[~np.isfinite(array.astype(np.float64))] = None
    return list(with_none.tolist())


def plain_number(number: float) -> float | None:
    """A number as JSON has it: None for NaN and infinities."""
    return float(number) if np.isfinite(number) else None
