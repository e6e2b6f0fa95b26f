"""Which values are known to be at least 0, against what they are of numbers that are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backlight.graph.graph import DType
from backlight.graph.recognition.recognition import recognise
from backlight.rules.rules import NoRules
from tests.core.graph.building import Building

Made = Callable[[Building, int, int], int]
"""Of a value that is at least 0, and of one that is not."""


def told(build: Building, primitive: str, *operands: int, **attributes: Any) -> int:
    """A node whose numbers are not needed, of the shape of its first operand."""
    value = build.graph.value(build.graph.shape(operands[0]))
    build.samples[value] = np.zeros(build.graph.shape(value))
    build.graph.node(primitive, operands, (value,), attributes, place=primitive)
    return value


ones = {"window": (1, 1), "strides": (1, 1), "padding": ((0, 0),) * 2, "dilation": (1, 1)}

MADE: dict[str, tuple[Made, bool]] = {
    "a sum": (lambda b, up, x: b.do("sum", up, axes=(1,), keepdims=True), True),
    "a mean": (lambda b, up, x: b.do("mean", up, axes=(1,), keepdims=True), True),
    "sums so far": (lambda b, up, x: b.do("cumsum", up, axis=1), True),
    "a pooling": (lambda b, up, x: told(b, "avg_pool", up, **ones), True),
    "an adaptive pooling": (
        lambda b, up, x: told(b, "adaptive_avg_pool", up, axes=(1,), lengths=(6,)),
        True,
    ),
    "a largest": (lambda b, up, x: b.do("max", up, axes=(1,), keepdims=True), True),
    "a smallest": (lambda b, up, x: b.do("min", up, axes=(1,), keepdims=True), True),
    "a mean of others": (lambda b, up, x: b.do("mean", x, axes=(1,), keepdims=True), False),
    "a largest of others": (lambda b, up, x: b.do("max", x, axes=(1,), keepdims=True), False),
    "the smaller of both": (lambda b, up, x: b.do("minimum", up, x), False),
    "a product": (lambda b, up, x: b.do("mul", up, b.do("exp", x)), True),
    "a product with a number": (lambda b, up, x: b.do("mul", up, 0.5), True),
    "a product with one below 0": (lambda b, up, x: b.do("mul", up, -0.5), False),
    "a product of both": (lambda b, up, x: b.do("mul", up, x), False),
    "a sum of both": (lambda b, up, x: b.do("add", up, x), False),
    "a difference": (lambda b, up, x: b.do("sub", up, 0.5), False),
    "padded by 0": (lambda b, up, x: b.do("pad", up, 0.0, low=(0, 1), high=(0, 0)), True),
    "padded below 0": (lambda b, up, x: b.do("pad", up, -1.0, low=(0, 1), high=(0, 0)), False),
    "the other of two by a test": (
        lambda b, up, x: b.do("select", b.do("gt", b.weight(4, 6), 0.0), up, 0.0),
        True,
    ),
    "either of both by a test": (
        lambda b, up, x: b.do("select", b.do("gt", b.weight(4, 6), 0.0), up, x),
        False,
    ),
    "both beside each other": (lambda b, up, x: b.do("concat", up, x, axis=1), False),
    "moved": (lambda b, up, x: b.do("transpose", up, permutation=(1, 0)), True),
    "converted": (lambda b, up, x: b.do("convert", up, to=DType.FLOAT), True),
}


@pytest.mark.parametrize("name", MADE)
def test_at_least_0(name: str) -> None:
    make, right = MADE[name]
    build = Building()
    x = build.input(4, 6)
    made = make(build, build.do("softplus", build.dense(x, 6)), build.dense(x, 6))
    end = build.dense(made, 3)
    assert not right or (build.samples[made] >= 0).all()
    graph = build.between([x], [end])
    (unit,) = [unit for unit in recognise(graph, NoRules()).units if unit.output == end]
    assert unit.described.rectified is right
