"""Rules on TensorFlow and Keras nets, judged by algebra and by slow NumPy references."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

import backlight
from backlight.errors import InputError
from backlight.explaining.targets import as_score
from backlight.model.model import Gradient, Model
from backlight.rules.operations import Kind, Operation
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.scores.class_scores import LogProbability, Probability
from backlight.scores.scores import Neuron, Score
from backlight.testing.rules import (
    COMPLETE,
    EPSILON,
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
    POSITIVE,
    Epsilon,
    Frozen,
    Native,
    by_kind,
)
from backlight.values.arrays import Array
from backlight.values.inputs import Inputs, PerExample
from backlight.values.outputs import OutputSpec
from backlight_tensorflow.engine import copying
from backlight_tensorflow.engine.copying import CONTROL_FLOW

Values = NDArray[Any]
F64 = "float64"
COMMON: Any = {"dtype": F64}
EVERYTHING = by_kind({kind: Native() for kind in Kind})
FOLDED = by_kind({kind: Native() for kind in Kind if kind is not Kind.NEURON}, folds=True)


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    yield
    backlight.forget()


def numbers(*shape: int, seed: int = 0) -> Values:
    return np.random.default_rng(seed).normal(size=shape)


def wrap(net: object) -> Model:
    return backlight.wrap(net, framework="tensorflow")


def bound(model: Model, x: Any, target: Any = 1) -> Score:
    inputs = model.prepare(x)
    return as_score(target).bind(model.outputs(inputs), inputs.count)


def host(array: Any) -> Values:
    return np.asarray(array)


def ruled(net: Any, x: Any, rules: Rules, target: Any = 1, **options: Any) -> Gradient:
    model = wrap(net)
    return model.gradient(x, bound(model, x, target), rules=rules, **options)


def kinds(net: Any, x: Any, rules: Rules | None = None, target: Any = None) -> list[str]:
    model = wrap(net)
    score = None if target is None else bound(model, x, target)
    return [str(one.kind) for one in model.operations(x, score=score, rules=rules)]


def settled(net: Any, seed: int = 1) -> Any:
    """The net with drawn weights, so that biases and moving statistics are not trivial."""
    for place, variable in enumerate(net.variables):
        if variable.dtype.startswith("float"):
            drawn = numbers(*variable.shape, seed=seed + place) / 2
            positive = variable.name in ("moving_variance", "gamma")
            variable.assign(np.abs(drawn) + 0.5 if positive else drawn)
    return net


def gap(found: Gradient, x: Values, start: Values) -> float:
    total = ((x - start) * host(found.gradient)).reshape(len(x), -1).sum(1)
    return float(np.abs(total - (host(found.score) - host(found.reference_score))).max())


# Networks


def cnn() -> Any:
    net = settled(
        keras.Sequential(
            [
                keras.Input((9, 9, 2), **COMMON),
                layers.Conv2D(4, 3, name="conv", **COMMON),
                layers.BatchNormalization(name="norm", **COMMON),
                layers.ReLU(name="relu", **COMMON),
                layers.MaxPooling2D(3, 2, name="pool", **COMMON),
                layers.Conv2D(3, 2, activation="relu", name="deep", **COMMON),
                layers.Flatten(**COMMON),
                layers.Dense(5, activation="tanh", name="hidden", **COMMON),
                layers.Dense(3, name="logits", **COMMON),
            ]
        )
    )
    net.get_layer("deep").bias.assign([1.0, 2.0, -1.0])
    return net


def separable() -> Any:
    return settled(
        keras.Sequential(
            [
                keras.Input((6, 6, 2), **COMMON),
                layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", **COMMON),
                layers.BatchNormalization(**COMMON),
                layers.LeakyReLU(**COMMON),
                layers.Conv2DTranspose(3, 3, strides=2, **COMMON),
                layers.BatchNormalization(**COMMON),
                layers.ReLU(6.0, **COMMON),
                layers.AveragePooling2D(2, **COMMON),
                layers.Conv2D(3, 2, dilation_rate=2, **COMMON),
                layers.GlobalAveragePooling2D(**COMMON),
                layers.Dense(3, **COMMON),
            ]
        )
    )


def sequence() -> Any:
    return settled(
        keras.Sequential(
            [
                keras.Input((9, 3), **COMMON),
                layers.Conv1D(3, 2, padding="causal", **COMMON),
                layers.PReLU(**COMMON),
                layers.MaxPooling1D(2, **COMMON),
                layers.Conv1D(4, 2, dilation_rate=2, activation="elu", **COMMON),
                layers.GlobalMaxPooling1D(**COMMON),
                layers.Dense(3, **COMMON),
            ]
        )
    )


def transformer() -> Any:
    words = keras.Input((4, 6), **COMMON)
    x = layers.LayerNormalization(name="before", **COMMON)(words)
    x = layers.MultiHeadAttention(2, 3, name="attention", **COMMON)(x, x) + words
    hidden = layers.RMSNormalization(name="size", **COMMON)(x)
    hidden = layers.Dense(8, activation="gelu", name="wide", **COMMON)(hidden)
    x = x + layers.Dense(6, name="narrow", **COMMON)(hidden)
    pooled = layers.GlobalAveragePooling1D(**COMMON)(x)
    return settled(keras.Model(words, layers.Dense(3, name="logits", **COMMON)(pooled)))


def gated() -> Any:
    pixels = keras.Input((4, 4, 6), **COMMON)
    x = layers.GroupNormalization(2, **COMMON)(pixels)
    weights = layers.GlobalAveragePooling2D(keepdims=True, **COMMON)(x)
    weights = layers.Conv2D(6, 1, activation="sigmoid", **COMMON)(weights)
    x = layers.Concatenate(**COMMON)([x * weights, layers.Dropout(0.5, **COMMON)(x)])
    x = layers.Dense(4, activation="silu", **COMMON)(layers.Flatten(**COMMON)(x))
    return settled(keras.Model(pixels, layers.Dense(3, activation="softmax", **COMMON)(x)))


def recurrent() -> Any:
    return settled(
        keras.Sequential(
            [
                keras.Input((4, 2), **COMMON),
                layers.LSTM(3, name="loop", **COMMON),
                layers.Dense(3, **COMMON),
            ]
        )
    )


class Plain(tf.Module):
    """A net in TensorFlow's own words: einsum, slices, in nested functions, with hand-written relus."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(numbers(3, 4, seed=3) / 2)
        self.v = tf.Variable(numbers(8, 3, seed=4) / 4)

    @tf.function
    def inner(self, x: Any) -> Any:
        return tf.maximum(tf.einsum("bti,ij->btj", x, self.w) - 0.25, 0.0)

    def __call__(self, x: Any) -> Any:
        h = self.inner(x)
        more = tf.where(h > 0.5, h, tf.zeros_like(h)) + tf.concat([h[:, 1:], h[:, :1]], 1)
        both = tf.matmul(h, more, transpose_b=True) / tf.sqrt(tf.constant(2.0, h.dtype))
        mixed = tf.reduce_logsumexp(tf.matmul(both, h) / (1.0 + tf.square(h)), axis=1)
        return tf.matmul(tf.concat([mixed, tf.reduce_max(h, axis=1)], -1), self.v)


