"""The core's passes with a framework that can only run operations and look at what changes."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest

from backlight.engine.conventions import at_kinks
from backlight.engine.explained import Explained, parts_of
from backlight.engine.passes import ruled
from backlight.engine.reference import reference_for
from backlight.graph.recognition.recognition import recognise
from backlight.graph.unit import Unit
from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.testing.rules import Native, by_kind
from backlight.values.arrays import Array, Arrays
from tests.core.by_differences import ByDifferences
from tests.core.graph.building import Building

CLOSE = {"rtol": 1e-7, "atol": 1e-8}


def one_rule(rule: Rule, *kinds: Kind) -> Rules:
    return by_kind(dict.fromkeys(kinds, rule))


class Differences(Rule):
    """Exact differences: quotients of numbers, products one operand after the other."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        there = op.reference
        assert there is not None
        pairs = list(zip(op.inputs, there.inputs, strict=True))
        if len(pairs) == 2:  # a b - a' b' = (a - a') b + a' (b - b')
            return op.vjp(grad, inputs=[there.inputs[0], op.inputs[1]])
        ((x, y),) = pairs
        return (grad * (op.output - there.output) / (x - y),)


class Positive(Rule):
    """z-plus: shares by the positive weights, without a bias."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        params = {"weight": op.arrays.maximum(op.params["weight"], 0 * op.params["weight"])}
        z = op.replay(params=params)
        return op.vjp(grad * op.output / z, params=params)


def net(rows: int) -> tuple[dict[int, Any], Callable[[Rules], Explained]]:
    """Dense with a bias of its own, a rectifier, a product with itself, and a score: its constants,
    the input and numbers among them, and its operations under rules."""
    b = Building()
    x = b.input(rows, 3)
    z = b.do("dot", x, b.weight(3, 4), b.weight(4), equation="ab,bc->ac", place="dense")
    square = b.do("reshape", b.do("maximum", z, 0.0), shape=(rows, 2, 2))
    product = b.do("dot", square, square, equation="abc,acd->abd")
    read = b.do("sum", product, axes=(1,), keepdims=False)
    before = len(b.graph.nodes)
    target = b.do("index", read, axis=1, at=1)
    graph = b.between([x], [target])
    graph.kept = frozenset({read})

    def explained(rules: Rules) -> Explained:
        return Explained(recognise(graph, rules), (x,), (read,), before)

    held = set(range(len(graph.values))) - {v for node in graph.nodes for v in node.results}
    moved = {at: b.samples[at] + (graph.values[at].number is None) for at in sorted(held)}
    moved[2][0] = -10.0  # the rectifier's first number is cut off
    return moved, explained


def scores(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    square = np.maximum(x @ weight + bias, 0).reshape(-1, 2, 2)
    return (square @ square).sum(1)[:, 1]


def arriving(z: np.ndarray) -> np.ndarray:
    """The gradient of the scores by the dense operation's result."""
    m = np.maximum(z, 0).reshape(-1, 2, 2)
    column = np.zeros_like(m)
    column[:, :, 1] = 1  # the second is summed over the rows
    turned = m.transpose(0, 2, 1)
    return (column @ turned + turned @ column).reshape(z.shape) * (z > 0)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("of", [(), (Kind.MATMUL,), (Kind.RELU, Kind.DENSE), tuple(Kind)])
def test_native_rules_give_the_gradient(of: tuple[Kind, ...], together: bool) -> None:
    known, explained = net(2)
    rules = one_rule(Native(), *of)
    found = explained(rules)
    runner, (x, weight, bias, _) = ByDifferences(known, together), known.values()
    values = dict(known)
    gradients, _ = ruled(runner, found, parts_of(runner, found, rules), values)
    expected = arriving(x @ weight + bias) @ weight.T
    assert np.abs(expected).min() > 0
    (target,) = found.graph.targets
    np.testing.assert_allclose(values[target], scores(x, weight, bias), **CLOSE)
    np.testing.assert_allclose(gradients[0], expected, **CLOSE)


@pytest.mark.parametrize("shared", [True, False])
def test_a_reference_runs_with_one_row_where_all_examples_share_it(shared: bool) -> None:
    rules = one_rule(Differences(), Kind.RELU, Kind.MATMUL)
    known, explained = net(3)
    _, of_one = net(1)
    runner, (x, weight, bias, _) = ByDifferences(known), known.values()
    found, baseline = explained(rules), np.full((1, 3), 0.3)
    reference = reference_for(found, (lambda: of_one(rules)) if shared else None)
    assert (reference.net is not found) is shared
    there = {**known, 0: baseline if shared else baseline.repeat(3, 0)}
    gradients, after = ruled(
        runner, found, parts_of(runner, found, rules), dict(known), reference, there
    )
    assert after is not None
    before, here = scores(baseline, weight, bias), scores(x, weight, bias)
    np.testing.assert_allclose(after[found.graph.targets[0]], before.repeat(3), **CLOSE)
    shares = np.asarray(gradients[0]) * (x - baseline)
    np.testing.assert_allclose(shares.sum(1), here - before, **CLOSE)


def test_other_weights_come_without_the_operation_s_own_bias() -> None:
    rules = one_rule(Positive(), Kind.DENSE)
    known, explained = net(2)
    found, (x, weight, bias, _) = explained(rules), known.values()
    runner = ByDifferences(known)
    gradients, _ = ruled(runner, found, parts_of(runner, found, rules), dict(known))
    positive, z = np.maximum(weight, 0), x @ weight + bias
    expected = (arriving(z) * z / (x @ positive)) @ positive.T
    assert np.abs(expected).min() > 0
    np.testing.assert_allclose(gradients[0], expected, **CLOSE)


@pytest.mark.parametrize(
    ("kind", "constant", "bound", "slopes"),
    [
        (Kind.RELU, None, None, [0, 0, 1, 1, 1]),
        (Kind.RELU6, 1.0, None, [0, 0, 1, 0, 0]),
        (Kind.LEAKY_RELU, 0.1, None, [0.1, 0.1, 1, 1, 1]),
        (Kind.ABS, None, None, [-1, 0, 1, 1, 1]),
        (Kind.MAX, None, 1.0, [0, 0, 0, 0, 1]),
        (Kind.MIN, None, 1.0, [1, 1, 1, 0, 0]),
        (Kind.TANH, None, None, None),
        (Kind.MAX, None, None, None),
    ],
)
def test_derivatives_at_kinks_are_those_of_the_convention(
    kind: Kind, constant: float | None, bound: float | None, slopes: list[float] | None
) -> None:
    x, grad = np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), np.arange(1.0, 6.0)
    unit = Unit(kind, (0,), (0,), (1,), 0, constant=constant)
    found = at_kinks(unit, cast(Array, x), cast(Array, grad), bound, cast(Arrays, np))
    if slopes is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, grad * slopes)
