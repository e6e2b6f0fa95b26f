"""The operations between explained values and a score as the core's graph.

Lengths and constants are read off a copy for a few examples, in which TensorFlow infers them; nothing is
run. Each operation of TensorFlow is one node, or some nodes (its `native` is the operations that run it):
a convolution between operations that only spread its input, a loop between lists and arrays, and a
function with a gradient of the user's own are one node of several.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from backlight.graph.graph import DType, Graph
from backlight_tensorflow.flattening import Flat, Node, Value
from backlight_tensorflow.grouping import Group, Surroundings, groups
from backlight_tensorflow.table import dtype_of
from backlight_tensorflow.table.reading import BEFORE, Shape


@dataclass(frozen=True)
class Known:
    """What is known of values without running anything.

    Attributes:
        shape: of a value; -1 for unknown lengths.
        static: what a value always is; None where it hangs on arguments or weights.
    """

    shape: Callable[[Value], Shape]
    static: Callable[[Value], NDArray[Any] | None]


@dataclass(eq=False)
class Captured:
    """A graph, and what its values are in TensorFlow's.

    Attributes:
        natives: the traced value of each value but for those inside of one operation.
        numbers: the other way round.
    """

    graph: Graph = field(default_factory=Graph)
    natives: dict[int, Value] = field(default_factory=dict)
    numbers: dict[Value, int] = field(default_factory=dict)


class Capture:
    """Fills a graph, operation by operation, in the order of computation."""

    def __init__(self, known: Known, place: Callable[[Node], str]) -> None:
        self.found = Captured()
        self._graph = self.found.graph
        self._known, self._place = known, place
        self._learned: set[int] = set()

    def source(self, value: Value) -> int:
        number = self._new(value)
        self._note(value, number)
        return number

    def group(self, group: Group) -> None:
        """Append what some operations do together."""
        operands = {at: self.value(group.inputs[at]) for at in used(group)}
        before = -1
        for at, step in enumerate(group.steps):
            given = [before if place == BEFORE else operands[place] for place in step.operands]
            if at + 1 < len(group.steps):
                before = self._graph.value(step.shape, self._graph.values[given[0]].dtype)
                results = [before]
            else:
                results = [self._result(value, given) for value in group.outputs]
            self._graph.node(
                step.primitive,
                given,
                results,
                step.attributes,
                type=group.core.op.type,
                place=self._place(group.core),
                native=group.nodes,
                replayable=group.replayable,
            )

    def value(self, value: Value) -> int:
        """The number of what was given or computed, or of a constant."""
        if value not in self.found.numbers:
            static = self._known.static(value)
            if static is None:
                static = outside(value)
            if static is not None and static.dtype.kind in "biufc":
                number = self._graph.array(static, constant=value, bits=bits(value))
                if value.node is None and static.size > 1:
                    self._graph.values[number].learned = True
            else:
                number = self._new(value, learned=is_weight(value))
            self._note(value, number)
        return self.found.numbers[value]

    def _result(self, value: Value, operands: Sequence[int]) -> int:
        if value in self.found.numbers:  # a source: what is before it does not count
            return self._new(value)
        values = self._graph.values
        known = [values[each].learned or values[each].number is not None for each in operands]
        number = self._new(value, learned=all(known) and any(values[each].learned for each in operands))
        self._note(value, number)
        return number

    def _new(self, value: Value, learned: bool = False) -> int:
        dtype = dtype_of(value.tensor.dtype)
        return self._graph.value(
            self._known.shape(value), dtype, bits=bits(value), constant=value, learned=learned
        )

    def _note(self, value: Value, number: int) -> None:
        self.found.numbers[value] = number
        self.found.natives[number] = value
