"""The score and its gradient under rules as one program, made from a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from backlight.operations import Operation
from backlight.rules import Incoming, Rule
from backlight_tensorflow import derivatives
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.paths import Path
from backlight_tensorflow.engine.applications import TensorFlowApplication
from backlight_tensorflow.engine.passes import Gradients, Pass, pull, step
from backlight_tensorflow.engine.plans import Plan, Unit
from backlight_tensorflow.engine.programs import dense, gradients_of


@dataclass(frozen=True)
class Feeding:
    """How a program's arguments are meant. They are: the trace's, the value at the site, the score's
    operands, the reference.

    Attributes:
        path: the way to the score.
        at: the inner value to differentiate at; None for the first `width` arguments.
        replaced: whether a value at the site is given.
        width: how many arguments are differentiated.
        arguments: how many the trace has.
    """

    path: Path
    at: Value | None
    replaced: bool
    width: int
    arguments: int

    def main(self, tensors: Sequence[Tensor]) -> tuple[Pass, list[Tensor], list[Tensor]]:
        """The pass over the values, the tensors at its places, and the arguments that are left."""
        given, rest = list(tensors[: self.arguments]), list(tensors[self.arguments :])
        run = self._pass(given)
        places = given[: self.width]
        if self.at is not None:
            places = [rest.pop(0) if self.replaced else tf.identity(run.tensor(self.at))]
            run.replace(self.at, places[0])
        for value in self.path.operands:
            run.replace(value, rest.pop(0))
        return run, places, rest

    def reference(
        self, tensors: Sequence[Tensor], main: Pass, reference: Sequence[Tensor], count: Tensor
    ) -> Pass:
        """The pass with the reference in the value's place. What enters the score is repeated for all
        examples, as each has a class of its own."""
        given = list(tensors[: self.arguments])
        if self.at is None:
            given[: self.width] = reference
        run = self._pass(given)
        if self.at is not None:
            run.replace(self.at, reference[0])
        for value in self.path.operands:
            run.replace(value, main.tensor(value))
        for wall in self.path.walls:
            (value,), (result,) = wall.inputs, wall.outputs
            one = run.tensor(value)
            if value in self.path.touched and one.shape.rank != 0:
                shape = tf.concat([[count], tf.shape(one)[1:]], 0)
                repeated = tf.broadcast_to(one, shape)
                repeated.set_shape([None, *one.shape[1:]] if one.shape.rank else None)
                run.replace(result, repeated)
        return run

    def activation(self, places: list[Tensor]) -> list[Tensor]:
        """What is differentiated at, where it is neither an argument nor given."""
        return places if self.at is not None and not self.replaced else []

    def _pass(self, given: Sequence[Tensor]) -> Pass:
        return Pass({**self.path.traced.given(given), **self.path.captured})


@dataclass(frozen=True)
class Evaluation:
    """The scores; the gradients, if they are wanted; what they were taken at, where that is not an
    argument."""

    feeding: Feeding
    differentiated: bool

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        run, places, _ = self.feeding.main(tensors)
        (scores,) = run.tensors(self.feeding.path.sinks)
        gradients = gradients_of(scores, places) if self.differentiated else []
        return scores, gradients, self.feeding.activation(places)


@dataclass(frozen=True, eq=False)
class RuledEvaluation:
    """The scores, the gradients, what they were taken at where that is no argument, and the scores at
    the reference."""

    feeding: Feeding
    plan: Plan
    operations: Mapping[Unit, Operation]
    referred: bool

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
        path = self.plan.path
        run, places, rest = self.feeding.main(tensors)
        (sink,) = path.sinks
        scores = run.tensor(sink)
        reference, starts = None, []
        if self.referred:
            reference = self.feeding.reference(tensors, run, rest, tf.shape(places[0])[0])
            starts = [reference.tensor(sink)]
        gradients = self._backward(run, reference, sink, scores)
        found = [
            dense(gradients[value], place) for value, place in zip(path.places, places, strict=True)
        ]
        return scores, found, self.feeding.activation(places), starts

    def _backward(
        self, run: Pass, reference: Pass | None, sink: Value, scores: Tensor
    ) -> Gradients:
        plan, gradients = self.plan, Gradients({sink: tf.ones_like(scores)})
        rules = plan.chosen(self.operations)
        ends = {unit.nodes[-1]: unit for unit in rules}
        skipped = {
            node
            for unit, rule in rules.items()
            if not lets_through(unit, rule)
            for node in unit.nodes
        }
        for node in reversed(plan.route):
            unit = ends.get(node)
            if unit is not None:
                self._apply(rules[unit], unit, run, reference, gradients)
            if node not in skipped:
                step(run, node, gradients, plan.active, plan.passed)
        return gradients

    def _apply(
        self, rule: Rule, unit: Unit, run: Pass, reference: Pass | None, gradients: Gradients
    ) -> None:
        grad = gradients[unit.output]
        if grad is None:
            grad = tf.zeros_like(run.tensor(unit.output))
        op = TensorFlowApplication(self.plan, unit, self.operations, run, reference)
        if lets_through(unit, rule) and isinstance(rule, Incoming):
            gradients.replace(unit.output, rule.incoming(op, grad))
            return
        for value, each in zip(unit.inputs, rule(op, grad), strict=True):
            gradients.add(value, each)
        others = {
            value: also for value in unit.outputs[1:] if (also := gradients[value]) is not None
        }
        if others:
            more = pull(run, unit.nodes, others, self.plan.active, self.plan.passed)
            for value in unit.inputs:
                if (also := more[value]) is not None:
                    gradients.add(value, also)


def lets_through(unit: Unit, rule: Rule) -> bool:
    """Whether a rule changes what comes in, and leaves the rest to TensorFlow."""
    return isinstance(rule, Incoming) and not derivatives.has_own(unit)
