"""Units: operations of the graph, alone or several together, that are one `Operation` for rules."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from backlight.operations import Kind
from backlight_tensorflow.flattening import Node, Value
from backlight_tensorflow.operators import (
    BATCH_NORMS,
    CONVOLUTIONS,
    EXTREMA,
    FIXED_SUMS,
    LIKES,
    MATRIX_PRODUCTS,
    MOVES,
    POOLS,
    PRODUCTS,
    QUOTIENTS,
    REDUCED_EXTREMA,
    SELECTS,
    SOFTMAXES,
    STOPS,
    SUMS,
    UNARY_TYPES,
    UNREPEATABLE,
)
from backlight_tensorflow.paths import Path


@dataclass(eq=False)
class Unit:
    """What one `Operation` stands for.

    Attributes:
        kind: what it computes.
        nodes: the operations, in the order of computation; the last gives the output.
        inputs: the operands that depend on the differentiated value, each once.
        output: the result.
        core: the operation that gives it its name.
        replayable: whether it can be run again at other values.
        axes: of a softmax and its kin.
        weight: of a linear operation: the constant operand.
        tail: of a linear operation: what behind it belongs to it.
        held: of a normalisation: the operations that give what it divides by.
        limit: of a rectifier that is cut off: where.
        parts: of a neuron.
    """

    kind: Kind
    nodes: list[Node]
    inputs: list[Value]
    output: Value
    core: Node
    replayable: bool = True
    axes: tuple[int, ...] = ()
    weight: Value | None = None
    tail: list[Node] = field(default_factory=list)
    held: frozenset[Node] = frozenset()
    limit: float | None = None
    parts: tuple["Unit", ...] = ()

    @property
    def last(self) -> Node:
        return self.nodes[-1]

    @property
    def types(self) -> set[str]:
        return {node.op.type for node in self.nodes}


def number(path: Path, value: Value) -> float | None:
    """The one number that a value holds everywhere, where the graph says so."""
    found = constant_array(path, value)
    if found is None or found.size == 0 or found.dtype.kind not in "fiu":
        return None
    first = found.flat[0]
    return float(first) if bool((found == first).all()) else None


def constant_array(path: Path, value: Value) -> np.ndarray | None:
    """What a value always is, if it is written in the graph."""
    while value.node is not None:
        node = value.node
        if node.op.type == "Const":
            return np.asarray(tf.get_static_value(node.op.outputs[0]))
        if node.op.type in LIKES:
            return np.asarray(LIKES[node.op.type])
        if node.op.type == "Fill":
            value = node.inputs[1]
        elif node.op.type in {"Identity", "Cast", "Reshape", "ExpandDims", "BroadcastTo"}:
            value = node.inputs[0]
        elif node.op.type in {"Neg", "Sqrt", "Rsqrt"}:
            inner = constant_array(path, node.inputs[0])
            if inner is None or inner.dtype.kind != "f":
                return None
            with np.errstate(all="ignore"):
                functions = {"Neg": -inner, "Sqrt": inner**0.5, "Rsqrt": inner**-0.5}
                return np.asarray(functions[node.op.type])
        else:
            return None
    outside = path.traced.captured.get(value, path.captured.get(value))
    if isinstance(outside, tf.__internal__.EagerTensor) and outside.dtype != tf.resource:
        return np.asarray(outside)
    return None


def single(path: Path, node: Node) -> Unit | None:
    """An operation by itself; None if it only moves numbers."""
    inputs = path.inputs(node)
    kind = kind_of_node(path, node, inputs)
    if kind is None:
        return None
    given = [value for value in node.outputs if value in path.active and path.users.get(value)]
    given.sort(key=lambda value: not value.tensor.dtype.is_floating)
    unit = Unit(kind, [node], inputs, given[0] if given else node.outputs[0], node)
    unit.replayable = node.op.type not in UNREPEATABLE and not depends_otherwise(path, node, inputs)
    if kind in (Kind.DENSE, Kind.CONVOLUTION):
        (unit.weight,) = [value for value in factors(node) if value not in inputs]
    if kind in (Kind.SOFTMAX, Kind.LOG_SOFTMAX):
        rank = node.outputs[0].tensor.shape.rank
        unit.axes = () if rank is None else (rank - 1,)
    if kind is Kind.RELU6:
        unit.limit = 6.0
    return unit


def depends_otherwise(path: Path, node: Node, inputs: Sequence[Value]) -> bool:
    """Whether the differentiated value also acts where no gradient goes back: by tests and indices."""
    return any(value in path.touched and value not in inputs for value in node.inputs)


def factors(node: Node) -> list[Value]:
    """The two operands of a linear operation."""
    if "BackpropInput" in node.op.type:
        return [node.inputs[1], node.inputs[2]]
    return node.inputs[:2]


JOINS = {"Add", "AddV2", "ConcatV2", "Pack", "Sub"}
"""What puts operands side by side, or adds them up: what no gradient goes back to changes none of the
rest."""


def kind_of_node(path: Path, node: Node, inputs: Sequence[Value]) -> Kind | None:
    kind = kind_by_type(path, node, inputs)
    if (
        node.op.type in JOINS
    ):  # what no gradient goes back to is beside the rest, and changes none of it
        return kind
    # What a test or an index that depends on the value chooses is not linear.
    linear = {None, Kind.SCALE, Kind.SHIFT, Kind.SUM, Kind.DENSE, Kind.CONVOLUTION, Kind.BATCH_NORM}
    if kind in linear and node not in path.transparent and depends_otherwise(path, node, inputs):
        return Kind.OTHER
    return kind


def kind_by_type(path: Path, node: Node, inputs: Sequence[Value]) -> Kind | None:
    type_, both = node.op.type, len(inputs) > 1
    if type_ in MOVES or type_ in SELECTS or type_ in STOPS:
        return None
    if type_ == "LeakyRelu" and node.op.get_attr("alpha") == 0.0:
        return Kind.RELU
    if type_ in UNARY_TYPES:
        return Kind.OTHER if both else UNARY_TYPES[type_]
    if type_ in SUMS:
        twice = sum(value in inputs for value in node.inputs) > 1
        return Kind.ADD if twice else Kind.SHIFT
    if type_ == "Neg":
        return Kind.SCALE
    if type_ in PRODUCTS:
        squared = node.inputs[0] is node.inputs[1]
        return Kind.POW if squared else Kind.MUL if both else Kind.SCALE
    if type_ in QUOTIENTS:
        if both or node.inputs[0] is node.inputs[1]:
            return Kind.DIV if both else Kind.ELEMENTWISE
        return Kind.SCALE if node.inputs[0] in inputs else Kind.POW
    if type_ in EXTREMA:
        constant = [value for value in node.inputs if value not in inputs]
        if type_ == "Maximum" and constant and number(path, constant[0]) == 0.0:
            return Kind.RELU
        return EXTREMA[type_]
    if type_ == "Pow":
        return Kind.OTHER if both else Kind.POW if node.inputs[0] in inputs else Kind.ELEMENTWISE
    if type_ == "SquaredDifference":
        return Kind.MUL if both else Kind.POW  # of a difference with itself
    if type_ in MATRIX_PRODUCTS or type_ in CONVOLUTIONS:
        if len(node.inputs) < 2 or not set(inputs) <= set(factors(node)):
            return Kind.OTHER
        if both or factors(node)[0] is factors(node)[1]:
            return Kind.MATMUL
        return Kind.DENSE if type_ in MATRIX_PRODUCTS else Kind.CONVOLUTION
    if type_ in FIXED_SUMS:
        return Kind.OTHER if both else Kind.SUM
    if type_ in BATCH_NORMS:
        fixed = not node.op.get_attr("is_training") and inputs == node.inputs[:1]
        return Kind.BATCH_NORM if fixed else Kind.OTHER
    if type_ in POOLS:
        return Kind.MAX_POOL
    return {**REDUCED_EXTREMA, **SOFTMAXES}.get(type_, Kind.OTHER)
