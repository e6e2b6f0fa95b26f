"""The TensorFlow and Keras backend: nets and helpers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

import backlight
from backlight.explaining.targets import as_score
from backlight.model.model import Model
from backlight.scores.scores import Score
from backlight_model_files import plugin as model_files

Values = NDArray[Any]


F64 = "float64"


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


def backlight_load(path: Path) -> Any:
    return model_files.backlight_load_model(path)


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