NETS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "cnn": (cnn, (3, 9, 9, 2)),
    "separable": (separable, (2, 6, 6, 2)),
    "sequence": (sequence, (2, 9, 3)),
    "transformer": (transformer, (2, 4, 6)),
    "gated": (gated, (2, 4, 4, 6)),
    "recurrent": (recurrent, (2, 4, 2)),
    "plain": (Plain, (2, 4, 3)),
}
each_net = pytest.mark.parametrize("name", NETS)


def case(name: str) -> tuple[Any, Values, Values]:
    make, shape = NETS[name]
    return make(), numbers(*shape), numbers(1, *shape[1:], seed=9)


shared = cache(case)
"""A case for tests that leave the net as it is: it is traced once for all of them."""


# Rules that change nothing, and rules that sum up


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


@dataclass(frozen=True)
class Way(Rule):
    """The derivative averaged over the way from the reference: complete for whatever is smooth."""

    nodes: int = 12

    def __call__(self, op: AppliedOperation, grad: Array) -> list[Array]:
        assert op.reference is not None
        nodes, weights = np.polynomial.legendre.leggauss(self.nodes)
        total: list[Array] = []
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            points = [
                a + (x - a) * float(node)
                for x, a in zip(op.inputs, op.reference.inputs, strict=True)
            ]
            found = [part * float(weight) for part in op.vjp(grad, inputs=points)]
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        return total


