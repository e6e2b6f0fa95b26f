"""Labelled examples: what a model is judged on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray


@final
@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures (or other inputs) with their true classes.

    Attributes:
        x: model inputs, one per row, any numeric dtype: uint8 pictures 0 to 255, or ready floats.
        labels: true class of each, int64, shape (N,).
        classes: class names, in the order of the labels.
        names: one name per example: a file's name, or its number.
        skipped: what could not be read, with the reason.
    """

    x: NDArray[np.generic]
    labels: NDArray[np.int64]
    classes: Sequence[str] = ()
    names: Sequence[str] = ()
    skipped: Sequence[str] = field(default=())
