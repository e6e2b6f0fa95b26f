"""Which places of an input can tell one place of the result."""

from collections.abc import Callable

import numpy as np
import pytest

from backlight.graph.axes.axes import GraphAxes
from backlight.graph.axes.mattering import Mattering
from backlight.graph.dependence.dependence import Dependence
from tests.core.graph.building import Building

Net = Callable[[Building, int], int]


def written(b: Building, x: int) -> int:
    part = b.do("slice", x, starts=(0, 2), limits=(2, 4), strides=(1, 1))
    value = b.graph.value((2, 6))
    b.samples[value] = np.zeros((2, 6))
    b.graph.node("update", (b.weight(2, 6), part), (value,), {"starts": (0, 3)})
    return value


def convolved(b: Building, x: int) -> int:
    wide = b.do("reshape", x, shape=(2, 1, 6))
    value = b.graph.value((2, 3, 6))
    b.samples[value] = np.zeros((2, 3, 6))
    attributes = {
        "strides": (1,),
        "padding": ((0, 0),),
        "dilation": (1,),
        "x_axes": (0, 1, 2),
        "weight_axes": (0, 1, 2),
        "result_axes": (0, 1, 2),
    }
    b.graph.node("conv", (wide, b.weight(3, 1, 1)), (value,), attributes)
    return b.do("index", value, axis=1, at=2)


def mean_that_stays(b: Building, x: int) -> int:
    wide = b.do("reshape", x, shape=(2, 6, 1))
    mean = b.do("mean", b.do("mul", wide, b.weight(3)), axes=(2,), keepdims=True)
    return b.do("reshape", mean, shape=(2, 6))


def bias(b: Building, x: int) -> int:
    """Of a product of another input."""
    other = b.input(2, 5)
    b.graph.rows = frozenset({other})
    return b.do("dot", other, b.weight(5, 6), x, equation="ab,bc->ac")


def asked(b: Building, x: int) -> int:
    """Three queries of two numbers each, which look at other keys."""
    value = b.graph.value((2, 3, 2))
    b.samples[value] = np.zeros((2, 3, 2))
    keys = b.weight(2, 4, 2)
    b.graph.node("attention", (b.do("reshape", x, shape=(2, 3, 2)), keys, keys), (value,), {})
    return b.do("reshape", value, shape=(2, 6))


PLACES: dict[str, tuple[Net, int, set[int]]] = {
    "spread": (lambda b, x: b.do("pad", x, 0.0, low=(0, 1), high=(0, 0), interior=(0, 2)), 7, {2}),
    "between": (
        lambda b, x: b.do("pad", x, 0.0, low=(0, 1), high=(0, 0), interior=(0, 2)),
        8,
        set(),
    ),
    "written": (written, 4, {3}),
    "beside what is written": (written, 1, set()),
    "at each place by itself": (convolved, 3, {3}),
    "sums so far": (lambda b, x: b.do("cumsum", x, axis=1), 2, {0, 1, 2, 3, 4, 5}),
    "backwards": (lambda b, x: b.do("flip", x, axes=(1,)), 1, {4}),
    "a mean beside them": (
        lambda b, x: b.do("mean", b.do("reshape", x, shape=(2, 6, 1)), axes=(2,)),
        3,
        {3},
    ),
    "a mean beside them that stays": (mean_that_stays, 3, {3}),
    "a bias": (bias, 3, {3}),
    "what is asked in attention": (asked, 3, {2, 3}),
    "rolled": (lambda b, x: b.do("roll", x, shifts=(2,), axes=(1,)), 1, {5}),
}


@pytest.mark.parametrize("name", PLACES)
def test_places_that_tell_a_result(name: str) -> None:
    net, at, right = PLACES[name]
    build = Building()
    x = build.input(2, 6)
    graph = build.between([x], [build.do("index", net(build, x), axis=1, at=at)])
    masks = Mattering(GraphAxes.of(graph), Dependence(graph)).values.get(x)
    found = set() if masks is None or not all(map(np.any, masks)) else set(masks[1].nonzero()[0])
    assert found == right
