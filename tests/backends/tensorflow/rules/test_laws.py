"""Rules on TensorFlow and Keras nets: laws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import numpy as np
import pytest
import tensorflow as tf

from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.scores.class_scores import LogProbability, Probability
from backlight.testing.rules import (
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
    POSITIVE,
    Native,
    by_kind,
)
from backlight.values.arrays import Array
from backlight_tensorflow.engine.copying import CONTROL_FLOW
from tests.backends.tensorflow.rules.nets import (
    EVERYTHING,
    NETS,
    SUMMING,
    Way,
    bound,
    gap,
    host,
    numbers,
    shared,
    wrap,
)

FOLDED = by_kind({kind: Native() for kind in Kind if kind is not Kind.NEURON}, folds=True)


each_net = pytest.mark.parametrize("name", NETS)


@each_net
def test_every_derivative_by_way_of_a_rule_is_the_gradient(name: str) -> None:
    net, x, start = shared(name)
    model = wrap(net)
    score = bound(model, x, LogProbability(2) if name == "cnn" else 1)
    plain = model.gradient(x, score)
    for rules, reference in ((NATIVE, None), (EVERYTHING, start), (FOLDED, None)):
        found = model.gradient(x, score, rules=rules, reference=reference)
        np.testing.assert_array_equal(host(found.score), host(plain.score))
        np.testing.assert_allclose(
            host(found.gradient), host(plain.gradient), rtol=1e-11, atol=1e-13
        )
        assert found.operations == model.operations(x, score=score, rules=rules)


@each_net
def test_multipliers_of_differences_sum_up(name: str) -> None:
    net, x, start = shared(name)
    model = wrap(net)
    score = bound(model, x, Probability(np.arange(len(x))))
    several = numbers(*x.shape, seed=5)
    rows = host(model.score(np.repeat(start, len(x), 0), score))
    # As exact as quadrature is.
    tolerance = {"gated": 1e-6, "plain": 1e-6, "transformer": 1e-6, "recurrent": 1e-8}.get(
        name, 1e-9
    )
    for reference in (start, several):
        found = model.gradient(x, score, rules=SUMMING, reference=reference)
        assert gap(found, x, reference) < tolerance
    found = model.gradient(x, score, rules=SUMMING, reference=start)
    np.testing.assert_allclose(host(found.reference_score), rows, rtol=1e-12)
    repeated = model.gradient(x, score, rules=SUMMING, reference=np.repeat(start, len(x), 0))
    np.testing.assert_allclose(host(found.gradient), host(repeated.gradient), atol=1e-13)


@dataclass(frozen=True)
class Along(Rule):
    """As `Way(6)`, in the words that a backend may say otherwise."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        assert op.reference is not None
        nodes, weights = np.polynomial.legendre.leggauss(6)
        starts = op.reference.inputs
        return op.vjp_along(grad, starts, ((nodes + 1) / 2).tolist(), (weights / 2).tolist())


@pytest.mark.parametrize("name", ["recurrent", "branches"])
def test_what_takes_long_to_build_is_built_once_for_a_whole_way(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x, start = shared("recurrent") if name == "recurrent" else (branches, *BRANCHED)
    model = wrap(net)
    score = bound(model, x, 0)
    one_by_one = model.gradient(x, score, rules=by_kind({Kind.OTHER: Way(6)}), reference=start)
    built = []

    def counting(make: Any) -> Any:
        return lambda *given: built.append(given) or make(*given)

    for type_, make in list(CONTROL_FLOW.items()):
        monkeypatch.setitem(CONTROL_FLOW, type_, counting(make))
    found = model.gradient(x, score, rules=by_kind({Kind.OTHER: Along()}), reference=start)
    np.testing.assert_array_equal(host(found.gradient), host(one_by_one.gradient))
    assert len(built) <= 5  # twice to see the shapes; the value's, the reference's, the way's


def branches(x: Any) -> Any:
    return tf.cond(tf.shape(x)[1] > 2, lambda: tf.tanh(x) * x, lambda: x)


BRANCHED = numbers(3, 4), numbers(1, 4, seed=9)


@pytest.mark.parametrize("rules", [GUIDED, EPSILON_FOLDED, POSITIVE], ids=["g", "e", "p"])
def test_examples_do_not_know_of_each_other(rules: Rules) -> None:
    net, x, _ = shared("cnn")
    model = wrap(net)
    together = model.gradient(x, bound(model, x), rules=rules)
    for row in range(len(x)):
        one = x[row : row + 1]
        alone = model.gradient(one, bound(model, one), rules=rules)
        np.testing.assert_allclose(
            host(alone.gradient)[0], host(together.gradient)[row], rtol=1e-10, atol=1e-14
        )
    again = model.gradient(x, bound(model, x), rules=rules)
    np.testing.assert_array_equal(host(again.gradient), host(together.gradient))
