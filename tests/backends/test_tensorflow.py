"""The TensorFlow and Keras backend, judged by closed forms and by float64 central differences."""

import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

import backlight
from backlight.errors import (
    InputError,
    InputTypeError,
    ModelError,
    NoBackendError,
    SiteError,
    UnknownNameError,
)
from backlight.explaining.targets import as_score
from backlight.memory.identity import identity_of
from backlight.model.model import Model
from backlight.scores.class_scores import LogProbability, Margin, Probability
from backlight.scores.scores import Neuron, Output, Score
from backlight.values.arrays import Arrays
from backlight.values.inputs import Inputs, PerExample, Shared
from backlight.values.outputs import OutputSpec
from backlight_model_files import plugin as model_files
from backlight_tensorflow import arrays as namespace
from backlight_tensorflow import plugin

Values = NDArray[Any]
F64 = "float64"


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    keras.utils.set_random_seed(0)
    yield
    backlight.forget()


def numbers(*shape: int, seed: int = 0) -> Values:
    return np.random.default_rng(seed).normal(size=shape)


def wrap(net: object, **options: Any) -> Model:
    return backlight.wrap(net, **options)


def bound(model: Model, x: Any, target: Any) -> Score:
    inputs = model.prepare(x)
    return as_score(target).bind(model.outputs(inputs), inputs.count)


def host(array: Any) -> Values:
    return np.asarray(array)


def central(function: Callable[[Values], Values], x: Values, step: float = 1e-6) -> Values:
    """d function(x)[row] / d x[row] by central differences, all of them in one call."""
    per_row = x[0].size
    steps = step * np.eye(per_row).reshape(per_row, 1, *x.shape[1:])
    moved = np.stack([x + steps, x - steps])  # (2, per_row, N, ...)
    up, down = function(moved.reshape(-1, *x.shape[1:])).reshape(2, per_row, len(x))
    return np.asarray((up - down).T.reshape(x.shape) / (2 * step))


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


# Networks


def convolutional(dtype: str = F64) -> keras.Model:
    """A residual, nested functional model with a reused layer."""
    common = {"dtype": dtype}
    pixels = keras.Input((8, 8, 2), dtype=dtype, name="pixels")
    x = layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv", **common)(pixels)
    again = layers.Conv2D(3, 3, padding="same", name="again", **common)
    x = again(x)
    x = layers.Add(name="add", **common)([layers.Dropout(0.5, name="dropout", **common)(x), x])
    x = again(x)
    x = layers.BatchNormalization(name="norm", **common)(x)
    inner = keras.Sequential(
        [
            layers.Conv2D(4, 3, activation="silu", name="deep", **common),
            layers.GlobalAveragePooling2D(name="pool", **common),
        ],
        name="head",
    )
    logits = layers.Dense(3, name="logits", **common)(inner(x))
    net = keras.Model(pixels, logits)
    for variable in net.variables:
        variable.assign(
            np.abs(numbers(*variable.shape, seed=1)) + 0.5
            if variable.name == "moving_variance"
            else numbers(*variable.shape, seed=2) / 3
        )
    return net


class Subclassed(keras.Model):
    """A subclassed model that counts how often its code runs."""

    def __init__(self, dtype: str = F64) -> None:
        super().__init__(dtype=dtype)
        self.hidden = layers.Dense(4, activation="tanh", name="hidden", dtype=dtype)
        self.last = layers.Dense(3, name="last", dtype=dtype)
        self.drop = layers.Dropout(0.5, dtype=dtype)
        self.runs: list[bool | None] = []

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        self.runs.append(training)
        return self.last(self.drop(self.hidden(inputs), training=training))


class Module(tf.Module):
    """A two-layer tf.Module with known weights."""

    def __init__(self) -> None:
        super().__init__(name="mlp")
        self.w = tf.Variable(numbers(5, 4, seed=3))
        self.v = tf.Variable(numbers(4, 3, seed=4))

    def __call__(self, x: Any) -> Any:
        hidden = tf.nn.tanh(tf.matmul(x, self.w), name="hidden")
        return tf.matmul(hidden, self.v, name="out")

    def jacobian(self, x: Values, k: int) -> Values:
        """d out[k] / d x by hand."""
        slope = 1 - np.tanh(x @ self.w.numpy()) ** 2
        return np.asarray((slope * self.v.numpy()[:, k]) @ self.w.numpy().T)


# Styles of networks


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


def backlight_load(path: Path) -> Any:
    return model_files.backlight_load_model(path)


# Gradients that TensorFlow has in several ways


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


# Scores


