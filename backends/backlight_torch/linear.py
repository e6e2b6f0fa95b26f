"""Linear operations with the scales and shifts behind them: one weight, one bias."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch

from backlight.operations import Kind
from backlight_torch.applications import Params
from backlight_torch.kernels import CONVOLUTIONS
from backlight_torch.records import Node, Operand, Record

WEIGHTS = {"mm": 1, "bmm": 1, "addmm": 2, "linear": 1}
"""Which operand is the weight where its last axis is the result's."""


@final
@dataclass(frozen=True)
class Move:
    """A view of other shape, or a permutation of the axes if there are `axes`."""

    shape: tuple[int, ...]
    axes: tuple[int, ...] = ()


@final
@dataclass(eq=False)
class Linear:
    """A linear operation and what is folded into it.

    Attributes:
        record: the operation.
        folded: scales, shifts and batch norms that act on its result, one after the other.
        moves: views and permutations of its result in between.
        shape: of the result behind them.
        axes: where that has the weight's own outputs, in their order; empty if nowhere.
    """

    record: Record
    folded: list[Record] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()
    _constants: list[tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    """Shape and axes where each scale or shift acts."""

    def __post_init__(self) -> None:
        axis = self._axis()
        self.shape, self.axes = self.record.shape, () if axis is None else (axis,)

    @property
    def end(self) -> Record:
        return self.folded[-1] if self.folded else self.record

    def params(self) -> dict[str, torch.Tensor]:
        weight, bias = self._own()
        for one, (shape, axes) in zip(self.folded, self._constants, strict=True):
            scale, shift = scale_and_shift(one)
            if scale is not None:
                scale = self._channels(scale, one, shape, axes)
                weight = self._scaled(weight, scale)
                bias = None if bias is None else bias * scale
            if shift is not None:
                shift = self._channels(shift, one, shape, axes)
                bias = shift if bias is None else bias + shift
        if bias is not None and self.folded:
            bias = bias.expand(self._count()).contiguous()
        return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}

    def forward(self, inputs: Sequence[torch.Tensor], params: Params | None) -> torch.Tensor:
        """Its result, with its own weights or others."""
        found = self.record.found
        assert found.weight is not None
        if params is None and not self.folded:
            return self._moved(self.record.run(inputs, {}))
        given = self.params() if params is None else params
        constants: dict[int, torch.Tensor | None] = {found.weight: given["weight"]}
        bias = given.get("bias")
        native = found.bias is not None and not self.folded
        if found.bias is not None:
            nothing = None
            if self.record.name not in CONVOLUTIONS and self.record.name != "linear":
                nothing = torch.zeros((), dtype=inputs[0].dtype, device=inputs[0].device)
            constants[found.bias] = bias if native and bias is not None else nothing
        result = self.record.run(inputs, constants)
        if bias is not None and not native:
            result = result + bias.reshape(self._bias_shape(bias))
        return self._moved(result)

    def through(self, moves: Sequence[Move]) -> "Linear":
        """The same, with its result moved."""
        shape, axes = self.shape, self.axes
        for move in moves:
            if move.axes:
                axes = tuple(move.axes.index(axis) for axis in axes)
            elif axes:
                axes = last_axes(shape, axes, move.shape)
            shape = move.shape
        moved = Linear(self.record, list(self.folded), [*self.moves, *moves])
        moved.shape, moved.axes, moved._constants = shape, axes, list(self._constants)
        return moved

    def fold(self, record: Record) -> None:
        self.folded.append(record)
        self._constants.append((self.shape, self.axes))

    def foldable(self, record: Record, biases_only: bool) -> bool:
        """Whether a scale, shift or batch norm on its result can be folded into weight and bias."""
        if self.record.view is not None or record.view is not None or not self.axes:
            return False
        if record.shape != self.shape or len(record.active) != 1:
            return False
        if record.found.kind is Kind.BATCH_NORM:
            # Of the channels of its second axis, which must be the linear operation's.
            return not biases_only and self.axes == (1,)
        if record.found.kind is Kind.SCALE and biases_only:
            return False
        if record.name not in ("add", "sub", "mul", "div", "neg"):
            return False
        if record.found.kind is Kind.SHIFT and record.name == "sub" and not left(record):
            return False
        constant = constant_of(record)
        return constant is None or self._per_channel(constant)

    def _own(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        found = self.record.found
        assert found.weight is not None
        weight = self.record.operands[found.weight].tensor
        assert weight is not None
        bias = None if found.bias is None else self.record.operands[found.bias].tensor
        return weight, bias

    def _axis(self) -> int | None:
        """The axis of the result that the weight's own outputs are on; None if there is not one."""
        record = self.record
        if record.name in CONVOLUTIONS:
            return 1 if len(record.active[0].shape) == len(self._own()[0].shape) else None
        if WEIGHTS.get(record.name) == record.found.weight:
            scaled = record.kwargs.get("alpha", 1) != 1 or record.kwargs.get("beta", 1) != 1
            shared = record.name != "bmm" or self._own()[0].shape[0] == 1
            return None if scaled or not shared else len(record.shape) - 1
        return None

    def _moved(self, result: torch.Tensor) -> torch.Tensor:
        for move in self.moves:
            result = result.permute(move.axes) if move.axes else result.reshape(move.shape)
        return result

    def _count(self) -> int:
        axis = self._axis()
        assert axis is not None
        return self.record.shape[axis]

    def _per_channel(self, constant: Any) -> bool:
        if not isinstance(constant, torch.Tensor) or constant.numel() == 1:
            return True
        shape = (1,) * (len(self.shape) - constant.ndim) + tuple(constant.shape)
        return all(length == 1 for number, length in enumerate(shape) if number not in self.axes)

    def _channels(
        self, constant: Any, record: Record, shape: tuple[int, ...], axes: tuple[int, ...]
    ) -> torch.Tensor:
        """A number, or one for each of the weight's outputs, in their order."""
        weight, _ = self._own()
        own = torch.as_tensor(constant, dtype=weight.dtype, device=weight.device)
        if own.numel() == 1 or record.found.kind is Kind.BATCH_NORM:
            return own.reshape(-1)
        own = own.reshape((1,) * (len(shape) - own.ndim) + tuple(own.shape))
        others = [axis for axis in range(len(shape)) if axis not in axes]
        own = own.permute([*others, *axes]).reshape(
            own.permute([*axes, *others]).shape[: len(axes)]
        )
        return own.expand([shape[axis] for axis in axes]).reshape(-1)

    def _scaled(self, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        if scale.numel() == 1:
            return weight * scale
        if self.record.name == "linear":
            return weight * scale[:, None]
        if self.record.name not in CONVOLUTIONS:
            return weight * scale
        spatial = (1,) * (weight.ndim - 2)
        transposed = len(self.record.args) > 6 and self.record.args[6] is True
        if not transposed:
            return weight * scale.reshape(-1, 1, *spatial)
        groups = self.record.args[8]
        apart = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
        return (apart * scale.reshape(groups, 1, -1, *spatial)).reshape(weight.shape)

    def _bias_shape(self, bias: torch.Tensor) -> tuple[int, ...]:
        axis = self._axis()
        if axis is None or bias.numel() == 1:
            return tuple(bias.shape)
        return (-1,) + (1,) * (len(self.record.shape) - 1 - axis)


def last_axes(
    shape: tuple[int, ...], axes: tuple[int, ...], viewed: tuple[int, ...]
) -> tuple[int, ...]:
    """The last axes of a view that hold what the last axes of an array do; none if there are none."""
    contiguous = axes == tuple(range(axes[0], axes[-1] + 1))
    if not contiguous or any(length != 1 for length in shape[axes[-1] + 1 :]):
        return ()
    count = math.prod(shape[axis] for axis in axes)
    for first in range(len(viewed) - 1, -1, -1):
        if math.prod(viewed[first:]) == count:
            return tuple(range(first, len(viewed)))
    return ()


def move_of(node: Node) -> Move | None:
    """What a node of the graph does, where that is a view or a permutation."""
    name = node.name().rpartition("::")[2]
    shape = tuple(int(length) for length in node._input_metadata[0].shape)
    rank = len(shape)
    if name in ("ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0"):
        return Move(shape)
    if name == "PermuteBackward0":
        return Move(shape, tuple(signed(axis) % rank for axis in node._saved_dims))
    if name == "TransposeBackward0":
        axes = list(range(rank))
        one, other = signed(node._saved_dim0) % rank, signed(node._saved_dim1) % rank
        axes[one], axes[other] = axes[other], axes[one]
        return Move(shape, tuple(axes))
    if name == "CloneBackward0":
        return Move(shape, tuple(range(rank)))
    return None


def signed(number: int) -> int:
    """Nodes give negative axes as large positive numbers."""
    return number - 2**64 if number >= 2**63 else number


def left(record: Record) -> bool:
    """Whether what depends on the explained value is the first operand."""
    return isinstance(record.args[0], Operand) and record.args[0].active


def constant_of(record: Record) -> Any:
    """The constant of a sum, difference, product or quotient."""
    for value in record.args:
        if isinstance(value, Operand):
            if not value.active:
                return value.tensor
        elif isinstance(value, (int, float)):
            return value
    return None


def scale_and_shift(record: Record) -> tuple[Any, Any]:
    """What an affine operation multiplies by and adds: numbers or arrays, None for nothing."""
    constant = constant_of(record)
    match record.name:
        case "neg":
            return -1.0, None
        case "mul":
            return constant, None
        case "div":
            return 1.0 / constant, None
        case "add":
            factor = record.kwargs.get("alpha", 1)
            return None, constant * factor if left(record) else constant
        case "sub":
            return None, -constant * record.kwargs.get("alpha", 1)
    values: list[Any] = [
        value.tensor if isinstance(value, Operand) else value for value in record.args
    ]
    _, weight, bias, mean, variance, *rest = values
    scale = torch.rsqrt(variance + float(rest[-1]))
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias
