"""Derivatives in closed form, where autograd's own have other conventions or cost more."""

from collections.abc import Sequence

import torch

from backlight.operations import Kind
from backlight_torch.applications import Backward, Params
from backlight_torch.kernels import WITH_PLACES
from backlight_torch.recognised import Slope
from backlight_torch.records import Record


def derivative_of(record: Record) -> Backward | None:
    """The derivative of an operation in closed form; None where autograd's is as good."""
    found = record.found
    if found.slope is not None:
        return cut(found.slope)
    if found.kind in (Kind.MAX, Kind.MIN) and found.axes:
        return winner(found.kind is Kind.MIN, found.axes)
    return pooled(record) if record.name == WITH_PLACES else None


def cut(slope: Slope) -> Backward:
    """The gradient where the slope is 1, nothing where it is 0."""

    def backward(
        grad: torch.Tensor, inputs: Sequence[torch.Tensor], params: Params | None, frozen: bool
    ) -> tuple[torch.Tensor, ...]:
        return (torch.where(slope(inputs[0]), grad, torch.zeros_like(grad)),)

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


def pooled(record: Record) -> Backward:
    """Of a maximum over windows, from where the maxima are."""
    sizes = [*record.args[1:]]
    stride, padding, dilation, ceil = (
        sizes[number] if len(sizes) > number else default
        for number, default in ((1, ()), (2, (0, 0)), (3, (1, 1)), (4, False))
    )

    def backward(
        grad: torch.Tensor, inputs: Sequence[torch.Tensor], params: Params | None, frozen: bool
    ) -> tuple[torch.Tensor, ...]:
        (x,) = inputs
        places = record.places if x is record.active[0].tensor else None
        if places is None:
            # With the channels last, the search takes a tenth of the time on a CPU.
            fast = x.device.type == "cpu" and x.ndim == 4
            near = x.contiguous(memory_format=torch.channels_last) if fast else x
            _, places = record.func(near, sizes[0], stride, padding, dilation, ceil)
            if not x.is_contiguous(memory_format=torch.channels_last):
                places = places.contiguous()
        back = torch.ops.aten.max_pool2d_with_indices_backward
        return (back(grad, x, sizes[0], stride, padding, dilation, ceil, places),)

    return backward