@pytest.mark.parametrize(
    "target", [1, Probability(1), LogProbability(2), Margin(0, versus=[1, 2, 1]), Output(index=-1)]
)
@pytest.mark.parametrize("ending", ["softmax", None])
def test_scores_against_differences(target: Any, ending: str | None) -> None:
    if isinstance(target, Output):
        target = Output(index=2)
    net = keras.Sequential([keras.Input((4,), dtype=F64), layers.Dense(3, ending, dtype=F64)])
    kernel, x = net.get_weights()[0], numbers(3, 4)
    model = wrap(net)

    def scores(points: Values) -> Values:
        logits = points @ kernel
        odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        output, rows = odds if ending else logits, len(points)
        name = repr(target)
        if name.startswith("Prob"):
            return np.asarray(odds[:, 1])
        if name.startswith("Log"):
            return np.asarray(np.log(odds[:, 2]))
        if name.startswith("Margin"):
            return np.asarray(logits[:, 0] - logits[range(rows), np.resize([1, 2, 1], rows)])
        return np.asarray(output[:, 2] if name.startswith("Output") else output[:, 1])

    score = bound(model, x, target)
    found = model.gradient(x, score)
    np.testing.assert_allclose(host(found.score), scores(x), rtol=1e-10)
    np.testing.assert_allclose(host(model.score(x, score)), scores(x), rtol=1e-10)
    np.testing.assert_allclose(host(found.gradient), central(scores, x), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("target", [Probability(1), LogProbability([2, 0, 3]), Margin(0, versus=3)])
def test_scores_of_independent_labels(target: Any) -> None:
    net = keras.Sequential([keras.Input((5,), dtype=F64), layers.Dense(4, dtype=F64)])
    net.layers[-1].activation = keras.activations.sigmoid
    kernel, x = net.get_weights()[0], numbers(3, 5)
    model, logits = wrap(net), x @ kernel
    assert model.outputs(x) == OutputSpec((3, 4), "sigmoid")
    p = 1 / (1 + np.exp(-logits))
    name, rows = repr(target), range(3)
    if name.startswith("Prob"):
        scores, slopes = p[:, 1], (p * (1 - p))[:, 1, None] * kernel[:, 1]
    elif name.startswith("Log"):
        k = [2, 0, 3]
        scores, slopes = np.log(p[rows, k]), (1 - p[rows, k])[:, None] * kernel[:, k].T
    else:
        scores = logits[:, 0] - logits[:, 3]
        slopes = np.tile(kernel[:, 0] - kernel[:, 3], (3, 1))
    found = model.gradient(x, bound(model, x, target))
    np.testing.assert_allclose(host(found.score), scores, rtol=1e-10)
    np.testing.assert_allclose(host(found.gradient), slopes, rtol=1e-9)


def test_score_functions_and_scalar_outputs() -> None:
    net = keras.Sequential([keras.Input((4,), dtype=F64), layers.Dense(1, dtype=F64)])
    points, kernel = numbers(3, 4), net.get_weights()[0]
    x = tf.constant(points)
    model = wrap(lambda values: net(values)[:, 0], framework="tensorflow")
    assert model.outputs(x) == OutputSpec((3,))

    def squared(outputs: Any, arrays: Arrays) -> Any:
        return arrays.sum(outputs[:, None] * outputs[:, None], axis=1)

    expected = 2 * (points @ kernel) * kernel.T
    np.testing.assert_allclose(
        host(model.gradient(x, bound(model, x, squared)).gradient), expected, rtol=1e-12
    )
    np.testing.assert_allclose(
        host(model.gradient(x, bound(model, x, 0)).gradient), np.tile(kernel.T, (3, 1))
    )


def test_regions_of_dense_outputs() -> None:
    net = keras.Sequential([keras.Input((6, 6, 2), dtype=F64), layers.Conv2D(3, 1, dtype=F64)])
    kernel, x = net.get_weights()[0][0, 0], numbers(2, 6, 6, 2)
    model = wrap(net)
    score = bound(model, x, Output(index=(slice(1, 3), 4, 2)))
    expected = np.zeros_like(x)
    expected[:, 1:3, 4] = kernel[:, 2]
    np.testing.assert_allclose(host(model.gradient(x, score).gradient), expected)


# Several inputs and outputs


class Several(keras.Model):
    """Two inputs, nested outputs, an integer one passed beside."""

    def call(self, inputs: Any, scale: Any = None, power: int = 1) -> Any:
        left, right = (inputs["a"], inputs["b"]) if isinstance(inputs, dict) else inputs
        total = (left * 2 + right * 3) ** power
        total = total if scale is None else total * scale[:, None]
        return {"sum": total, "parts": (left, [tf.nn.softmax(right)])}


def test_tuple_and_dict_inputs_of_keras_models() -> None:
    a, b = numbers(2, 3), numbers(2, 3, seed=1)
    model = wrap(Several(dtype=F64))
    given: Any
    for given in ((a, b), {"a": a, "b": b}):
        score = bound(model, given, Output("sum", index=1))
        found = model.gradient(given, score)
        assert type(found.gradient) is type(given)
        first, second = (
            found.gradient.values() if isinstance(found.gradient, dict) else found.gradient
        )
        np.testing.assert_allclose(host(first), np.tile([0.0, 2, 0], (2, 1)))
        np.testing.assert_allclose(host(second), np.tile([0.0, 3, 0], (2, 1)))
        # An input that the score does not depend on has a gradient of zeros.
        found = model.gradient(given, bound(model, given, Output(("parts", 0), index=1)))
        unused = list(
            found.gradient.values() if isinstance(found.gradient, dict) else found.gradient
        )[1]
        assert host(unused).shape == b.shape
        assert not host(unused).any()
    assert model.outputs((a, b)) == {
        "sum": OutputSpec((2, 3)),
        "parts": (OutputSpec((2, 3)), (OutputSpec((2, 3), "probabilities"),)),
    }
    assert set(cast(Any, model.predict((a, b)))) == {"sum", "parts"}


@pytest.mark.parametrize("structure", ["list", "dict", "one", "tuple of one"])
def test_functional_models_get_the_structure_they_were_made_with(structure: str) -> None:
    left, right = (keras.Input((3,), dtype=F64, name=name) for name in "ab")
    one = "one" in structure
    made: Any = {
        "list": [left, right],
        "dict": {"a": left, "b": right},
        "one": [left],
        "tuple of one": (left,),
    }[structure]
    net = keras.Model(made, left * 2 if one else left * 2 + right * 3)
    model = wrap(net)
    a, b = numbers(2, 3), numbers(2, 3, seed=1)
    fed: list[Any] = [(a, b), {"a": a, "b": b}] if not one else [a, (a,)]
    for given in fed:
        expected = 2 * a + (0 if one else 3 * b)
        np.testing.assert_allclose(host(model.predict(given)), expected)


def test_extra_arguments_by_position_and_name() -> None:
    a, b, scale = numbers(2, 3), numbers(2, 3, seed=1), np.array([1.0, 10.0])
    model = wrap(Several(dtype=F64))
    for extra in ((scale,), {"scale": scale}):
        inputs = model.prepare((a, b), extra)
        score = as_score(Output("sum", index=0)).bind(model.outputs(inputs), 2)
        first = cast(Any, model.gradient(inputs, score).gradient)[0]
        np.testing.assert_allclose(host(first)[:, 0], [2.0, 20.0])
    inputs = model.prepare((a, b), {"power": 2})
    score = as_score(Output("sum", index=0)).bind(model.outputs(inputs), 2)
    first = cast(Any, model.gradient(inputs, score).gradient)[0]
    np.testing.assert_allclose(host(first)[:, 0], 4 * (2 * a + 3 * b)[:, 0])


def test_shared_and_nested_extra_arguments_of_functions() -> None:
    def net(x: Any, *, table: Any, unhashable: Any) -> Any:
        return x * table["w"] + unhashable[0]

    x = numbers(3, 3)
    table = {"w": tf.constant(numbers(3, seed=1))}
    model = wrap(net, framework="tensorflow")
    inputs = Inputs(tf.constant(x), (), {"table": Shared(table), "unhashable": [1.0]})
    np.testing.assert_allclose(host(model.predict(inputs)), x * table["w"].numpy() + 1)
    half = inputs.map_rows(lambda rows: rows[:2])
    np.testing.assert_allclose(host(model.predict(half)), x[:2] * table["w"].numpy() + 1)
    other = Inputs(tf.constant(x), (), {"table": Shared(table), "unhashable": [2.0]})
    np.testing.assert_allclose(host(model.predict(other)), x * table["w"].numpy() + 2)


def test_functions_take_tuples_by_position_and_dicts_by_name() -> None:
    def net(p: Any, q: Any, training: bool) -> Any:
        assert not training
        return p * 2 + q * 3

    p, q = numbers(2, 3), numbers(2, 3, seed=1)
    model = wrap(net, framework="tensorflow")
    for given in ((p, q), {"q": q, "p": p}):
        np.testing.assert_allclose(host(model.predict(cast(Any, given))), 2 * p + 3 * q)


# Sites


def test_sites_of_a_keras_model() -> None:
    x = numbers(2, 8, 8, 2)
    model = wrap(convolutional())
    sites = model.sites(x)
    assert [(site.name, site.shape, site.pooled) for site in sites] == [
        ("conv", (2, 8, 8, 3), False),
        ("again", (2, 8, 8, 3), False),
        ("dropout", (2, 8, 8, 3), False),
        ("add", (2, 8, 8, 3), False),
        ("again:2", (2, 8, 8, 3), False),
        ("norm", (2, 8, 8, 3), False),
        ("head/deep", (2, 6, 6, 4), False),
        ("head/pool", (2, 4), True),
        ("head", (2, 4), True),
        ("logits", (2, 3), False),
    ]
    assert [site.kind for site in sites[:4]] == ["Conv2D", "Conv2D", "Dropout", "Add"]
    assert [site.shape[0] for site in model.sites(numbers(5, 8, 8, 2))] == [5] * len(sites)


def test_gradients_at_every_site_against_differences() -> None:
    x = numbers(2, 8, 8, 2)
    model = wrap(convolutional())
    score = bound(model, x, Probability([0, 2]))
    for name in ("conv", "dropout", "again:2", "head/deep", "head"):
        site = model.site(x, name)
        value = host(model.activation(x, site.name))
        found = model.gradient(x, score, at=site.name)
        np.testing.assert_array_equal(host(found.value), value)
        np.testing.assert_allclose(host(found.score), host(model.score(x, score)), rtol=1e-12)
        # At another value than the model's own.
        moved = value + 0.1
        native = tf.constant(moved)
        there = model.gradient(x, score, at=site.name, value=native)
        assert there.value is native
        np.testing.assert_allclose(
            host(there.score), host(model.score(x, score, at=site.name, value=native))
        )
        place = (1, *(length // 2 for length in value.shape[1:]))
        for point, gradient in ((value, found.gradient), (moved, there.gradient)):
            up, down = point.copy(), point.copy()
            up[place] += 1e-5
            down[place] -= 1e-5
            above, below = (
                host(model.score(x, score, at=site.name, value=tf.constant(each))).sum()
                for each in (up, down)
            )
            slope = (above - below) / 2e-5
            np.testing.assert_allclose(host(gradient)[place], slope, rtol=1e-5, atol=1e-9)


def test_replacing_what_a_layer_hands_on_leaves_the_way_round_it() -> None:
    pixels = keras.Input((3,), dtype=F64)
    x = layers.Dense(3, name="dense", dtype=F64)(pixels)
    net = keras.Model(pixels, layers.Dropout(0.5, name="dropout", dtype=F64)(x) * 10 + x)
    model, given = wrap(net), numbers(2, 3)
    score = bound(model, given, 0)
    dense, dropout = (
        host(model.gradient(given, score, at=name).gradient)[:, 0] for name in ("dense", "dropout")
    )
    np.testing.assert_allclose(dense, 11)
    np.testing.assert_allclose(dropout, 10)


def test_neurons_scored_at_other_sites() -> None:
    x = numbers(2, 8, 8, 2)
    model = wrap(convolutional())
    conv, pool = model.site(x, "conv"), model.site(x, "head/pool")
    score = Neuron("head/pool", index=1).bind(OutputSpec(pool.shape), 2)
    np.testing.assert_allclose(
        host(model.score(x, score)), host(model.activation(x, "head/pool"))[:, 1]
    )
    assert host(model.gradient(x, score, at="conv").gradient).any()
    # The site's own value, and a site that is not on the way, computed after it.
    own = Neuron("conv", index=(1, 2, 0)).bind(OutputSpec(conv.shape), 2)
    expected = np.zeros(conv.shape)
    expected[:, 1, 2, 0] = 1
    np.testing.assert_array_equal(host(model.gradient(x, own, at="conv").gradient), expected)
    assert not host(model.gradient(x, own, at="head/pool").gradient).any()
    value = numbers(*conv.shape, seed=3)
    moved = model.score(x, own, at="conv", value=tf.constant(value))
    np.testing.assert_array_equal(host(moved), value[:, 1, 2, 0])


def test_nested_names_may_be_shortened_where_only_one_fits() -> None:
    model, x = wrap(convolutional()), numbers(1, 8, 8, 2)
    np.testing.assert_array_equal(
        host(model.activation(x, "deep")), host(model.activation(x, "head/deep"))
    )
    with pytest.raises(UnknownNameError, match=r"Unknown site 'dep'\. Nearest: .*head/deep"):
        model.activation(x, "dep")
    twice = keras.Sequential(
        [keras.Input((3,))]
        + [keras.Sequential([layers.Dense(3, name="same")], name=name) for name in "ab"]
    )
    with pytest.raises(UnknownNameError, match=r"Say which: a/same, b/same\."):
        wrap(twice).activation(numbers(1, 3), "same")


class Awkward(keras.Model):
    """Layers whose results are no rows of numbers per example."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = layers.Lambda(lambda x: tf.reshape(x, (-1, 3)), name="tokens")
        self.count = layers.Lambda(lambda x: tf.cast(x, tf.int32), name="count")
        self.both = layers.Lambda(lambda x: (x * 2, x * 3), name="both")

    def call(self, inputs: Any) -> Any:
        first, second = self.both(inputs)
        first = first + tf.cast(self.count(inputs), first.dtype)
        rows = tf.shape(inputs)[0]
        return tf.reshape(self.tokens(first + second), tf.stack([rows, 6]))


def test_operations_of_functional_models_are_sites() -> None:
    pixels = keras.Input((3,), dtype=F64)
    net = keras.Model(pixels, keras.ops.relu(pixels * 2) - 1)
    model, x = wrap(net), numbers(2, 3)
    sites = {site.kind: site.name for site in model.sites(x)}
    assert list(sites) == ["Multiply", "Relu", "Subtract"]
    found = model.gradient(x, bound(model, x, 0), at=sites["Multiply"])
    np.testing.assert_array_equal(host(found.gradient)[:, 0], x[:, 0] > 0)


def test_values_that_are_no_sites() -> None:
    model, x = wrap(Awkward()), numbers(2, 2, 3).astype("float32")
    assert [site.name for site in model.sites(x)] == ["both[0]", "both[1]"]
    score = bound(model, x, 1)
    with pytest.raises(SiteError, match=r"'count' holds int32 of shape \(None, 2, 3\)"):
        model.gradient(x, score, at="count")
    with pytest.raises(SiteError, match=r"'tokens' has shape \(4, 3\) for 2 examples"):
        model.gradient(x, score, at="tokens")
    with pytest.raises(InputError, match=r"float32 of shape \(2, 2, 3\); got float64 of shape"):
        model.gradient(x, score, at="both[1]", value=tf.zeros((2, 2, 3), tf.float64))
    with pytest.raises(InputError, match=r"got float32 of shape \(1, 2, 3\)"):
        model.score(x, score, at="both[1]", value=tf.zeros((1, 2, 3)))


def test_pooling_inside_a_container() -> None:
    pixels = keras.Input((4, 4, 1))
    block = keras.Sequential(
        [layers.MaxPooling2D(name="max"), layers.Dropout(0.1, name="off")], name="block"
    )
    x = layers.ReLU(name="relu")(block(pixels))
    net = keras.Model(pixels, layers.Flatten(name="flat")(x))
    model, x = wrap(net), numbers(2, 4, 4, 1)
    assert {site.name: site.pooled for site in model.sites(x)} == {
        "block/max": True,
        "block/off": True,
        "block": True,
        "relu": False,
        "flat": False,
    }


# Outputs


def ends(last: Callable[[Any], Any]) -> Model:
    return wrap(lambda x: last(tf.matmul(x, tf.ones((4, 3)))), framework="tensorflow")


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (lambda x: x, "logits"),
        (tf.nn.relu, "logits"),
        (tf.nn.softmax, "probabilities"),
        (tf.nn.log_softmax, "log_probabilities"),
        (tf.function(tf.function(tf.nn.softmax)), "probabilities"),
        (
            lambda x: tf.stop_gradient(tf.cast(tf.identity(tf.nn.softmax(x)), tf.float64)),
            "probabilities",
        ),
        (lambda x: tf.nn.softmax(x) * 2, "logits"),
        (lambda x: tf.nn.softmax(x, axis=0), "logits"),
        (lambda x: tf.nn.softmax(x[:, :, None], axis=1), "probabilities"),
        (lambda x: tf.nn.softmax(x[:, :, None], axis=2), "logits"),
        (lambda x: tf.exp(tf.nn.log_softmax(x)), "probabilities"),
        (tf.sigmoid, "sigmoid"),
        (lambda x: tf.stop_gradient(tf.cast(tf.identity(tf.sigmoid(x)), tf.float64)), "sigmoid"),
        (lambda x: tf.transpose(tf.sigmoid(tf.transpose(x))), "sigmoid"),
        (lambda x: tf.sigmoid(x) * 2, "logits"),
        (lambda x: tf.sigmoid(x)[:, 0], "sigmoid"),
        (lambda x: tf.reshape(tf.squeeze(tf.sigmoid(x[:, :1]), 1), [-1]), "sigmoid"),
        (lambda x: tf.reduce_mean(tf.sigmoid(x), axis=1), "logits"),
        (lambda x: tf.grad_pass_through(tf.nn.softmax)(x), "probabilities"),
    ],
)
def test_kinds_of_outputs(last: Callable[[Any], Any], kind: str) -> None:
    found = ends(last).outputs(np.zeros((2, 4), "float32"))
    assert isinstance(found, OutputSpec)
    assert found.kind == kind


@pytest.mark.parametrize("style", ["activation", "layer", "dropout", "nested"])
def test_kinds_of_keras_outputs(style: str) -> None:
    end: list[Any] = {
        "activation": [layers.Dense(3, activation="softmax")],
        "layer": [layers.Dense(3), layers.Softmax()],
        "dropout": [layers.Dense(3, activation="softmax"), layers.Dropout(0.5)],
        "nested": [keras.Sequential([layers.Dense(3, activation="softmax")])],
    }[style]
    net = keras.Sequential([keras.Input((4,)), *end])
    x = np.zeros((2, 4), "float32")
    assert wrap(net).outputs(x) == OutputSpec((2, 3), "probabilities")
    assert wrap(net, outputs="logits").outputs(x) == OutputSpec((2, 3), "logits")


def test_outputs_that_are_no_tensors() -> None:
    weights, x = numbers(4, 3), numbers(2, 4)

    def net(values: Any) -> Any:
        return {"logits": tf.matmul(values, weights), "loss": None, "more": (None, values)}

    model = wrap(net, framework="tensorflow")
    given = tf.constant(x)
    assert model.outputs(given) == {
        "logits": OutputSpec((2, 3)),
        "loss": (),
        "more": ((), OutputSpec((2, 4))),
    }
    assert cast(Any, model.predict(given))["loss"] is None
    found = model.gradient(given, bound(model, given, Output("logits", index=1)))
    np.testing.assert_allclose(host(found.gradient), np.tile(weights[:, 1], (2, 1)))

    def ragged(values: Any) -> Any:
        return tf.matmul(values, weights), tf.RaggedTensor.from_tensor(values)

    model = wrap(ragged, framework="tensorflow")
    assert model.outputs(given) == (OutputSpec((2, 3)), ())
    np.testing.assert_allclose(cast(Any, model.predict(given))[1].to_tensor().numpy(), x)
    found = model.gradient(given, bound(model, given, Output(0, index=1)))
    np.testing.assert_allclose(host(found.gradient), np.tile(weights[:, 1], (2, 1)))


# Compiled once


def test_nothing_is_traced_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = Subclassed(), numbers(3, 5)
    net(x)
    net.runs.clear()
    model = wrap(net)
    made: list[object] = []
    original = tf.function

    def counting(*arguments: Any, **named: Any) -> Any:
        made.append(arguments)
        return original(*arguments, **named)

    monkeypatch.setattr(tf, "function", counting)

    def everything(x: Values, target: Any, value: Values) -> None:
        score = bound(model, x, target)
        model.predict(x)
        model.sites(x)
        model.activation(x, "hidden")
        for given in (None, tf.constant(value[: len(x)])):
            model.score(x, score, at="hidden", value=given)
            model.gradient(x, score, at="hidden", value=given)
        model.gradient(x, score)

    everything(x, 0, numbers(3, 4))
    programs = len(made)
    assert net.runs == [False]  # never in training mode
    for target, seed in ((1, 1), ([0, 2, 1], 2)):
        net.hidden.kernel.assign(numbers(5, 4, seed=seed))
        everything(numbers(3, 5, seed=seed), target, numbers(3, 4, seed=seed))
    everything(numbers(2, 5), 2, numbers(3, 4))
    everything(numbers(7, 5), 2, numbers(7, 4))
    assert net.runs == [False]
    assert len(made) == programs
    # New weights count.
    np.testing.assert_allclose(host(model.predict(x)), host(net(x)), rtol=1e-12)


def test_a_net_that_needs_to_know_the_number_of_examples() -> None:
    def net(x: Any) -> Any:
        assert x.shape[0] is not None
        return x * float(x.shape[0])

    model = wrap(net, framework="tensorflow")
    for count in (2, 3, 2):
        x = numbers(count, 4)
        found = model.gradient(x, bound(model, x, 0))
        np.testing.assert_allclose(host(found.gradient)[:, 0], count)
        (site,) = model.sites(x)
        assert site.shape == (count, 4)


class Tempered(keras.Model):
    """A subclassed model that reads a number and a function of its own."""

    def __init__(self) -> None:
        super().__init__(dtype=F64)
        self.last = layers.Dense(3, name="last", dtype=F64)
        self.t = 2.0
        self.runs: list[int] = []

    def call(self, inputs: Any) -> Any:
        self.runs.append(1)
        return self.last(inputs) / self.t


def test_what_is_kept_for_training_is_no_edit() -> None:
    layer = layers.Dense(3)
    layer.build((None, 4))
    before = identity_of(layer)
    layer.kernel.trainable = False  # of the variable alone
    layer.activity_regularizer = keras.regularizers.L2(0.1)
    assert identity_of(layer) == before
    layer.use_bias = False
    assert identity_of(layer) != before


def test_edits_between_calls_are_seen() -> None:
    net = keras.Sequential(
        [
            keras.Input((5,), dtype=F64),
            layers.Dense(4, activation="tanh", name="first", dtype=F64),
            layers.Dense(2, activation="tanh", name="second", dtype=F64),
        ]
    )
    model, x = wrap(net), numbers(3, 5)

    def check(model: Model, net: Any) -> None:
        before = model.identity()
        np.testing.assert_allclose(host(model.predict(x)), host(net(tf.constant(x))), rtol=1e-12)
        gradient = host(model.gradient(x, bound(model, x, 1)).gradient)

        def second(points: Values) -> Values:
            return host(net(tf.constant(points)))[:, 1]

        np.testing.assert_allclose(gradient, central(second, x), rtol=1e-6, atol=1e-8)
        assert model.identity() == before

    check(model, net)
    identities = {model.identity()}
    net.pop()
    net.add(layers.Dense(3, activation="tanh", name="third", dtype=F64))
    check(model, net)
    assert [site.name for site in model.sites(x)] == ["first", "third"]
    identities.add(model.identity())
    net.layers[-1].activation = None
    check(model, net)
    identities.add(model.identity())
    for factor in (3.0, 4.0):  # functions that may be put where the one before was
        net.layers[0].activation = lambda values, factor=factor: values * factor
        check(model, net)
        identities.add(model.identity())
    net.layers[0].enable_lora(2)
    net.layers[0].lora_kernel_b.assign(numbers(2, 4))
    check(model, net)
    assert len({*identities, model.identity()}) == 6

    tempered = Tempered()
    model = wrap(tempered)
    model.predict(x)  # which makes the variables
    tempered.runs.clear()
    model.predict(x)
    assert tempered.runs == []
    check(model, tempered)
    tempered.t = 4.0
    check(model, tempered)


def test_edited_modules_are_seen() -> None:
    class Scaled(Module):
        t = 1.0
        parts: Any = ()

        def __call__(self, x: Any) -> Any:
            return super().__call__(x) * self.t + sum(part.v[0, 0] for part in self.parts)

    module, x = Scaled(), numbers(2, 5)
    models = [wrap(module), wrap(module.__call__, inputs=tf.constant(x))]
    edits: list[Callable[[], object]] = [
        lambda: None,
        lambda: setattr(module, "t", 3.0),
        lambda: setattr(module, "w", tf.Variable(numbers(5, 4, seed=9))),
        lambda: setattr(module, "parts", [Module()]),
        lambda: setattr(module.parts[0], "v", tf.Variable(numbers(4, 3, seed=8))),
    ]
    for edit in edits:
        edit()
        for model in models:
            found = host(model.predict(tf.constant(x)))
            np.testing.assert_allclose(found, host(module(x)), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_and_calls_are_no_edits() -> None:
    x, net = numbers(4, 5), Tempered()
    net(x)
    model = wrap(net)
    model.predict(x)
    before = model.identity()
    net.runs.clear()
    net.compile("sgd", "mse", jit_compile=False)
    net.fit(x, numbers(4, 3), verbose=0)
    net.predict(x, verbose=0)
    net.evaluate(x, numbers(4, 3), verbose=0)
    net.set_weights([numbers(5, 3), numbers(3)])
    net.runs.clear()
    np.testing.assert_allclose(host(model.predict(x)), (x @ numbers(5, 3) + numbers(3)) / 2)
    assert net.runs == []
    assert model.identity() == before


# The user's model comes back as it was


def state(net: keras.Layer) -> list[Any]:
    parts = [net, *net._flatten_layers(include_self=False)]
    return [
        [
            dict(vars(part)),
            list(part._losses),
            set(part._loss_ids),
            [variable.numpy().tolist() for variable in part.variables],
        ]
        for part in parts
    ]


class Restless(keras.Model):
    """It updates moving averages, draws noise and keeps tensors, even at inference."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = layers.BatchNormalization(name="norm", dtype=F64)
        self.drop = layers.Dropout(0.5, seed=3, dtype=F64)
        self.dense = layers.Dense(3, activity_regularizer="l2", name="dense", dtype=F64)
        self.kept: Any = None
        self.fails = False

    def call(self, inputs: Any) -> Any:
        x = self.dense(self.drop(self.norm(inputs, training=True), training=True))
        self.kept = x
        if self.fails:
            raise RuntimeError("on purpose")
        return x


def test_the_model_is_as_before_also_after_an_error() -> None:
    net, x = Restless(), numbers(4, 5)
    net(x)
    model, before = wrap(net), state(net)
    score = bound(model, x, 1)
    model.gradient(x, score, at="norm")
    model.sites(x)
    assert state(net) == before
    net.fails = True
    before = state(net)
    with pytest.raises(ModelError, match="on purpose"):
        model.predict(tf.zeros((4, 5)))
    assert state(net) == before
    assert not any("call" in vars(layer) for layer in net._flatten_layers())


def test_a_model_that_was_never_called_is_built_and_no_more() -> None:
    net = Subclassed()
    wrap(net).sites(numbers(3, 5))
    assert net.built
    assert len(net.variables) == 4 + len(net.drop.variables)
    assert not any("call" in vars(layer) for layer in net._flatten_layers())
    assert net.losses == []


def test_assignments_of_modules_are_left_out() -> None:
    class Counting(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = tf.Variable(0)

        @tf.function
        def __call__(self, x: Any) -> Any:
            self.calls.assign_add(1)
            tf.debugging.assert_less(x, 100.0)
            return x * 2

    net, x = Counting(), np.ones((2, 3), "float32")
    model = wrap(net)
    model.gradient(x, bound(model, x, 0))
    assert net.calls.numpy() == 0
    net(tf.constant(x))
    assert net.calls.numpy() == 1


def test_inputs_are_not_written_to_nor_aliased() -> None:
    model = wrap(convolutional())
    x = numbers(2, 8, 8, 2)
    before = x.copy()
    native = model.asarray(x)
    x[:] = 0
    np.testing.assert_array_equal(host(native), before)
    model.gradient(native, bound(model, native, 0))
    np.testing.assert_array_equal(host(native), before)
    out = model.to_numpy(native)
    out[:] = 7
    np.testing.assert_array_equal(host(native), before)


def test_threads_share_one_model() -> None:
    net = convolutional()
    net(numbers(1, 8, 8, 2))
    model = wrap(net)
    before = state(net)
    points = [numbers(2, 8, 8, 2, seed=seed) for seed in range(4)]
    expected = [host(net(x)) for x in points]
    wrong: list[object] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        x = points[number % 4]
        try:
            start.wait()
            for _ in range(3):
                # The user's own calls go on beside the traces.
                np.testing.assert_allclose(host(net(x)), expected[number % 4], rtol=1e-10)
                score = bound(model, x, number % 3)
                at = ("conv", "norm", None)[number % 3]
                found = model.gradient(x, score, at=at)
                np.testing.assert_allclose(
                    host(found.score), expected[number % 4][:, number % 3], rtol=1e-10
                )
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    assert state(net) == before


class Waiting(layers.Layer):
    """A layer that stays in its call until it is let go."""

    def __init__(self) -> None:
        super().__init__(name="waiting", dtype=F64)
        self.entered, self.released = threading.Event(), threading.Event()

    def call(self, inputs: Any) -> Any:
        self.entered.set()
        assert self.released.wait(60)
        return inputs * 2


class Interrupted(keras.Model):
    """A model whose layer is used by another thread just while the model is traced."""

    def __init__(self) -> None:
        super().__init__(dtype=F64)
        self.waiting, self.inner = Waiting(), layers.Dense(3, name="inner", dtype=F64)

    def call(self, inputs: Any) -> Any:
        user = threading.Thread(target=lambda: self.waiting(np.zeros((1, 3))))
        user.start()
        assert self.waiting.entered.wait(60)
        result = self.inner(inputs)
        self.waiting.released.set()
        user.join()
        return result


def test_calls_of_other_threads_are_not_recorded() -> None:
    net, x = Interrupted(), numbers(2, 3)
    net(x)
    net.waiting.entered.clear()
    net.waiting.released.clear()
    assert [site.name for site in wrap(net).sites(x)] == ["inner"]


# Dtypes, integers, NumPy


def test_native_in_native_out_in_the_same_dtype() -> None:
    net = convolutional("float32")
    model, x = wrap(net), numbers(2, 8, 8, 2)
    score = bound(model, x, 0)
    assert model.asarray(x).dtype == tf.float32
    assert model.asarray(x, like=tf.zeros(1, tf.float16)).dtype == tf.float16
    assert model.asarray(np.arange(3)).dtype == tf.int64
    assert model.asarray(np.ones(3, bool)).dtype == tf.bool
    assert wrap(lambda x: x, framework="tensorflow").asarray(x).dtype == tf.float32
    assert wrap(Module()).asarray(x.astype("float32")).dtype == tf.float64
    for dtype in ("float32", "float64", "float16"):
        given = tf.constant(x, dtype)
        found = model.gradient(given, score)
        assert found.gradient.dtype == dtype  # type: ignore[union-attr]
        assert found.value is given
        assert cast(Any, found.gradient).shape == given.shape
        assert isinstance(found.gradient, tf.Tensor)
        assert cast(Any, found.gradient).device == given.device
    variable = tf.Variable(tf.constant(x, tf.float32))
    np.testing.assert_array_equal(
        host(model.gradient(cast(Any, variable), score).gradient),
        host(model.gradient(tf.constant(x, tf.float32), score).gradient),
    )


def test_mixed_precision_keeps_the_users_dtype() -> None:
    policy = keras.DTypePolicy("mixed_float16")
    net = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, activation="relu", dtype=policy),
            layers.Dense(3, activation="softmax", dtype="float32"),
        ]
    )
    net2 = keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype=policy)])
    x = numbers(2, 4).astype("float32")
    model = wrap(net)
    assert model.outputs(x) == OutputSpec((2, 3), "probabilities")
    found = model.gradient(x, bound(model, x, 0))
    assert cast(Any, found.gradient).dtype == tf.float32
    assert [site.name for site in wrap(net2).sites(x)] == [net2.layers[0].name]


