"""Linear operations with the biases, scales and shifts behind them: one weight, one bias."""

from collections.abc import Mapping
from typing import Any, cast, final

import torch

from backlight.graph.graph import Graph
from backlight.graph.unit import Linear
from backlight.graph.weights import folded_params
from backlight.values.arrays import Array, Arrays
from backlight_torch.capture.records import Record
from backlight_torch.capture.replay import run
from backlight_torch.engine.applications import Params


@final
class Weights:
    """The weights of a linear operation, and how it runs with others."""

    def __init__(
        self, graph: Graph, linear: Linear, tensors: Mapping[int, torch.Tensor], arrays: Arrays
    ) -> None:
        self.arrays = arrays
        self.graph = graph
        self.linear = linear
        self.tensors = tensors
        self.node = graph.nodes[linear.position]

    def params(self) -> dict[str, torch.Tensor]:
        found = folded_params(self.graph, self.linear, self._constant, self.arrays)
        return cast(dict[str, torch.Tensor], found)

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

    def _constant(self, value: int) -> Array:
        if value in self.tensors:
            return cast(Array, self.tensors[value])
        weight, number = self.tensors[self.linear.weight], self.graph.values[value].number
        return cast(Array, torch.as_tensor(number, dtype=weight.dtype, device=weight.device))


OPTIONAL = frozenset({"linear", "convolution", "_convolution"})
"""Operations that may be called without a bias."""
