"""Operations as rules see them, by differences: several results, what is frozen, weights, conventions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest

from backlight.engine.application import Applied
from backlight.engine.conventions import of_extremum
from backlight.engine.explained import Explained, parts_of
from backlight.engine.passes import ruled
from backlight.engine.runner import Runner
from backlight.graph.graph import Graph, Node
from backlight.graph.primitives import evaluated
from backlight.graph.recognition.recognition import recognise
from backlight.graph.unit import Unit
from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.testing.rules import Frozen, Native, by_kind
from backlight.values.arrays import Array, Arrays
from tests.core.by_differences import CLOSE, ByDifferences
from tests.core.graph.building import Building

KINDS = [kind for kind in Kind if kind is not Kind.NEURON]
X = np.random.default_rng(1).normal(size=(2, 4))


@dataclass(frozen=True)
class Doubled(Rule):
    """Twice the derivative."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return [2 * one for one in op.vjp(grad)]


@dataclass(frozen=True)
class OneNumber(Rule):
    """A gradient that is one number throughout, and says so."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return [cast(Array, np.ones((1, 1), np.float32))]


def rules_of(rule: Rule, *kinds: Kind, folds: bool = False) -> Rules:
    return by_kind(dict.fromkeys(kinds, rule), folds)


@dataclass
class Small:
    """A graph by hand whose score is the weighted sum of a value, with rules."""

    building: Building = field(default_factory=Building)

    def between(self, source: int, end: int) -> Graph:
        b = self.building
        self.weights = np.random.default_rng(2).normal(size=b.graph.shape(end))
        read = b.do("mul", end, b.weight(*self.weights.shape))
        self.weights = b.samples[len(b.graph.values) - 2]
        axes = tuple(range(1, self.weights.ndim))
        return b.between([source], [b.do("sum", read, axes=axes, keepdims=False)])


def gradient(
    small: Small,
    source: int,
    end: int,
    rules: Rules,
    runner: Callable[[dict[int, Any]], Runner] = ByDifferences,
) -> np.ndarray:
    """The gradient of the score by the source, as rules say."""
    b, graph = small.building, small.between(source, end)
    made = {v for node in graph.nodes[graph.begin :] for v in node.results}
    known = {at: one for at, one in b.samples.items() if at not in made}
    found = Explained(recognise(graph, rules), (source,), (), len(graph.nodes))
    run = runner(known)
    gradients, _ = ruled(run, found, parts_of(run, found, rules), dict(known))
    return np.asarray(gradients[source])


def three_results(b: Building, x: int) -> list[int]:
    """tanh, the square and exp of x, by one operation."""
    inner = Building()
    y = inner.input(2, 4)
    ends = [inner.do("tanh", y), inner.do("mul", y, y), inner.do("exp", y)]
    body = {"body": inner.between([y], ends)}
    node = b.graph.node("call", [x], [b.graph.value((2, 4)) for _ in ends], body, place="three")
    b.samples.update(zip(node.results, cast(Any, evaluated(node, [b.samples[x]])), strict=True))
    return list(node.results)


@pytest.mark.parametrize("read", [(0, 1, 2), (2,), (0, 2), (1,)])
@pytest.mark.parametrize("rule", [None, Native(), Doubled()])
def test_gradients_of_all_results_arrive_and_a_rule_has_the_first_read(
    rule: Rule | None, read: tuple[int, ...]
) -> None:
    small = Small()
    b = small.building
    x = b.input(2, 4)
    results = three_results(b, x)
    end = results[read[0]]
    for at in read[1:]:
        end = b.do("add", end, results[at])
    rules = rules_of(rule, Kind.OTHER) if rule else rules_of(Native(), Kind.RELU)
    found, z = gradient(small, x, end, rules), b.samples[x]
    slopes = [1 - np.tanh(z) ** 2, 2 * z, np.exp(z)]
    # What comes through the other results is the derivative, whatever the rule.
    slopes[read[0]] = slopes[read[0]] * (2 if isinstance(rule, Doubled) else 1)
    np.testing.assert_allclose(found, sum(slopes[at] for at in read) * small.weights, **CLOSE)


def normalised(small: Small) -> tuple[int, int]:
    b = small.building
    x = b.input(2, 4)
    centred = b.do("sub", x, b.do("mean", x, axes=(1,), keepdims=True))
    variance = b.do("mean", b.do("mul", centred, centred), axes=(1,), keepdims=True)
    return x, b.do("mul", centred, b.do("rsqrt", b.do("add", variance, 0.1)))


def in_one(small: Small) -> tuple[int, int]:
    b = small.building
    x = b.input(2, 4)
    attributes = {"axes": (1,), "epsilon": 0.1, "centred": True, "groups": None}
    return x, b.do("normalize", x, **attributes)


@pytest.mark.parametrize("frozen", [False, True])
def test_what_a_normalisation_divides_by_is_held_constant_where_asked(frozen: bool) -> None:
    small = Small()
    x, end = normalised(small)
    rules = rules_of(Frozen() if frozen else Native(), Kind.NORMALIZATION)
    found, z = gradient(small, x, end, rules), small.building.samples[x]
    g, scale = small.weights, 1 / np.sqrt(z.var(1, keepdims=True) + 0.1)
    expected = (g - g.mean(1, keepdims=True)) * scale
    if not frozen:
        y = (z - z.mean(1, keepdims=True)) * scale
        expected -= scale * y * (g * y).mean(1, keepdims=True)
    np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize(
    ("make", "frozen", "told"),
    [(in_one, True, {"normalize"}), (in_one, False, set()), (normalised, True, set())],
)
def test_a_normalisation_in_one_operation_is_frozen_by_the_framework(
    make: Callable[[Small], tuple[int, int]], frozen: bool, told: set[str]
) -> None:
    small, runners = Small(), list[ByDifferences]()

    def runner(known: dict[int, Any]) -> Runner:
        runners.append(ByDifferences(known))
        return runners[-1]

    rules = rules_of(Frozen() if frozen else Native(), Kind.NORMALIZATION)
    gradient(small, *make(small), rules, runner)
    assert set(runners[0].frozen) == told


class Closed(ByDifferences):
    """With a closed form, a wrong one, for everything."""

    def derivative(
        self, op: Applied, inputs: Sequence[Array], grad: Array
    ) -> Sequence[Array] | None:
        return [0 * one for one in inputs]


def test_no_closed_form_is_taken_for_what_is_frozen() -> None:
    for rule, gone in ((Native(), True), (Frozen(), False)):
        small = Small()
        found = gradient(small, *normalised(small), rules_of(rule, Kind.NORMALIZATION), Closed)
        assert found.any() != gone


class OwnDerivative(ByDifferences):
    def has_own_derivative(self, nodes: Sequence[Node]) -> bool:
        return True


def bounded(shape: tuple[int, ...], x: np.ndarray, bound: np.ndarray) -> tuple[Small, int, int]:
    """The maximum of x and constants."""
    small = Small()
    b = small.building
    source, held = b.input(*x.shape), b.weight(*shape)
    b.samples[source], b.samples[held] = x, bound
    return small, source, b.do("maximum", source, held)


@pytest.mark.parametrize(("runner", "share"), [(ByDifferences, 0.0), (OwnDerivative, 0.5)])
def test_equal_numbers_follow_the_convention_but_for_derivatives_of_ones_own(
    runner: Callable[[dict[int, Any]], Runner], share: float
) -> None:
    small, source, end = bounded((2, 4), np.array([[1.0, 2, 3, 0]] * 2), np.full((2, 4), 2.0))
    found = gradient(small, source, end, rules_of(Native(), Kind.MAX), runner)
    np.testing.assert_allclose(found, small.weights * [0, share, 1, 0], **CLOSE)


def test_a_bound_with_more_numbers_than_there_are_has_the_sum() -> None:
    x, bound = np.array([[0.5], [-0.5]]), np.array([[0.0, 1, -1, 0.2]])
    small, source, end = bounded((1, 4), x, bound)
    found = gradient(small, source, end, rules_of(Native(), Kind.MAX))
    expected = (small.weights * (x > bound)).sum(1, keepdims=True)
    np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize("smallest", [False, True])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [(1,), (2, 0), (0, 1, 2)])
def test_the_first_of_several_largest_has_the_gradient(
    axes: tuple[int, ...], keepdims: bool, smallest: bool
) -> None:
    x = np.array([[[2.0, 5, 1], [5, 5, 0]], [[5, 0, 5], [0, 1, 5]]]) * (-1 if smallest else 1)
    kept = tuple(axis for axis in range(3) if axis not in axes)
    name = "min" if smallest else "max"
    grad = np.arange(1.0, 1 + np.max(x, axis=axes).size).reshape(np.max(x, axis=axes).shape)
    moved = np.transpose(x, (*kept, *axes))
    flat = np.zeros(moved.shape).reshape(grad.size, -1)
    best = getattr(np, f"arg{name}")(moved.reshape(grad.size, -1), axis=1)
    flat[np.arange(grad.size), best] = grad.ravel()
    expected = np.transpose(flat.reshape(moved.shape), np.argsort((*kept, *axes)))
    node = Node(name, (0,), (1,), {"axes": axes, "keepdims": keepdims})
    unit = Unit(Kind.MIN if smallest else Kind.MAX, (0,), (0,), (1,), 0)
    given = np.expand_dims(grad, tuple(sorted(axes))) if keepdims else grad
    found = of_extremum(unit, node, cast(Array, x), cast(Array, given), cast(Arrays, np))
    np.testing.assert_array_equal(found, expected)
    for kind, primitive in ((Kind.MAX, "maximum"), (Kind.MAX_POOL, "max")):
        other = Unit(kind, (0,), (0,), (1,), 0), Node(primitive, (0,), (1,), node.attributes)
        assert of_extremum(*other, cast(Array, x), cast(Array, given), cast(Arrays, np)) is None


def folded(small: Small, bias: bool) -> tuple[int, int]:
    """A product, turned, scaled and shifted."""
    b = small.building
    x = b.input(2, 4)
    own = [b.weight(3)] if bias else []
    z = b.do("dot", x, b.weight(4, 3), *own, equation="ab,bc->ac", place="dense")
    if bias:
        return x, z
    turned = b.do("transpose", z, permutation=(1, 0))
    return x, b.do("add", b.do("mul", turned, b.weight(3, 1)), b.weight(3, 1))


@dataclass(frozen=True)
class SameWeights(Rule):
    """The result and the derivative for the weights that there are."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        params = dict(op.params)
        assert set(params) == {"weight", "bias"}
        np.testing.assert_allclose(op.replay(params=params), op.output, rtol=1e-12)
        without = op.replay(params={"weight": params["weight"]})
        difference = np.asarray(op.output - without)
        np.testing.assert_allclose(difference, np.broadcast_to(params["bias"], difference.shape))
        return op.vjp(grad, params=params)


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_operation_with_its_own_weights_is_itself(bias: bool) -> None:
    small, plain = Small(), Small()
    rules = rules_of(SameWeights(), Kind.DENSE, folds=True)
    found = gradient(small, *folded(small, bias), rules)
    expected = gradient(plain, *folded(plain, bias), rules_of(Native(), Kind.RELU))
    assert np.abs(expected).min() > 0
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_a_gradient_takes_the_shape_and_dtype_of_its_value() -> None:
    small = Small()
    b = small.building
    x = b.input(2, 4)
    found = gradient(small, x, b.do("tanh", x), rules_of(OneNumber(), Kind.TANH))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.ones((2, 4)))


