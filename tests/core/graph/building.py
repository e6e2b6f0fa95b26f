"""Graphs by hand: each primitive as a method, shapes as NumPy gives them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlight.graph.graph import DType, Graph, dtype_of
from backlight.graph.primitives import evaluated


class Building:
    """A graph in the making, with a sample of each value."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.samples: dict[int, Any] = {}

    def input(self, *shape: int, learned: bool = False, seed: int = 0) -> int:
        """A value that nothing computes: a source, if it is made one."""
        value = self.graph.value(shape, learned=learned)
        self.samples[value] = np.random.default_rng(seed + value).normal(size=shape)
        return value

    def weight(self, *shape: int) -> int:
        return self.input(*shape, learned=True)

    def number(self, number: float) -> int:
        value = self.graph.number(number)
        self.samples[value] = np.asarray(number)
        return value

    def do(self, primitive: str, *operands: int | float, place: str = "", **attributes: Any) -> int:
        """One operation with one result."""
        given = [
            operand if isinstance(operand, int) else self.number(operand) for operand in operands
        ]
        node = self.graph.node(primitive, given, (), attributes, place=place or primitive)
        results = evaluated(node, [self.samples[value] for value in given])
        assert results is not None, primitive
        self.graph.nodes.pop()
        found = []
        for result in results:
            value = self.graph.value(result.shape, dtype_of(result.dtype))
            self.samples[value] = result
            found.append(value)
        self.graph.node(primitive, given, found, attributes, place=place or primitive)
        return found[0]

    def dense(self, x: int, width: int, place: str = "dense") -> int:
        """A matrix product with weights over the last axis."""
        letters = "abcdefg"[: len(self.graph.shape(x)) - 1]
        weight = self.weight(self.graph.shape(x)[-1], width)
        return self.do("dot", x, weight, equation=f"{letters}y,yz->{letters}z", place=place)

    def between(self, sources: Sequence[int], targets: Sequence[int]) -> Graph:
        self.graph.sources, self.graph.targets = tuple(sources), tuple(targets)
        return self.graph


__all__ = ["Building", "DType"]