def test_mixed_models_leave_numpy_dtypes_alone() -> None:
    class Mixed(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    model = wrap(Mixed(dtype="mixed_float16"))
    assert model.asarray(np.ones(3)).dtype == tf.float64
    assert model.asarray(np.ones(3, "float32")).dtype == tf.float32


def test_token_ids_at_their_embedding() -> None:
    net = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(10, 3, name="embedding", dtype=F64),
            layers.Flatten(dtype=F64),
            layers.Dense(2, dtype=F64),
        ]
    )
    model, ids = wrap(net), np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    score = bound(model, ids, 1)
    found = model.gradient(ids, score, at="embedding")
    expected = np.tile(net.layers[-1].get_weights()[0][:, 1].reshape(4, 3), (2, 1, 1))
    np.testing.assert_allclose(host(found.gradient), expected)
    with pytest.raises(InputTypeError, match="at='the embedding's name'"):
        model.gradient(ids, score)


def test_integers_beside_numbers_get_zeros() -> None:
    model = wrap(lambda x, n: x * tf.cast(n, x.dtype), framework="tensorflow")
    x, n = numbers(2, 3), np.array([[2], [3]])
    found = cast(Any, model.gradient((x, n), bound(model, (x, n), 0)).gradient)
    np.testing.assert_allclose(host(found[0])[:, 0], [2, 3])
    assert found[1].dtype == tf.int64
    assert not host(found[1]).any()


