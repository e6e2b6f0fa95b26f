"""The weights of linear operations, and the operations with other weights."""

from collections.abc import Mapping, Sequence
from typing import cast

import tensorflow as tf

from backlight.arrays import Array, Arrays
from backlight.graph.unit import Linear
from backlight.graph.weights import folded_params
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.engine.plans import Plan, Unit


def params_of(plan: Plan, copy: Copy, linear: Linear) -> Mapping[str, Array]:
    """Weight and bias, with what is folded into them."""
    graph, natives = plan.captured.graph, plan.captured.natives
    dtype = native_of(plan, linear.weight).tensor.dtype

    def constant(value: int) -> Array:
        found = copy.tensor(native_of(plan, value))
        laid = found if value in natives else tf.reshape(found, graph.shape(value))
        return cast(Array, tf.cast(laid, dtype))

    return folded_params(graph, linear, constant, cast(Arrays, array_functions))


def native_of(plan: Plan, value: int) -> Value:
    """A constant as TensorFlow has it; the operation may lay it out in another way."""
    while value not in plan.captured.natives:
        node = plan.recognised.flow.producer(value)
        assert node is not None
        (value,) = node.operands
    return plan.captured.natives[value]


def replay_linear(
    plan: Plan, copy: Copy, unit: Unit, inputs: Sequence[Tensor], params: Mapping[str, Tensor]
) -> Tensor:
    """The operation with other weights, without a bias where none is given."""
    linear, natives, nodes = unit.linear, plan.captured.natives, plan.captured.graph.nodes
    weight = native_of(plan, linear.weight)
    laid = tf.reshape(params["weight"], tf.shape(copy.tensor(weight)))
    again = copy.again(unit.nodes, {**dict(zip(unit.inputs, inputs, strict=True)), weight: laid})
    found = again.tensor(natives[nodes[linear.position].result])
    for step in linear.steps:
        after = natives[nodes[step.position].result]
        if step.moves is None:
            again.replace(after, found)
        found = again.tensor(after)
    return found + params["bias"] if "bias" in params else found
