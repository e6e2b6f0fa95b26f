"""The golden nets in Keras on TensorFlow: a functional model, its layers named as the weights are."""

from typing import ClassVar, TypeAlias, cast, final

import keras
import numpy as np
import tensorflow as tf

from backlight.testing import Builder, Net
from backlight.testing.nets import EPSILON_BATCH_NORM, EPSILON_LAYER_NORM, HEADS, Values
from backlight.values.arrays import Channels

Tensor: TypeAlias = keras.KerasTensor

ORDER = ("kernel", "bias", "scale", "shift", "mean", "variance")
"""Weights as Keras's layers list them."""


def gelu(x: tf.Tensor) -> tf.Tensor:
    """TensorFlow's own has the root of 2 in float32 also in float64."""
    return 0.5 * x * (1.0 + tf.math.erf(x / np.sqrt(2.0)))


@final
class KerasLayers:
    """`Layers` on Keras's symbolic tensors."""

    def __init__(self, net: Net, dtype: str):
        self.net = net
        self.dtype = keras.DTypePolicy(dtype)

    def held(self, layer: keras.layers.Layer, x: Tensor) -> Tensor:
        """A layer's result, its weights being the net's."""
        found = layer(x)
        keys = (f"{layer.name}.{part}" for part in ORDER)
        layer.set_weights([self.net.weights[key] for key in keys if key in self.net.weights])
        return found

    def convolution(self, x: Tensor, name: str) -> Tensor:
        width = self.net.weights[f"{name}.bias"].size
        layer = keras.layers.Conv2D(width, 3, padding="same", name=name, dtype=self.dtype)
        return self.held(layer, x)

    def batch_norm(self, x: Tensor, name: str) -> Tensor:
        epsilon = EPSILON_BATCH_NORM
        layer = keras.layers.BatchNormalization(epsilon=epsilon, name=name, dtype=self.dtype)
        return self.held(layer, x)

    def dense(self, x: Tensor, name: str) -> Tensor:
        width = self.net.weights[f"{name}.bias"].size
        return self.held(keras.layers.Dense(width, name=name, dtype=self.dtype), x)

    def layer_norm(self, x: Tensor, name: str) -> Tensor:
        epsilon = EPSILON_LAYER_NORM
        layer = keras.layers.LayerNormalization(epsilon=epsilon, name=name, dtype=self.dtype)
        return self.held(layer, x)

    def attention(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # Not keras.ops.dot_product_attention, whose scale is in float32.
        _, tokens, width = query.shape
        split = (-1, tokens, HEADS, width // HEADS)
        query, key, value = (keras.ops.reshape(one, split) for one in (query, key, value))
        scores = keras.ops.einsum("nqhd,nkhd->nhqk", query, key) / np.sqrt(split[-1])
        mixed = keras.ops.einsum("nhqk,nkhd->nqhd", keras.ops.softmax(scores), value)
        return keras.ops.reshape(mixed, (-1, tokens, width))

    def relu(self, x: Tensor) -> Tensor:
        return keras.layers.ReLU(dtype=self.dtype)(x)

    def gelu(self, x: Tensor) -> Tensor:
        return keras.layers.Activation(gelu, dtype=self.dtype)(x)

    def sigmoid(self, x: Tensor) -> Tensor:
        return keras.layers.Activation("sigmoid", dtype=self.dtype)(x)

    def softmax(self, x: Tensor) -> Tensor:
        return keras.layers.Softmax(dtype=self.dtype)(x)

    def max_pool(self, x: Tensor) -> Tensor:
        return keras.layers.MaxPooling2D(dtype=self.dtype)(x)

    def mean_of_places(self, x: Tensor) -> Tensor:
        return keras.layers.GlobalAveragePooling2D(dtype=self.dtype)(x)

    def mean_of_tokens(self, x: Tensor) -> Tensor:
        return keras.layers.GlobalAveragePooling1D(dtype=self.dtype)(x)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return keras.layers.Add(dtype=self.dtype)([x, y])

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        return keras.layers.Multiply(dtype=self.dtype)([x, y])

    def concat(self, x: Tensor, y: Tensor) -> Tensor:
        return keras.layers.Concatenate(dtype=self.dtype)([x, y])


@final
class KerasBuilder(Builder):
    """Golden nets as functional models."""

    framework: ClassVar[str] = "tensorflow"
    channels: ClassVar[Channels] = "last"

    def build(self, net: Net, dtype: str) -> keras.Model:
        given = [keras.Input(one.shape[1:], dtype=dtype) for one in net.inputs]
        outputs = net.run(KerasLayers(net, dtype), *given)
        return keras.Model(given if len(given) > 1 else given[0], outputs)

    def edit(self, built: object, name: str, values: Values) -> None:
        layer, _, part = name.partition(".")
        attribute = {"scale": "gamma", "shift": "beta", "mean": "moving_mean"}.get(part, part)
        held = cast(keras.Model, built).get_layer(layer)
        getattr(held, {"variance": "moving_variance"}.get(part, attribute)).assign(values)

    def state(self, built: object) -> object:
        net = cast(keras.Model, built)
        return [(layer.name, layer.trainable, "call" in vars(layer)) for layer in net.layers]