SMOOTH = {kind: Way() for kind in (Kind.SOFTMAX, Kind.LOG_SOFTMAX, Kind.LOGSUMEXP, Kind.DIV)}
LOOPS = {Kind.OTHER: Way(6)}  # each node costs the loop and its gradient
SUMMING = by_kind({**dict(COMPLETE.pairs), **SMOOTH, **LOOPS})  # type: ignore[attr-defined]


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


# Rules that look at weights


def test_lrp_epsilon_at_a_folded_convolution_by_hand() -> None:
    net = settled(
        keras.Sequential(
            [
                keras.Input((5, 5, 2), **COMMON),
                layers.Conv2D(3, 3, **COMMON),
                layers.BatchNormalization(epsilon=0.01, **COMMON),
                layers.ReLU(**COMMON),
                layers.Flatten(**COMMON),
                layers.Dense(3, **COMMON),
            ]
        )
    )
    conv, norm, _, _, dense = net.layers
    x, epsilon = numbers(2, 5, 5, 2), 0.25
    size = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + 0.01)
    weight = conv.kernel.numpy() * size
    bias = (conv.bias.numpy() - norm.moving_mean.numpy()) * size + norm.beta.numpy()
    patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))  # (N, 3, 3, 2, 3, 3)
    z = np.einsum("nhwcij,ijco->nhwo", patches, weight) + bias
    hidden = np.maximum(z, 0).reshape(2, -1)
    logit = hidden @ dense.kernel.numpy()[:, 1] + dense.bias.numpy()[1]
    share = logit / (logit + epsilon * np.sign(logit))
    grad = (share[:, None] * dense.kernel.numpy()[:, 1]).reshape(z.shape) * (z > 0)
    grad = grad * z / (z + epsilon * np.sign(z))
    expected = np.zeros_like(x)
    for i in range(3):
        for j in range(3):
            expected[:, i : i + 3, j : j + 3] += grad @ weight[i, j].T
    found = ruled(net, x, EPSILON_FOLDED)
    np.testing.assert_allclose(host(found.gradient), expected, rtol=1e-10)
    plain = ruled(net, x, EPSILON)
    assert np.abs(host(plain.gradient) - expected).max() > 1e-3  # bias of the norm apart


@dataclass(frozen=True)
class Rebuilt(Rule):
    """The derivative by replaying with the params as they are: nothing may differ."""

    seen: ClassVar[list[float]] = []

    def __call__(self, op: AppliedOperation, grad: Array) -> Any:
        params = {name: op.params[name] for name in op.params}
        again = op.replay(params=params) - op.output
        (found,) = op.vjp(grad, params={"weight": params["weight"]})
        (native,) = op.vjp(grad)
        zeros = op.arrays.zeros_like(native)
        difference = op.arrays.max(op.arrays.abs(again)) + op.arrays.max(
            op.arrays.abs(op.replay(params=params, inputs=op.inputs) - op.output)
        )
        return (found + zeros + difference,)


