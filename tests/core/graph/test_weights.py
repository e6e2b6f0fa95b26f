"""Folded weights and biases against the operations that were folded, run one by one."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from backlight.graph.recognition.recognition import recognise
from backlight.graph.weights import folded_params
from backlight.rules.operations import Kind
from backlight.values.arrays import Array, Arrays
from tests.core.graph.building import Building
from tests.core.graph.test_recognition import For

Behind = Callable[[Building, int], int]


def moved(b: Building, z: int) -> int:
    z = b.do("reshape", b.do("add", z, b.weight(5)), shape=(2, 2, 5))
    z = b.do("transpose", z, permutation=(2, 0, 1))
    return b.do("sub", b.do("div", z, b.weight(5, 1, 1)), b.weight(5, 1, 1))


BEHIND: dict[str, Behind] = {
    "bias": lambda b, z: b.do("add", z, b.weight(5)),
    "minus a bias": lambda b, z: b.do("sub", z, b.weight(5)),
    "bias minus": lambda b, z: b.do("sub", b.weight(5), z),
    "negated": lambda b, z: b.do("add", b.do("neg", z), b.weight(5)),
    "scales and shifts": lambda b, z: b.do(
        "add", b.do("mul", b.do("add", z, 2.0), b.weight(5)), 0.5
    ),
    "a number below": lambda b, z: b.do("div", b.do("mul", z, b.weight(1, 5)), 3.0),
    "moved": moved,
    "batch norm": lambda b, z: b.do(
        "batch_norm",
        b.do("add", z, b.weight(5)),
        b.weight(5),
        b.weight(5),
        b.weight(5),
        b.do("square", b.weight(5)),
        axis=1,
        epsilon=1e-3,
    ),
    "a shift of each place": lambda b, z: b.do("add", b.do("mul", z, b.weight(5)), b.weight(4, 5)),
}


@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.parametrize("biased", [False, True])
def test_folded(name: str, biased: bool) -> None:
    build = Building()
    x, weight = build.input(4, 6), build.weight(6, 5)
    bias = [build.weight(5)] if biased else []
    z = build.do("dot", x, weight, *bias, equation="ab,bc->ac")
    last = BEHIND[name](build, z)
    graph = build.between([x], [build.do("tanh", last)])
    (unit, _) = recognise(graph, For(frozenset({Kind.DENSE}), fold=True)).units
    assert unit.linear is not None
    assert unit.output == last

    def constant(value: int) -> Array:
        return cast(Array, build.samples[value])

    found: Any = folded_params(graph, unit.linear, constant, cast(Arrays, np))
    result = build.samples[x] @ found["weight"]
    for step in unit.linear.steps:  # what only moves numbers moves these too
        node = graph.nodes[step.position]
        if node.primitive == "reshape":
            result = result.reshape(node.attributes["shape"])
        elif node.primitive == "transpose":
            result = result.transpose(node.attributes["permutation"])
    np.testing.assert_allclose(result + found.get("bias", 0.0), build.samples[last], rtol=1e-12)


def test_weights_on_the_left_are_folded_along_the_axis_that_is_theirs() -> None:
    """W x, columns for examples, of a layer with one number for each row of the result."""
    build = Building()
    x, weight, bias, scale = (
        build.input(6, 4),
        build.weight(5, 6),
        build.weight(5, 1),
        build.weight(5, 1),
    )
    z = build.do("dot", weight, x, equation="ab,bc->ac")
    last = build.do("mul", build.do("add", z, bias), scale)
    graph = build.between([x], [build.do("tanh", last)])
    (unit, _) = recognise(graph, For(frozenset({Kind.DENSE}), fold=True)).units
    assert unit.linear is not None
    assert (unit.output, unit.linear.axes) == (last, (0, None))
    found: Any = folded_params(
        graph, unit.linear, lambda value: cast(Array, build.samples[value]), cast(Arrays, np)
    )
    result = found["weight"] @ build.samples[x] + found["bias"]
    np.testing.assert_allclose(result, build.samples[last], rtol=1e-12)


def test_an_axis_of_the_weight_of_length_1_may_go_before_a_scale() -> None:
    build = Building()
    x, weight, scale = build.input(4, 6), build.weight(6, 5, 1), build.weight(5)
    z = build.do("reshape", build.do("dot", x, weight, equation="ab,bcd->acd"), shape=(4, 5))
    last = build.do("mul", z, scale)
    graph = build.between([x], [build.do("tanh", last)])
    (unit, _) = recognise(graph, For(frozenset({Kind.DENSE}), fold=True)).units
    assert unit.linear is not None
    assert unit.output == last
    found: Any = folded_params(
        graph, unit.linear, lambda value: cast(Array, build.samples[value]), cast(Arrays, np)
    )
    result = np.einsum("ab,bcd->ac", build.samples[x], found["weight"])
    np.testing.assert_allclose(result, build.samples[last], rtol=1e-12)
