"""A framework that can only run operations of a graph, by NumPy, and look at what changes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from backlight.engine.runner import Differentiable, Pullback, Runner, Values
from backlight.graph.graph import Node
from backlight.graph.primitives import evaluated
from backlight.values.arrays import Array, Arrays

STEP = 1e-5
CLOSE = {"rtol": 1e-7, "atol": 1e-8}


class ByDifferences(Runner):
    """NumPy, and central differences.

    Attributes:
        numbers: the constants.
        frozen: what was run with what a normalisation divides by held constant.
    """

    arrays = cast(Arrays, np)

    def __init__(self, numbers: dict[int, Any], together: bool = True) -> None:
        self.numbers, self.keeps = numbers, together
        self.frozen: list[str] = []
        self._seen: list[Array] = []
        self._stopped: Iterator[Array] | None = None

    def run(self, nodes: Iterable[Node], values: Values, frozen: bool = False) -> None:
        for node in nodes:
            self.frozen += [node.primitive] * frozen
            given = [values[v] if v in values else self.numbers[v] for v in node.operands]
            values.update(zip(node.results, cast(Any, evaluated(node, given)), strict=True))

    def vjp(
        self, function: Differentiable, operands: Sequence[Array]
    ) -> tuple[Pullback, Sequence[Array], Values]:
        def pullback(gradients: Sequence[Array]) -> Sequence[Array]:
            def total(moved: Sequence[Any]) -> float:
                self._stopped = iter(seen)
                results, self._stopped = function(moved)[0], None
                return sum(
                    (np.asarray(one) * gradient).sum()
                    for one, gradient in zip(results, gradients, strict=True)
                )

            found = [np.zeros_like(one) for one in operands]
            for at, operand in enumerate(operands):
                for place in np.ndindex(np.shape(operand)):
                    moved = [np.array(one) for one in operands]
                    moved[at][place] += STEP
                    above = total(moved)
                    moved[at][place] -= 2 * STEP
                    found[at][place] = (above - total(moved)) / (2 * STEP)
            return found

        self._seen = seen = []
        return pullback, *function(operands)

    def stopped(self, array: Array) -> Array:
        """What it was where the function was taken, as the operands are moved."""
        if self._stopped is not None:
            return next(self._stopped)
        self._seen.append(array)
        return array
