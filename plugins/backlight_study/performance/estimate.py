"""A figure with its interval, or the reason why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What JSON can hold."""

Floats: TypeAlias = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Estimate:
    """A figure that was found in the data, with a 95 % interval for what it estimates.

    Attributes:
        value: the figure; None where it is undefined.
        low, high: the ends of the interval; None where one example or none says how much it varies.
        reason: why something is None; else None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Json] | None:
        """`value`, `low` and `high`; None where the figure is undefined."""
        if self.value is None:
            return None
        return {"value": self.value, "low": self.low, "high": self.high}

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@final
@dataclass(frozen=True)
class Average:
    """The mean of a figure over the classes (or labels) for which it is defined.

    Attributes:
        estimate: the mean, with its interval.
        over: the classes that are in it.
        left_out: those that are not, since the figure is undefined for them.
    """

    estimate: Estimate
    over: tuple[int, ...]
    left_out: tuple[int, ...]

    def to_dict(self) -> dict[str, Json] | None:
        """The estimate's, with `classes`, how many are in it, and `left_out`."""
        estimate = self.estimate.to_dict()
        if estimate is None:
            return None
        return {**estimate, "classes": len(self.over), "left_out": self.left_out}


def estimate(value: float, interval: tuple[float, float], undefined: str) -> Estimate:
    """An estimate from numbers of which NaN means undefined, for the reason that is said."""
    if np.isnan(value):
        return Estimate(None, reason=undefined)
    low, high = interval
    if np.isnan(low) or np.isnan(high):
        return Estimate(float(value), reason="too few examples for an interval")
    return Estimate(float(value), float(low), float(high))


def average(
    values: Floats, lows: Floats, highs: Floats, interval: tuple[float, float], undefined: str
) -> Average:
    """The mean of what is defined (not NaN) among `values` (K,).

    A mean of exactly 0 or 1 is one that resampling can't move. It gets the means of the classes' own
    limits for its interval, which is wider than need be and never too sure.
    """
    defined = np.flatnonzero(~np.isnan(values))
    value = mean_of_defined(values)
    if value in (0.0, 1.0):
        interval = mean_of_defined(lows), mean_of_defined(highs)
    left_out = np.flatnonzero(np.isnan(values))
    return Average(
        estimate(value, interval, undefined), tuple(defined.tolist()), tuple(left_out.tolist())
    )


def mean_of_defined(values: Floats) -> float:
    """The mean without NaN; NaN of nothing."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def undefined(figures: Mapping[str, Sequence[Estimate]]) -> list[Json]:
    """Which figures of which classes are undefined, and why: one record for each figure and reason."""
    found: dict[tuple[str, str], list[int]] = {}
    for figure, estimates in figures.items():
        for k, one in enumerate(estimates):
            if one.value is None and one.reason is not None:
                found.setdefault((figure, one.reason), []).append(k)
    return [
        {"figure": figure, "reason": reason, "classes": classes}
        for (figure, reason), classes in found.items()
    ]
