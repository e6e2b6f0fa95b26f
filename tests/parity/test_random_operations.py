"""A net that draws random numbers at inference is explained with a warning that names what draws them."""

import functools
import random
import re
import warnings
from collections.abc import Callable
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf
from flax import nnx
from torch.nn import functional

import backlight
from backlight import BacklightWarning
from backlight_methods import DeepLIFT, Gradient

X = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
WEIGHT = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
TABLE = np.random.default_rng(2).normal(size=(7, 3)).astype("float32")

Net = Callable[[Any], Any]


def host_nets(head: Net) -> dict[str, tuple[Net, str]]:
    """Nets that draw from the generators of Python and NumPy, which everyone shares."""
    return {
        "python": (lambda x: head(x * random.random()), r"by random as"),
        "python_choice": (lambda x: head(x * random.choice([2.0, 3.0])), r"by random as"),
        "numpy": (lambda x: head(x * float(np.random.rand())), r"by numpy\.random as"),
        "both": (
            lambda x: head(x * (random.random() + float(np.random.rand()))),
            r"by random and numpy\.random as",
        ),
    }


def torch_nets(drawing: bool) -> dict[str, tuple[Net, str]]:
    """Nets, and what a warning may call the operation that draws."""
    weight, table, kept = torch.tensor(WEIGHT), torch.tensor(TABLE), torch.Generator()
    drop, trained = torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(5)
    if not drawing:
        return {
            "dropout_module": (lambda x: drop(x) @ weight, ""),
            "norm_in_training_mode": (lambda x: trained(x) @ weight, ""),
            "no_rate": (lambda x: functional.dropout(x, 0.0, training=True) @ weight, ""),
            "constants": (lambda x: torch.tanh(x @ weight) + table[0], ""),
            "own_seed": (
                lambda x: (x + torch.randn(5, generator=torch.Generator().manual_seed(3))) @ weight,
                "",
            ),
        }
    return {
        "dropout": (
            lambda x: functional.dropout(x, 0.5, training=True) @ weight,
            "dropout|bernoulli",
        ),
        "uniform": (lambda x: (x + torch.rand(5)) @ weight, "rand|uniform"),
        "normal": (lambda x: (x + torch.randn_like(x)) @ weight, "rand|normal"),
        "in_place": (lambda x: (x * torch.empty(5).uniform_()) @ weight, "rand|uniform"),
        "noise_beside": (lambda x: x @ weight + 0.1 * torch.randn(3), "rand|normal"),
        "permutation": (lambda x: x[:, torch.randperm(5)] @ weight, "randperm"),
        "bernoulli": (lambda x: (x * torch.bernoulli(torch.full((5,), 0.5))) @ weight, "bernoulli"),
        "sampled": (
            lambda x: (x @ weight) * (torch.multinomial((x @ weight).softmax(1), 1) + 1),
            "multinomial",
        ),
        "gumbel": (lambda x: functional.gumbel_softmax(x @ weight), "gumbel|exponential"),
        "kept_generator": (lambda x: (x + torch.randn(5, generator=kept)) @ weight, "rand"),
        "coin": (lambda x: x * (2.0 if torch.rand(1) < 0.5 else 3.0) @ weight, "rand"),
        "number": (lambda x: x * torch.rand(1).item() @ weight, "rand"),
        **host_nets(lambda x: x @ weight),
        "leaky": (lambda x: functional.rrelu(x, training=True) @ weight, "rrelu"),
    }


class Noisy(keras.layers.Layer):
    """Noise that is always on, from Keras's own generator."""

    def __init__(self) -> None:
        super().__init__(name="noisy")
        self.generator = keras.random.SeedGenerator(3)

    def call(self, x: Any) -> Any:
        return x + keras.random.normal(keras.ops.shape(x), seed=self.generator)


class AlwaysDropped(keras.layers.Layer):
    """Dropout in training mode, whatever is asked for."""

    def __init__(self) -> None:
        super().__init__(name="always")
        self.drop = keras.layers.Dropout(0.5, name="drop")

    def call(self, x: Any) -> Any:
        return self.drop(x, training=True)


def keras_net(*layers: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((5,)), *layers, keras.layers.Dense(3)])


def np_drawn() -> np.ndarray:
    return np.random.default_rng().normal(size=5).astype("float32")


