"""The output of a class for each example, inside a function that is being compiled: which class is not
known yet."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Self, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import TargetError
from backlight.scores.scores import Score
from backlight.values.arrays import Array, Arrays, shape_of
from backlight.values.outputs import Outputs, Path, array_at, describe, located, single


@final
@dataclass(frozen=True, eq=False)
class TracedClass(Score):
    """What `Class` is where its classes are arrays without numbers yet. They are not checked: negative
    ones, and those that the model does not have, mean what the framework makes of them.

    Attributes:
        k: native integers, shape (N,).
        arrays: functions on them.
        path: where the output is.
    """

    k: Array
    arrays: Arrays
    path: Path = None

    @property
    def recipe(self) -> Hashable:
        return TracedClass, self.path

    def bind(self, outputs: Outputs, count: int) -> "TracedClass":
        """See `Score.bind`: the output must be of shape (N, classes)."""
        path = located(outputs, self.path)
        output = single(outputs, path)
        if len(output.shape) != 2 or output.shape[1] == 1 or shape_of(self.k) != (count,):
            raise TargetError(
                f"Classes of shape {shape_of(self.k)} whose numbers are not known yet need an output of "
                f"shape ({count}, classes), got {describe(output)}. Let the net give the score itself, "
                "of shape (N,), and give it what that takes by extra=."
            )
        return replace(self, path=path)

    def operands(self) -> tuple[NDArray[np.generic], ...]:
        return (cast(NDArray[np.generic], self.k),)

    def take(self, rows: NDArray[np.int64]) -> Self:
        return replace(self, k=self.arrays.take(self.k, cast(Array, rows), axis=0))

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        (k,) = operands
        return arrays.take_along_axis(array_at(outputs, self.path), k[:, None], axis=1)[:, 0]

    def __repr__(self) -> str:
        return "Class(traced)"
