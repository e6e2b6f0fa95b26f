"""The weights of linear operations, with the scales and shifts behind them folded in."""

from collections.abc import Callable, Sequence
from typing import final

from backlight.graph.graph import Graph
from backlight.graph.unit import Linear, Step
from backlight.values.arrays import Array, Arrays, shape_of

Constant = Callable[[int], Array]
"""Gives the array of a value, a number as an array without axes, with the dtype of the weights."""


def folded_params(
    graph: Graph, linear: Linear, constant: Constant, arrays: Arrays
) -> dict[str, Array]:
    """`weight`, laid out as the net has it, and, if there is one, `bias`, which broadcasts against the
    result of the operation with all that is folded into it; where nothing is, the operation's own."""
    weight = constant(linear.weight)
    if not linear.steps:
        own = {} if linear.bias is None else {"bias": constant(linear.bias)}
        return {"weight": weight, **own}
    folding = Folding(graph, linear, constant, arrays)
    for step in linear.steps:
        folding.follow(step)
    bias = {} if folding.bias is None else {"bias": folding.bias}
    return {"weight": folding.weight, **bias}


@final
class Folding:
    """a W and a b + c of the steps a (W x + b) + c, one after the other.

    Attributes:
        weight: scaled so far.
        bias: with all axes of the result so far, of length 1 where it is the same; None for none.
        axes: for each axis of the result so far, the weight's that it comes from.
    """

    def __init__(self, graph: Graph, linear: Linear, constant: Constant, arrays: Arrays) -> None:
        self.graph = graph
        self.constant = constant
        self.arrays = arrays
        self.axes = linear.axes
        self.weight = constant(linear.weight)
        self.bias = None if linear.bias is None else self._own_bias(linear)

    def follow(self, step: Step) -> None:
        if step.moves is not None:
            self._move(step.moves)
        elif step.effect == "negation":
            self._negate()
        elif step.effect == "batch_norm":
            self._normalise(step)
        else:
            assert step.constant is not None
            c = self._fitted(self.constant(step.constant), step.varies)
            if step.effect in ("scale", "quotient"):
                self._scale(1.0 / c if step.effect == "quotient" else c, step.varies)
            elif step.effect == "reversed shift":
                self._negate()
                self._shift(c)
            else:
                self._shift(-c if self.graph.nodes[step.position].primitive == "sub" else c)

    def _own_bias(self, linear: Linear) -> Array:
        assert linear.bias is not None
        node, bias = self.graph.nodes[linear.position], self.constant(linear.bias)
        if node.primitive == "conv":
            return self._along(bias, node.attributes["result_axes"][1])
        return self._wide(bias)

    def _normalise(self, step: Step) -> None:
        node = self.graph.nodes[step.position]
        axis = node.attributes["axis"]
        scale, offset, mean, variance = (
            self._along(self.constant(value), axis) for value in node.operands[1:]
        )
        epsilon: float = node.attributes["epsilon"]
        factor = scale * (variance + epsilon) ** -0.5
        self._scale(factor, step.varies)
        self._shift(offset - mean * factor)

    def _scale(self, factor: Array, varies: frozenset[int]) -> None:
        of_weight = {axis: self.axes[axis] for axis in varies}
        order = sorted(of_weight, key=lambda axis: of_weight[axis] or 0)
        shape, lengths = shape_of(factor), [1] * self.weight.ndim
        for axis, own in of_weight.items():
            assert own is not None
            lengths[own] = shape[axis]
        self.weight = self.weight * self._reordered(factor, order, lengths)
        self.bias = None if self.bias is None else self.bias * factor

    def _shift(self, by: Array) -> None:
        self.bias = by if self.bias is None else self.bias + by

    def _negate(self) -> None:
        self.weight = -self.weight
        self.bias = None if self.bias is None else -self.bias

    def _move(self, moves: Sequence[int | None]) -> None:
        if self.bias is not None:
            shape = shape_of(self.bias)
            order = [axis for axis in moves if axis is not None]
            lengths = [1 if axis is None else shape[axis] for axis in moves]
            self.bias = self._reordered(self.bias, order, lengths)
        self.axes = tuple(None if axis is None else self.axes[axis] for axis in moves)

    def _reordered(self, array: Array, order: Sequence[int], lengths: Sequence[int]) -> Array:
        """These axes first, then the others, which have length 1, laid out anew."""
        others = [axis for axis in range(array.ndim) if axis not in order]
        moved = self.arrays.permute_dims(array, (*order, *others)) if array.ndim > 1 else array
        return self.arrays.reshape(moved, tuple(lengths))

    def _fitted(self, constant: Array, varies: frozenset[int]) -> Array:
        """A constant with all axes of the result, of length 1 along those on which it is the same."""
        wide = self._wide(constant)
        same = (slice(None) if axis in varies else slice(0, 1) for axis in range(len(self.axes)))
        return wide[tuple(same)]

    def _wide(self, constant: Array) -> Array:
        missing = len(self.axes) - constant.ndim
        return self.arrays.reshape(constant, (*(1,) * missing, *shape_of(constant)))

    def _along(self, constant: Array, axis: int) -> Array:
        """Numbers along one axis of the result, or one for all."""
        lengths = [1] * len(self.axes)
        lengths[axis] = 1 if constant.ndim == 0 else shape_of(constant)[-1]
        return self.arrays.reshape(constant, tuple(lengths))
