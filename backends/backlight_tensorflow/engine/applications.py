"""An operation as rules see it, with the values of one pass."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import cast

import tensorflow as tf

from backlight.arrays import Array, Arrays
from backlight.operations import Operation
from backlight.rules import Application
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow import derivatives
from backlight_tensorflow.capture.flattening import Tensor
from backlight_tensorflow.engine.backward import dense, differentiated, pull
from backlight_tensorflow.engine.copying import CONTROL_FLOW, Copy
from backlight_tensorflow.engine.plans import Plan, Unit
from backlight_tensorflow.engine.weights import params_of, replay_linear


class TensorFlowApplication(Application):
    """A unit in a pass: see `Application`."""

    def __init__(
        self,
        plan: Plan,
        unit: Unit,
        operations: Mapping[Unit, Operation],
        run: Copy,
        reference: Copy | None,
    ) -> None:
        self._plan, self._unit, self._run = plan, unit, run
        self.operation = operations[unit]
        self.arrays = cast(Arrays, array_functions)
        self.inputs = tuple(run.tensor(value) for value in unit.inputs)
        self.output = run.tensor(unit.output)
        self.reference = (
            None
            if reference is None
            else TensorFlowApplication(plan, unit, operations, reference, None)
        )
        self.parts = tuple(
            TensorFlowApplication(plan, part, operations, run, reference) for part in unit.parts
        )

    @cached_property
    def params(self) -> Mapping[str, Array]:  # type: ignore[override]
        linear = self._unit.found.linear
        return {} if linear is None else params_of(self._plan, self._run, linear)

    def vjp(
        self,
        grad: Array,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
        frozen: bool = False,
    ) -> tuple[Array, ...]:
        plan, unit = self._plan, self._unit
        given = cast(Sequence[Tensor], self.given(inputs))
        if params is not None:
            # TensorFlow looks at all that is computed from what it differentiates by.
            given = [tf.identity(x) for x in given]
            weights = {"weight": cast(Tensor, params["weight"])}
            result = replay_linear(plan, self._run, unit, given, weights)
            found = differentiated([result], [grad], given)
        else:
            again = self._run if inputs is None else self._again(given)
            if derivatives.has_own(unit):
                found = [derivatives.own(again, unit, grad)]
            else:
                held = unit.held if frozen else frozenset()
                seeds = {unit.output: grad}
                gradients = pull(again, unit.nodes, seeds, plan.active, plan.passed, held)
                found = [gradients[value] for value in unit.inputs]
        return tuple(dense(each, x) for x, each in zip(given, found, strict=True))

    def vjp_along(
        self,
        grad: Array,
        starts: Sequence[Array],
        nodes: Sequence[float],
        weights: Sequence[float],
    ) -> tuple[Array, ...]:
        if not any(node.op.type in CONTROL_FLOW for node in self._unit.nodes):
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
            weights = cast(Mapping[str, Tensor], params)
            return cast(Array, replay_linear(self._plan, self._run, self._unit, given, weights))
        return cast(Array, self._again(given).tensor(self._unit.output))

    def _again(self, inputs: Sequence[Tensor]) -> Copy:
        """The operations made anew from these inputs."""
        unit = self._unit
        again = self._run.again(unit.nodes, dict(zip(unit.inputs, inputs, strict=True)))
        again.tensor(unit.output)
        return again
