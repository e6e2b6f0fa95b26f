"""Rules on TensorFlow and Keras nets: weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from backlight import Method
from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule
from backlight.scores.scores import Neuron
from backlight.testing.rules import (
    EPSILON,
    EPSILON_FOLDED,
    POSITIVE,
    Frozen,
    by_kind,
)
from backlight.values.arrays import Array
from backlight.values.outputs import OutputSpec
from backlight_methods import LRP, DeepLIFT
from tests.backends.tensorflow.rules.nets import (
    COMMON,
    Values,
    bound,
    case,
    host,
    kinds,
    numbers,
    ruled,
    settled,
    shared,
    wrap,
)


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


# Weights that the net computes


@pytest.mark.parametrize(("method", "off"), [(DeepLIFT(), 1e-9), (LRP(composite="epsilon"), 1e-5)])
@pytest.mark.parametrize(("several", "spread"), [(1, 1), (2, 1), (1, 2)])
def test_computed_weights_of_a_depthwise_convolution(
    several: int, spread: int, method: Method, off: float
) -> None:
    """As of products of shifted pictures, which the convolution is the sum of, but for LRP's epsilon."""
    x, head = tf.constant(numbers(1, 6, 6, 4)), tf.constant(numbers(4 * several, 3, seed=1))
    mixed = tf.constant(numbers(4, 9 * 4 * several, seed=2))

    def computed(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.tanh(tf.reduce_mean(x, (1, 2)) @ mixed), (3, 3, 4, several))

    def convolved(x: tf.Tensor) -> tf.Tensor:
        dilations = (spread, spread)
        return tf.nn.depthwise_conv2d(x, computed(x), (1, 1, 1, 1), "SAME", dilations=dilations)

    def written(x: tf.Tensor) -> tf.Tensor:
        padded = tf.pad(x, ((0, 0), (spread, spread), (spread, spread), (0, 0)))
        shifts = [slice(spread * at, spread * at + 6) for at in range(3)]
        parts = [
            padded[:, down, right, :, None] * computed(x)[i, j]
            for i, down in enumerate(shifts)
            for j, right in enumerate(shifts)
        ]
        return tf.reshape(tf.add_n(parts), (-1, 6, 6, 4 * several))

    def explained(conv: Callable[[tf.Tensor], tf.Tensor]) -> Values:
        found = method(lambda x: tf.reduce_mean(tf.nn.relu(conv(x)), (1, 2)) @ head, x, 1)
        return np.asarray(found.values)

    np.testing.assert_allclose(explained(convolved), explained(written), rtol=1e-6, atol=off)
