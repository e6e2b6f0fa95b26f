"""Numbers that Python puts into a net are others where it computes them by how many rows there are, or
draws them by a generator of its own: that is said, and the batch is not cut; of what only shapes depend
on, nothing is said."""

import warnings
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf

import backlight
from backlight import Attribution, BacklightWarning, Method
from backlight.graph.comparison import changing
from backlight.graph.graph import Graph
from backlight_methods import Gradient, IntegratedGradients

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
WEIGHT = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
NOISE = np.random.default_rng(2).normal(size=(1, 4)).astype("float32")
W = torch.from_numpy(WEIGHT)

Net = Callable[[Any], Any]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng().normal(size=shape).astype("float32")


KEPT = np.random.default_rng(3)


class Counted(keras.layers.Layer):
    """Every row times how many there are."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.shape(x)[0], x.dtype) * (x @ WEIGHT)


class Drawing(keras.layers.Layer):
    """Noise from a generator of NumPy's."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return (x + drawn(4)) @ WEIGHT


def saved(net: Net) -> Net:
    """The function as it comes back from a file."""
    module = tf.Module()
    module.call = tf.function(net, input_signature=[tf.TensorSpec((None, 4))])
    with TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder)
        loaded = tf.saved_model.load(folder)
    return lambda x: loaded.call(x)


COUNTED: dict[str, dict[str, Net]] = {
    "torch": {
        "length": lambda x: (x @ W) * len(x),
        "size": lambda x: (x @ W) / x.size(0),
        "filled": lambda x: (x @ W) * torch.full((3,), float(len(x))),
        "computed": lambda x: (x @ W) + torch.ones(3) * (x @ W) * (torch.tensor(2.0 * len(x)) + 1),
    },
    "tensorflow": {
        "length": lambda x: tf.matmul(x, WEIGHT) * len(x),
        "shape": lambda x: (x @ WEIGHT) * tf.cast(tf.shape(x)[0], x.dtype),
        "size": lambda x: (x @ WEIGHT) / tf.cast(tf.size(x), x.dtype),
        "filled": lambda x: (x @ WEIGHT) * tf.fill((3,), tf.cast(tf.shape(x)[0], x.dtype)),
        "ones": lambda x: (x @ WEIGHT) * tf.reduce_sum(tf.ones_like(x)),
        "computed": lambda x: (
            (x @ WEIGHT) * (tf.ones(3) * (2 * tf.cast(tf.shape(x @ WEIGHT)[0], x.dtype)) + 1)
        ),
        "layer": keras.Sequential([keras.Input((4,)), Counted()]),
        "loaded": saved(lambda x: (x @ WEIGHT) * tf.cast(tf.shape(x)[0], x.dtype)),
        "chosen by place": lambda x: (
            tf.where(tf.range(tf.shape(x)[0])[:, None] == tf.shape(x)[0] - 1, x, 2 * x) @ WEIGHT
        ),
    },
    "jax": {
        "length": lambda x: (x @ WEIGHT) * len(x),
        "size": lambda x: (x @ WEIGHT) / x.shape[0],
        "filled": lambda x: (x @ WEIGHT) * jnp.full((3,), float(len(x))),
        "computed": lambda x: (x @ WEIGHT) * (jnp.ones(3) * np.float32(2 * len(x)) + 1),
    },
}
"""Linear nets."""

CHOSEN: dict[str, dict[str, Net]] = {
    "torch": {
        "nonzero": lambda x: (x @ W) * (x > 0).nonzero().shape[0],
        "masked": lambda x: (x @ W) * x[x > 0].numel(),
        "unique": lambda x: (x @ W) * x.unique().numel(),
    },
    "tensorflow": {
        "nonzero": lambda x: (x @ WEIGHT) * tf.cast(tf.shape(tf.where(x > 0))[0], x.dtype),
        "masked": lambda x: (x @ WEIGHT) * tf.cast(tf.size(tf.boolean_mask(x, x > 0)), x.dtype),
    },
}
"""Linear but for a shape that depends on the inputs, which JAX has not."""

DRAWING: dict[str, dict[str, Net]] = {
    "torch": {
        "noise": lambda x: (x + torch.from_numpy(drawn(4))) @ W,
        "row by row": lambda x: (x + torch.from_numpy(drawn(len(x), 4))) @ W,
        "number": lambda x: (x * float(np.random.default_rng().normal())) @ W,
    },
    "tensorflow": {
        "noise": lambda x: (x + drawn(4)) @ WEIGHT,
        "number": lambda x: (x * float(np.random.default_rng().normal())) @ WEIGHT,
        "kept": lambda x: (x + KEPT.normal(size=4).astype("float32")) @ WEIGHT,
        "layer": keras.Sequential([keras.Input((4,)), Drawing()]),
        "function in a layer": keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(3, activation=lambda x: x + drawn(3))]
        ),
    },
    "jax": {
        "noise": lambda x: (x + drawn(4)) @ WEIGHT,
        "row by row": lambda x: (x + drawn(len(x), 4)) @ WEIGHT,
        "number": lambda x: (x * float(np.random.default_rng().normal())) @ WEIGHT,
    },
}

