"""The nets in Keras and TensorFlow: layers, activations by name, functions of tensors."""

import keras
import numpy as np
import tensorflow as tf

from tests.parity.nets import HEADS, HIDDEN, PICTURES, SIDE, TOKENS, WIDTH, weights


def gelu(x: tf.Tensor) -> tf.Tensor:
    """TensorFlow's own has the root of 2 in float32 also in float64."""
    return 0.5 * x * (1.0 + tf.math.erf(x / np.sqrt(2.0)))


class Parts:
    """Layers with the weights of a net."""

    def __init__(self, name: str):
        self.held = weights(name)

    def conv(self, name: str, bias: bool = True, **options: object) -> keras.layers.Layer:
        kernel, given = self.held[name], self.held[f"{name}.bias"]
        options = {"padding": "same", "use_bias": bias, "dtype": "float64", **options}
        if name == "depthwise":
            layer = keras.layers.DepthwiseConv2D(3, **options)
            layer.build((None, SIDE, SIDE, kernel.shape[2]))
        else:
            layer = keras.layers.Conv2D(kernel.shape[-1], 3, **options)
            layer.build((None, SIDE, SIDE, kernel.shape[2]))
        layer.set_weights([kernel, given] if bias else [kernel])
        return layer

    def dense(self, name: str, **options: object) -> keras.layers.Layer:
        kernel = self.held[name]
        layer = keras.layers.Dense(kernel.shape[1], dtype="float64", **options)
        layer.build((None, kernel.shape[0]))
        layer.set_weights([kernel, self.held[f"{name}.bias"]])
        return layer

    def batch_norm(self, name: str) -> keras.layers.Layer:
        layer = keras.layers.BatchNormalization(epsilon=1e-3, dtype="float64")
        layer.build((None, None, None, WIDTH))
        parts = ("scale", "shift", "mean", "variance")
        layer.set_weights([self.held[f"{name}.{part}"] for part in parts])
        return layer

    def layer_norm(self, name: str) -> keras.layers.Layer:
        layer = keras.layers.LayerNormalization(epsilon=1e-5, dtype="float64")
        layer.build((None, None, WIDTH))
        layer.set_weights([self.held[f"{name}.{part}"] for part in ("scale", "shift")])
        return layer

    def attention(self) -> keras.layers.Layer:
        layer = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dtype="float64")
        layer.build((None, TOKENS, WIDTH), (None, TOKENS, WIDTH))
        split = (WIDTH, HEADS, WIDTH // HEADS)
        found: list[np.ndarray] = []
        for name in ("query", "key", "value"):
            found += [
                self.held[name].reshape(split),
                self.held[f"{name}.bias"].reshape(split[1:]),
            ]
        layer.set_weights(
            [*found, self.held["out"].reshape(*split[1:], WIDTH), self.held["out.bias"]]
        )
        return layer


def layers(name: str) -> keras.Model:
    """The nets that a Keras user writes with layers."""
    part = Parts(name)
    pooling = keras.layers.GlobalAveragePooling2D
    x = given = keras.Input((SIDE, SIDE, 3), dtype="float64")
    if name == "cnn":
        x = part.conv("conv1", activation="relu")(x)
        x = keras.layers.MaxPooling2D(dtype="float64")(x)
        x = keras.layers.ReLU(dtype="float64")(part.conv("conv2")(x))
    elif name == "batch_norm":
        x = part.batch_norm("norm1")(part.conv("conv1", bias=False)(x))
        x = keras.layers.Activation("relu", dtype="float64")(x)
        y = part.batch_norm("norm2")(part.conv("conv2", bias=False)(x))
        x = keras.layers.ReLU(dtype="float64")(keras.layers.Add(dtype="float64")([x, y]))
    elif name == "overlapping_pools":
        x = part.conv("conv1", activation="relu")(x)
        x = keras.layers.MaxPooling2D(3, 2, dtype="float64")(x)
        x = part.conv("conv2", activation="relu")(x)
        x = keras.layers.MaxPooling2D(3, 1, dtype="float64")(x)
    elif name == "squeeze_excite":
        x = part.conv("conv1", activation="silu")(x)
        x = part.conv("depthwise", activation="swish")(x)
        squeezed = part.dense("squeeze", activation="silu")(pooling(dtype="float64")(x))
        gate = part.dense("excite", activation="sigmoid")(squeezed)
        gate = keras.layers.Reshape((1, 1, WIDTH), dtype="float64")(gate)
        x = keras.layers.Multiply(dtype="float64")([x, gate])
    else:
        activation = gelu if name == "gelu" else name
        x = part.conv("conv1", activation=activation)(x)
        x = part.conv("conv2", activation=activation)(x)
    return keras.Model(given, part.dense("head")(pooling(dtype="float64")(x)))


class ReusedReLU(keras.Model):
    def __init__(self) -> None:
        super().__init__(dtype="float64")
        part = Parts("reused_relu")
        self.first, self.second = part.conv("conv1"), part.conv("conv2")
        self.head = part.dense("head")
        self.relu = keras.layers.ReLU(dtype="float64")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.relu(self.first(x))
        x = self.relu(self.second(x)) - 0.1
        x = tf.maximum(self.second(x), 0.0)
        x = tf.nn.relu(self.second(x))
        return self.head(tf.reduce_mean(x, [1, 2]))


def encoder(name: str) -> keras.Model:
    part = Parts(name)
    add = keras.layers.Add(dtype="float64")
    one, two, attention = part.layer_norm("norm1"), part.layer_norm("norm2"), part.attention()
    up, down = part.dense("up", activation=gelu), part.dense("down")
    assert up.units == HIDDEN
    x = given = keras.Input((TOKENS, WIDTH), dtype="float64")
    if name == "encoder_pre_norm":
        normal = one(x)
        x = add([x, attention(normal, normal)])
        x = add([x, down(up(two(x)))])
    else:
        x = one(add([x, attention(x, x)]))
        x = two(add([x, down(up(x))]))
    x = keras.layers.GlobalAveragePooling1D(dtype="float64")(x)
    return keras.Model(given, part.dense("head")(x))


def net(name: str) -> keras.Model:
    if name == "reused_relu":
        return ReusedReLU()
    return layers(name) if name in PICTURES else encoder(name)
