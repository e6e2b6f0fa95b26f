"""Rules on TensorFlow and Keras nets: programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from backlight.rules.operations import Kind, Operation
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.testing.rules import (
    EPSILON,
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
    Native,
    by_kind,
)
from backlight.values.arrays import Array
from backlight_tensorflow.engine.gradients import pulled_back
from tests.backends.tensorflow.rules.nets import (
    SUMMING,
    bound,
    case,
    host,
    numbers,
    ruled,
    wrap,
)


@tf.custom_gradient
def reversed_gradient(x: Any) -> Any:
    return tf.identity(x), lambda upstream: -upstream


def test_users_gradients_are_kept_where_no_rule_acts_inside() -> None:
    w = numbers(4, 3)

    def block(x: Any) -> Any:
        return tf.nn.relu(x @ w)

    def net(x: Any) -> Any:
        return tf.recompute_grad(block)(reversed_gradient(x)) ** 2

    model, x = wrap(net), tf.constant(numbers(3, 4))
    score = bound(model, x)
    for rules in (NATIVE, GUIDED, EPSILON):
        found = model.gradient(x, score, rules=rules)
        listed = [str(one.kind) for one in found.operations]
        assert listed == ["elementwise", "dense", "relu", "pow"], listed
    plain = model.gradient(x, score)
    native = model.gradient(x, score, rules=NATIVE)
    np.testing.assert_allclose(host(native.gradient), host(plain.gradient), rtol=1e-12)
    y = np.maximum(x @ w, 0)
    guided = model.gradient(x, score, rules=GUIDED)
    expected = -(2 * y[:, 1] * (y[:, 1] > 0))[:, None] * w[:, 1]
    np.testing.assert_allclose(host(guided.gradient), expected, rtol=1e-12)


@pytest.mark.parametrize("inferred", [True, False])
def test_shapes_of_operations_are_those_of_the_call(inferred: bool) -> None:
    """The net is looked at for as many examples as came first."""
    into, out = tf.constant(numbers(4, 6)), tf.constant(numbers(6, 3))

    def net(x: Any) -> Any:
        hidden = x @ into
        if not inferred:
            hidden = tf.compat.v1.placeholder_with_default(hidden, (None, None))
        return tf.nn.relu(hidden) @ out

    model = wrap(net)
    model.outputs(tf.constant(numbers(5, 4)))
    for count in (3, 5):
        x = tf.constant(numbers(count, 4))
        found = model.operations(x, score=bound(model, x), rules=GUIDED)
        assert len(found) == (3 if inferred else 4)
        assert [one.shape for one in found] == [*[(count, 6)] * (len(found) - 1), (count, 3)]


def test_branches_are_one_operation() -> None:
    def net(x: Any) -> Any:
        return tf.cond(tf.shape(x)[0] > 1, lambda: tf.nn.relu(x) * 2.0, lambda: x)

    model, x = wrap(net), tf.constant(numbers(3, 4))
    score = bound(model, x)
    (one,) = model.operations(x, rules=GUIDED)
    assert one.kind is Kind.OTHER and one.type in ("If", "StatelessIf")
    found = model.gradient(x, score, rules=NATIVE)
    np.testing.assert_array_equal(host(found.gradient), host(model.gradient(x, score).gradient))


def test_what_comes_back_to_a_second_result_is_not_lost() -> None:
    def net(x: Any) -> Any:
        several = tf.shape(x)[0] > 1
        first, second = tf.cond(several, lambda: (x * x, tf.exp(x)), lambda: (x, x))
        return first * second

    model, x = wrap(net), tf.constant(numbers(3, 4))
    score = bound(model, x)
    found = model.gradient(x, score, rules=by_kind({Kind.OTHER: Native()}))
    np.testing.assert_allclose(host(found.gradient), host(model.gradient(x, score).gradient))


def test_saved_models_obey_rules(tmp_path: Path) -> None:
    net, x, start = case("cnn")
    net.export(tmp_path / "net", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "net")
    for rules in (GUIDED, EPSILON_FOLDED, SUMMING):
        reference = start if rules is SUMMING else None
        live = ruled(net, x, rules, reference=reference)
        saved = ruled(loaded, x, rules, reference=reference)
        np.testing.assert_allclose(host(saved.gradient), host(live.gradient), rtol=1e-10)
        assert [one.kind for one in saved.operations] == [one.kind for one in live.operations]


@dataclass(frozen=True, eq=False)
class Noting(Rules, Rule):
    """Gradients times factors of the values, noting when each of the two is computed."""

    noted: list[str]

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({Kind.RELU})

    def choose(self, operation: Operation) -> Rule | None:
        return self if operation.kind is Kind.RELU else None

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        def seen(what: str, array: Array) -> Any:
            def note(numbers: Any) -> Any:
                self.noted.append(what)
                return numbers

            # Without a state, so that nothing else keeps the two in order.
            found = tf.numpy_function(note, [array], tf.float64, stateful=False)
            found.set_shape(cast(Any, array).shape)
            return found

        return (seen("gradient", grad) * seen("factor", op.inputs[0] * 2.0),)


def test_factors_of_gradients_are_computed_when_the_gradients_arrive() -> None:
    """Else those of all layers are kept from the forward pass on."""
    w, x, depth = numbers(4, 4), numbers(3, 4), 5

    def net(x: Any) -> Any:
        for _ in range(depth):
            x = tf.nn.relu(x @ w)
        return x

    noted: list[str] = []
    found = ruled(net, tf.constant(x), Noting(noted))
    expected, values = np.eye(4)[[1, 1, 1]], [x]
    for _ in range(depth):
        values.append(np.maximum(values[-1] @ w, 0))
    for before in reversed(values[:-1]):
        expected = (expected * 2 * (before @ w)) @ w.T
    np.testing.assert_allclose(host(found.gradient), expected, rtol=1e-12)
    pairs = list(zip(noted[::2], noted[1::2], strict=True))
    assert [set(pair) for pair in pairs] == [{"gradient", "factor"}] * depth, noted


def test_values_are_not_kept_for_their_shapes() -> None:
    with FuncGraph("program").as_default() as graph:
        place, factor, arriving = (
            tf.compat.v1.placeholder(tf.float64, shape) for shape in ((None, 4), (1, 4), (None, 4))
        )
        result = place * factor
        with tf.control_dependencies([arriving]):
            pulled_back([result], [arriving], [place])
    waiting = [bool(op.control_inputs) for op in graph.get_operations() if "Shape" in op.type]
    assert waiting and not any(waiting)
