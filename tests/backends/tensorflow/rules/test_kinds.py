"""Which operations of TensorFlow and Keras nets are found, and the rectifiers among them under rules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import backlight
from backlight.errors import CoverageError
from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule
from backlight.scores.class_scores import LogProbability, Margin, Probability
from backlight.testing.rules import (
    DECONVNET,
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
    Frozen,
    Native,
    by_kind,
)
from backlight.values.arrays import Array
from backlight_methods import DeepLIFT
from tests.backends.tensorflow.rules.nets import (
    COMMON,
    Values,
    bound,
    host,
    kinds,
    numbers,
    ruled,
    shared,
    wrap,
)

# Guided backprop and deconvnet


class Mlp:
    """Two rectified layers, in several spellings."""

    def __init__(self) -> None:
        self.w, self.b = numbers(5, 6, seed=1), numbers(6, seed=2)
        self.v, self.c = numbers(6, 4, seed=3), numbers(4, seed=4)
        self.u = numbers(4, 3, seed=5)

    def written(self, relu: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def net(x: Any) -> Any:
            return relu(relu(x @ self.w + self.b) @ self.v + self.c) @ self.u

        return net

    def layers(self) -> Any:
        relu = layers.ReLU(**COMMON)
        first, second = layers.Dense(6, **COMMON), layers.Dense(4, **COMMON)
        last = layers.Dense(3, use_bias=False, **COMMON)
        net = keras.Sequential([keras.Input((5,), **COMMON), first, relu, second, relu, last])
        first.set_weights([self.w, self.b])
        second.set_weights([self.v, self.c])
        last.set_weights([self.u])
        return net

    def backward(
        self, x: Values, k: int, at_rectifier: Callable[[Values, Values], Values]
    ) -> Values:
        z = x @ self.w + self.b
        y = np.maximum(z, 0) @ self.v + self.c
        grad = np.broadcast_to(self.u[:, k], y.shape)
        grad = at_rectifier(grad, y) @ self.v.T
        return np.asarray(at_rectifier(grad, z) @ self.w.T)


RELUS: dict[str, Callable[[Any], Any]] = {
    "relu": tf.nn.relu,
    "keras": keras.ops.relu,
    "maximum": lambda z: tf.maximum(z, 0.0),
    "constant first": lambda z: tf.maximum(tf.zeros([], z.dtype), z),
    "where": lambda z: tf.where(z > 0, z, tf.zeros_like(z)),
    "test": lambda z: z * tf.cast(z > 0, z.dtype),
    "half": lambda z: (z + tf.abs(z)) / 2.0,
    "clip": lambda z: keras.ops.clip(z, 0.0, 1e6),
    "function": tf.function(tf.nn.relu),
    "leaky 0": lambda z: tf.nn.leaky_relu(z, alpha=0.0),
}


@pytest.mark.parametrize("spelling", RELUS)
def test_guided_backprop_and_deconvnet_by_hand(spelling: str) -> None:
    mlp, x = Mlp(), tf.constant(numbers(3, 5))
    nets = [mlp.written(RELUS[spelling])] + ([mlp.layers()] if spelling == "relu" else [])
    for net in nets:
        model = wrap(net)
        score = bound(model, x, 2)
        guided = model.gradient(x, score, rules=GUIDED)
        expected = mlp.backward(x.numpy(), 2, lambda g, z: np.maximum(g, 0) * (z > 0))
        np.testing.assert_allclose(host(guided.gradient), expected, rtol=1e-12)
        deconvnet = model.gradient(x, score, rules=DECONVNET)
        expected = mlp.backward(x.numpy(), 2, lambda g, z: np.maximum(g, 0))
        np.testing.assert_allclose(host(deconvnet.gradient), expected, rtol=1e-12)


def test_kinks_and_ties_go_one_way_however_they_are_written() -> None:
    def pooled(z: Any) -> Any:
        return tf.reduce_sum(tf.nn.max_pool1d(z[:, 3:, None], 3, 1, "VALID"), (1, 2))

    def first(z: Any) -> Any:
        square = tf.reshape(tf.gather(z, [1, 3, 5, 3], axis=1), (-1, 2, 2, 1))
        return tf.nn.max_pool2d(square, 2, 2, "VALID")[:, 0, 0, 0]

    spellings = [RELUS[name] for name in ("relu", "maximum", "where", "half", "constant first")]
    cuts = [tf.nn.relu6, lambda z: tf.minimum(tf.maximum(z, 0.0), 6.0)]
    extrema = [
        lambda z: tf.reduce_max(z[:, :4], 1) + tf.reduce_min(z, 1),
        lambda z: tf.reduce_max(tf.gather(z, [3, 5, 0], axis=1), axis=1),
        pooled,
        first,
    ]

    def net(x: Any) -> Any:
        rectified = [tf.reduce_sum(function(x), 1) for function in spellings + cuts]
        return tf.stack(rectified + [function(x) for function in extrema], 1)

    expected = [
        *[[0, 1, 0, 1, 1, 1]] * len(spellings),
        *[[0, 1, 0, 1, 0, 1]] * len(cuts),
        [0, 0, 1, 1, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 1, 0, 0],
    ]
    x = np.repeat([[0.0, 1.0, -1.0, 2.0, 6.0, 2.0]], len(expected), 0)
    found = ruled(net, x, NATIVE, target=np.arange(len(expected)))
    np.testing.assert_array_equal(host(found.gradient), expected)


# What is recognised


def test_operations_of_a_net_are_listed_in_order() -> None:
    net, x, _ = shared("cnn")
    model = wrap(net)
    found = model.operations(x, score=bound(model, x))
    assert [(str(one.kind), one.name, one.type) for one in found] == [
        ("convolution", "conv", "Conv2D"),
        ("scale", "norm", "Mul"),
        ("shift", "norm", "AddV2"),
        ("relu", "relu", "Relu"),
        ("max_pool", "pool", "MaxPool"),
        ("convolution", "deep", "Conv2D"),
        ("relu", "deep", "Relu"),
        ("dense", "hidden", "MatMul"),
        ("tanh", "hidden", "Tanh"),
        ("dense", "logits", "MatMul"),
    ]
    assert [one.shape for one in found[:5]] == [(3, 7, 7, 4)] * 4 + [(3, 3, 3, 4)]
    assert [one.name for one in found if one.first] == ["conv"]
    assert [one.name for one in found if one.last] == ["logits"]
    folded = model.operations(x, rules=EPSILON_FOLDED)
    assert [str(one.kind) for one in folded[:2]] == ["convolution", "relu"]


def test_first_and_last_follow_every_way() -> None:
    pixels = keras.Input((4,), **COMMON)
    x = layers.Dense(4, name="a", **COMMON)(pixels)
    x = layers.Activation("tanh", name="f", **COMMON)(x + pixels)
    x = layers.Dense(4, name="b", **COMMON)(x) + x
    net = keras.Model(pixels, x)
    found = wrap(net).operations(numbers(2, 4))
    ends = [(str(one.kind), one.first, one.last) for one in found]
    assert ends == [
        ("dense", True, True),
        ("add", True, True),
        ("tanh", True, True),
        ("dense", True, True),
        ("add", True, True),
    ]


ACTIVATIONS = {
    "relu": "relu",
    "relu6": "relu6",
    "leaky_relu": "leaky_relu",
    "elu": "elu",
    "selu": "selu",
    "celu": "elu",  # the same function for its constant 1
    "gelu": "gelu",
    "silu": "silu",
    "mish": "mish",
    "hard_silu": "hard_swish",
    "hard_sigmoid": "hard_sigmoid",
    "hard_tanh": "hard_tanh",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softplus": "softplus",
    "softsign": "softsign",
    "log_sigmoid": "log_sigmoid",
    "exponential": "exp",
    "softmax": "softmax",
    "log_softmax": "log_softmax",
    "sparse_plus": "elementwise",
}


def test_keras_activations_have_names() -> None:
    def net(x: Any) -> Any:
        return [getattr(keras.activations, name)(x) for name in ACTIVATIONS]

    found = kinds(net, tf.constant(numbers(2, 4)))
    assert found == list(ACTIVATIONS.values())


def test_activations_spelled_out_have_names() -> None:
    spelled: dict[str, Callable[[Any], Any]] = {
        "silu": lambda x: x * tf.sigmoid(x),
        "gelu": lambda x: 0.5 * x * (1 + tf.tanh(0.7978845608 * (x + 0.044715 * x**3))),
        "gelu ": lambda x: x * tf.sigmoid(1.702 * x),
        "softplus": lambda x: tf.math.log(1 + tf.exp(x)),
        "sigmoid": lambda x: 1 / (1 + tf.exp(-x)),
        "hard_swish": lambda x: x * tf.nn.relu6(x + 3) / 6,
        "leaky_relu": lambda x: tf.maximum(x, 0.1 * x),
        "celu": lambda x: tf.where(x > 0, x, 2 * (tf.exp(x / 2) - 1)),
        "softsign": lambda x: x / (1 + tf.abs(x)),
        "relu6": lambda x: tf.clip_by_value(x, 0, 4),
    }
    found = kinds(lambda x: [each(x) for each in spelled.values()], tf.constant(numbers(2, 4)))
    assert found == [name.strip() for name in spelled]


def test_softmax_and_its_kin_are_found_in_arithmetic() -> None:
    def spelled(x: Any) -> Any:
        e = tf.exp(x - tf.reduce_max(x, -1, keepdims=True))
        return e / tf.reduce_sum(e, -1, keepdims=True)

    units = by_kind({Kind.SOFTMAX: Native(), Kind.LOGSUMEXP: Native(), Kind.EXP: Native()})
    opened = by_kind({Kind.EXP: Native()})
    x = tf.constant(numbers(2, 3, 4))
    model = wrap(spelled)
    (one,) = model.operations(x, rules=units)
    assert one.kind is Kind.SOFTMAX and one.axes == (2,)
    assert [str(one.kind) for one in model.operations(x, rules=opened)] == [
        *("max", "add", "exp", "sum", "div")
    ]
    summed = wrap(lambda x: tf.reduce_logsumexp(x, [1, 2]))
    (one,) = summed.operations(x, rules=units)
    assert one.kind is Kind.LOGSUMEXP and one.axes == (1, 2)


def test_scores_on_a_scale_are_ruled_like_the_net() -> None:
    net, x, _ = shared("cnn")
    rules = by_kind({kind: Native() for kind in (Kind.SOFTMAX, Kind.LOG_SOFTMAX)})
    assert kinds(net, x, rules, Probability(0))[-1] == "softmax"
    assert kinds(net, x, rules, LogProbability(0))[-1] == "log_softmax"
    assert kinds(net, x, rules, Margin(0, 1))[-1] == "add"


def test_normalizations_are_units_or_opened() -> None:
    net, x, _ = shared("transformer")
    unit = by_kind({Kind.NORMALIZATION: Frozen(), Kind.RSQRT: Native()})
    assert kinds(net, x, unit).count("normalization") == 2
    opened = kinds(net, x, by_kind({Kind.RSQRT: Native()}))
    assert opened.count("rsqrt") == 2 and "normalization" not in opened
    assert kinds(net, x).count("normalization") == 2
    assert kinds(net, x, GUIDED).count("normalization") == 2


def test_nothing_is_ignored() -> None:
    def net(x: Any) -> Any:
        a = tf.linalg.det(tf.reshape(x, (-1, 2, 2)))
        b = tf.math.top_k(x, 2).values
        c = tf.gather(x, tf.argmax(x, 1), axis=1, batch_dims=1)
        d = tf.py_function(lambda each: each * each, [x], x.dtype)
        return a[:, None] + b + c[:, None] + tf.reshape(d, tf.shape(x))[:, :2]

    x = tf.constant(numbers(2, 4))
    found = wrap(net).operations(x)
    others = {one.type: one.replayable for one in found if one.kind is Kind.OTHER}
    assert others == {
        "MatrixDeterminant": True,
        "TopKV2": True,
        "GatherV2": False,
        "EagerPyFunc": False,
    }


def size(x: Any) -> Any:
    return tf.reduce_mean(x * x, -1, keepdims=True) + 0.1


def moved(x: Any) -> Any:
    scaled = -tf.math.rsqrt(size(x)) / 3.0 * tf.constant([[[1.0, 2.0, 3.0, 4.0]]], x.dtype)
    wide = tf.tile(tf.cast(tf.cast(tf.transpose(scaled, (0, 2, 1)), "float32"), x.dtype), (1, 1, 2))
    return tf.identity(tf.reshape(wide[..., :4], tf.shape(x)))


def test_products_that_are_quotients_say_so() -> None:
    cases: list[tuple[Callable[[Any], Any], list[int | None]]] = [
        (lambda x: (x - tf.reduce_mean(x, -1, keepdims=True)) * tf.math.rsqrt(size(x)), [1]),
        (lambda x: x * tf.pow(size(x), -0.5), [1]),
        (lambda x: 2.0 / tf.sqrt(size(x)) * x, [0]),
        (lambda x: tf.math.reciprocal(size(x)) * tf.math.rsqrt(size(x)), [0]),
        (lambda x: x * moved(x), [1]),
        (lambda x: x * tf.math.rsqrt(tf.matmul(x * x, tf.ones((4, 4), x.dtype))), [1]),
        (lambda x: tf.multiply(*tf.identity_n([x, tf.math.rsqrt(size(x))])), [1]),
        (lambda x: tf.multiply(*tf.identity_n([tf.math.rsqrt(size(x)), x])), [0]),
        (lambda x: x * (1.0 + tf.math.rsqrt(size(x))), [None]),
        (lambda x: x * tf.minimum(tf.math.rsqrt(size(x)), 2.0), [1]),
        (lambda x: x * tf.pow(size(x), 1.5), [None]),
        (lambda x: x * tf.square(size(x)), [None]),
        (lambda x: x * (tf.sin(x) * tf.math.rsqrt(size(x))), [1, None]),
        (lambda x: tf.math.squared_difference(x, tf.math.rsqrt(size(x))), [None]),
    ]
    rules = DeepLIFT(rule="reveal_cancel").rules
    found = wrap(lambda x: [function(x) for function, _ in cases]).operations(
        tf.constant(numbers(2, 4, 4)), rules=rules
    )
    places = [one.reciprocal for one in found if one.kind is Kind.MUL]
    assert places == [place for _, expected in cases for place in expected]
    assert {one.reciprocal for one in found if one.kind is not Kind.MUL} == {None}
    assert "neuron" in [one.kind for one in found]


NORMALIZATIONS: dict[str, Any] = {
    "layer": layers.LayerNormalization,
    "group": lambda **options: layers.GroupNormalization(2, **options),
    "size": layers.RMSNormalization,
}


def test_normalizations_of_keras_are_quotients() -> None:
    pixels = keras.Input((3, 6), **COMMON)
    made = [make(name=name, **COMMON)(pixels) for name, make in NORMALIZATIONS.items()]
    found = wrap(keras.Model(pixels, made)).operations(numbers(2, 3, 6), rules=DeepLIFT().rules)
    products = [(one.name, one.type, one.reciprocal) for one in found if one.kind is Kind.MUL]
    for name in ("layer", "group"):
        expected = [("SquaredDifference", None), ("Mul", 1), ("Mul", 1)]
        assert [each[1:] for each in products if each[0] == name] == expected
    assert [each[1:] for each in products if each[0] == "size"] == [("Mul", 1)]


def test_normalizations_of_a_flat_baseline_keep_their_digits() -> None:
    stack: list[Any] = [keras.Input((6,), **COMMON)]
    for _ in range(6):
        stack.append(layers.Dense(6, use_bias=False, **COMMON))
        stack.append(layers.LayerNormalization(epsilon=1e-6, **COMMON))
    found = backlight.explain(
        wrap(keras.Sequential(stack)), numbers(5, 6), target=1, method=DeepLIFT(baseline=0.0)
    )
    assert np.abs(found.values).max() < 1e3
    assert found.gap is not None and found.gap.max() <= 1e-9


@dataclass(frozen=True)
class Elsewhere(Rule):
    def __call__(self, op: AppliedOperation, grad: Array) -> Any:
        return op.vjp(grad, inputs=op.inputs)


def test_what_cannot_be_run_again_says_so() -> None:
    def net(x: Any) -> Any:
        return tf.reshape(tf.py_function(lambda each: each * each, [x], x.dtype), tf.shape(x))

    with pytest.raises(CoverageError, match=r"EagerPyFunc.*cannot be run again"):
        ruled(net, tf.constant(numbers(2, 3)), by_kind({Kind.OTHER: Elsewhere()}))
    assert ruled(net, tf.constant(numbers(2, 3)), NATIVE).gradient is not None
