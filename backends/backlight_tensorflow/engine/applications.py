"""An operation as rules see it, with the values of one pass."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import cast

import tensorflow as tf

from backlight.graph.unit import Unit
from backlight.graph.weights import folded_params
from backlight.rules.rules import Application
from backlight.values.arrays import Array, Arrays
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow import derivatives
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.engine.backward import Gradients, dense, differentiated
from backlight_tensorflow.engine.copying import CONTROL_FLOW, Copy
from backlight_tensorflow.engine.plans import Operations, Plan


class Applied(Application):
    """A unit in a pass: see `Application`.

    Attributes:
        nodes: the operations of TensorFlow that it is made of, in order.
        core: the one that it is named by.
        operands: what gradients flow to, each once.
        results: what gradients flow from; the first is the output.
    """

    arrays = cast(Arrays, array_functions)

    def __init__(
        self, plan: Plan, unit: Unit, operations: Operations, run: Copy, reference: Copy | None
    ) -> None:
        natives = plan.captured.natives
        self._plan, self.unit, self._run = plan, unit, run
        self.operation = operations[unit]
        self.nodes = plan.nodes(unit.positions)
        self.core = plan.nodes([unit.core])[0]
        self.operands = [natives[value] for value in dict.fromkeys(unit.inputs)]
        self.results = [natives[value] for value in unit.outputs]
        self.inputs = tuple(run.tensors(self.operands))
        self.output = run.tensor(self.results[0])
        self.reference = (
            None if reference is None else Applied(plan, unit, operations, reference, None)
        )
        self.parts = tuple(Applied(plan, part, operations, run, reference) for part in unit.parts)

    @cached_property
    def _own(self) -> set[Value]:
        """All that its operations give."""
        return {value for node in self.nodes for value in node.outputs}

    @cached_property
    def params(self) -> Mapping[str, Array]:  # type: ignore[override]
        """Weight and bias, with what is folded into them."""
        linear, captured = self.unit.linear, self._plan.captured
        if linear is None:
            return {}
        dtype = captured.native(linear.weight).tensor.dtype

        def constant(value: int) -> Array:
            found = self._run.tensor(captured.native(value))
            if value not in captured.natives:
                found = tf.reshape(found, captured.graph.shape(value))
            return cast(Array, tf.cast(found, dtype))

        return folded_params(captured.graph, linear, constant, self.arrays)

    def vjp(
        self,
        grad: Array,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
        frozen: bool = False,
    ) -> tuple[Array, ...]:
        given = cast(Sequence[Tensor], self.given(inputs))
        if params is not None:
            # TensorFlow looks at all that is computed from what it differentiates by.
            given = [tf.identity(x) for x in given]
            weights = {"weight": cast(Tensor, params["weight"])}
            found = differentiated([self._with_weights(given, weights)], [grad], given)
        else:
            run = self._run if inputs is None else self._again(given)
            if derivatives.has_own(self):
                found = [derivatives.own(self, run, cast(Tensor, grad))]
            else:
                gradients = self.back(run, {self.results[0]: cast(Tensor, grad)}, frozen)
                found = [gradients[value] for value in self.operands]
        return tuple(dense(each, x) for x, each in zip(given, found, strict=True))

    def back(self, run: Copy, seeds: Mapping[Value, Tensor], frozen: bool = False) -> Gradients:
        """Gradients of results, back through all that it is made of."""
        producers = self._plan.recognised.flow.producers
        sizes = (producers[value] for value in self.unit.sizes if frozen)
        held, gradients = self._plan.nodes(sizes), Gradients(run, self._plan, seeds)
        for node in reversed(self.nodes):
            if node not in held:
                gradients.back(node)
        return gradients

    def vjp_along(
        self,
        grad: Array,
        starts: Sequence[Array],
        nodes: Sequence[float],
        weights: Sequence[float],
    ) -> tuple[Array, ...]:
        if not any(node.op.type in CONTROL_FLOW for node in self.nodes):
            return super().vjp_along(grad, starts, nodes, weights)
        # Building a loop and its gradient takes longer than running them: here it is done once.
        ends = cast(Sequence[Tensor], self.inputs)
        begins = cast(Sequence[Tensor], starts)
        places, shares = tf.constant(nodes, tf.float64), tf.constant(weights, tf.float64)

        def step(at: Tensor, *total: Tensor) -> tuple[Tensor, ...]:
            points = [
                begin + (end - begin) * tf.cast(places[at], end.dtype)
                for end, begin in zip(ends, begins, strict=True)
            ]
            found = cast(Sequence[Tensor], self.vjp(grad, inputs=points))
            more = [
                before + part * tf.cast(shares[at], part.dtype)
                for before, part in zip(total, found, strict=True)
            ]
            for each, end in zip(more, ends, strict=True):
                each.set_shape(end.shape)
            return at + 1, *more

        start = (tf.constant(0), *(tf.zeros_like(end) for end in ends))
        _, *found = tf.while_loop(lambda at, *_: at < len(nodes), step, start)
        return tuple(found)

    def replay(
        self,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
    ) -> Array:
        given = cast(Sequence[Tensor], self.given(inputs))
        if params is not None:
            return cast(Array, self._with_weights(given, cast(Mapping[str, Tensor], params)))
        return cast(Array, self._again(given).tensor(self.results[0]))

    def _again(self, inputs: Sequence[Tensor]) -> Copy:
        """The operations made anew from these inputs."""
        again = self._run.again(self._own, dict(zip(self.operands, inputs, strict=True)))
        again.tensor(self.results[0])
        return again

    def _with_weights(self, inputs: Sequence[Tensor], params: Mapping[str, Tensor]) -> Tensor:
        """A linear operation's result for other weights, without a bias where none is given."""
        captured, linear = self._plan.captured, self.unit.linear
        assert linear is not None
        nodes, weight = captured.graph.nodes, captured.native(linear.weight)
        laid = tf.reshape(params["weight"], tf.shape(self._run.tensor(weight)))
        given = {**dict(zip(self.operands, inputs, strict=True)), weight: laid}
        again = self._run.again(self._own, given)
        found = again.tensor(captured.natives[nodes[linear.position].result])
        for step in linear.steps:
            after = captured.natives[nodes[step.position].result]
            if step.moves is None:
                again.replace(after, found)
            found = again.tensor(after)
        return found + params["bias"] if "bias" in params else found
