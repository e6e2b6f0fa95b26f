"""The operations between explained values and a score as the core's graph.

Lengths and constants are read off a copy for a few examples, in which TensorFlow infers them: nothing is
run. A node's `native` is the group of operations that run it; None for all steps of one but the last.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from backlight.graph.graph import Graph
from backlight_tensorflow.capture.flattening import SHAPE_ONLY, Flat, Node, Value, needed, reached
from backlight_tensorflow.capture.gradients import derivatives_of
from backlight_tensorflow.capture.grouping import Group, Surroundings, convolution, grouped
from backlight_tensorflow.capture.known import LIKES, Known, known_of
from backlight_tensorflow.engine.copying import LOCK, Copy
from backlight_tensorflow.expansions import kept_whole
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.table import dtype_of, primitives_of
from backlight_tensorflow.table.reading import BEFORE, Shape

if TYPE_CHECKING:
    from backlight_tensorflow.capture.paths import Path


class Capture:
    """A graph made of some operations, and what its values are in TensorFlow's.

    Attributes:
        graph: the operations that the targets depend on.
        natives: the traced value of each value but for those inside of one operation.
        numbers: the other way round.
        count: for how many examples its lengths are.

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
        count: int = 0,
    ) -> None:
        self.graph, self.count = Graph(), count
        self.natives: dict[int, Value] = {}
        self.numbers: dict[Value, int] = {}
        self._before: dict[int, int] = {}
        self._known, self._place = known, place
        for source in sources:
            self._note(source, self._new(source))
        fixed = frozenset({*targets, *kept})
        nodes = needed(nodes, targets, SHAPE_ONLY)
        given = frozenset(sources)
        around = Surroundings(nodes, given, fixed, known.read, primitives_of)
        enters = lambda group: opens(self._body(group))  # noqa: E731
        find = lambda node: kept_whole(around, node, enters) or convolution(around, node)  # noqa: E731
        self._fill(grouped(around, find), targets)
        numbers = self.numbers
        self.graph.sources = tuple(numbers[value] for value in sources)
        self.graph.targets = tuple(map(self._value, targets))
        self.graph.kept = frozenset(numbers[value] for value in kept if value in numbers)
        self.graph.rows = frozenset(numbers[value] for value in rows if value in numbers)

    def native(self, number: int) -> Value:
        """A value as TensorFlow has it; the operation may lay it out with other axes."""
        while number not in self.natives:
            number = self._before[number]
        return self.natives[number]

    def _fill(self, groups: Sequence[Group], targets: Sequence[Value]) -> None:
        """Append the groups that the targets depend on. What a group reads is there before its core."""
        wanted, found = set(filter(self._is_computed, targets)), []
        for group in reversed(groups):
            if not wanted.isdisjoint(group.outputs):
                found.append(group)
                wanted.update(filter(self._is_computed, group.operands))
        for group in reversed(found):
            self._append(group)

    def _is_computed(self, value: Value) -> bool:
        """Whether it is neither given nor constant."""
        if value in self.numbers or value.node is None or is_weight(value):
            return False
        return value.node.op.type not in LIKES and self._known.static(value) is None

    def _append(self, group: Group) -> None:
        operands = {value: self._value(value) for value in group.operands}
        before = -1
        for at, step in enumerate(group.steps):
            given = [
                before if place == BEFORE else operands[group.inputs[place]]
                for place in step.operands
            ]
            if at + 1 < len(group.steps):
                like = self.graph.values[given[0]]
                results = [self.graph.value(step.shape, like.dtype, bits=like.bits)]
                self._before[results[0]] = given[0]
            else:
                results = [self._result(value) for value in group.outputs]
            before = results[0]
            self.graph.node(
                step.primitive,
                given,
                results,
                {**step.attributes, **self._attributes(group, step.primitive, len(results))},
                type=word(group),
                place=self._place(group.core),
                native=group if step is group.steps[-1] else None,
                replayable=group.replayable,
            )

    def _value(self, value: Value) -> int:
        """The number of what was given or computed, or of a constant."""
        if value not in self.numbers:
            self._note(value, self._constant(value))
        return self.numbers[value]

    def _constant(self, value: Value) -> int:
        static = self._known.static(value)
        dtype = value.tensor.dtype
        bits = 8 * dtype.size
        if static is not None and (static.dtype.kind in "biufc" or dtype.is_floating):
            return self.graph.array(static, constant=value, bits=bits)
        number = self._new(value)
        held = self.graph.values[number]
        held.constant, held.learned = value, is_weight(value)
        if value.node is not None:
            held.number = LIKES.get(value.node.op.type)
        return number

    def _result(self, value: Value) -> int:
        number = self._new(value)
        if value not in self.numbers:  # else a source: what is before it does not count
            self._note(value, number)
        return number

    def _new(self, value: Value) -> int:
        dtype = value.tensor.dtype
        return self.graph.value(self._known.shape(value), dtype_of(dtype), bits=8 * dtype.size)

    def _note(self, value: Value, number: int) -> None:
        self.numbers[value] = number
        self.natives[number] = value

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
        return Capture(body.nodes, body.inputs, body.outputs, self._known, self._place).graph


