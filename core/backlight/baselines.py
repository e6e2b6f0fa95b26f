"""Baselines: the inputs that stand for "nothing there"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.arrays import Array
from backlight.errors import HyperParameterError

OneBaseline: TypeAlias = (
    float | NDArray[np.generic] | Array | tuple[object, ...] | dict[str, object]
)
"""A number; or an array shaped like one example, like (1, ...), or like the batch (one each); or,
for several inputs, a tuple or dict with one of these for each input."""


@final
@dataclass(frozen=True, eq=False)
class Several:
    """Several baselines for every example: the technique's result is the mean over them."""

    values: Sequence[OneBaseline]

    def __post_init__(self) -> None:
        if not len(self.values):
            raise HyperParameterError("Several needs at least one baseline, got none.")


Baseline: TypeAlias = OneBaseline | Several
