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

    def __init__(self, name: str, dtype: str):
        self.held, self.dtype = weights(name), dtype

    def conv(self, name: str, bias: bool = True, **options: object) -> keras.layers.Layer:
        kernel, given = self.held[name], self.held[f"{name}.bias"]
        options = {"padding": "same", "use_bias": bias, "dtype": self.dtype, **options}
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
        layer = keras.layers.Dense(kernel.shape[1], dtype=self.dtype, **options)
        layer.build((None, kernel.shape[0]))
        layer.set_weights([kernel, self.held[f"{name}.bias"]])
        return layer

    def batch_norm(self, name: str) -> keras.layers.Layer:
        layer = keras.layers.BatchNormalization(epsilon=1e-3, dtype=self.dtype)
        layer.build((None, None, None, WIDTH))
        parts = ("scale", "shift", "mean", "variance")
        layer.set_weights([self.held[f"{name}.{part}"] for part in parts])
        return layer

    def layer_norm(self, name: str) -> keras.layers.Layer:
        layer = keras.layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype)
        layer.build((None, None, WIDTH))
        layer.set_weights([self.held[f"{name}.{part}"] for part in ("scale", "shift")])
        return layer

    def attention(self) -> keras.layers.Layer:
        layer = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dtype=self.dtype)
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


def layers(name: str, dtype: str) -> keras.Model:
    """The nets that a Keras user writes with layers."""
    part = Parts(name, dtype)
    pooling = keras.layers.GlobalAveragePooling2D
    x = given = keras.Input((SIDE, SIDE, 3), dtype=dtype)
    if name == "cnn":
        x = part.conv("conv1", activation="relu")(x)
        x = keras.layers.MaxPooling2D(dtype=dtype)(x)
        x = keras.layers.ReLU(dtype=dtype)(part.conv("conv2")(x))
    elif name == "batch_norm":
        x = part.batch_norm("norm1")(part.conv("conv1", bias=False)(x))
        x = keras.layers.Activation("relu", dtype=dtype)(x)
        y = part.batch_norm("norm2")(part.conv("conv2", bias=False)(x))
        x = keras.layers.ReLU(dtype=dtype)(keras.layers.Add(dtype=dtype)([x, y]))
    elif name == "overlapping_pools":
        x = part.conv("conv1", activation="relu")(x)
        x = keras.layers.MaxPooling2D(3, 2, dtype=dtype)(x)
        x = part.conv("conv2", activation="relu")(x)
        x = keras.layers.MaxPooling2D(3, 1, dtype=dtype)(x)
    elif name == "squeeze_excite":
        x = part.conv("conv1", activation="silu")(x)
        x = part.conv("depthwise", activation="swish")(x)
        squeezed = part.dense("squeeze", activation="silu")(pooling(dtype=dtype)(x))
        gate = part.dense("excite", activation="sigmoid")(squeezed)
        gate = keras.layers.Reshape((1, 1, WIDTH), dtype=dtype)(gate)
        x = keras.layers.Multiply(dtype=dtype)([x, gate])
    else:
        x = part.conv("conv1", activation=gelu)(x)
        x = part.conv("conv2", activation=gelu)(x)
    return keras.Model(given, part.dense("head")(pooling(dtype=dtype)(x)))


class ReusedReLU(keras.Model):
    def __init__(self, dtype: str) -> None:
        super().__init__(dtype=dtype)
        part = Parts("reused_relu", dtype)
        self.first, self.second = part.conv("conv1"), part.conv("conv2")
        self.head = part.dense("head")
        self.relu = keras.layers.ReLU(dtype=dtype)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.relu(self.first(x))
        x = self.relu(self.second(x)) - 0.1
        x = tf.maximum(self.second(x), 0.0)
        x = tf.nn.relu(self.second(x))
        return self.head(tf.reduce_mean(x, [1, 2]))


def encoder(name: str, dtype: str) -> keras.Model:
    part = Parts(name, dtype)
    add = keras.layers.Add(dtype=dtype)
    one, two, attention = part.layer_norm("norm1"), part.layer_norm("norm2"), part.attention()
    up, down = part.dense("up", activation=gelu), part.dense("down")
    assert up.units == HIDDEN
    x = given = keras.Input((TOKENS, WIDTH), dtype=dtype)
    if name == "encoder_pre_norm":
        normal = one(x)
        x = add([x, attention(normal, normal)])
        x = add([x, down(up(two(x)))])
    else:
        x = one(add([x, attention(x, x)]))
        x = two(add([x, down(up(x))]))
    x = keras.layers.GlobalAveragePooling1D(dtype=dtype)(x)
    return keras.Model(given, part.dense("head")(x))


def net(name: str, dtype: str = "float64") -> keras.Model:
    if name == "reused_relu":
        return ReusedReLU(dtype)
    return layers(name, dtype) if name in PICTURES else encoder(name, dtype)