def test_masks_survive_layers_that_hand_on() -> None:
    net = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(10, 3, mask_zero=True, name="embedding", dtype=F64),
            layers.Dropout(0.1, name="off", dtype=F64),
            layers.Dropout(0.1, name="still", dtype=F64),
            layers.GlobalAveragePooling1D(dtype=F64),
        ]
    )
    model, ids = wrap(net), np.array([[1, 2, 0, 0], [5, 6, 7, 8]])
    np.testing.assert_allclose(host(model.predict(ids)), host(net(ids)), rtol=1e-12)
    found = model.gradient(ids, bound(model, ids, 1), at="still")
    weights = np.array([[0.5, 0.5, 0, 0], [0.25] * 4])[..., None] * [0.0, 1, 0]
    np.testing.assert_allclose(host(found.gradient), weights)


@pytest.mark.filterwarnings("ignore:Layer 'inner'.*was passed an input with a mask:UserWarning")
def test_masks_come_out_of_nested_models() -> None:
    net = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(10, 3, mask_zero=True, name="embedding", dtype=F64),
            keras.Sequential([layers.Dropout(0.1, name="off", dtype=F64)], name="inner"),
            layers.GlobalAveragePooling1D(dtype=F64),
        ]
    )
    ids = np.array([[1, 2, 0, 0], [5, 6, 7, 8]])
    np.testing.assert_allclose(host(wrap(net).predict(ids)), host(net(ids)), rtol=1e-12)


