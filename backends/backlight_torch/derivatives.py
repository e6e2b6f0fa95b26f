"""Derivatives in closed form, where autograd's own have other conventions or cost more."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch

from backlight.graph.graph import Graph
from backlight.graph.unit import Unit
from backlight.operations import Kind
from backlight_torch.capture.records import Record
from backlight_torch.engine.applications import Backward, Params
from backlight_torch.weights import Weights

Slope: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

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
        return None if alone else cut(slope_of(unit))
    if unit.kind in (Kind.MAX, Kind.MIN) and len(unit.positions) == 1:
        if unit.axes:
            return winner(unit.kind is Kind.MIN, unit.axes)
        if len(unit.inputs) == 1:
            return bounded(graph, unit)
    if isinstance(node.native, Record) and node.native.name == WITH_PLACES:
        return pooled(node.native, unit.inputs[0], tensors)
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


def slope_of(unit: Unit) -> Slope:
    constant = unit.constant
    if unit.kind is Kind.RELU6:
        assert constant is not None
        return lambda x: ((x > 0) & (x < constant)).to(x.dtype)
    if unit.kind is Kind.LEAKY_RELU:
        assert constant is not None
        return lambda x: torch.where(x > 0, torch.ones_like(x), torch.full_like(x, constant))
    return lambda x: (x > 0).to(x.dtype)


def bounded(graph: Graph, unit: Unit) -> Backward | None:
    """Of the larger, or smaller, of a value and one number: nothing where they are equal."""
    node = graph.nodes[unit.core]
    if len(node.operands) != 2 or node.primitive not in ("maximum", "minimum"):
        return None
    other = node.operands[1 - node.operands.index(unit.inputs[0])]
    number = graph.values[other].number
    if number is None:
        return None
    if node.primitive == "maximum":
        return cut(lambda x: (x > number).to(x.dtype))
    return cut(lambda x: (x < number).to(x.dtype))


def cut(slope: Slope) -> Backward:
    """The gradient times the slope, nothing where that is 0."""

    def backward(
        grad: torch.Tensor, inputs: Sequence[torch.Tensor], params: Params | None, frozen: bool
    ) -> tuple[torch.Tensor, ...]:
        factor = slope(inputs[0])
        return (torch.where(factor != 0, grad * factor, torch.zeros_like(grad)),)

    return backward


def winner(smallest: bool, axes: tuple[int, ...]) -> Backward:
    """Of a maximum (or minimum) over axes: all to the first of several equal ones."""

    def backward(
        grad: torch.Tensor, inputs: Sequence[torch.Tensor], params: Params | None, frozen: bool
    ) -> tuple[torch.Tensor, ...]:
        (x,) = inputs
        order = [axis for axis in range(x.ndim) if axis not in axes] + list(axes)
        moved = x.permute(order)
        rows = moved.shape[: x.ndim - len(axes)]
        flat = moved.reshape(*rows, -1)
        best = flat.argmin(-1, keepdim=True) if smallest else flat.argmax(-1, keepdim=True)
        found = torch.zeros_like(flat).scatter_(-1, best, grad.reshape(*rows, 1))
        return (found.reshape(moved.shape).permute([order.index(n) for n in range(x.ndim)]),)

    return backward


def pooled(record: Record, entry: int, tensors: Mapping[int, torch.Tensor]) -> Backward:
    """Of a maximum over windows, from where the maxima are."""
    sizes: list[Any] = list(record.arguments.values())[1:]
    stride, padding, dilation, ceil = (
        sizes[number] if len(sizes) > number else default
        for number, default in ((1, ()), (2, (0, 0)), (3, (1, 1)), (4, False))
    )

    def backward(
        grad: torch.Tensor, inputs: Sequence[torch.Tensor], params: Params | None, frozen: bool
    ) -> tuple[torch.Tensor, ...]:
        (x,) = inputs
        places = tensors.get(record.results[1]) if x is tensors.get(entry) else None
        if places is None:
            # With the channels last, the search takes a tenth of the time on a CPU.
            fast = x.device.type == "cpu" and x.ndim == 4
            # A row that all examples share is searched once.
            row = x[:1] if x.ndim == 4 and x.stride(0) == 0 else x
            near = row.contiguous(memory_format=torch.channels_last) if fast else row
            _, places = record.func(near, sizes[0], stride, padding, dilation, ceil)
            if not x.is_contiguous(memory_format=torch.channels_last):
                places = places.contiguous()
            places = places.expand(*x.shape[:-2], -1, -1)
        back = torch.ops.aten.max_pool2d_with_indices_backward
        return (back(grad, x, sizes[0], stride, padding, dilation, ceil, places),)

    return backward
