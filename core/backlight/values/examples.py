"""Labelled examples: what a model is judged on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.values.layout import InputKind

Labels: TypeAlias = NDArray[np.int64 | np.bool_ | np.float64]
"""What is true of N examples: a class each, int64 (N,); 0 or 1, or truth values, for each of L labels,
(N, L); or numbers that a model is to give, float64 (N,) or (N, k). One that is not known is -1 among
int64, and NaN among float64."""

UNKNOWN = -1
"""The label of an example whose class nobody says."""


@final
@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures (or texts, rows of a table, series) with their true classes.

    Attributes:
        x: model inputs, one per row, any numeric dtype: uint8 pictures 0 to 255, or ready floats; or
            texts, (N,), of which a tokenizer makes the model's input.
        labels: what is true of each: mostly a class, int64, shape (N,); else see `Labels`.
        classes: names of the classes, or of the labels or numbers of each example, in their order.
        names: one name per example: a file's name, or its number.
        skipped: what could not be read, with the reason.
        kind: what an example is; None where the shape of x says it. Numbers (N, L) are a table's rows
            unless "series" is said.
        features: names of a table's columns, or of the channels of a series, in their order.
    """

    x: NDArray[np.generic]
    labels: Labels
    classes: Sequence[str] = ()
    names: Sequence[str] = ()
    skipped: Sequence[str] = field(default=())
    kind: InputKind | None = None
    features: Sequence[str] = ()


def labels_of(given: NDArray[Any] | Sequence[Any], where: str = "") -> Labels:
    """Labels as int64, truth values or float64; one truth value for each example is its class, 0 or 1.

    Args:
        where: they are, for the message.

    Raises:
        InputError: they are neither numbers nor truth values, or of another shape.
    """
    found = np.asarray(given, dtype=None if len(given) else np.int64)
    if found.ndim == 2 and found.dtype == np.bool_ and found.shape[1]:
        return found
    if found.ndim == 1 or (found.ndim == 2 and found.shape[1]):
        if found.dtype.kind in "iub":
            return found.astype(np.int64)
        if found.dtype.kind == "f":
            return found.astype(np.float64)
    raise InputError(
        f"The labels{where} must be whole numbers or truth values (N,), one class per example; or 0 and "
        "1, or truth values, (N, labels); or numbers (N,) or (N, k) that a model is to give; got "
        f"{found.dtype} {found.shape}."
    )


def is_known(labels: Labels) -> NDArray[np.bool_]:
    """Whether each example's label is known, and all of them where it has several, (N,)."""
    known = ~np.isnan(labels) if labels.dtype.kind == "f" else labels != UNKNOWN
    if labels.dtype.kind == "b":
        known = np.ones(labels.shape, dtype=bool)
    return np.asarray(known.reshape(len(labels), -1).all(axis=1))


def is_of_classes(labels: Labels) -> bool:
    """Whether these are labels of one class for each example."""
    return labels.ndim == 1 and labels.dtype.kind in "iu"