def tensorflow_nets(drawing: bool) -> dict[str, tuple[Net, str]]:
    weight, generator = tf.constant(WEIGHT), tf.random.Generator.from_seed(3)
    if not drawing:
        return {
            "dropout_layer": (keras_net(keras.layers.Dropout(0.5)), ""),
            "noise_layer": (keras_net(keras.layers.GaussianNoise(0.5)), ""),
            "norm_layer": (keras_net(keras.layers.BatchNormalization()), ""),
            "fixed": (lambda x: (x + tf.random.stateless_normal((5,), (1, 2))) @ weight, ""),
            "fixed_counts": (
                lambda x: (x + tf.random.stateless_poisson((5,), (1, 2), 2.0, tf.float32)) @ weight,
                "",
            ),
            "host": (
                lambda x: x + tf.ensure_shape(tf.numpy_function(np.tanh, [x], x.dtype), (None, 5)),
                "",
            ),
        }
    return {
        "dropout": (lambda x: tf.nn.dropout(x, 0.5) @ weight, "[Dd]ropout|[Rr]andom"),
        "normal": (lambda x: (x + tf.random.normal((5,))) @ weight, "[Nn]ormal|[Rr]andom"),
        "uniform": (lambda x: (x * tf.random.uniform((5,))) @ weight, "[Uu]niform|[Rr]andom"),
        "noise_beside": (lambda x: x @ weight + tf.random.normal((3,)), "[Nn]ormal|[Rr]andom"),
        "generator": (
            lambda x: (x + generator.normal((5,))) @ weight,
            "[Gg]enerator|[Nn]ormal|[Rr]andom|[Rr]ng",
        ),
        "poisson": (lambda x: (x + tf.random.poisson((5,), 2.0)) @ weight, "[Pp]oisson"),
        "pooled": (
            lambda x: tf.nn.fractional_max_pool(
                tf.reshape(x @ weight, (-1, 3, 1, 1)), (1, 1.5, 1, 1)
            )[0][:, :, 0, 0],
            "FractionalMaxPool",
        ),
        "numpy_on_the_host": (
            lambda x: (
                tf.ensure_shape(tf.numpy_function(np_drawn, [], tf.float32), (5,)) * x @ weight
            ),
            "PyFunc",
        ),
        "permutation": (
            lambda x: tf.gather(x, tf.random.shuffle(tf.range(5)), axis=1) @ weight,
            "[Ss]huffle",
        ),
        **host_nets(lambda x: x @ weight),
        "layer": (keras_net(Noisy()), "noisy"),
        "layer_inside": (keras_net(AlwaysDropped()), "always"),
    }


def jax_nets(drawing: bool) -> dict[str, tuple[Net, str]]:
    """A key in the function is a constant: such numbers are the same in each call."""
    quiet = nnx.Dropout(0.5, rngs=nnx.Rngs(0))
    quiet.eval()

    def drawn(x: Any) -> Any:
        return (x + jax.random.normal(jax.random.key(0), (5,))) @ WEIGHT

    def host(x: Any) -> Any:
        noise = jax.pure_callback(
            lambda: np.random.default_rng().normal(size=5).astype("float32"),
            jax.ShapeDtypeStruct((5,), "float32"),
        )
        return (x + noise) @ WEIGHT

    if not drawing:
        return {
            "key": (drawn, ""),
            "dropout_off": (lambda x: quiet(x) @ WEIGHT, ""),
            "dropout_with_a_key": (
                lambda x: (
                    jnp.where(jax.random.bernoulli(jax.random.key(1), 0.5, x.shape), x, 0) @ WEIGHT
                ),
                "",
            ),
        }
    return {
        "numpy_on_the_host": (host, "callback"),
        **host_nets(lambda x: x @ WEIGHT),
    }


NETS = {"torch": torch_nets, "tensorflow": tensorflow_nets, "jax": jax_nets}
ARRAY = {"torch": torch.tensor, "tensorflow": tf.constant, "jax": jnp.asarray}


@functools.cache
def nets(framework: str, drawing: bool) -> dict[str, tuple[Net, str]]:
    return NETS[framework](drawing)


def cases(drawing: bool) -> list[Any]:
    return [
        pytest.param(framework, kind, id=f"{framework}-{kind}")
        for framework in NETS
        for kind in NETS[framework](drawing)
    ]


def notes(framework: str, net: Net, method: Any) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        found = method(net, ARRAY[framework](X), 1)
    backlight.forget()
    return [note for note in found.warnings if re.search(r"\brandom\b", note)]


@pytest.mark.parametrize(
    "method", [Gradient(), DeepLIFT(allow_gradient=True)], ids=["plain", "rules"]
)
@pytest.mark.parametrize(("framework", "kind"), cases(True))
def test_random_numbers_at_inference_are_said(framework: str, kind: str, method: Any) -> None:
    net, word = nets(framework, True)[kind]
    (note,) = notes(framework, net, method)
    assert re.search(word, note), note


@pytest.mark.parametrize(("framework", "kind"), cases(False))
def test_what_draws_nothing_is_not_said_to(framework: str, kind: str) -> None:
    net, _ = nets(framework, False)[kind]
    assert notes(framework, net, Gradient()) == []
