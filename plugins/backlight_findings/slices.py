"""Slices of the data: examples that a column of numbers or texts tells apart from the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

BINS = 5
FEW_VALUES = 12
"""Numbers of no more different values are taken one by one."""


@final
@dataclass(frozen=True, eq=False)
class Slice:
    """Examples that are alike in one column.

    Attributes:
        column: its name.
        value: what they have there, in words: "below 0.2", "png".
        inside: (N,).
        known: which examples have anything in this column; only these are compared, (N,).
    """

    column: str
    value: str
    inside: NDArray[np.bool_]
    known: NDArray[np.bool_]


def slices(
    column: str, values: NDArray[Any], looked_at: NDArray[np.bool_], fewest: int
) -> Iterator[Slice]:
    """The slices of one column (N,): each of its values; or, for numbers of many values, each of five
    bins of the same size, and the lowest and the highest two together.

    Args:
        looked_at: the examples that say where bins end, (N,).
        fewest: how many of these a slice has at least.
    """
    if values.dtype.kind in "biuf":
        numbers = values.astype(np.float64)
        known = np.isfinite(numbers)
        different = np.unique(numbers[known & looked_at])
        if values.dtype.kind != "b" and len(different) > FEW_VALUES:
            found = bins(numbers, known, np.quantile(numbers[known & looked_at], quantiles()))
        else:
            found = (
                (said(one, values.dtype.kind == "b"), known & (numbers == one)) for one in different
            )
    else:
        texts = np.array([str(one) for one in values])
        known = np.array([one is not None and str(one) != "" for one in values], dtype=bool)
        names, counts = np.unique(texts[known & looked_at], return_counts=True)
        found = ((str(one), known & (texts == one)) for one in names[counts >= fewest])
    for value, inside in found:
        if (inside & looked_at).sum() >= fewest and (known & ~inside & looked_at).any():
            yield Slice(column, value, inside, known)


def quantiles() -> NDArray[np.float64]:
    return np.arange(1, BINS) / BINS


def bins(
    numbers: NDArray[np.float64], known: NDArray[np.bool_], ends: NDArray[np.float64]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    lowest, highest = np.r_[-np.inf, ends], np.r_[ends, np.inf]
    pairs = [*zip(lowest, highest, strict=True), (-np.inf, ends[1]), (ends[-2], np.inf)]
    for low, high in pairs:
        if low < high:
            yield between(low, high), known & (numbers >= low) & (numbers < high)


def between(low: float, high: float) -> str:
    if low == -np.inf:
        return f"below {high:.4g}"
    return f"at least {low:.4g}" if high == np.inf else f"from {low:.4g} to below {high:.4g}"


def said(number: float, truth: bool) -> str:
    return str(bool(number)) if truth else f"{number:g}"
