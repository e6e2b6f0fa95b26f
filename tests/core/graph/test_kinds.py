"""What single nodes compute: of one operand that depends on the input, of several, and of others."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import DType
from backlight.graph.recognition.kinds import kind_of
from backlight.rules.operations import Kind
from tests.core.graph.building import Building

Made = Callable[[Building, int, int], int]


def told(
    b: Building, primitive: str, *operands: int, shape: Any = (4, 6), **attributes: Any
) -> int:
    """A node whose numbers are not needed."""
    value = b.graph.value(shape)
    b.samples[value] = np.zeros(shape)
    b.graph.node(primitive, operands, (value,), attributes)
    return value


def chosen_by(b: Building, x: int) -> int:
    """A factor of 1 or 0 that the input chooses."""
    return b.do("convert", b.do("gt", x, 0.0), to=DType.FLOAT)


ROWS = "ab,bc->ac"
KINDS: dict[str, tuple[Kind | None, Made]] = {
    "scatter_add of one": (
        Kind.SHIFT,
        lambda b, x, y: told(b, "scatter_add", x, b.weight(4), b.weight(4, 6)),
    ),
    "scatter_add of two": (Kind.ADD, lambda b, x, y: told(b, "scatter_add", x, b.weight(4), y)),
    "scatter_add to an array": (
        Kind.SUM,
        lambda b, x, y: told(b, "scatter_add", b.weight(4, 6), b.weight(4), y),
    ),
    "sum": (Kind.SUM, lambda b, x, y: b.do("sum", x, axes=(1,), keepdims=True)),
    "sum of nothing": (None, lambda b, x, y: b.do("sum", x, axes=(), keepdims=True)),
    "product of two": (Kind.MATMUL, lambda b, x, y: b.do("dot", x, y, equation="ab,cb->ac")),
    "product with weights": (
        Kind.DENSE,
        lambda b, x, y: b.do("dot", x, b.weight(6, 3), equation=ROWS),
    ),
    "weights before": (
        Kind.DENSE,
        lambda b, x, y: b.do("dot", b.weight(3, 4), x, equation=ROWS),
    ),
    "product with numbers in the code": (
        Kind.SUM,
        lambda b, x, y: b.do(
            "dot", x, b.do("broadcast", 0.5, shape=(6, 3), axes=()), equation=ROWS
        ),
    ),
    "product with a bias that is computed": (
        Kind.OTHER,
        lambda b, x, y: b.do("dot", x, b.weight(6, 6), y, equation=ROWS),
    ),
    "sum of two": (Kind.ADD, lambda b, x, y: b.do("sub", x, y)),
    "sum with an array": (Kind.SHIFT, lambda b, x, y: b.do("sub", b.weight(6), x)),
    "negation": (Kind.SCALE, lambda b, x, y: b.do("neg", x)),
    "a product": (Kind.MUL, lambda b, x, y: b.do("mul", x, y)),
    "a square": (Kind.POW, lambda b, x, y: b.do("mul", x, x)),
    "a product with an array": (Kind.SCALE, lambda b, x, y: b.do("mul", b.weight(6), x)),
    "a quotient": (Kind.DIV, lambda b, x, y: b.do("div", x, y)),
    "a quotient by itself": (Kind.ELEMENTWISE, lambda b, x, y: b.do("div", x, x)),
    "over an array": (Kind.SCALE, lambda b, x, y: b.do("div", x, b.weight(6))),
    "an array over it": (Kind.POW, lambda b, x, y: b.do("div", b.weight(6), x)),
    "a power": (Kind.POW, lambda b, x, y: b.do("pow", x, 3.0)),
    "a number to its power": (Kind.ELEMENTWISE, lambda b, x, y: b.do("pow", 3.0, x)),
    "a power by another": (Kind.OTHER, lambda b, x, y: b.do("pow", b.do("exp", x), y)),
    "the larger": (Kind.MAX, lambda b, x, y: b.do("maximum", x, y)),
    "the larger of it and a number": (Kind.MAX, lambda b, x, y: b.do("maximum", x, -1e30)),
    "at least the least number": (None, lambda b, x, y: b.do("maximum", x, -3e38)),
    "at least minus infinity": (None, lambda b, x, y: b.do("maximum", -np.inf, x)),
    "at least infinity": (Kind.MAX, lambda b, x, y: b.do("maximum", x, np.inf)),
    "the smaller": (Kind.MIN, lambda b, x, y: b.do("minimum", x, y)),
    "at most the largest number": (None, lambda b, x, y: b.do("minimum", x, 3e38)),
    "at most infinity": (None, lambda b, x, y: b.do("minimum", x, np.inf)),
    "at most minus infinity": (Kind.MIN, lambda b, x, y: b.do("minimum", x, -np.inf)),
    "largest": (Kind.MAX, lambda b, x, y: b.do("max", x, axes=(1,), keepdims=True)),
    "smallest": (Kind.MIN, lambda b, x, y: b.do("min", x, axes=(1,), keepdims=True)),
    "pooling": (Kind.MAX_POOL, lambda b, x, y: told(b, "max_pool", x)),
    "beside each other": (None, lambda b, x, y: b.do("concat", x, y, axis=1)),
    "written into an array": (
        None,
        lambda b, x, y: told(b, "scatter", b.weight(4, 6), b.weight(4), x),
    ),
    "padded": (None, lambda b, x, y: b.do("pad", x, 0.0, low=(0, 1), high=(0, 0))),
    "times what the input chooses": (Kind.OTHER, lambda b, x, y: b.do("mul", x, chosen_by(b, y))),
    "a product times what the input chooses": (
        Kind.MATMUL,
        lambda b, x, y: told(b, "dot", x, y, chosen_by(b, x), equation="ab,cb->ac", shape=(4, 4)),
    ),
    "and what the input chooses": (Kind.SHIFT, lambda b, x, y: b.do("add", x, chosen_by(b, y))),
    "chosen by a test": (None, lambda b, x, y: b.do("select", b.weight(4, 6), x, y)),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(name: str) -> None:
    kind, make = KINDS[name]
    build = Building()
    x, y = build.input(4, 6), build.input(4, 6)
    value = make(build, x, y)
    flow = Dependence(build.between([x, y], [value]))
    node = flow.producer(value)
    assert node is not None
    assert kind_of(flow, node) is kind
