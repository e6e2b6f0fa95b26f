"""Linear operations with the biases, scales and shifts behind them: one weight, one bias."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch

from backlight.graph.graph import Graph
from backlight.graph.unit import Linear, Step
from backlight_torch.applications import Params
from backlight_torch.records import Record
from backlight_torch.replay import run

Axes = Sequence[int | None]


@final
class Weights:
    """The weights of a linear operation, and how it runs with others.

    The bias of one with something folded in is laid out as the operation's result is.
    """

    def __init__(self, graph: Graph, linear: Linear, tensors: Mapping[int, torch.Tensor]) -> None:
        self.graph = graph
        self.linear = linear
        self.tensors = tensors
        self.node = graph.nodes[linear.position]

    def params(self) -> dict[str, torch.Tensor]:
        weight = self._number(self.linear.weight)
        bias = None if self.linear.bias is None else self._number(self.linear.bias)
        if self.linear.steps:
            axes: Axes = self.linear.axes
            bias = None if bias is None else self._laid_out(bias)
            for step in self.linear.steps:
                weight, bias, axes = self._folded(step, weight, bias, axes)
        return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}

    def forward(self, inputs: Mapping[int, torch.Tensor], params: Params | None) -> torch.Tensor:
        """The result, with its own weights or others."""
        linear, graph = self.linear, self.graph
        values = {**self.tensors, **inputs}
        if params is None and not linear.steps:
            run(graph, [linear.position], values)
            return values[self.node.result]
        given = self.params() if params is None else params
        bias = given.get("bias")
        values[linear.weight] = given["weight"].to(values[linear.weight].dtype)
        native = linear.bias is not None and not linear.steps
        result = self._product(values, bias if native else None)
        for step in linear.steps:
            if step.effect == "move":
                node = graph.nodes[step.position]
                values[node.operands[step.place]] = result
                run(graph, [step.position], values)
                result = values[node.result]
        return result if bias is None or native else result + bias

    def _product(self, values: dict[int, torch.Tensor], bias: torch.Tensor | None) -> torch.Tensor:
        """With another bias than its own, or none."""
        own, record = self.linear.bias, self.node.native
        assert isinstance(record, Record)
        if own is not None:
            weight = values[self.linear.weight]
            zero = torch.zeros((), dtype=weight.dtype, device=weight.device)
            without: Any = None if record.name in OPTIONAL else zero
            return record.run({**values, own: without if bias is None else bias})[0]
        return record.run(values)[0]

    def _folded(
        self, step: Step, weight: torch.Tensor, bias: torch.Tensor | None, axes: Axes
    ) -> tuple[torch.Tensor, torch.Tensor | None, Axes]:
        node = self.graph.nodes[step.position]
        match step.effect:
            case "move":
                assert step.moves is not None
                axes = [None if axis is None else axes[axis] for axis in step.moves]
                return weight, None if bias is None else self._moved(step, bias), axes
            case "negation":
                return -weight, None if bias is None else -bias, axes
            case "batch_norm":
                scale, shift = batch_norm(
                    [self._number(value) for value in node.operands[1:]],
                    float(node.attributes["epsilon"]),
                )
                wide = [1] * len(axes)
                wide[node.attributes["axis"]] = -1
                scale, shift = scale.reshape(wide), shift.reshape(wide)
                weight = weight * along_weight(scale, axes, step, weight.ndim)
                return weight, shift if bias is None else bias * scale + shift, axes
        assert step.constant is not None
        constant = self._number(step.constant)
        if step.effect in ("scale", "quotient"):
            factor = constant.reciprocal() if step.effect == "quotient" else constant
            weight = weight * along_weight(factor, axes, step, weight.ndim)
            return weight, None if bias is None else bias * factor, axes
        constant = constant.reshape((1,) * (len(axes) - constant.ndim) + constant.shape)
        if step.effect == "reversed shift":
            return -weight, constant if bias is None else constant - bias, axes
        constant = -constant if node.primitive == "sub" else constant
        return weight, constant if bias is None else bias + constant, axes

    def _number(self, value: int) -> torch.Tensor:
        """A constant, with the dtype of the weights."""
        weight = self.tensors[self.linear.weight]
        if value in self.tensors:
            return self.tensors[value]
        number: Any = self.graph.values[value].number
        return torch.as_tensor(number, dtype=weight.dtype, device=weight.device)

    def _laid_out(self, bias: torch.Tensor) -> torch.Tensor:
        """The operation's own bias, as its result is laid out."""
        rank = len(self.graph.shape(self.node.result))
        if self.node.primitive == "conv":
            wide = [1] * rank
            wide[self.node.attributes["result_axes"][1]] = -1
            return bias.reshape(wide)
        return bias.reshape((1,) * (rank - bias.ndim) + bias.shape)

    def _moved(self, step: Step, bias: torch.Tensor) -> torch.Tensor:
        moves = step.moves
        assert moves is not None
        node = self.graph.nodes[step.position]
        before = self.graph.shape(node.operands[step.place])
        kept = [axis for axis in moves if axis is not None]
        if any(bias.shape[axis] != 1 for axis in range(bias.ndim) if axis not in kept):
            values = {node.operands[step.place]: bias.expand(before)}  # it differs along others too
            run(self.graph, [step.position], values)
            return values[node.result]
        order = [*kept, *(axis for axis in range(bias.ndim) if axis not in kept)]
        lengths = [1 if axis is None else bias.shape[axis] for axis in moves]
        return bias.permute(order).reshape(lengths)


OPTIONAL = frozenset({"linear", "convolution", "_convolution"})
"""Operations that may be called without a bias."""


def along_weight(factor: torch.Tensor, axes: Axes, step: Step, rank: int) -> torch.Tensor:
    """A factor of the result, as it goes with the weight."""
    factor = factor.reshape((1,) * (len(axes) - factor.ndim) + factor.shape)
    for axis in range(factor.ndim):
        if axis not in step.varies and factor.shape[axis] != 1:
            factor = factor.narrow(axis, 0, 1)
    places = {axis: axes[axis] for axis in step.varies if factor.shape[axis] != 1}
    order = sorted(places, key=lambda axis: places[axis] or 0)
    lengths = [1] * rank
    for axis, place in places.items():
        assert place is not None
        lengths[place] = factor.shape[axis]
    rest = [axis for axis in range(factor.ndim) if axis not in places]
    return factor.permute([*order, *rest]).reshape(lengths)


def batch_norm(
    constants: Sequence[torch.Tensor], epsilon: float
) -> tuple[torch.Tensor, torch.Tensor]:
    scale, offset, mean, variance = constants
    factor = scale * torch.rsqrt(variance + epsilon)
    return factor, offset - mean * factor
