"""How values move with one before them: what is said, and what comes out where it moves."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.dependence.moves import OTHER, How, Move, at_targets, moves_behind
from backlight.graph.graph import DType
from backlight.graph.primitives import evaluated
from tests.core.graph.building import Building

Net = Callable[[Building, int], int]
SHAPE, BY, LAST = (4, 6), (4, 1), (-2,)
"""Of what moves, and of t; where t differs."""


def exp(net: Net) -> Net:
    return lambda b, h: net(b, b.do("exp", h))


def sums(b: Building, h: int, axis: int, keepdims: bool, primitive: str = "sum") -> int:
    return b.do(primitive, h, axes=(axis,), keepdims=keepdims)


def finite(b: Building, h: int) -> int:
    return b.do("select", b.do("isfinite", h), h, 0.0)


def not_endless(b: Building, h: int) -> int:
    return b.do("select", b.do("eq", b.do("abs", h), math.inf), 0.0, h)


SHIFTS: dict[str, tuple[float, tuple[int, ...], Net]] = {
    "twice": (2.0, LAST, lambda b, h: b.do("add", h, h)),
    "with an array": (1.0, LAST, lambda b, h: b.do("add", h, b.weight(4, 6))),
    "negated": (-1.0, LAST, lambda b, h: b.do("neg", h)),
    "from a number": (-1.0, LAST, lambda b, h: b.do("sub", 2.0, h)),
    "times": (3.0, LAST, lambda b, h: b.do("mul", 3.0, h)),
    "over": (0.5, LAST, lambda b, h: b.do("div", h, 2.0)),
    "logarithm": (2.0, LAST, exp(lambda b, e: b.do("log", b.do("mul", e, e)))),
    "largest": (1.0, (-1,), lambda b, h: sums(b, h, 1, False, "max")),
    "largest that stays": (1.0, LAST, lambda b, h: sums(b, h, 1, True, "max")),
    "mean": (1.0, LAST, lambda b, h: sums(b, h, 1, True, "mean")),
    "logsumexp": (1.0, (-1,), lambda b, h: b.do("logsumexp", h, axes=(1,), keepdims=False)),
    "logaddexp": (1.0, LAST, lambda b, h: b.do("logaddexp", h, h)),
    "beside each other": (1.0, LAST, lambda b, h: b.do("concat", h, h, axis=1)),
    "in a stack": (1.0, (-2,), lambda b, h: b.do("stack", h, h, axis=0)),
    "in a stack behind": (1.0, (-3,), lambda b, h: b.do("stack", h, h, axis=2)),
    "bounded far off": (1.0, LAST, lambda b, h: b.do("maximum", h, -1e5)),
    "clamped far off": (1.0, LAST, lambda b, h: b.do("clamp", h, -1e5, 1e5)),
    "where it is finite": (1.0, LAST, finite),
    "where it is not endless": (1.0, LAST, not_endless),
    "transposed": (1.0, (-1,), lambda b, h: b.do("transpose", h, permutation=(1, 0))),
    "laid out": (1.0, (-3,), lambda b, h: b.do("reshape", h, shape=(4, 2, 3))),
    "spread": (1.0, (-3,), lambda b, h: b.do("broadcast", h, shape=(4, 5, 6), axes=(0, 2))),
    "a column": (1.0, (-1,), lambda b, h: b.do("index", h, axis=1, at=2)),
}

FACTORS: dict[str, tuple[float, tuple[int, ...], Net]] = {
    "exponential": (1.0, LAST, exp(lambda b, e: e)),
    "power of 2": (math.log(2), LAST, lambda b, h: b.do("exp2", h)),
    "product": (2.0, LAST, exp(lambda b, e: b.do("mul", e, e))),
    "quotient": (-1.0, LAST, exp(lambda b, e: b.do("div", 3.0, e))),
    "power": (-2.0, LAST, exp(lambda b, e: b.do("pow", e, -2.0))),
    "one over": (-1.0, LAST, exp(lambda b, e: b.do("reciprocal", e))),
    "one over a root": (-0.5, LAST, exp(lambda b, e: b.do("rsqrt", e))),
    "size": (1.0, LAST, exp(lambda b, e: b.do("abs", b.do("neg", b.do("mul", e, 1.0))))),
    "sum": (1.0, (-1,), exp(lambda b, e: sums(b, e, 1, False))),
    "with another": (1.0, LAST, exp(lambda b, e: b.do("add", e, b.do("mul", e, 2.0)))),
    "with nothing": (1.0, LAST, exp(lambda b, e: b.do("add", e, 0.0))),
    "not below 0": (1.0, LAST, exp(lambda b, e: b.do("maximum", e, 0.0))),
    "by weights": (
        1.0,
        LAST,
        exp(lambda b, e: b.do("dot", e, b.weight(6, 3), equation="ab,bc->ac")),
    ),
    "by itself": (2.0, (-1,), exp(lambda b, e: b.do("dot", e, e, equation="ab,ab->a"))),
}

STAYS: dict[str, Net] = {
    "softmax": lambda b, h: b.do("softmax", h, axes=(1,)),
    "log_softmax": lambda b, h: b.do("log_softmax", h, axes=(1,)),
    "less the largest": lambda b, h: b.do("sub", h, sums(b, h, 1, True, "max")),
    "over the sum": exp(lambda b, e: b.do("div", e, sums(b, e, 1, True))),
    "sign": exp(lambda b, e: b.do("sign", e)),
}

OTHERS: dict[str, Net] = {
    "softmax of others": lambda b, h: b.do("softmax", h, axes=(0,)),
    "softmax of a factor": exp(lambda b, e: b.do("softmax", e, axes=(1,))),
    "logsumexp of others": lambda b, h: b.do("logsumexp", h, axes=(0,), keepdims=True),
    "logsumexp of a factor": exp(lambda b, e: b.do("logsumexp", e, axes=(1,), keepdims=True)),
    "logarithm of a shift": lambda b, h: b.do("log", b.do("add", h, 20.0)),
    "product of shifts": lambda b, h: b.do("mul", h, h),
    "quotient by a shift": lambda b, h: b.do("div", 2.0, h),
    "times an array": lambda b, h: b.do("mul", h, b.weight(4, 6)),
    "square of a shift": lambda b, h: b.do("square", h),
    "sum of a shift": lambda b, h: sums(b, h, 1, True),
    "sum over others": exp(lambda b, e: sums(b, e, 0, True)),
    "a factor and a number": exp(lambda b, e: b.do("add", e, 1.0)),
    "a factor and a shift": lambda b, h: b.do("add", b.do("exp", h), h),
    "factors of two degrees": exp(lambda b, e: b.do("add", e, b.do("mul", e, e))),
    "beside an array": lambda b, h: b.do("concat", h, b.weight(4, 6), axis=1),
    "in a stack with an array": lambda b, h: b.do("stack", h, b.weight(4, 6), axis=0),
    "a softmax beside an array": lambda b, h: b.do(
        "softmax", b.do("concat", h, b.weight(4, 2), axis=1), axes=(1,)
    ),
    "beside a square": exp(lambda b, e: b.do("concat", e, b.do("mul", e, e), axis=1)),
    "bounded": lambda b, h: b.do("maximum", h, 0.0),
    "chosen by a test": lambda b, h: b.do("select", b.do("gt", h, 0.0), h, b.weight(4, 6)),
    "sign of a shift": lambda b, h: b.do("sign", h),
    "logaddexp with an array": lambda b, h: b.do("logaddexp", h, b.weight(4, 6)),
    "logaddexp of factors": exp(lambda b, e: b.do("logaddexp", e, e)),
    "weights of a shift": lambda b, h: b.do("dot", h, b.weight(6, 3), equation="ab,bc->ac"),
    "weights over others": exp(
        lambda b, e: b.do("dot", e, b.weight(4, 3), equation="ab,ac->bc")
    ),
    "all rows by all": exp(lambda b, e: b.do("dot", e, e, equation="ab,cb->ac")),
    "weights and a bias": exp(
        lambda b, e: b.do("dot", e, b.weight(6, 3), b.weight(3), equation="ab,bc->ac")
    ),
    "laid out across": lambda b, h: b.do("reshape", h, shape=(2, 12)),
    "a row": lambda b, h: b.do("index", h, axis=0, at=2),
    "a part of the rows": lambda b, h: b.do(
        "slice", h, starts=(0, 0), limits=(2, 6), strides=(1, 1)
    ),
    "padded": lambda b, h: b.do("pad", h, 0.0, low=(0, 1), high=(0, 0)),
    "curved": lambda b, h: b.do("tanh", h),
}  # fmt: skip


def moved(net: Net) -> tuple[Move | None, np.ndarray, np.ndarray, np.ndarray]:
    """What is said; then the value, what it is when the first one has moved, and by what that did."""
    build = Building()
    x = build.input(*SHAPE)
    h = build.do("tanh", x)
    flow = Dependence(build.between([x], [net(build, h)]))
    (target,) = flow.graph.targets
    found = at_targets(flow, moves_behind(flow, {h: Move(How.SHIFT, 1.0, LAST)}))
    by = np.random.default_rng(1).normal(size=BY)
    numbers = {**build.samples, h: build.samples[h] + by}
    for node in flow.nodes[1:]:
        results = evaluated(node, [numbers[value] for value in node.operands])
        assert results is not None
        numbers.update(zip(node.results, results, strict=True))
    return found.get(0), build.samples[target], numbers[target], by.ravel()


def along(by: np.ndarray, value: np.ndarray, move: Move) -> np.ndarray:
    """What the first value moved by, where it is said to differ in this one."""
    shape = [1] * value.ndim
    shape[move.axes[0]] = len(by)
    return by.reshape(shape)


@pytest.mark.parametrize("name", SHIFTS)
def test_shifts(name: str) -> None:
    degree, axes, net = SHIFTS[name]
    said, before, after, by = moved(net)
    assert said == Move(How.SHIFT, degree, axes)
    shift = np.broadcast_to(degree * along(by, before, said), before.shape)
    np.testing.assert_allclose(after - before, shift, atol=1e-12)


@pytest.mark.parametrize("name", FACTORS)
def test_factors(name: str) -> None:
    degree, axes, net = FACTORS[name]
    said, before, after, by = moved(net)
    assert said == Move(How.FACTOR, degree, axes)
    np.testing.assert_allclose(after, before * np.exp(degree * along(by, before, said)), rtol=1e-12)


@pytest.mark.parametrize("name", STAYS)
def test_what_stays(name: str) -> None:
    said, before, after, _ = moved(STAYS[name])
    assert said is None
    np.testing.assert_allclose(after, before, atol=1e-12)


@pytest.mark.parametrize("name", OTHERS)
def test_what_moves_in_another_way(name: str) -> None:
    said, before, after, _ = moved(OTHERS[name])
    assert said == OTHER
    assert np.abs(after - before).max() > 1e-3


def test_tests_move_nothing() -> None:
    """They have no derivative by anything."""
    said, *_ = moved(lambda b, h: b.do("convert", b.do("gt", h, 0.0), to=DType.FLOAT))
    assert said is None