@pytest.mark.parametrize("layer", ["LSTM", "GRU", "SimpleRNN"])
def test_cells_called_for_their_shapes_only_are_no_sites(layer: str) -> None:
    net = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(10, 3, mask_zero=True, name="embedding", dtype=F64),
            getattr(layers, layer)(3, name="recurrent", dtype=F64),
            layers.Dense(2, name="last", dtype=F64),
        ]
    )
    model, ids = wrap(net), np.array([[1, 2, 0, 0], [5, 6, 7, 8]])
    assert [site.name for site in model.sites(ids)] == ["embedding", "recurrent", "last"]
    np.testing.assert_allclose(host(model.predict(ids)), host(net(ids)), rtol=1e-12)


# Errors


def test_wrong_shapes_say_what_is_wanted() -> None:
    with pytest.raises(ModelError) as caught:
        wrap(convolutional()).predict(numbers(2, 7, 8, 2))
    message = str(caught.value)
    assert "when called with shapes (2, 7, 8, 2) float64" in message
    assert "it wants pixels: (None, 8, 8, 2) float64" in message
    assert "\x1b" not in message
    assert caught.value.__cause__ is not None


def test_wrong_dtypes_and_failures_while_running() -> None:
    x = numbers(2, 5)
    model = wrap(Module())
    with pytest.raises(ModelError, match=r"called with shapes \(2, 5\) float32"):
        model.predict(tf.constant(x, tf.float32))

    def late(x: Any) -> Any:
        return tf.ensure_shape(tf.reshape(x, (tf.shape(x)[0] - 1, -1)), (None, 5))

    with pytest.raises(ModelError, match="InvalidArgumentError when called with shapes x: "):
        wrap(late, framework="tensorflow").predict({"x": x})
    with pytest.raises(ModelError, match="numpy"):
        wrap(lambda x: tf.constant(x.numpy()), framework="tensorflow").predict(x)


