"""Linear operations with what belongs to them: the bias behind, and with `folds` scales and shifts."""

from collections.abc import Container, Iterator, Mapping, Sequence

import tensorflow as tf

from backlight_tensorflow.flattening import Node, Tensor, Value
from backlight_tensorflow.operators import (
    BATCH_NORMS,
    MATRIX_PRODUCTS,
    PRODUCTS,
    QUOTIENTS,
)
from backlight_tensorflow.passes import Pass, pull
from backlight_tensorflow.paths import Path
from backlight_tensorflow.units import Unit, factors

BETWEEN = {"Identity", "Reshape", "Squeeze", "ExpandDims", "BatchToSpaceND"}
"""What may be between a linear operation and its bias."""


def extend_tail(path: Path, unit: Unit, claimed: Container[Node], folds: bool) -> None:
    """Let the operations behind a linear one that belong to it be part of it."""
    value, shifted, kept = unit.output, False, True
    steps: list[Node] = []
    while True:
        node = path.only_user(value)
        if node is None or node in claimed or node in path.walls:
            return
        after = node.outputs[0]
        if node.op.type in BETWEEN:
            if not node.inputs or node.inputs[0] is not value or is_first_channel(unit.core):
                return
            kept = kept and length(value) is not None and length(after) == length(value)
            if shifted and not kept:
                return
            steps.append(node)
            value = after
            continue
        constant = shift(path, node, value)
        if constant is not None and (folds or not shifted):
            if folds and not narrow(constant, value) and not is_first_channel(unit.core):
                kept = False  # a bias of more axes: nothing after it can move or scale it
            shifted = True
        elif not (folds and kept and scales(path, unit, node, value)):
            return
        steps.append(node)
        unit.tail += steps
        unit.nodes += steps
        unit.output = value = after
        steps = []


def shift(path: Path, node: Node, value: Value) -> Value | None:
    """The constant that an operation adds to a value, if that is all it does."""
    if node.op.type not in {"AddV2", "Add", "Sub", "BiasAdd"}:
        return None
    first, second = node.inputs
    if node.op.type in {"Sub", "BiasAdd"} and first is not value:
        return None
    constant = second if first is value else first
    return constant if same_for_all(path, constant, value, node) else None


def same_for_all(path: Path, constant: Value, value: Value, node: Node) -> bool:
    """Whether a constant is the same for all examples, and does not enlarge what it meets."""
    if constant in path.touched:
        return False
    shape, wide = constant.tensor.shape, value.tensor.shape
    if not shape.is_fully_defined() or wide.rank is None or shape.rank > wide.rank:
        return False
    if node.op.type != "BiasAdd" and shape.rank == wide.rank and wide.rank and shape[0] != 1:
        return False
    after = node.outputs[0].tensor.shape
    return bool(after.rank == wide.rank and list(after)[1:] == list(wide)[1:])


def scales(path: Path, unit: Unit, node: Node, value: Value) -> bool:
    """Whether an operation scales each output channel by a constant."""
    if node.op.type in BATCH_NORMS:
        if node.op.get_attr("is_training") or node.inputs[0] is not value:
            return False
        constants = node.inputs[1:5]
        if any(each in path.touched for each in constants):
            return False
        return channel_axis(unit) is not None and is_first_channel(node) == is_first_channel(
            unit.core
        )
    if node.op.type not in PRODUCTS | QUOTIENTS or len(node.inputs) != 2:
        return False
    first, second = node.inputs
    if node.op.type in QUOTIENTS and first is not value:
        return False
    constant = second if first is value else first
    if constant is value or not same_for_all(path, constant, value, node):
        return False
    if constant.tensor.shape.num_elements() == 1:
        return True
    if channel_axis(unit) is None:
        return False
    if is_first_channel(unit.core):
        rank, lengths = value.tensor.shape.rank, list(constant.tensor.shape)
        lengths = [1] * (rank - len(lengths)) + lengths
        return all(each == 1 for axis, each in enumerate(lengths) if axis != 1)
    return narrow(constant, value) and length(constant) == length(unit.core.outputs[0])


def narrow(constant: Value, value: Value) -> bool:
    """Whether it varies along the last axis only."""
    return all(each == 1 for each in list(constant.tensor.shape)[:-1])


def length(value: Value) -> int | None:
    shape = value.tensor.shape
    return int(shape[-1]) if shape.rank and shape[-1] is not None else None


def is_first_channel(node: Node) -> bool:
    """Whether it has channels before the other axes."""
    if "data_format" not in node.attributes:
        return False
    return bool(node.op.get_attr("data_format").decode().startswith("NC"))


