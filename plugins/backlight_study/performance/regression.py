"""How well a model does that gives a number for each example."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_study.performance.checked import check_samples
from backlight_study.performance.counts import ratio
from backlight_study.performance.estimate import Estimate, Floats, Json, estimate
from backlight_study.performance.intervals import percentile, resamples

FIGURES = ("rmse", "mae", "r2", "bias")


@final
@dataclass(frozen=True)
class RegressionPerformance:
    """How far a model's numbers are from the true ones; an error is value - target, in their unit.

    The intervals are the bootstrap's percentiles over examples (Efron and Tibshirani 1993).

    Attributes:
        count: how many examples there are.
        rmse: the root of the mean squared error.
        mae: the mean absolute error.
        r2: 1 - sum of squared errors / sum of squared deviations of the targets from their mean, at
            most 1; 0 for a model that always gives that mean, less for a worse one.
        bias: the mean error; above 0 where values are too high.
        over: the examples whose value is most too high, the worst first: (row, error above 0).
        under: those whose value is most too low: (row, error below 0).
        samples, seed: of the bootstrap.
    """

    count: int
    rmse: Estimate
    mae: Estimate
    r2: Estimate
    bias: Estimate
    over: tuple[tuple[int, float], ...]
    under: tuple[tuple[int, float], ...]
    samples: int
    seed: int

    def to_dict(self) -> dict[str, Json]:
        return {
            "count": self.count,
            **{figure: getattr(self, figure).to_dict() for figure in FIGURES},
            "over": [{"row": row, "error": error} for row, error in self.over],
            "under": [{"row": row, "error": error} for row, error in self.under],
            "undefined": [
                {"figure": figure, "reason": getattr(self, figure).reason}
                for figure in FIGURES
                if getattr(self, figure).value is None
            ],
            "intervals": {"level": 0.95, "samples": self.samples, "seed": self.seed},
        }

    def __str__(self) -> str:
        lines = [f"{figure:<5}{getattr(self, figure)}" for figure in FIGURES]
        for side, rows in (("over", self.over), ("under", self.under)):
            lines.append(
                f"{side:<6}" + ", ".join(f"{row}: {error:+.3g}" for row, error in rows[:5])
            )
        return "\n".join(line.rstrip() for line in lines)


def regression_performance(
    targets: NDArray[Any],
    values: NDArray[Any],
    *,
    seed: int = 0,
    samples: int = 1000,
    most: int = 24,
) -> RegressionPerformance:
    """How far a model's numbers are from the true ones, with 95 % intervals.

    Args:
        targets: what is true, finite numbers, (N,).
        values: what the model says, (N,) or (N, 1).
        seed: of the bootstrap.
        samples: how many bootstrap samples are drawn, at least 20.
        most: how many of the largest errors are listed on each side, at least 0.

    Raises:
        InputError: shapes or types are others, or a number is not finite.
    """
    t, v = numbers("targets", targets), numbers("values", values)
    if t.shape != v.shape:
        raise InputError(f"There are {len(t)} targets, but {len(v)} values for them.")
    check_samples(samples)
    errors, centred = v - t, t - t.mean()
    parts = np.stack([errors**2, np.abs(errors), errors, centred, centred**2], axis=1)
    found = figures(parts.mean(axis=0))
    draws = figures(
        np.array([weights @ parts for weights in resamples(len(t), samples, seed)]) / len(t)
    )
    alone = (float("nan"), float("nan"))
    rmse, mae, r2, bias = (
        estimate(float(value), percentile(column) if len(t) > 1 else alone, "all targets are equal")
        for value, column in zip(found, draws, strict=True)
    )
    return RegressionPerformance(
        len(t),
        rmse,
        mae,
        r2,
        bias,
        largest(errors, most),
        largest(-errors, most, -1),
        samples,
        seed,
    )


BINS = 40
"""Along each side of a plot of numbers against true ones."""


@final
@dataclass(frozen=True)
class Plot:
    """How many examples have which true number and which one of the model's, on one scale for both.

    Attributes:
        low, high: the ends of both sides, of `BINS` bins each.
        cells: (true number's bin, model's number's bin, how many), where there are any.
    """

    low: float
    high: float
    cells: tuple[tuple[int, int, int], ...]

    def to_dict(self) -> dict[str, Json]:
        return {"low": self.low, "high": self.high, "bins": BINS, "cells": self.cells}


@final
@dataclass(frozen=True)
class NumbersPerformance:
    """How well a model does that gives one or several numbers for each example.

    Attributes:
        numbers: each one's figures, in their order.
        names: of the numbers.
        plots: of each.
    """

    numbers: tuple[RegressionPerformance, ...]
    names: tuple[str, ...]
    plots: tuple[Plot, ...]

    def to_dict(self) -> dict[str, Json]:
        each = zip(self.names, self.numbers, self.plots, strict=True)
        return {
            "count": self.numbers[0].count,
            "numbers": [
                {"name": name, **one.to_dict(), "plot": plot.to_dict()} for name, one, plot in each
            ],
        }

    def __str__(self) -> str:
        each = zip(self.names, self.numbers, strict=True)
        return "\n\n".join(f"{name}\n{one}" for name, one in each)


def numbers_performance(
    targets: Floats, values: Floats, names: tuple[str, ...], *, seed: int = 0
) -> NumbersPerformance:
    """See `regression_performance`.

    Args:
        targets, values: what is true and what the model says, finite, (N, k).
        names: of the k numbers.
        seed: of the bootstrap.
    """
    columns = list(zip(targets.T, values.T, strict=True))
    return NumbersPerformance(
        tuple(regression_performance(true, said, seed=seed) for true, said in columns),
        names,
        tuple(plot(true, said) for true, said in columns),
    )


def plot(targets: Floats, values: Floats) -> Plot:
    both = np.concatenate([targets, values])
    low, high = float(both.min()), float(both.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = (high - low) / BINS
    places = [
        np.minimum(((one - low) / step).astype(np.int64), BINS - 1) for one in (targets, values)
    ]
    counts = np.bincount(places[0] * BINS + places[1], minlength=BINS**2)
    cells = ((int(k) // BINS, int(k) % BINS, int(counts[k])) for k in np.flatnonzero(counts))
    return Plot(low, high, tuple(cells))


def figures(means: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """RMSE, MAE, R2 and bias, each (...), from the means (..., 5) of squared errors, absolute errors,
    errors, targets (less their mean in all data) and the squares of those; R2 is NaN of equal targets."""
    squared, absolute, error, target, square = np.moveaxis(means, -1, 0)
    deviation = square - target**2
    equal = deviation <= 1e-12 * square
    unexplained = ratio(squared, np.where(equal, 0.0, deviation))
    return np.sqrt(squared), absolute, 1 - unexplained, error


def largest(errors: Floats, most: int, sign: int = 1) -> tuple[tuple[int, float], ...]:
    """Rows and errors of the largest errors above 0; equals in the order of the data."""
    rows = np.argsort(-errors, kind="stable")[:most]
    return tuple((int(row), sign * float(errors[row])) for row in rows if errors[row] > 0)


def numbers(name: str, given: NDArray[Any]) -> Floats:
    array = np.asarray(given)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iuf" or not len(array):
        raise InputError(
            f"The {name} must be numbers of shape (N,), one for each example; got an array of "
            f"{array.dtype} of shape {np.shape(given)}."
        )
    array = array.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise InputError(
            f"The {name} must be finite; example {wrong[0]} has {array[wrong[0]]}. Leave such examples "
            "out and say how many."
        )
    return array
