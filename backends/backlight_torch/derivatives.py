"""Derivatives in closed form, where autograd's own have other conventions or cost more."""

from collections.abc import Sequence
from typing import Any, cast

import torch

from backlight.engine.application import Applied
from backlight.engine.conventions import of_extremum
from backlight.graph.graph import Node
from backlight.graph.unit import Unit
from backlight.rules.operations import Kind
from backlight_torch.capture.records import Record

NATIVE = frozenset({"relu", "threshold", "leaky_relu", "hard_tanh", "relu6"})
"""Primitives whose derivatives by autograd are 0, or the slope below, at the kink."""

WITH_PLACES = "max_pool2d_with_indices"
"""A maximum over windows that says where each is."""

BY_INPUT = {
    "gelu": (torch.ops.aten.gelu_backward, ("approximate",)),
    "silu": (torch.ops.aten.silu_backward, ()),
    "softplus": (torch.ops.aten.softplus_backward, ("beta", "threshold")),
}
"""ATen's derivatives from what an operation was given, and the arguments that they share with it."""

CONVOLUTION = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")


def is_autograds(unit: Unit, node: Node) -> bool:
    """Whether autograd's own derivative of an operation has the conventions of rules.

    Args:
        unit, node: the operation, and the node that it is named by.
    """
    if unit.kind in (Kind.RELU, Kind.RELU6, Kind.LEAKY_RELU):
        return len(unit.positions) == 1 and node.primitive in NATIVE
    return unit.kind not in (Kind.MAX, Kind.MIN) or len(unit.positions) > 1


def in_closed_form(
    op: Applied, inputs: Sequence[torch.Tensor], grad: torch.Tensor
) -> list[torch.Tensor] | None:
    """The gradients of an operation's inputs; None where autograd is asked."""
    record, unit = op.nodes[0].native, op.unit
    if len(unit.positions) > 1 or not isinstance(record, Record):
        return None
    if record.func is None:
        return by_its_own(record, unit.output, grad)
    found = of_extremum(unit, op.nodes[0], *cast(Any, (inputs[0], grad, op.arrays)))
    if found is not None:
        return [cast(torch.Tensor, found)]
    if record.name == WITH_PLACES:
        places = op.known.get(record.results[1]) if id(inputs[0]) == id(op.inputs[0]) else None
        return [pooled(record, inputs[0], grad, cast("torch.Tensor | None", places))]
    if record.name in BY_INPUT:
        backward, how = BY_INPUT[record.name]
        return [backward(grad, inputs[0], **{name: record[name] for name in how})]
    if len(inputs) == 2 and record.name in ("mul", "mm", "bmm") and not grad.is_complex():
        a, b = inputs
        if record.name == "mul":
            return [(grad * b).sum_to_size(a.shape), (grad * a).sum_to_size(b.shape)]
        return [grad @ b.mT, a.mT @ grad]
    return None


def transposed(
    op: Applied, x: torch.Tensor, weight: torch.Tensor, grad: torch.Tensor
) -> torch.Tensor | None:
    """Of a convolution, which autograd would run again first; None for other linear operations."""
    linear = op.unit.linear
    assert linear is not None
    record = op.graph.nodes[linear.position].native
    assert isinstance(record, Record)
    if record.name != "convolution" or linear.place != 1 or weight.dtype != x.dtype:
        return None
    if any(step.effect == "move" for step in linear.steps):
        return None
    how = [record[name] for name in CONVOLUTION]
    back = torch.ops.aten.convolution_backward
    found: torch.Tensor = back(grad, x, weight, None, *how, (True, False, False))[0]
    return found


def by_its_own(record: Record, output: int, grad: torch.Tensor) -> list[torch.Tensor]:
    """Of a function with a backward of its own."""
    node: Any = record.node
    backward = node.apply if hasattr(node, "apply") else node
    grads = [grad if value == output else None for value in record.results]
    found = backward(*grads)
    listed = found if isinstance(found, tuple) else (found,)
    pairs = zip(listed, node.next_functions, strict=True)
    return [one for one, edge in pairs if edge in record.edges]


def pooled(
    record: Record, x: torch.Tensor, grad: torch.Tensor, places: torch.Tensor | None
) -> torch.Tensor:
    """Of a maximum over windows, from where the maxima are, if that is known."""
    window, *how = list(record.arguments.values())[1:]
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