def channel_axis(unit: Unit) -> int | None:
    """The axis of the weight, counted from the last, that holds the output's channels; None where
    they are on no single one."""
    node, weight = unit.core, unit.weight
    assert weight is not None
    type_, first = node.op.type, factors(node)[0] is weight
    if type_ == "Einsum":
        operands, result = node.op.get_attr("equation").decode().split("->")
        labels = operands.split(",")[0 if first else 1]
        if not result or result[-1] not in labels or "." in labels:
            return None
        return int(labels.index(result[-1]) - len(labels))
    if type_ in MATRIX_PRODUCTS:
        if first:
            return None
        flipped = node.op.get_attr("transpose_b" if type_ == "MatMul" else "adj_y")
        return -2 if flipped else -1
    if "BackpropInput" in type_:
        return -2 if first and "Depthwise" not in type_ else None
    return None if first else -1


class Params(Mapping[str, Tensor]):
    """Weight and bias, with what is folded into them; computed when they are asked for."""

    def __init__(self, run: Pass, unit: Unit) -> None:
        self._run, self._unit = run, unit
        self._found: dict[str, Tensor] | None = None
        self._names = ["weight"]
        if any(each.op.type not in {*BETWEEN, *PRODUCTS, *QUOTIENTS} for each in unit.tail):
            self._names.append("bias")

    def __getitem__(self, name: str) -> Tensor:
        if self._found is None:
            self._found = folded(self._run, self._unit)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def folded(run: Pass, unit: Unit) -> dict[str, Tensor]:
    assert unit.weight is not None
    weight, bias, value = run.tensor(unit.weight), None, unit.core.outputs[0]
    for node in unit.tail:
        if node.op.type in BATCH_NORMS:
            gamma, beta, mean, variance = (run.tensor(each) for each in node.inputs[1:5])
            gamma, beta = (tf.cast(each, weight.dtype) for each in (gamma, beta))
            mean, variance = (tf.cast(each, weight.dtype) for each in (mean, variance))
            size = gamma * tf.math.rsqrt(variance + node.op.get_attr("epsilon"))
            weight = scaled(weight, size, unit)
            spread = along_channels(size, node)
            bias = along_channels(beta - mean * size, node) + (
                0.0 if bias is None else bias * spread
            )
        elif node.op.type not in BETWEEN:
            first, second = node.inputs
            constant = run.tensor(second if first is value else first)
            if node.op.type in PRODUCTS | QUOTIENTS:
                size = constant if node.op.type in PRODUCTS else 1.0 / constant
                weight = scaled(weight, size, unit)
                bias = None if bias is None else bias * size
            else:
                constant = along_channels(constant, node) if node.op.type == "BiasAdd" else constant
                constant = -constant if node.op.type == "Sub" else constant
                bias = constant if bias is None else bias + constant
        value = node.outputs[0]
    return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}


def along_channels(vector: Tensor, node: Node) -> Tensor:
    """One number per channel, shaped so that it broadcasts against the output."""
    if not is_first_channel(node):
        return vector
    return tf.reshape(vector, (-1, *(1,) * (node.outputs[0].tensor.shape.rank - 2)))


def scaled(weight: Tensor, size: Tensor, unit: Unit) -> Tensor:
    """The weight that gives an output scaled by a number, or by one for each channel."""
    if size.shape.num_elements() == 1:
        return weight * tf.reshape(size, ())
    if "Depthwise" in unit.core.op.type:
        return weight * tf.reshape(size, tf.shape(weight)[2:])
    axis = channel_axis(unit)
    assert axis is not None
    return weight * tf.reshape(size, (-1, *(1,) * (-1 - axis)))


def replay_linear(
    run: Pass, unit: Unit, inputs: Sequence[Tensor], params: Mapping[str, Tensor]
) -> tuple[Pass, Tensor]:
    """The operation with other weights, and the pass in which it was made."""
    assert unit.weight is not None
    given = {**dict(zip(unit.inputs, inputs, strict=True)), unit.weight: params["weight"]}
    again = run.again(unit.nodes, given)
    value = unit.core.outputs[0]
    again.tensor(value)
    for node in unit.tail:
        if node.op.type not in BETWEEN:
            again.replace(node.outputs[0], again.tensor(value))
        value = node.outputs[0]
        again.tensor(value)
    found = again.tensor(value)
    return again, found + params["bias"] if "bias" in params else found


def pull_linear(path: Path, again: Pass, unit: Unit, grad: Tensor) -> list[Tensor | None]:
    """The derivative of `replay_linear`, transposed."""
    affine = {node for node in unit.tail if node.op.type not in BETWEEN}
    active = {*path.active} - {unit.weight}
    found = pull(again, unit.nodes, {unit.output: grad}, active, transparent=affine)
    return [found[value] for value in unit.inputs]