SHAPED: dict[str, dict[str, Net]] = {
    "torch": {
        "reshaped": lambda x: torch.tanh(x.reshape(len(x), 2, 2)).reshape(len(x), -1) @ W,
        "repeated": lambda x: (x + torch.from_numpy(NOISE).repeat(len(x), 1)) @ W,
        "repeated by NumPy": lambda x: (x + torch.from_numpy(np.tile(NOISE, (len(x), 1)))) @ W,
        "zeros": lambda x: torch.cat([x, torch.zeros(len(x), 1)], 1)[:, :4] @ W,
        "own row": lambda x: (x @ W)[torch.arange(len(x))],
        "width": lambda x: (x @ W) / x.shape[1] ** 0.5,
    },
    "tensorflow": {
        "reshaped": lambda x: tf.reshape(tf.tanh(tf.reshape(x, (-1, 2, 2))), (-1, 4)) @ WEIGHT,
        "repeated": lambda x: (x + tf.repeat(NOISE, tf.shape(x)[0], 0)) @ WEIGHT,
        "own row": lambda x: tf.gather(x @ WEIGHT, tf.range(tf.shape(x)[0])),
        "width": lambda x: (x @ WEIGHT) / x.shape[1] ** 0.5,
    },
    "jax": {
        "reshaped": lambda x: jnp.tanh(x.reshape(len(x), 2, 2)).reshape(len(x), -1) @ WEIGHT,
        "repeated": lambda x: (x + jnp.tile(NOISE, (len(x), 1))) @ WEIGHT,
        "repeated by NumPy": lambda x: (x + np.tile(NOISE, (len(x), 1))) @ WEIGHT,
        "own row": lambda x: (x @ WEIGHT)[jnp.arange(len(x))],
        "width": lambda x: (x @ WEIGHT) / x.shape[1] ** 0.5,
    },
}
ARRAY = {"torch": torch.from_numpy, "tensorflow": tf.constant, "jax": jnp.asarray}


def cases(nets: dict[str, dict[str, Net]]) -> list[Any]:
    return [
        pytest.param(framework, kind, id=f"{framework}-{kind}")
        for framework, its in nets.items()
        for kind in its
    ]


def explained(net: Net, framework: str, method: Method | None = None) -> Attribution:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        found = (method or Gradient())(net, ARRAY[framework](X), 1, batch_size=2)
    backlight.forget()
    return found


def said(found: Attribution) -> list[str]:
    return [note for note in found.warnings if "Numbers that Python computes" in note]


def slope(net: Net, framework: str) -> np.ndarray:
    """The gradient of class 1 over the whole batch at once, by the framework alone."""
    x = ARRAY[framework](X)
    if framework == "jax":
        return np.asarray(jax.grad(lambda x: net(x)[:, 1].sum())(x))
    if framework == "tensorflow":
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(net(x)[:, 1])
        return np.asarray(tf.convert_to_tensor(tape.gradient(score, x)))
    x.requires_grad_()
    return np.asarray(torch.autograd.grad(net(x)[:, 1].sum(), x)[0])


@pytest.mark.parametrize(
    ("method", "factor"), [(Gradient(), np.ones(())), (IntegratedGradients(steps=3), X)]
)
@pytest.mark.parametrize(("framework", "kind"), cases(COUNTED))
def test_the_number_of_rows_is_that_of_the_batch(
    framework: str, kind: str, method: Method, factor: np.ndarray
) -> None:
    net = COUNTED[framework][kind]
    found = explained(net, framework, method)
    np.testing.assert_allclose(found.values, slope(net, framework) * factor, rtol=1e-5)
    (note,) = said(found)
    assert "by how many there are" in note


@pytest.mark.parametrize(("framework", "kind"), cases(CHOSEN))
def test_a_shape_that_depends_on_the_inputs_is_that_of_the_batch(framework: str, kind: str) -> None:
    net = CHOSEN[framework][kind]
    found = explained(net, framework)
    np.testing.assert_allclose(found.values, slope(net, framework), rtol=1e-5)
    assert said(found)


@pytest.mark.parametrize(("framework", "kind"), cases(DRAWING))
def test_a_generator_of_the_net_s_own_is_said(framework: str, kind: str) -> None:
    (note,) = said(explained(DRAWING[framework][kind], framework))
    assert "drawn at random" in note


@pytest.mark.parametrize(("framework", "kind"), cases(SHAPED))
def test_what_only_shapes_depend_on_is_not_said(framework: str, kind: str) -> None:
    net = SHAPED[framework][kind]
    found = explained(net, framework)
    np.testing.assert_allclose(found.values, slope(net, framework), rtol=1e-5)
    assert found.warnings == ()


def test_graphs_of_other_operations_are_not_compared() -> None:
    graph, other = Graph(), Graph()
    for one, number, names in ((graph, 2.0, ("mul", "exp")), (other, 4.0, ("mul", "tanh"))):
        x, factor = one.value((2, 3)), one.number(number)
        y, z = one.value((2, 3)), one.value((2, 3))
        one.sources, one.targets = (x,), (z,)
        one.node(names[0], (x, factor), (y,))
        one.node(names[1], (y,), (z,))
    assert changing(graph, other) == []
    assert changing(graph, graph) == []
