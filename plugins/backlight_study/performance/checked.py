"""What was given is what can be judged; else errors say what was seen and what is wanted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, is_whole

SUM_TOLERANCE = 0.02
"""How far probabilities may be from adding up to 1: half precision is off by 0.01 at 1,000 classes."""


def checked_labels(labels: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """One class for each example, (N,), in 0 ... classes - 1."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        raise InputError(
            "Labels must be whole numbers of shape (N,), one class for each example; got an array of "
            f"{labels.dtype} of shape {labels.shape}."
        )
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        raise InputError(
            f"Labels must be 0 to {classes - 1}, one of the {classes} classes that have probabilities; "
            f"example {outside[0]} has {labels[outside[0]]}."
        )
    return labels.astype(np.int64)


def checked_probabilities(probabilities: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """(N, classes) in [0, 1]; half precision is taken as float32."""
    array = np.asarray(probabilities)
    if array.ndim != 2 or array.dtype.kind != "f" or 0 in array.shape:
        raise InputError(
            "Probabilities must be floating point numbers of shape (N, classes); got an array of "
            f"{array.dtype} of shape {array.shape}."
        )
    if array.dtype.itemsize < 4:
        array = array.astype(np.float32)
    low, high = array.min(), array.max()  # NaN where any is
    if not (low >= -1e-6 and high <= 1 + 1e-6):
        wrong = ~((array >= -1e-6) & (array <= 1 + 1e-6))
        row, k = np.argwhere(wrong)[0]
        raise InputError(
            f"Probabilities must be in 0 to 1; example {row} has {array[row, k]} for class {k}. Logits "
            "become probabilities by a softmax, or a sigmoid; a model that gives NaN has no answer "
            "there: leave such examples out and say how many."
        )
    return array


def check_sums(probabilities: NDArray[np.floating[Any]]) -> None:
    """Raise InputError unless those of each example add up to 1."""
    sums = probabilities.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if len(wrong):
        raise InputError(
            f"Probabilities must add up to 1 for each example; those of example {wrong[0]} add up to "
            f"{sums[wrong[0]]:.4g}. If they are independent ones, one sigmoid per class, say "
            "independent=True."
        )


def check_same_length(first: int, second: int) -> None:
    if first != second:
        raise InputError(f"There are {first} labels, but answers for {second} examples.")


def check_samples(samples: int) -> None:
    if not is_whole(samples) or samples < 20:
        raise InputError(
            f"samples, how many bootstrap samples are drawn, must be a whole number of at least 20; got "
            f"{samples!r}. 1000 is usual."
        )
