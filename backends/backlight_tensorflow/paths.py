"""The way from the differentiated values to the score: the network's flat graph and the score's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from backlight.scores import Score
from backlight_tensorflow.flattening import Flat, Node, Tensor, Value, extend
from backlight_tensorflow.flattening import SHAPE_ONLY
from backlight_tensorflow.operators import STOPS
from backlight_tensorflow.passes import carries_numbers
from backlight_tensorflow.programs import scores_of
from backlight_tensorflow.tracing import Trace


@dataclass(eq=False)
class Path:
    """What lies between places and sinks.

    Attributes:
        traced: the network.
        places: what is differentiated at.
        sinks: the score, or the outputs where none was asked for.
        nodes: all operations, the network's and then the score's.
        walls: the operations through which the network's outputs enter the score. There a reference
            that all examples share is repeated for each of them.
        operands: the arguments of the score.
        captured: tensors from outside that the score uses.
    """

    traced: Trace
    places: list[Value]
    sinks: list[Value]
    nodes: list[Node]
    walls: frozenset[Node]
    operands: list[Value]
    captured: dict[Value, Tensor]

    def __post_init__(self) -> None:
        flat = Flat([], list(self.sinks), self.nodes)
        self.needed = flat.needed(without=SHAPE_ONLY)
        self.position = {node: at for at, node in enumerate(self.needed)}
        self.active: set[Value] = {value for value in self.places if carries_numbers(value.tensor)}
        self.touched: set[Value] = set(self.places)
        self.transparent = centres(self.needed)
        for node in self.needed:
            if node.op.type in SHAPE_ONLY:
                continue
            if not self.touched.isdisjoint(node.inputs):
                self.touched.update(node.outputs)
            if node.op.type not in STOPS or node in self.transparent:
                self.active.update(self._active_outputs(node))
        self.users: dict[Value, list[Node]] = {}
        for node in self.needed:
            if node.op.type not in SHAPE_ONLY:
                for value in dict.fromkeys(node.inputs):
                    self.users.setdefault(value, []).append(node)
        self._sinks = set(self.sinks)

    @cached_property
    def route(self) -> list[Node]:
        """The operations that gradients go back through, in the order of computation."""
        leading = {value for value in self.sinks if value in self.active}
        found = []
        for node in reversed(self.needed):
            if not leading.isdisjoint(node.outputs):
                inputs = [value for value in node.inputs if value in self.active]
                if inputs:
                    leading.update(inputs)
                    found.append(node)
        return found[::-1]

    @cached_property
    def beside(self) -> bool:
        """Whether what the network is called with gets into the way from the places in another way
        than through them."""
        arguments = set(self.traced.arguments) - set(self.places)
        return any(
            value in arguments or (value.node is not None and self.traced.depends(value.node))
            for node in self.needed
            if not self.touched.isdisjoint(node.outputs)
            for value in node.inputs
            if value not in self.touched and not self._of_places(value)
        )

    def _of_places(self, value: Value) -> bool:
        """Whether the places lead there, be it by their shape alone."""
        return value in self._reached

    @cached_property
    def _reached(self) -> set[Value]:
        reached = set(self.places)
        for node in self.needed:
            if not reached.isdisjoint(node.inputs):
                reached.update(node.outputs)
        return reached

    def only_user(self, value: Value) -> Node | None:
        """The one operation that uses a value, if there is one and the value is no result."""
        users = self.users.get(value, ())
        return users[0] if len(users) == 1 and value not in self._sinks else None

    def is_sink(self, value: Value) -> bool:
        return value in self._sinks

    def inputs(self, node: Node) -> list[Value]:
        """The operands that gradients go back to, each once."""
        return [value for value in dict.fromkeys(node.inputs) if value in self.active]

    def _active_outputs(self, node: Node) -> list[Value]:
        if node.op.type == "IdentityN":
            pairs = zip(node.inputs, node.outputs, strict=True)
            return [result for operand, result in pairs if operand in self.active]
        if self.active.isdisjoint(node.inputs):
            return []
        if node.op.type.startswith("FusedBatchNorm"):
            return node.outputs[:1]
        return [value for value in node.outputs if carries_numbers(value.tensor)]


def centres(nodes: Sequence[Node]) -> set[Node]:
    """Those of the nodes that hold constant the mean that a variance is taken around: the derivative by
    that mean is zero, so that nothing is lost where it counts as depending on the values."""

    def is_centre(node: Node) -> bool:
        mean = node.inputs[0].node if node.op.type in STOPS else None
        return (
            mean is not None
            and mean.op.type == "Mean"
            and all(
                user.op.type == "SquaredDifference" and mean.inputs[0] in user.inputs
                for user in nodes
                if node.outputs[0] in user.inputs
            )
        )

    return {node for node in nodes if is_centre(node)}


def path_to_score(
    traced: Trace,
    places: list[Value],
    score: Score,
    scored: Value | None,
    operands: Sequence[tf.TensorSpec],
) -> Path:
    """The way to the score of the outputs, or of an inner value."""
    graph = FuncGraph("score")
    with graph.as_default():
        outputs: dict[Value, Tensor] = {}
        walls: list[Tensor] = []

        def enter(value: Value) -> Tensor:
            if value not in outputs:
                outputs[value] = tf.compat.v1.placeholder(value.tensor.dtype, value.tensor.shape)
            walls.append(tf.identity(outputs[value]))
            return walls[-1]

        entered = enter(scored) if scored is not None else entering(traced, enter)
        arguments = [tf.compat.v1.placeholder(spec.dtype, spec.shape) for spec in operands]
        scores = tf.identity(scores_of(score, entered, arguments))
    captures = list(graph.captures)
    graph.inputs = [*outputs.values(), *arguments, *(inside for _, inside in captures)]
    flat = Flat([])
    beginning = [Value(tensor) for tensor in graph.inputs[len(outputs) :]]
    scope = extend(flat, graph, [*outputs, *beginning])
    return Path(
        traced,
        places,
        [scope[id(scores)]],
        [*traced.flat.nodes, *flat.nodes],
        frozenset(node for wall in walls if (node := scope[id(wall)].node) is not None),
        beginning[: len(arguments)],
        dict(zip(beginning[len(arguments) :], (outside for outside, _ in captures), strict=True)),
    )


def path_to_outputs(traced: Trace, places: list[Value]) -> Path:
    """The way to all floating-point outputs."""
    found: list[Value] = []

    def enter(value: Value) -> Tensor:
        if value.tensor.dtype.is_floating:
            found.append(value)
        return value.tensor

    entering(traced, enter)
    return Path(traced, places, found, traced.flat.nodes, frozenset(), [], {})


def entering(traced: Trace, enter: Callable[[Value], Tensor]) -> object:
    """The outputs in the network's own structure, each tensor by what `enter` gives for it."""

    def result(leaf: object) -> object:
        return enter(traced.flat.of(leaf)[0]) if isinstance(leaf, tf.Tensor) else leaf

    return tf.nest.map_structure(result, traced.outputs, expand_composites=True)
