"""The operations between explained values and a score as the core's graph.

Lengths and constants are read off a copy for a few examples, in which TensorFlow infers them: nothing is
run. A node's `native` is the operations that run it, see `grouping`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from backlight.graph.graph import Graph
from backlight_tensorflow.flattening import SHAPE_ONLY, Flat, Node, Value
from backlight_tensorflow.grouping import Group, Surroundings, grouped
from backlight_tensorflow.table import dtype_of
from backlight_tensorflow.table.reading import BEFORE, Reading, Shape

LIKES = {"ZerosLike": 0.0, "OnesLike": 1.0}


@dataclass(frozen=True)
class Known:
    """What is known of values without running anything.

    Attributes:
        shape: of a value; -1 for unknown lengths.
        static: what a value always is; None where it hangs on arguments or weights.
    """

    shape: Callable[[Value], Shape]
    static: Callable[[Value], NDArray[Any] | None]

    def read(self, node: Node) -> Reading:
        shapes, results = (list(map(self.shape, each)) for each in (node.inputs, node.outputs))
        return Reading(node.op, shapes, results, lambda place: self.static(node.inputs[place]))


def known_of(tensor: Callable[[Value], tf.Tensor], shapes: dict[Value, Shape] | None = None) -> Known:
    """What a graph says of its tensors, but for shapes that are known otherwise."""

    @cache
    def static(value: Value) -> NDArray[Any] | None:
        found = tensor(value)
        if found.dtype in (tf.resource, tf.variant, tf.string):
            return None
        number = tf.get_static_value(found)
        return None if number is None else np.asarray(number)

    @cache
    def shape(value: Value) -> Shape:
        if shapes is not None and value in shapes:
            return shapes[value]
        found = value.tensor if value.tensor.dtype == tf.resource else tensor(value)
        held = shape_held(found)
        return () if held.rank is None else tuple(-1 if each is None else each for each in held)

    return Known(shape, static)


def shape_held(tensor: tf.Tensor) -> tf.TensorShape:
    """The shape of an array, or of the variable that a handle is of."""
    if tensor.dtype != tf.resource:
        return tensor.shape
    held = getattr(tensor, "_handle_data", None)
    return tf.TensorShape(held.shape_and_type[0].shape) if held and held.shape_and_type else tensor.shape


@dataclass(eq=False)
class Captured:
    """A graph, and what its values are in TensorFlow's.

    Attributes:
        natives: the traced value of each value but for those inside of one operation.
        numbers: the other way round.
        count: for how many examples its lengths are.
    """

    graph: Graph = field(default_factory=Graph)
    natives: dict[int, Value] = field(default_factory=dict)
    numbers: dict[Value, int] = field(default_factory=dict)
    count: int = 0

    def shape(self, value: Value) -> Shape:
        return self.graph.shape(self.numbers[value])


class Capture:
    """Fills a graph from some operations.

    Args:
        nodes: among which the needed ones are, in order.
        sources, targets: see `Graph`.
        kept: values that are looked at from outside.
        rows: values that differ from example to example.
        place: where in the model an operation is.
        opens: whether a function with a gradient of the user's own, given as a graph, is looked into.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        sources: Sequence[Value],
        targets: Sequence[Value],
        known: Known,
        place: Callable[[Node], str],
        *,
        kept: Collection[Value] = (),
        rows: Collection[Value] = (),
        opens: Callable[[Graph], bool] = lambda body: False,
    ) -> None:
        self.found = Captured()
        self._graph, self._known, self._place = self.found.graph, known, place
        for source in sources:
            self._note(source, self._new(source))
        needed = Flat([], [*targets], [*nodes]).needed(without=SHAPE_ONLY)
        fixed = frozenset({*targets, *kept})
        around = Surroundings(needed, frozenset(sources), fixed, known.read)
        groups = grouped(around, lambda group: opens(self._body(group)))
        self._groups = {value: group for group in groups for value in group.outputs}
        self._fill(targets, {node: at for at, node in enumerate(needed)})
        numbers = self.found.numbers
        self._graph.sources = tuple(numbers[value] for value in sources)
        self._graph.targets = tuple(map(self._value, targets))
        self._graph.kept = frozenset(numbers[value] for value in kept if value in numbers)
        self._graph.rows = frozenset(numbers[value] for value in rows if value in numbers)

    def _fill(self, targets: Sequence[Value], position: Mapping[Node, int]) -> None:
        """Append the groups that the targets depend on, in order, but each behind what it reads."""
        needed: dict[Group, None] = {}
        waiting = [*map(self._maker, targets)]
        while waiting:
            group = waiting.pop()
            if group is not None and group not in needed:
                needed[group] = None
                waiting += map(self._maker, group.operands)
        done: set[Group] = set()
        for last in sorted(needed, key=lambda group: position[group.nodes[-1]]):
            waiting = [last]
            while waiting:
                group = waiting[-1]
                before = {*map(self._maker, group.operands)} - done - {None}
                if group in done or not before:
                    waiting.pop()
                    if group not in done:
                        done.add(group)
                        self._append(group)
                waiting += before

    def _maker(self, value: Value) -> Group | None:
        """What computes a value that is neither given nor constant."""
        if value in self.found.numbers or value not in self._groups or is_weight(value):
            return None
        if value.node is not None and value.node.op.type in LIKES:
            return None
        return None if self._known.static(value) is not None else self._groups[value]

    def _append(self, group: Group) -> None:
        operands = {value: self._value(value) for value in group.operands}
        before = -1
        for at, step in enumerate(group.steps):
            given = [
                before if place == BEFORE else operands[group.inputs[place]]
                for place in step.operands
            ]
            if at + 1 < len(group.steps):
                results = [self._graph.value(step.shape, self._graph.values[given[0]].dtype)]
            else:
                results = [self._result(value) for value in group.outputs]
            before = results[0]
            attributes = step.attributes
            if group.body is not None and step.primitive == "call":
                attributes = {"body": self._body(group)}
            self._graph.node(
                step.primitive,
                given,
                results,
                attributes,
                type=group.core.op.type,
                place=self._place(group.core),
                native=group.nodes,
                replayable=group.replayable,
            )

    def _value(self, value: Value) -> int:
        """The number of what was given or computed, or of a constant."""
        if value not in self.found.numbers:
            self._note(value, self._constant(value))
        return self.found.numbers[value]

    def _constant(self, value: Value) -> int:
        static = self._known.static(value)
        bits = 8 * value.tensor.dtype.size
        if static is not None and static.dtype.kind in "biufc":
            return self._graph.array(static, constant=value, bits=bits)
        number = self._new(value)
        held = self._graph.values[number]
        held.constant, held.learned = value, is_weight(value)
        if value.node is not None:
            held.number = LIKES.get(value.node.op.type)
        return number

    def _result(self, value: Value) -> int:
        number = self._new(value)
        if value not in self.found.numbers:  # else a source: what is before it does not count
            self._note(value, number)
        return number

    def _new(self, value: Value) -> int:
        dtype = value.tensor.dtype
        return self._graph.value(self._known.shape(value), dtype_of(dtype), bits=8 * dtype.size)

    def _note(self, value: Value, number: int) -> None:
        self.found.numbers[value] = number
        self.found.natives[number] = value

    def _body(self, group: Group) -> Graph:
        body = group.body
        assert body is not None
        return Capture(body.nodes, body.inputs, body.outputs, self._known, self._place).found.graph


def is_weight(value: Value) -> bool:
    """Whether it is a variable, or what is read from one."""
    node = value.node
    return value.tensor.dtype == tf.resource or (node is not None and node.op.type == "ReadVariableOp")