LINEAR_NETS: dict[str, Callable[[Any], Any]] = {
    "conv1d": lambda x: layers.Conv1D(4, 2, **COMMON)(x),
    "causal": lambda x: layers.Conv1D(4, 2, dilation_rate=2, padding="causal", **COMMON)(x),
    "transposed": lambda x: layers.Conv1DTranspose(4, 2, strides=2, **COMMON)(x),
    "depthwise": lambda x: layers.DepthwiseConv1D(2, depth_multiplier=3, **COMMON)(x),
    "separable": lambda x: layers.SeparableConv1D(4, 2, **COMMON)(x),
    "dense": lambda x: layers.Dense(4, **COMMON)(x),
    "einsum": lambda x: layers.EinsumDense("btc,cd->btd", (None, 4), bias_axes="d", **COMMON)(x),
    "crossed": lambda x: layers.EinsumDense("btc,ctd->btd", (6, 4), bias_axes="d", **COMMON)(x),
    "heads": lambda x: layers.EinsumDense("btc,chd->bthd", (None, 2, 4), bias_axes="hd", **COMMON)(
        x
    ),
}


@pytest.mark.parametrize("name", LINEAR_NETS)
def test_folded_weights_make_the_same_operation(name: str) -> None:
    pixels = keras.Input((6, 3), **COMMON)
    x = layers.BatchNormalization(**COMMON)(LINEAR_NETS[name](pixels))
    net = settled(keras.Model(pixels, layers.Flatten(**COMMON)(x)))
    x = numbers(2, 6, 3)
    rules = by_kind({kind: Rebuilt() for kind in (Kind.DENSE, Kind.CONVOLUTION)}, folds=True)
    model = wrap(net)
    score = bound(model, x)
    found, plain = model.gradient(x, score, rules=rules), model.gradient(x, score)
    np.testing.assert_allclose(host(found.gradient), host(plain.gradient), rtol=1e-10, atol=1e-12)
    folded = [one for one in found.operations if one.kind in (Kind.SCALE, Kind.SHIFT)]
    # A bias per head is followed by a scale for each channel: no weight can take that up.
    assert len(folded) == (0 if name != "heads" else 2)


def test_channels_first_and_matrix_products_of_all_sorts_fold() -> None:
    w, s, c = numbers(4, 3), np.abs(numbers(4, seed=2)) + 0.1, numbers(4, seed=3)
    x = tf.constant(numbers(3, 5, 3))
    nets: dict[str, Callable[[Any], Any]] = {
        "transposed": lambda x: tf.matmul(x, w, transpose_b=True),
        "einsum": lambda x: tf.einsum("btc,oc->bto", x, w),
        "rows": lambda x: tf.linalg.matmul(tf.reshape(x, (-1, 3)), w, transpose_b=True),
    }
    rules = by_kind({Kind.DENSE: Rebuilt()}, folds=True)

    def net(x: Any) -> Any:
        return tf.concat([tf.reshape(each(x) * s + c, (-1, 20)) for each in nets.values()], 1)

    model = wrap(net)
    score = bound(model, x, [1, 21, 41])  # a channel of each
    found, plain = model.gradient(x, score, rules=rules), model.gradient(x, score)
    np.testing.assert_allclose(host(found.gradient), host(plain.gradient), atol=1e-12)
    assert [str(one.kind) for one in found.operations] == ["dense"] * len(nets)


def test_positive_weights_share_out_everything() -> None:
    net, _, _ = case("cnn")
    for layer in net.layers:
        if layer.name in ("conv", "deep", "hidden", "logits"):
            layer.bias.assign(np.zeros(layer.bias.shape))
    net.get_layer("norm").beta.assign(np.zeros(4))
    net.get_layer("norm").moving_mean.assign(np.zeros(4))
    x = np.abs(numbers(3, 9, 9, 2))
    relu = keras.Model(net.inputs, net.get_layer("deep").output)
    model = wrap(relu)
    score = Neuron("deep", index=(0, 0, 1)).bind(OutputSpec((3, 2, 2, 3), "logits"), 3)
    found = model.gradient(x, score, rules=POSITIVE)
    total = (x * host(found.gradient)).reshape(3, -1).sum(1)
    np.testing.assert_allclose(total, host(found.score), rtol=1e-10)


