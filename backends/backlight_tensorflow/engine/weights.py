"""Linear operations with other weights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import tensorflow as tf

from backlight.arrays import Array, Arrays
from backlight.graph.unit import Linear
from backlight.graph.weights import folded_params, has_bias
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.engine.backward import pull
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.engine.plans import Plan, Unit, natives_of


class Params(Mapping[str, Array]):
    """Weight and bias, with what is folded into them; computed when they are asked for, as a function
    of Python computes what nobody wants."""

    def __init__(self, plan: Plan, run: Copy, linear: Linear) -> None:
        self._plan, self._run, self._linear = plan, run, linear
        self._found: Mapping[str, Array] | None = None

    def __getitem__(self, name: str) -> Array:
        if self._found is None:
            graph, functions = self._plan.captured.graph, cast(Arrays, array_functions)
            self._found = folded_params(graph, self._linear, self._constant, functions)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(["weight", "bias"] if has_bias(self._linear) else ["weight"])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _constant(self, value: int) -> Array:
        natives = self._plan.captured.natives
        found = self._run.tensor(native_of(self._plan, value))
        if value not in natives:
            found = tf.reshape(found, self._plan.captured.graph.shape(value))
        dtype = self._run.tensor(native_of(self._plan, self._linear.weight)).dtype
        return cast(Array, tf.cast(found, dtype))


def native_of(plan: Plan, value: int) -> Value:
    """A constant as TensorFlow has it; the operation may lay it out in another way."""
    while value not in plan.captured.natives:
        node = plan.recognised.flow.producer(value)
        assert node is not None
        (value,) = node.operands
    return plan.captured.natives[value]


def replay_linear(
    plan: Plan, run: Copy, unit: Unit, inputs: Sequence[Tensor], params: Mapping[str, Tensor]
) -> tuple[Copy, Tensor]:
    """The operation with other weights, and the pass in which it was made."""
    linear, natives, nodes = unit.linear, plan.captured.natives, plan.captured.graph.nodes
    weight = native_of(plan, linear.weight)
    laid = tf.reshape(params["weight"], tf.shape(run.tensor(weight)))
    again = run.again(unit.nodes, {**dict(zip(unit.inputs, inputs, strict=True)), weight: laid})
    value = natives[nodes[linear.position].result]
    again.tensor(value)
    for step in linear.steps:
        after = natives[nodes[step.position].result]
        if step.moves is None:
            again.replace(after, again.tensor(value))
        again.tensor(after)
        value = after
    found = again.tensor(value)
    return again, found + params["bias"] if "bias" in params else found


def pull_linear(plan: Plan, again: Copy, unit: Unit, grad: Tensor) -> list[Tensor | None]:
    """The derivative of `replay_linear`, transposed."""
    nodes = plan.captured.graph.nodes
    affine = {
        node
        for step in unit.linear.steps
        if step.moves is None
        for node in natives_of(nodes[step.position])
    }
    active = plan.active - {native_of(plan, unit.linear.weight)}
    found = pull(again, unit.nodes, {unit.output: grad}, active, affine)
    return [found[value] for value in unit.inputs]