def test_operations_without_a_gradient() -> None:
    x = numbers(2, 4, 4, 1)

    def net(x: Any) -> Any:
        return tf.reshape(tf.image.resize(x, (2, 2), method="area"), (-1, 4))

    model = wrap(net, framework="tensorflow")
    with pytest.raises(ModelError, match="cannot differentiate"):
        model.gradient(x, bound(model, x, 0))


# Which networks are taken


def test_who_takes_what(monkeypatch: pytest.MonkeyPatch) -> None:
    options = backlight.model.model.Options()

    def taken(net: object, inputs: object = None, framework: str | None = None) -> bool:
        return plugin.backlight_wrap(net, inputs, framework, options) is not None

    x = tf.zeros((2, 3))
    net = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert taken(net)
    assert taken(layers.Dense(2))
    assert not taken(net, framework="torch")
    assert taken(Module())
    assert taken(tf.function(lambda x: x))
    assert not taken(lambda x: x)
    assert taken(lambda x: x, framework="tensorflow")
    assert taken(lambda x: x, {"a": x})
    assert taken(lambda x: x, (x,))
    assert taken(lambda x: x, Inputs(cast(Any, x), (PerExample(cast(Any, x)),)))
    assert not taken(lambda x: x, np.zeros((2, 3)))
    assert not taken(3, x)
    assert not taken(torch.nn.Linear(2, 2))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert not taken(net)
    with pytest.raises(NoBackendError):
        wrap(object())