class Lists(ByDifferences):
    """Of which no value is an array of real numbers."""

    def is_array(self, value: int) -> bool:
        return False


def test_rules_are_for_arrays() -> None:
    for runner, factor in ((ByDifferences, 2), (Lists, 1)):
        small = Small()
        x = small.building.input(2, 4)
        end = small.building.do("tanh", x)
        found = gradient(small, x, end, rules_of(Doubled(), Kind.TANH), runner)
        slope = factor * (1 - small.building.samples[end] ** 2)
        np.testing.assert_allclose(found, slope * small.weights, **CLOSE)


@pytest.mark.parametrize("rule", [Native(), None])
def test_nothing_before_a_site_is_run_again(rule: Rule | None) -> None:
    small = Small()
    b = small.building
    x = b.input(2, 4)
    site = b.do("tanh", x)
    end = b.do("exp", site)
    b.samples[site] = X  # a value that is given in its place
    found = gradient(small, site, end, rules_of(rule, *KINDS) if rule else rules_of(Native()))
    np.testing.assert_allclose(found, np.exp(X) * small.weights, **CLOSE)


def test_a_number_goes_with_the_array_that_it_is_used_beside() -> None:
    runner, like = ByDifferences({}), cast(Array, np.zeros(3, np.float32))
    number, held = np.asarray(runner.constant(2.5, like)), cast(Array, np.arange(3))
    assert (number.dtype, number.shape, float(number)) == (np.float32, (), 2.5)
    assert runner.constant(held, like) is held