def test_frozen_normalizations_hold_what_they_divide_by() -> None:
    x = numbers(2, 3, 6)
    pixels = keras.Input((3, 6), **COMMON)
    rules = by_kind({Kind.NORMALIZATION: Frozen()})
    for layer, centred in (
        (layers.LayerNormalization(epsilon=0.1, **COMMON), True),
        (layers.RMSNormalization(epsilon=0.1, **COMMON), False),
    ):
        net = keras.Model(pixels, layers.Flatten(**COMMON)(layer(pixels)))
        for variable in net.variables:
            variable.assign(numbers(6, seed=3))
        found = ruled(net, x, rules, target=7)  # word 1, number 1
        mean = x.mean(-1, keepdims=True) if centred else 0.0
        size = np.sqrt(np.square(x - mean).mean(-1) + 0.1)[:, 1]
        gamma = numbers(6, seed=3)[1]
        expected = np.zeros_like(x)
        expected[:, 1, 1] = gamma / size
        if centred:
            expected[:, 1] -= gamma / size[:, None] / 6
        np.testing.assert_allclose(host(found.gradient), expected, rtol=1e-10, atol=1e-12)


@dataclass(frozen=True)
class Parts(Rule):
    """A neuron's derivative, by way of its two parts."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Any:
        linear, unary = op.parts
        assert op.reference is not None and linear.reference is not None
        assert unary.reference is not None and unary.reference.operation == unary.operation
        z = linear.replay(params=linear.params)
        gap = op.arrays.max(op.arrays.abs(unary.replay(inputs=(z,)) - op.output))
        gap = gap + op.arrays.max(op.arrays.abs(linear.output - unary.inputs[0]))
        (inner,) = unary.vjp(grad)
        return (linear.vjp(inner)[0] + gap,)


def test_neurons_have_parts() -> None:
    net, x, start = shared("cnn")
    model = wrap(net)
    score = bound(model, x)
    found = model.gradient(x, score, rules=by_kind({Kind.NEURON: Parts()}), reference=start)
    plain = model.gradient(x, score)
    np.testing.assert_allclose(host(found.gradient), host(plain.gradient), rtol=1e-10, atol=1e-12)
    neurons = [(one.name, one.first) for one in found.operations if one.kind is Kind.NEURON]
    assert neurons == [("deep", False), ("hidden", False)]
    assert kinds(net, x).count("neuron") == 0


# Gradients of the user's own, control flow, stored models


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


# Calls


def test_rules_act_between_a_site_and_the_score() -> None:
    net, x, _ = shared("cnn")
    model = wrap(net)
    score = bound(model, x)
    found = model.gradient(x, score, at="pool", rules=GUIDED)
    assert [one.name for one in found.operations] == ["deep", "deep", "hidden", "hidden", "logits"]
    plain = model.gradient(x, score, at="pool")
    native = model.gradient(x, score, at="pool", rules=NATIVE)
    np.testing.assert_allclose(host(native.gradient), host(plain.gradient), rtol=1e-12)
    np.testing.assert_array_equal(host(native.value), host(plain.value))
    value = numbers(*found.value.shape, seed=3)  # type: ignore[union-attr]
    start = numbers(1, *value.shape[1:], seed=4)
    moved = model.gradient(x, score, at="pool", value=value, rules=COMPLETE, reference=start)
    assert gap(moved, value, start) < 1e-10
    np.testing.assert_allclose(
        host(moved.reference_score),
        host(model.score(x, score, at="pool", value=np.repeat(start, 3, 0))),
    )
    neuron = Neuron("deep", index=(0, 0, 1)).bind(OutputSpec((3, 2, 2, 3), "logits"), 3)
    inside = model.gradient(x, neuron, rules=GUIDED)
    assert [str(one.kind) for one in inside.operations][-2:] == ["relu", "sum"]


def test_a_site_that_the_input_gets_around_has_a_reference_for_each() -> None:
    pixels = keras.Input((4,), **COMMON)
    hidden = layers.Dense(4, activation="tanh", name="hidden", **COMMON)(pixels)
    joined = layers.Concatenate(**COMMON)([hidden, pixels])
    joined = layers.Dense(3, activation="sigmoid", **COMMON)(joined)
    net = settled(keras.Model(pixels, layers.Dense(2, **COMMON)(joined)))
    model, x, start = wrap(net), numbers(3, 4), numbers(1, 4, seed=3)
    found = model.gradient(x, bound(model, x), at="hidden", rules=COMPLETE, reference=start)
    assert gap(found, host(found.value), start) < 1e-12


def test_references_for_all_where_rows_cannot_be_shared() -> None:
    w = numbers(6, 6) / 2

    def heads(x: Any) -> Any:
        q = tf.reshape(tf.transpose(tf.reshape(x @ w, (-1, 4, 2, 3)), (0, 2, 1, 3)), (-1, 4, 3))
        mixed = tf.matmul(tf.matmul(q, q, transpose_b=True), tf.tanh(q))
        return tf.reduce_sum(tf.reshape(mixed, (-1, 8, 3)), 1)

    x, start = tf.constant(numbers(3, 4, 6)), tf.constant(numbers(1, 4, 6, seed=4))
    found = ruled(heads, x, COMPLETE, reference=start)
    assert gap(found, x.numpy(), start.numpy()) < 1e-9

    def fixed(x: Any) -> Any:
        return tf.reshape(tf.tanh(tf.reshape(x, (3 * 24,))), (3, 24))

    found = ruled(fixed, x, COMPLETE, reference=start)
    assert gap(found, x.numpy(), start.numpy()) < 1e-12


def test_extra_arguments_of_each_example_keep_their_rows() -> None:
    def net(x: Any, mask: Any) -> Any:
        return tf.cumsum(tf.tanh(x * mask) + tf.where(mask > 0, x, 0.0) ** 2, 1)

    x, start, mask = numbers(3, 4), numbers(1, 4, seed=3), numbers(3, 4, seed=4)
    model = wrap(net)
    inputs = model.prepare(
        Inputs(tf.constant(x), keyword={"mask": PerExample(tf.constant(mask))})  # type: ignore[arg-type]
    )
    score = as_score(2).bind(model.outputs(inputs), 3)
    found = model.gradient(inputs, score, rules=COMPLETE, reference=tf.constant(start))  # type: ignore[arg-type]
    assert gap(found, x, start) < 1e-12
    with pytest.raises(InputError, match="one row"):
        model.gradient(inputs, score, rules=COMPLETE, reference=tf.constant(x[:2]))  # type: ignore[arg-type]


def test_several_inputs_and_whole_numbers_among_them() -> None:
    table = layers.Embedding(7, 4, name="table", **COMMON)
    words, more = keras.Input((3,), dtype="int32"), keras.Input((4,), **COMMON)
    x = layers.Add(**COMMON)([layers.GlobalAveragePooling1D(**COMMON)(table(words)), more])
    net = settled(keras.Model([words, more], layers.Dense(3, activation="relu", **COMMON)(x)))
    ids, values = np.array([[1, 2, 3], [4, 5, 6]]), numbers(2, 4)
    model = wrap(net)
    found = model.gradient((ids, values), bound(model, (ids, values)), rules=NATIVE)
    plain = model.gradient((ids, values), bound(model, (ids, values)))
    np.testing.assert_array_equal(host(found.gradient[1]), host(plain.gradient[1]))  # type: ignore[index]
    assert not host(found.gradient[0]).any()  # type: ignore[index]
    embedded = model.gradient((ids, values), bound(model, (ids, values)), at="table", rules=GUIDED)
    assert [str(one.kind) for one in embedded.operations] == ["sum", "shift", "dense", "relu"]


def test_single_precision_scores_are_the_same_with_rules() -> None:
    keras.utils.set_random_seed(1)
    net = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Conv2D(8, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(5, activation="gelu"),
            layers.Dense(3),
        ]
    )
    settled(net)
    model, x = wrap(net), numbers(4, 12, 12, 3).astype("float32")
    score = bound(model, x, Probability(1))
    plain = host(model.gradient(x, score).score)
    for rules in (GUIDED, EPSILON_FOLDED, NATIVE, COMPLETE):
        reference = np.zeros_like(x[:1]) if rules is COMPLETE else None
        found = model.gradient(x, score, rules=rules, reference=reference)
        np.testing.assert_array_equal(host(found.score), plain)


def test_another_class_or_batch_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, start = case("cnn")
    model = wrap(net)
    model.gradient(x, bound(model, x, 0), rules=GUIDED)
    model.gradient(x, bound(model, x, 0), rules=COMPLETE, reference=start)
    made: list[object] = []
    monkeypatch.setattr(tf, "function", lambda *given, **named: made.append(given))
    model.gradient(x, bound(model, x, [0, 1, 2]), rules=GUIDED)
    model.gradient(x[:2], bound(model, x[:2], 1), rules=GUIDED)
    model.gradient(x, bound(model, x, 2), rules=COMPLETE, reference=numbers(*x.shape))
    model.operations(x, score=bound(model, x, 1), rules=GUIDED)
    assert not made


def test_what_went_through_is_differentiated_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations are made once for the pass, and not again for their rules."""
    net, x, _ = case("cnn")
    model = wrap(net)
    score = bound(model, x)
    model.gradient(x, score)
    model.operations(x, score=score, rules=EVERYTHING)  # for the lengths, they are made too
    made: list[str] = []
    again = copying.again
    monkeypatch.setattr(
        copying, "again", lambda node, given: made.append(node.op.type) or again(node, given)
    )
    model.gradient(x, score, rules=EVERYTHING)
    assert [made.count(type_) for type_ in ("Conv2D", "MaxPool", "Relu", "MatMul")] == [2, 1, 2, 2]