def captured(
    path: "Path",
    request: Request,
    specs: Sequence[tf.TensorSpec],
    measure: Callable[[Sequence[Value]], Mapping[Value, Shape]],
    opens: Callable[[Graph], bool],
) -> Capture:
    """The graph for a few examples; where lengths cannot be inferred for these, for as many as there
    are.

    Args:
        specs: what the path is called with.
        measure: runs the path to find out the shapes of values.
        opens: see `Capture`.
    """
    traced = path.traced
    for exactly in (False, True):
        lengths = traced.inferred(request, exactly)
        last, graph = lengths.count == request.count, lengths.graph
        try:
            with LOCK, graph.as_default():
                Copy(lengths.made).tensors(traced.output_values)  # the same for all paths
                operands = map(lengths.argument, specs[len(traced.arguments) :])
                scored = dict(zip(path.operands, operands, strict=True))
                copy = Copy({**lengths.made, **path.captured, **scored})
                values = dict.fromkeys(
                    value for node in path.needed for value in (*node.inputs, *node.outputs)
                )
                unknown = [value for value in values if is_unknown(copy.tensor(value))]
        except ValueError:
            if last:
                raise
            continue  # it may need to know the number of examples
        if unknown and not last:
            continue
        shapes = measure(unknown) if unknown else {}
        with graph.as_default():
            return Capture(
                path.nodes,
                path.places,
                path.sinks,
                known_of(primitives_of, copy.tensor, path.varying, shapes),
                traced.place,
                kept=[value for wall in path.walls for value in (*wall.inputs, *wall.outputs)],
                rows=[
                    value
                    for value, one in zip(traced.arguments, request.arguments, strict=True)
                    if one.rows
                ],
                opens=opens,
                count=lengths.count,
            )
    raise AssertionError("The last number of examples is that of the request.")


def unmeasured(
    nodes: Sequence[Node],
    sources: Sequence[Value],
    targets: Sequence[Value],
    place: Callable[[Node], str],
    opens: Callable[[Graph], bool] = lambda body: False,
) -> Capture:
    """The graph with the lengths that the trace itself knows."""
    varying = reached(nodes, sources, SHAPE_ONLY)
    known = known_of(primitives_of, lambda value: value.tensor, varying)
    return Capture(nodes, sources, targets, known, place, opens=opens)


def function_graph(flat: Flat) -> Graph:
    """The body of a loop, or a branch."""
    return unmeasured(flat.nodes, flat.inputs, flat.outputs, lambda node: "").graph


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


def is_unknown(tensor: tf.Tensor) -> bool:
    numbers = tensor.dtype not in (tf.resource, tf.variant, tf.string)
    return numbers and not tensor.shape.is_fully_defined()
