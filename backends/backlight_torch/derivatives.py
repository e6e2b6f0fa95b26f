"""Derivatives in closed form, where autograd's own have other conventions or cost more."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, cast

import torch

from backlight.engine.conventions import at_kinks
from backlight.graph.graph import Graph
from backlight.graph.unit import Unit
from backlight.rules.operations import Kind
from backlight.values.arrays import Arrays
from backlight_torch import arrays
from backlight_torch.capture.records import Record
from backlight_torch.engine.applications import Backward, Params
from backlight_torch.weights import Weights

Derivative: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""The gradient of an operation's operand, from that and the gradient of the result."""

NATIVE = frozenset({"relu", "threshold", "leaky_relu", "hard_tanh", "relu6"})
"""Primitives whose derivatives by autograd are 0, or the slope below, at the kink."""


def derivative_of(graph: Graph, unit: Unit, tensors: Mapping[int, torch.Tensor]) -> Backward | None:
    """The derivative of an operation in closed form; None where autograd's is as good.

    Args:
        graph: that it is in.
        unit: the operation.
        tensors: what is known of the values.
    """
    node = graph.nodes[unit.core]
    if unit.kind in (Kind.RELU, Kind.RELU6, Kind.LEAKY_RELU):
        alone = len(unit.positions) == 1 and node.primitive in NATIVE
        return None if alone else at_kink(unit)
    if unit.kind in (Kind.MAX, Kind.MIN) and len(unit.positions) == 1:
        if unit.axes:
            return of_one(partial(to_first, unit))
        if len(unit.inputs) == 1 and node.primitive in ("maximum", "minimum"):
            (bound, *_) = [
                graph.values[one].number for one in node.operands if one != unit.inputs[0]
            ]
            return at_kink(unit, bound) if isinstance(bound, (int, float)) else None
    if isinstance(node.native, Record) and node.native.name == WITH_PLACES:
        return of_one(pooled(node.native, unit.inputs[0], tensors))
    return None


WITH_PLACES = "max_pool2d_with_indices"
"""A maximum over windows that says where each is."""


def convolved(weights: Weights) -> Backward | None:
    """Of a convolution, which autograd would run again first; None for other linear operations."""
    linear, record = weights.linear, weights.node.native
    assert isinstance(record, Record)
    if record.name != "convolution" or linear.place != 1:
        return None
    if any(step.effect == "move" for step in linear.steps):
        return None
    given = record.given()
    how = [given[name] for name in CONVOLUTION]

    def backward(
        grad: torch.Tensor, inputs: Sequence[torch.Tensor], params: Params | None, frozen: bool
    ) -> tuple[torch.Tensor, ...] | None:
        (x,) = inputs
        weight = (weights.params() if params is None else params)["weight"]
        if weight.dtype != x.dtype:
            return None
        back = torch.ops.aten.convolution_backward
        return (back(grad, x, weight, None, *how, (True, False, False))[0],)

    return backward


CONVOLUTION = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")


def of_one(own: Derivative) -> Backward:
    """Of an operation with one operand and no weights."""
    return lambda grad, inputs, params, frozen: (own(inputs[0], grad),)


def at_kink(unit: Unit, bound: float | None = None) -> Backward:
    own = partial(at_kinks, unit, bound=bound, arrays=cast(Arrays, arrays))
    return of_one(cast(Derivative, own))


def to_first(unit: Unit, x: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    """Of a maximum (or minimum) over axes: all to the first of several equal ones."""
    order = [axis for axis in range(x.ndim) if axis not in unit.axes] + list(unit.axes)
    moved = x.permute(order)
    rows = moved.shape[: x.ndim - len(unit.axes)]
    flat = moved.reshape(*rows, -1)
    best = (flat.argmin if unit.kind is Kind.MIN else flat.argmax)(-1, keepdim=True)
    found = torch.zeros_like(flat).scatter_(-1, best, grad.reshape(*rows, 1))
    return found.reshape(moved.shape).permute([order.index(n) for n in range(x.ndim)])


def pooled(record: Record, entry: int, tensors: Mapping[int, torch.Tensor]) -> Derivative:
    """Of a maximum over windows, from where the maxima are."""
    window, *how = list(record.arguments.values())[1:]

    def backward(x: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
        places = tensors.get(record.results[1]) if x is tensors.get(entry) else None
        if places is None:
            # With the channels last, the search takes a tenth of the time on a CPU.
            fast = x.device.type == "cpu" and x.ndim == 4
            # A row that all examples share is searched once.
            row = x[:1] if x.ndim == 4 and x.stride(0) == 0 else x
            near = row.contiguous(memory_format=torch.channels_last) if fast else row
            _, places = record.func(near, window, *how)
            if not x.is_contiguous(memory_format=torch.channels_last):
                places = places.contiguous()
            places = places.expand(*x.shape[:-2], -1, -1)
        back = torch.ops.aten.max_pool2d_with_indices_backward
        found: torch.Tensor = back(grad, x, window, *how, places)
        return found

    return backward