def test_threads_get_what_one_gets_alone_and_the_model_stays_as_it_is() -> None:
    net, x, start = case("cnn")
    before = [host(variable) for variable in net.variables]
    model = wrap(net)
    score = bound(model, x)
    results: dict[int, Values] = {}

    def work(place: int) -> None:
        rules = (GUIDED, EPSILON_FOLDED, COMPLETE)[place % 3]
        reference = start if rules is COMPLETE else None
        results[place] = host(model.gradient(x, score, rules=rules, reference=reference).gradient)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in range(3):
        np.testing.assert_array_equal(results[place], results[place + 3])
    for value, variable in zip(before, net.variables, strict=True):
        np.testing.assert_array_equal(value, host(variable))
    new = numbers(*net.get_layer("conv").kernel.shape, seed=8)
    net.get_layer("conv").kernel.assign(new)
    assert np.abs(host(model.gradient(x, score, rules=GUIDED).gradient) - results[0]).max() > 1e-6


@dataclass(frozen=True)
class ByShape(Rules):
    """A rule for wide dense layers only."""

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({Kind.DENSE})

    def choose(self, operation: Operation) -> Rule | None:
        return Epsilon(10.0) if operation.shape[-1] == 5 else None


def test_rules_choose_by_what_an_operation_is() -> None:
    net, x, _ = shared("cnn")
    found = ruled(net, x, ByShape())
    plain = ruled(net, x, NATIVE)
    assert np.abs(host(found.gradient) - host(plain.gradient)).max() > 1e-6
