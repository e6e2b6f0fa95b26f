"""The operations between explained values and a score as the core's graph.

Lengths and constants are read off a copy for a few examples, in which TensorFlow infers them: nothing is
run. A node's `native` is the operations that run it, see `grouping`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from backlight.graph.graph import Graph
from backlight.graph.graph import Node as CoreNode
from backlight.graph.primitives import evaluated
from backlight_tensorflow.capture.flattening import SHAPE_ONLY, Flat, Node, Value
from backlight_tensorflow.capture.gradients import derivatives_of
from backlight_tensorflow.capture.grouping import Group, Surroundings, grouped
from backlight_tensorflow.table import dtype_of, primitives_of
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


def known_of(
    tensor: Callable[[Value], tf.Tensor], shapes: dict[Value, Shape] | None = None
) -> Known:
    """What a graph says of its tensors, but for shapes that are known otherwise."""

    @cache
    def static(value: Value) -> NDArray[Any] | None:
        found = tensor(value)
        if found.dtype in (tf.resource, tf.variant, tf.string):
            return None
        number = tf.get_static_value(found)
        if number is None and value.node is not None and found.dtype.is_integer:
            number = folded(value, value.node)
        return None if number is None else np.asarray(number)

    def folded(value: Value, node: Node) -> NDArray[Any] | None:
        """Axes and lengths that are computed from constants."""
        operands = [static(each) for each in node.inputs]
        numbers = [each for each in operands if each is not None]
        if len(numbers) < len(operands) or len(node.outputs) > 1 or not operands:
            return None
        if node.op.type == "Range":
            start, stop, step = (int(each) for each in numbers)
            return np.arange(start, stop, step)
        *more, last = primitives_of(known.read(node))
        if more:
            return None
        made = CoreNode(last.primitive, (), (), last.attributes)
        results = evaluated(made, [numbers[place] for place in last.operands])
        return None if results is None else results[0]

    @cache
    def shape(value: Value) -> Shape:
        if shapes is not None and value in shapes:
            return shapes[value]
        found = value.tensor if value.tensor.dtype == tf.resource else tensor(value)
        held = shape_held(found)
        return () if held.rank is None else tuple(-1 if each is None else each for each in held)

    known = Known(shape, static)
    return known


def shape_held(tensor: tf.Tensor) -> tf.TensorShape:
    """The shape of an array, or of the variable that a handle is of."""
    if tensor.dtype != tf.resource:
        return tensor.shape
    held = getattr(tensor, "_handle_data", None)
    return (
        tf.TensorShape(held.shape_and_type[0].shape)
        if held and held.shape_and_type
        else tensor.shape
    )


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
        needed: set[Group] = set()
        waiting = self._makers(targets)
        while waiting:
            group = waiting.pop()
            if group not in needed:
                needed.add(group)
                waiting += self._makers(group.operands)
        done: set[Group] = set()
        for last in sorted(needed, key=lambda group: position[group.nodes[-1]]):
            waiting = [last]
            while waiting:
                group = waiting[-1]
                before = [each for each in self._makers(group.operands) if each not in done]
                if group in done or not before:
                    waiting.pop()
                    if group not in done:
                        done.add(group)
                        self._append(group)
                else:
                    waiting += before

    def _makers(self, values: Iterable[Value]) -> list[Group]:
        return [group for value in values if (group := self._maker(value)) is not None]

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
            self._graph.node(
                step.primitive,
                given,
                results,
                {**step.attributes, **self._attributes(group, step.primitive, len(results))},
                type=word(group),
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

    def _attributes(self, group: Group, primitive: str, results: int) -> dict[str, Any]:
        """What is run inside, and which derivatives there are."""
        found: dict[str, Any] = {}
        if primitive == "loop":
            functions = {
                name: tuple(map(function_graph, listed))
                for name, listed in group.core.functions.items()
            }
            if "cond" in functions:
                (test,), (body,) = functions["cond"], functions["body"]
                return {"form": "while", "test": test, "body": body, "constants": (0, 0)}
            names = ("then_branch", "else_branch", "branches")
            branches = chain.from_iterable(functions.get(name, ()) for name in names)
            return {"form": "cond", "branches": tuple(branches)}
        if primitive == "identity":
            return found
        if primitive == "call":
            found["body"] = self._body(group)
        passing = derivatives_of(group.core, ask=primitive in ("call", "other"))
        if passing is not None:
            places = [place for place, value in enumerate(group.inputs) if value in passing]
            found["derivatives"] = (frozenset(places),) * results
        return found

    def _body(self, group: Group) -> Graph:
        body = group.body
        assert body is not None
        return Capture(body.nodes, body.inputs, body.outputs, self._known, self._place).found.graph


def function_graph(flat: Flat) -> Graph:
    """The body of a loop, or a branch."""
    known = known_of(lambda value: value.tensor)
    return Capture(flat.nodes, flat.inputs, flat.outputs, known, lambda node: "").found.graph


def word(group: Group) -> str:
    """What some operations are called."""
    if group.body is not None:
        return "custom_gradient"
    result = group.core.outputs[0].tensor.dtype
    if group.core.op.type == "Cast" and not dtype_of(result).differentiable:
        return f"cast to {result.name}"
    return str(group.core.op.type)


def is_weight(value: Value) -> bool:
    """Whether it is a variable, or what is read from one."""
    node = value.node
    return value.tensor.dtype == tf.resource or (
        node is not None and node.op.type == "ReadVariableOp"
    )