def test_the_plugin_imports_no_framework() -> None:
    code = (
        "import sys, backlight_tensorflow.plugin as plugin, backlight.model.model as model;"
        "plugin.backlight_wrap(len, [1], None, model.Options());"
        "found = {'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules);"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_channels() -> None:
    first = keras.Sequential(
        [keras.Input((3, 8, 8)), layers.Conv2D(2, 3, data_format="channels_first")]
    )
    assert wrap(first).channels == "first"
    assert wrap(convolutional()).channels == "last"
    assert wrap(Module()).channels == "last"
    assert wrap(Module(), channels="first").channels == "first"


def test_framework_and_version() -> None:
    model = wrap(Module())
    assert (model.framework, model.version) == ("tensorflow", tf.__version__)
    assert model.owns(tf.zeros(1))
    assert not model.owns(np.zeros(1))
    assert model.is_floating(tf.zeros(1))
    assert not model.is_floating(cast(Any, tf.zeros(1, tf.int32)))


# Loading


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_keras_files_load(suffix: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    net, path = convolutional(), tmp_path / f"net{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.save(path)
    x = numbers(2, 8, 8, 2)
    np.testing.assert_allclose(host(backlight_load(path)(x)), host(net(x)))


def test_files_that_do_not_load_say_what_to_do(tmp_path: Path) -> None:
    broken = tmp_path / "net.keras"
    broken.write_text("nothing")
    with pytest.raises(ModelError, match=r"file\.py:name"):
        backlight_load(broken)
    (tmp_path / "saved_model.pb").write_text("nothing")
    with pytest.raises(ModelError, match=r"file\.py:name"):
        backlight_load(tmp_path)
    assert backlight_load(tmp_path / "absent.keras") is None
    other = tmp_path / "net.pt"
    other.write_text("")
    assert backlight_load(other) is None


# The array functions


def reference(name: str, *arguments: Any, **named: Any) -> Any:
    return getattr(np, {"permute_dims": "transpose"}.get(name, name))(*arguments, **named)


X = np.random.default_rng(0).normal(size=(3, 4, 2))
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("abs", (X,), {}),
    ("sqrt", (X**2,), {}),
    ("exp", (X,), {}),
    ("log", (X**2,), {}),
    ("maximum", (X, -X), {}),
    ("where", (X > 0, X, -X), {}),
    ("sum", (X,), {}),
    ("sum", (X,), {"axis": (0, 2), "keepdims": True}),
    ("sum", (X > 0,), {"axis": 1}),
    ("mean", (X,), {"axis": -1}),
    ("mean", (X > 0,), {"axis": 1}),
    ("max", (X,), {"axis": 1, "keepdims": True}),
    ("max", (X > 0,), {"axis": 1}),
    ("min", (X,), {}),
    ("min", (X > 0,), {"axis": 0}),
    ("argmax", (X,), {"axis": 1}),
    ("argmax", (X > 0,), {"axis": 1}),
    ("reshape", (X, (2, -1)), {}),
    ("permute_dims", (X, (2, 0, 1)), {}),
    ("expand_dims", (X,), {"axis": 1}),
    ("broadcast_to", (X, (5, 3, 4, 2)), {}),
    ("take", (X, np.array([1, 1, 0])), {"axis": 2}),
    ("take_along_axis", (X, np.argsort(X, axis=1)), {"axis": 1}),
    ("take_along_axis", (X, np.argsort(X, axis=-1)), {}),
    ("take_along_axis", (X, np.array([[[1], [0], [1], [1]]])), {"axis": 2}),
    ("take_along_axis", (X[:1], np.array([[[1, 0]], [[0, 3]], [[2, 2]]])), {"axis": 1}),
    ("zeros_like", (X,), {}),
    ("isfinite", (np.array([1.0, np.inf, np.nan]),), {}),
    ("isfinite", (np.arange(3),), {}),
    ("all", (X > -9,), {"axis": 1, "keepdims": True}),
    ("all", (X,), {}),
]


def test_every_function_of_the_protocol_is_there_and_tried() -> None:
    promised = {name for name in vars(Arrays) if not name.startswith("_")}
    assert promised <= set(vars(namespace))
    assert promised <= {name for name, _, _ in CALLS} | {"concat"}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]}-{len(call[2])}")
