"""The weights of linear operations, with the scales and shifts behind them that belong to them."""

from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from backlight.graph.unit import Linear, Step
from backlight_tensorflow.flattening import Tensor, Value
from backlight_tensorflow.passes import Pass, pull
from backlight_tensorflow.plans import Plan, Unit, natives_of

SHIFTS = frozenset({"shift", "reversed shift", "batch_norm"})


class Params(Mapping[str, Tensor]):
    """Weight and bias, with what is folded into them; computed when they are asked for."""

    def __init__(self, plan: Plan, run: Pass, linear: Linear) -> None:
        self._given = plan, run, linear
        self._found: dict[str, Tensor] | None = None
        shifted = any(step.effect in SHIFTS for step in linear.steps)
        self._names = ["weight", "bias"] if shifted else ["weight"]

    def __getitem__(self, name: str) -> Tensor:
        if self._found is None:
            self._found = Folding(*self._given).params()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Folding:
    """Scales and shifts of a linear operation's result, made those of its weight and bias.

    Attributes:
        weight: as of the operation, scaled so far.
        bias: shaped so that it broadcasts against the value so far, with all its axes; None for none.
        axes: for each axis of the value so far, the weight's that it comes from.
    """

    def __init__(self, plan: Plan, run: Pass, linear: Linear) -> None:
        self._plan, self._run, self._steps = plan, run, linear.steps
        self.weight = self._constant(linear.weight)
        self.bias: Tensor | None = None
        self.axes = linear.axes

    def params(self) -> dict[str, Tensor]:
        for step in self._steps:
            self._follow(step)
        return {"weight": self.weight} if self.bias is None else {"weight": self.weight, "bias": self.bias}

    def _follow(self, step: Step) -> None:
        if step.moves is not None:
            self._move(step.moves)
        elif step.effect == "batch_norm":
            gamma, beta, mean, variance, epsilon = self._statistics(step)
            size = gamma * tf.math.rsqrt(variance + epsilon)
            self._scale(size)
            self._shift(beta - mean * size)
        elif step.effect == "negation":
            self._scale(tf.constant(-1.0, self.weight.dtype))
        else:
            assert step.constant is not None
            constant = self._constant(step.constant)
            if step.effect in ("scale", "quotient"):
                self._scale(1.0 / constant if step.effect == "quotient" else constant)
            else:
                if step.effect == "reversed shift":
                    self._scale(tf.constant(-1.0, self.weight.dtype))
                node = self._plan.captured.graph.nodes[step.position]
                self._shift(-constant if node.primitive == "sub" and step.effect == "shift" else constant)

    def _scale(self, size: Tensor) -> None:
        """By a number, or by numbers along axes of the weight."""
        size = self._full(size)
        of_axes = {own: axis for axis, own in enumerate(self.axes) if own is not None}
        order = [of_axes[own] for own in sorted(of_axes)]
        beyond = [axis for axis in range(len(self.axes)) if axis not in order]
        laid = tf.transpose(size, [*order, *beyond])
        lengths = [1] * self.weight.shape.rank
        for place, own in enumerate(sorted(of_axes)):
            lengths[own] = laid.shape[place]
        self.weight = self.weight * tf.reshape(laid, lengths)
        self.bias = None if self.bias is None else self.bias * size

    def _shift(self, by: Tensor) -> None:
        by = self._full(by)
        self.bias = by if self.bias is None else self.bias + by

    def _move(self, moves: Sequence[int | None]) -> None:
        if self.bias is not None:
            lengths = [1 if axis is None else self.bias.shape[axis] for axis in moves]
            there = [axis for axis in moves if axis is not None]
            beyond = [axis for axis in range(len(self.axes)) if axis not in there]
            self.bias = tf.reshape(tf.transpose(self.bias, [*there, *beyond]), lengths)
        self.axes = tuple(None if axis is None else self.axes[axis] for axis in moves)

    def _full(self, constant: Tensor) -> Tensor:
        """With all axes of the value that it meets."""
        missing = len(self.axes) - constant.shape.rank
        return tf.reshape(constant, (*(1,) * missing, *constant.shape))

    def _constant(self, value: int) -> Tensor:
        """A constant that TensorFlow knows, or lays out inside of one operation."""
        captured = self._plan.captured
        if value in captured.natives:
            return self._run.tensor(captured.natives[value])
        node = self._plan.recognised.flow.producer(value)
        assert node is not None
        return tf.reshape(self._constant(node.operands[0]), node.attributes["shape"])

    def _statistics(self, step: Step) -> tuple[Tensor, ...]:
        node = self._plan.captured.graph.nodes[step.position]
        along = [1] * len(self.axes)
        along[node.attributes["axis"]] = -1
        numbers = [
            tf.reshape(tf.cast(self._constant(each), self.weight.dtype), along)
            for each in node.operands[1:]
        ]
        return (*numbers, node.attributes["epsilon"])


def weight_of(plan: Plan, linear: Linear) -> Value:
    """The weight as TensorFlow has it; the operation may lay it out in another way."""
    value, natives = linear.weight, plan.captured.natives
    while value not in natives:
        node = plan.recognised.flow.producer(value)
        assert node is not None
        (value,) = node.operands
    return natives[value]


def replay_linear(
    plan: Plan, run: Pass, unit: Unit, inputs: Sequence[Tensor], params: Mapping[str, Tensor]
) -> tuple[Pass, Tensor]:
    """The operation with other weights, and the pass in which it was made."""
    linear, natives = unit.found.linear, plan.captured.natives
    assert linear is not None
    weight = weight_of(plan, linear)
    laid = tf.reshape(params["weight"], tf.shape(run.tensor(weight)))
    again = run.again(unit.nodes, {**dict(zip(unit.inputs, inputs, strict=True)), weight: laid})
    nodes = plan.captured.graph.nodes
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


def pull_linear(plan: Plan, again: Pass, unit: Unit, grad: Tensor) -> list[Tensor | None]:
    """The derivative of `replay_linear`, transposed."""
    linear, nodes = unit.found.linear, plan.captured.graph.nodes
    assert linear is not None
    affine = {
        node for step in linear.steps if step.moves is None for node in natives_of(nodes[step.position])
    }
    active = plan.active - {weight_of(plan, linear)}
    found = pull(again, unit.nodes, {unit.output: grad}, active, transparent=affine)
    return [found[value] for value in unit.inputs]
