"""The TensorFlow and Keras backend: gradients."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from backlight.errors import (
    UnknownNameError,
)
from backlight.model.model import Model
from backlight.scores.scores import Output
from tests.backends.tensorflow.model.nets import (
    F64,
    Module,
    Subclassed,
    Values,
    backlight_load,
    bound,
    central,
    convolutional,
    host,
    numbers,
    wrap,
)


def check_gradient(net: Any, x: Values, target: Any = 1, **options: Any) -> Model:
    """The gradient of a float64 net is that of the differences of what the net itself says."""
    model = wrap(net, **options)
    score = bound(model, x, target)

    def scores(points: Values) -> Values:
        return host(net(tf.constant(points)))[:, target]

    found = model.gradient(x, score)
    np.testing.assert_allclose(host(found.score), scores(x), rtol=1e-12)
    np.testing.assert_allclose(host(found.gradient), central(scores, x), rtol=1e-6, atol=1e-8)
    return model


def test_functional_keras_model_against_differences() -> None:
    check_gradient(convolutional(), numbers(2, 8, 8, 2))


def test_sequential_and_subclassed_keras_models_against_differences() -> None:
    sequential = keras.Sequential(
        [layers.Dense(4, activation="gelu", dtype=F64), layers.Dense(3, dtype=F64)]
    )
    assert not sequential.built
    model = check_gradient(sequential, numbers(3, 5))
    assert [site.name for site in model.sites(numbers(3, 5))] == [
        layer.name for layer in sequential.layers
    ]
    check_gradient(Subclassed(), numbers(3, 5))


@pytest.mark.parametrize("layer", ["LSTM", "GRU"])
def test_recurrent_layers_keep_their_loops(layer: str) -> None:
    net = keras.Sequential(
        [
            keras.Input((4, 2), dtype=F64),
            getattr(layers, layer)(3, dtype=F64, name="recurrent"),
            layers.Dense(2, dtype=F64),
        ]
    )
    model = check_gradient(net, numbers(2, 4, 2))
    assert next(site.name for site in model.sites(numbers(2, 4, 2))) == "recurrent"


def test_attention_is_named_by_its_parts() -> None:
    words = keras.Input((4, 6), dtype=F64)
    x = layers.MultiHeadAttention(2, 3, name="attention", dtype=F64)(words, words)
    x = layers.LayerNormalization(name="norm", dtype=F64)(x + words)
    net = keras.Model(words, layers.Dense(2, dtype=F64)(layers.Flatten(dtype=F64)(x)))
    model = check_gradient(net, numbers(2, 4, 6))
    names = [site.name for site in model.sites(numbers(2, 4, 6))]
    assert {"attention/query", "attention/attention_output", "attention", "norm"} <= set(names)


def module_styles(tmp_path: Path) -> dict[str, Callable[[Module], Any]]:
    def saved(module: Module) -> Any:
        module.serve = tf.function(  # type: ignore[attr-defined]
            module.__call__, input_signature=[tf.TensorSpec((None, 5), tf.float64)]
        )
        signature = module.serve.get_concrete_function()  # type: ignore[attr-defined]
        tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": signature})
        return tf.saved_model.load(str(tmp_path))

    def callable_saved(module: Module) -> Any:
        module.__class__.__call__ = tf.function(Module.__call__)
        return saved(module)

    return {
        "module": lambda module: module,
        "function": lambda module: tf.function(module),
        "compiled": lambda module: tf.function(module, jit_compile=True),
        "nested": lambda module: tf.function(lambda x: tf.function(module)(x) * 1),
        "concrete": lambda module: tf.function(module).get_concrete_function(
            tf.TensorSpec((None, 5), tf.float64)
        ),
        "saved": saved,
        "signature": lambda module: saved(module).signatures["serving_default"],
        "method": lambda module: module.__call__,
    }


@pytest.mark.parametrize(
    "style",
    ["module", "function", "compiled", "nested", "concrete", "saved", "signature", "method"],
)
def test_functions_and_saved_models_by_hand(style: str, tmp_path: Path) -> None:
    module, x = Module(), numbers(3, 5)
    kept = module_styles(tmp_path)["saved"](module)
    net = kept if style == "saved" else kept.signatures["serving_default"]
    if style not in ("saved", "signature"):
        net = module_styles(tmp_path)[style](module)
    model = wrap(net, inputs=tf.constant(x))
    target: Any = 2 if style != "signature" else Output("output_0", index=2)
    given = tf.constant(x)
    found = model.gradient(given, bound(model, given, target))
    np.testing.assert_allclose(host(found.gradient), module.jacobian(x, 2), rtol=1e-12)
    (tanh,) = [site for site in model.sites(given) if site.kind == "Tanh"]
    assert tanh.shape == (3, 4)
    at = model.gradient(given, bound(model, given, target), at=tanh.name)
    np.testing.assert_allclose(host(at.value), np.tanh(x @ module.w.numpy()), rtol=1e-12)
    expected = np.tile(module.v.numpy()[:, 2], (3, 1))
    np.testing.assert_allclose(host(at.gradient), expected, rtol=1e-12)
    with pytest.raises(UnknownNameError, match="operations of the traced graph"):
        model.activation(given, "conv1")


def test_a_loaded_saved_model_outlives_its_name(tmp_path: Path) -> None:
    module, x = Module(), numbers(2, 5)
    model = wrap(module_styles(tmp_path)["saved"](module))
    np.testing.assert_allclose(host(model.predict(x)), module(x).numpy(), rtol=1e-12)


def test_exported_keras_model(tmp_path: Path) -> None:
    net = convolutional()
    net.export(str(tmp_path), verbose=False)
    loaded = backlight_load(tmp_path)
    x = numbers(2, 8, 8, 2)
    model, exported = wrap(net), wrap(loaded)
    np.testing.assert_allclose(
        host(exported.gradient(x, bound(exported, x, 1)).gradient),
        host(model.gradient(x, bound(model, x, 1)).gradient),
        rtol=1e-10,
        atol=1e-14,
    )


def test_custom_gradients_are_honoured() -> None:
    @tf.custom_gradient
    def reversed_(x: Any) -> Any:
        return tf.identity(x), lambda upstream: -3 * upstream

    @tf.custom_gradient
    def sharp(x: Any) -> Any:
        wave = tf.sin(x)
        return wave, lambda upstream: upstream * (10 + wave)

    x = numbers(2, 3)

    def net(values: Any) -> Any:
        return reversed_(values**2)

    model = wrap(net, inputs=tf.constant(x))
    found = model.gradient(tf.constant(x), bound(model, tf.constant(x), 1))
    np.testing.assert_allclose(host(found.gradient)[:, 1], -3 * 2 * x[:, 1])
    # It looks back at values of the forward pass, here inside of a function and of a loop.
    inner = tf.function(lambda values: sharp(values))
    model = wrap(lambda values: inner(values * 2), inputs=tf.constant(x))
    found = model.gradient(tf.constant(x), bound(model, tf.constant(x), 1))
    np.testing.assert_allclose(host(found.gradient)[:, 1], 2 * (10 + np.sin(2 * x[:, 1])))

    def loop(values: Any) -> Any:
        return tf.while_loop(
            lambda step, state: step < 2,
            lambda step, state: (step + 1, sharp(state)),
            (tf.constant(0), values),
        )[1]

    model = wrap(loop, inputs=tf.constant(x))
    found = model.gradient(tf.constant(x), bound(model, tf.constant(x), 1))
    once = np.sin(x[:, 1])
    expected = (10 + once) * (10 + np.sin(once))
    np.testing.assert_allclose(host(found.gradient)[:, 1], expected)


def test_custom_gradient_that_reads_a_variable() -> None:
    scale = tf.Variable(2.0, dtype=tf.float64)

    @tf.custom_gradient
    def scaled(x: Any) -> Any:
        def gradient(upstream: Any, variables: Any = None) -> Any:
            return upstream * scale * 7, [tf.zeros_like(each) for each in variables]

        return x * scale, gradient

    x = numbers(2, 3)
    model = wrap(tf.function(scaled), inputs=tf.constant(x))
    found = model.gradient(tf.constant(x), bound(model, tf.constant(x), 0))
    np.testing.assert_allclose(host(found.gradient)[:, 0], [14.0, 14.0])


def test_recomputed_gradients() -> None:
    x = numbers(2, 3)
    model = wrap(tf.recompute_grad(lambda values: tf.sin(values) ** 2), inputs=tf.constant(x))
    found = model.gradient(tf.constant(x), bound(model, tf.constant(x), 0))
    np.testing.assert_allclose(host(found.gradient)[:, 0], np.sin(2 * x[:, 0]))


def test_a_function_that_was_differentiated_before() -> None:
    """Which TensorFlow then gives more outputs than its callers know of."""
    inner = tf.function(
        lambda x: tf.tanh(x) * tf.exp(x), input_signature=[tf.TensorSpec((None, 3), F64)]
    )
    x = tf.constant(numbers(2, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = inner(x)[:, 1]
    model = wrap(inner)
    found = model.gradient(x, bound(model, x, 1))
    np.testing.assert_allclose(host(found.gradient), tape.gradient(score, x), rtol=1e-12)


def test_branches_and_loops() -> None:
    def net(x: Any) -> Any:
        x = tf.cond(tf.reduce_sum(x) > 1e9, lambda: x * 0, lambda: tf.sin(x))
        x = tf.switch_case(tf.constant(1), [lambda: x * 0, lambda: x * 3])
        return tf.map_fn(lambda row: row * tf.reduce_sum(row), x)

    x = numbers(3, 4)
    rows = np.sin(x) * 3
    inner = rows.sum(1, keepdims=True) * np.eye(4)[1] + rows[:, 1:2]
    model = wrap(net, inputs=tf.constant(x))
    found = model.gradient(tf.constant(x), bound(model, tf.constant(x), 1))
    np.testing.assert_allclose(host(found.gradient), inner * 3 * np.cos(x), rtol=1e-12)


def test_python_branches_of_plain_functions_follow_the_values() -> None:
    def net(x: Any) -> Any:
        if tf.reduce_sum(x) > 0:
            return x * 2
        return x * 5

    model = wrap(net, framework="tensorflow")
    for sign, slope in ((1.0, 2.0), (-1.0, 5.0)):
        x = sign * np.ones((2, 3))
        found = model.gradient(tf.constant(x), bound(model, tf.constant(x), 0))
        np.testing.assert_allclose(host(found.gradient)[:, 0], slope)


def test_rows_gathered_give_a_dense_gradient() -> None:
    def net(x: Any) -> Any:
        return tf.gather(x, tf.range(tf.shape(x)[0]) // 1) * 2

    x = numbers(3, 4)
    model = wrap(net, framework="tensorflow")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.gradient(tf.constant(x), bound(model, tf.constant(x), 0))
    np.testing.assert_allclose(host(found.gradient), np.tile([2.0, 0, 0, 0], (3, 1)))
