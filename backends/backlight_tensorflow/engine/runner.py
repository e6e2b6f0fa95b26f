"""Operations of a traced graph, run and differentiated in the graph that is being built."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, cast, final

import tensorflow as tf

from backlight.engine.application import Applied
from backlight.engine.runner import Differentiable, Pullback, Runner, Values
from backlight.graph.graph import Node
from backlight.rules.operations import Kind
from backlight.values.arrays import Array, Arrays
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.grouping import Group
from backlight_tensorflow.derivatives import EXTREMA, RECTIFIERS, along_axes
from backlight_tensorflow.engine.copying import CONTROL_FLOW, Copy
from backlight_tensorflow.engine.gradients import pulled_back
from backlight_tensorflow.table.reading import BEFORE

if TYPE_CHECKING:
    from backlight_tensorflow.capture.graphs import Capture


@final
class TensorFlowRunner(Runner):
    """Makes operations again, with everything that they read beside the values of a pass.

    Attributes:
        captured: the operations.
        constants: what some of them read that does not depend on what is explained.

    Args:
        nodes: those that are run.
        dependent: the values of the traced graph that depend on what is explained, be it by shape.
        beside: gives all others.
    """

    arrays = cast(Arrays, array_functions)
    records = True

    def __init__(
        self, captured: "Capture", nodes: Iterable[Node], dependent: Collection[Value], beside: Copy
    ) -> None:
        self.captured, self._dependent, self._beside = captured, dependent, beside
        self._graph = tf.compat.v1.get_default_graph()
        self.constants: Values = {}
        for value in dict.fromkeys(value for node in nodes for value in node.operands):
            native = captured.native(value)
            if native not in dependent:
                found = beside.tensor(native)
                if value not in captured.natives:  # with other axes
                    found = tf.reshape(found, captured.graph.shape(value))
                self.constants[value] = cast(Array, found)

    def run(self, nodes: Iterable[Node], values: Values, frozen: bool = False) -> None:
        for node in nodes:
            if node.native is not None:
                values.update(zip(node.results, self._run(node, values), strict=True))
            elif node.primitive == "reshape" and node.operands[0] in values:  # a step to another's
                laid = (-1, *node.attributes["shape"][1:])  # as it is for any number of examples
                found = tf.reshape(values[node.operands[0]], laid)
                values.setdefault(node.result, cast(Array, found))

    def _run(self, node: Node, values: Values) -> Sequence[Any]:
        group = cast(Group, node.native)
        copy = Copy({}, partial(self._known, values, group.outputs))
        if group.outputs[0] not in self._dependent:
            return copy.tensors(group.outputs)
        if node.primitive == "identity" and group.core.op.type in ("StopGradient", "IdentityN"):
            return [tf.identity(copy.tensor(group.inputs[0]))]  # derivatives pass them
        given: dict[int, Tensor] = {}
        for place, value in zip(group.steps[-1].operands, node.operands, strict=True):
            tensor = cast(Tensor | None, values.get(value))
            if tensor is not None and tensor is not self.constants.get(value):
                if place == BEFORE:  # weights, which this reads with their own axes
                    place = group.steps[0].operands[0]
                    tensor = tf.reshape(tensor, tf.shape(copy.tensor(group.inputs[place])))
                given[place] = tensor
        if len(group.nodes) > 1:
            inputs = {group.inputs[place]: tensor for place, tensor in given.items()}
            return Copy(inputs, partial(self._known, values, group.outputs)).tensors(group.outputs)
        operands = [
            given[place] if place in given else copy.tensor(value)
            for place, value in enumerate(group.core.inputs)
        ]
        return copy.make(group.core, operands)[: len(node.results)]

    def _known(self, values: Values, anew: Collection[Value], value: Value) -> Any:
        """The tensor of a traced value, where it need not be made from others of the pass."""
        number = self.captured.numbers.get(value)
        if number in values and value not in anew:
            return values[number]
        if value in self._dependent:
            return None
        with self._graph.as_default():  # not in the body of a loop, which others cannot look into
            return self._beside.tensor(value)

    def vjp(
        self, function: Differentiable, operands: Sequence[Array]
    ) -> tuple[Pullback, Sequence[Array], Values]:
        moved = [tf.identity(operand) for operand in operands]
        results, added = function(moved)
        pullback = self.pullback(results, moved)
        # In the body of a loop, gradients of what is chosen there want theirs from the same body.
        return lambda gradients: pullback(list(map(tf.identity, gradients))), results, added

    def pullback(self, results: Sequence[Array], operands: Sequence[Array]) -> Pullback:
        return lambda gradients: cast(
            Sequence[Array], pulled_back(*cast(Any, (results, gradients, operands)))
        )

    def fitted(self, array: Array, like: Array) -> Array:
        given, of = cast(Tensor, array), cast(Tensor, like)
        if of.dtype == tf.variant:
            return array
        given = tf.cast(given, of.dtype)
        # Lengths that neither says are the same.
        ranks = given.shape.rank, of.shape.rank
        same = None in ranks or given.shape.as_list() == of.shape.as_list()
        return cast(Array, given) if same else self.repeated(cast(Array, given), like)

    def repeated(self, array: Array, like: Array) -> Array:
        given, of = cast(Tensor, array), cast(Tensor, like)
        known = of.shape.is_fully_defined()
        found = tf.broadcast_to(given, of.shape if known else tf.shape(of))
        found.set_shape(of.shape)
        return cast(Array, found)

    def constant(self, held: object, like: Array) -> Array:
        return cast(Array, tf.cast(held, cast(Tensor, like).dtype))

    def stopped(self, array: Array) -> Array:
        return cast(Array, tf.stop_gradient(array))

    def after(self, arrays: Sequence[Array]) -> AbstractContextManager[object]:
        return cast(AbstractContextManager[object], tf.control_dependencies(arrays))

    def added(self, one: Array, other: Array) -> Array:
        return cast(Array, tf.add_n([one, other]))  # lists of arrays too

    def is_array(self, value: int) -> bool:
        return bool(self.captured.native(value).tensor.dtype.is_floating)

    def has_own_derivative(self, nodes: Sequence[Node]) -> bool:
        found = natives(nodes)
        return len(found) == 1 and found[0].op.type in RECTIFIERS

    def derivative(
        self, op: Applied, inputs: Sequence[Array], grad: Array
    ) -> Sequence[Array] | None:
        node = op.nodes[0]
        if op.unit.kind not in (Kind.MAX, Kind.MIN) or node.primitive not in EXTREMA:
            return None
        axes = node.attributes["axes"]
        return [cast(Array, along_axes(node.primitive, axes, *cast(Any, (inputs[0], grad))))]

    def along(
        self,
        operations: Sequence[Node],
        derivative: Callable[[Sequence[Array]], Sequence[Array]],
        starts: Sequence[Array],
        ends: Sequence[Array],
        nodes: Sequence[float],
        weights: Sequence[float],
    ) -> Sequence[Any] | None:
        if not any(native.op.type in CONTROL_FLOW for native in natives(operations)):
            return None
        begins, stops = cast(Sequence[Tensor], starts), cast(Sequence[Tensor], ends)
        places, shares = tf.constant(nodes, tf.float64), tf.constant(weights, tf.float64)

        def step(at: Tensor, *total: Tensor) -> tuple[Tensor, ...]:
            points = [
                begin + (end - begin) * tf.cast(places[at], end.dtype)
                for end, begin in zip(stops, begins, strict=True)
            ]
            found = cast(Sequence[Tensor], derivative(cast(Sequence[Array], points)))
            more = [
                before + part * tf.cast(shares[at], part.dtype)
                for before, part in zip(total, found, strict=True)
            ]
            for each, end in zip(more, stops, strict=True):
                each.set_shape(end.shape)
            return at + 1, *more

        zeros = (tf.constant(0), *(tf.zeros_like(end) for end in stops))
        _, *found = tf.while_loop(lambda at, *_: at < len(nodes), step, zeros)
        return list(found)


def natives(nodes: Sequence[Node]) -> list[Any]:
    """The operations of TensorFlow that some of the graph are made of."""
    groups = (cast(Group | None, node.native) for node in nodes)
    return [native for group in groups if group is not None for native in group.nodes]