def test_array_functions_are_numpys(
    call: tuple[str, tuple[Any, ...], dict[str, Any]], symbolic: bool
) -> None:
    name, arguments, named = call
    expected = reference(name, *arguments, **named)
    arrays = [tf.constant(each) for each in arguments if isinstance(each, np.ndarray)]

    def run(*tensors: Any) -> Any:
        given = iter(tensors)
        return getattr(namespace, name)(
            *(next(given) if isinstance(each, np.ndarray) else each for each in arguments), **named
        )

    if symbolic:  # with axes of unknown length, but for those that are broadcast
        specs = [
            tf.TensorSpec([None if length > 1 else 1 for length in each.shape], each.dtype)
            for each in arrays
        ]
        run = tf.function(run, input_signature=specs, autograph=False)
    found = run(*arrays)
    assert isinstance(found, tf.Tensor)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_concat_and_scalars() -> None:
    x = tf.constant(X)
    np.testing.assert_array_equal(namespace.concat([x, x], axis=1), np.concatenate([X, X], 1))
    np.testing.assert_array_equal(namespace.where(x > 0, x, 0.0), np.where(X > 0, X, 0.0))
    assert namespace.sqrt(tf.constant([4])).numpy().tolist() == [2.0]


def test_a_technique_runs_through_the_front_door() -> None:
    from dataclasses import dataclass

    from backlight.explaining.method import Method, Result
    from backlight.explaining.objective import Objective

    @dataclass(frozen=True, kw_only=True)
    class Plain(Method):
        def attribute(self, objective: Objective) -> Result:
            found = objective.gradient()
            return Result(found.gradient, found.score)

    x = numbers(5, 5)
    module = Module()
    result = Plain()(module, x, 2, batch_size=2)
    np.testing.assert_allclose(cast(Any, result.values), module.jacobian(x, 2), rtol=1e-12)


def test_sigmoids_are_independent_probabilities() -> None:
    x = np.random.default_rng(0).normal(size=(5, 6))
    net = keras.Sequential(
        [keras.layers.Input((6,)), keras.layers.Dense(4, activation="sigmoid", dtype="float64")]
    )
    p = np.asarray(net(x))
    logits = np.log(p / (1 - p))
    for target, expected in (
        (backlight.Probability(2), p[:, 2]),
        (backlight.LogProbability(2), np.log(p[:, 2])),
        (backlight.Margin(2, versus=0), logits[:, 2] - logits[:, 0]),
    ):
        score = backlight.explain(net, x, target, "gradient").score
        np.testing.assert_allclose(score, expected, rtol=1e-6, atol=1e-7)


def test_what_is_no_tensor_among_the_outputs_is_passed_over() -> None:
    class Labelled(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x: Any) -> Any:
            return {"logits": self.dense(x), "loss": None}

    net, x = Labelled(), np.ones((2, 6), dtype="float32")
    target = backlight.Output("logits", index=1)
    found = backlight.explain(net, x, target, "gradient")
    np.testing.assert_allclose(found.score, np.asarray(net(x)["logits"])[:, 1], rtol=1e-6)
