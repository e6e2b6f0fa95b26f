"""One net without kinks in three frameworks: convolution, softplus, layer norm, GELU, tanh; float64."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import tensorflow as tf
import torch
from torch import nn

import backlight

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Weights = Mapping[str, Numbers]

EPSILON = 2.0**-10
"""Which float32 has as well: Keras rounds it."""
CLASSES = np.array([0, 2, 1])
PICTURES = np.random.default_rng(1).normal(size=(3, 5, 5, 2))
"""(N, H, W, C)."""


def weights_of(seed: int) -> Weights:
    draw = np.random.default_rng(seed).normal
    return {
        "kernel": draw(size=(3, 3, 2, 4)),
        "shift": draw(size=4),
        "scale": draw(size=4),
        "offset": draw(size=4),
        "hidden": draw(size=(4, 3)),
        "last": draw(size=(3, 3)),
    }


@dataclass
class SmoothNet:
    """The sum of sin(values) of an attribution of the net, as a function of the weights.

    Attributes:
        loss: by the attribution as it is without more; compiled with its gradient, in JAX.
        gradient: of the loss by each of the weights, through an attribution that can be differentiated.
    """

    loss: Callable[[Weights], float]
    gradient: Callable[[Weights], Weights]


class TorchNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.LayerNorm(4, eps=EPSILON)
        self.hidden, self.last = nn.Linear(4, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = nn.functional.softplus(self.inner(x)).permute(0, 2, 3, 1)
        pooled = nn.functional.gelu(self.norm(features)).mean((1, 2))
        return self.last(torch.tanh(self.hidden(pooled)))

    def parts(self) -> dict[str, nn.Parameter]:
        return {
            "kernel": self.inner.weight,
            "shift": self.inner.bias,
            "scale": self.norm.weight,
            "offset": self.norm.bias,
            "hidden": self.hidden.weight,
            "last": self.last.weight,
        }


def torch_net(method: backlight.Method, **where: Any) -> SmoothNet:
    net, x = TorchNet(), torch.tensor(PICTURES).permute(0, 3, 1, 2)

    def turned(array: Any, back: bool = False) -> Any:
        """Between our layout and PyTorch's."""
        return (
            array.transpose((2, 3, 1, 0) if back else (3, 2, 0, 1)) if array.ndim == 4 else array.T
        )

    def filled(weights: Weights) -> TorchNet:
        for name, part in net.parts().items():
            part.data = torch.tensor(turned(weights[name]))
        return net

    def loss(weights: Weights, **flag: bool) -> torch.Tensor:
        return method(filled(weights), x, CLASSES, **where, **flag).values.sin().sum()

    def gradient(weights: Weights) -> Weights:
        found = torch.autograd.grad(
            loss(weights, differentiable=True), [*net.parts().values()], materialize_grads=True
        )
        return {
            name: turned(one.numpy(), True) for name, one in zip(net.parts(), found, strict=True)
        }

    return SmoothNet(lambda weights: loss(weights).item(), gradient)


@cache
def keras_net() -> keras.Model:
    """One for all techniques, which share what is traced of it. GELU is spelled out, as TensorFlow's
    takes the root of 2 in float32."""
    layers, wide = keras.layers, {"dtype": "float64"}
    return keras.Sequential(
        [
            keras.Input((5, 5, 2), **wide),
            layers.Conv2D(4, 3, padding="same", activation="softplus", name="inner", **wide),
            layers.LayerNormalization(epsilon=EPSILON, **wide),
            layers.Activation(lambda x: x * (1 + tf.math.erf(x / np.sqrt(2.0))) / 2, **wide),
            layers.GlobalAveragePooling2D(**wide),
            layers.Dense(3, use_bias=False, activation="tanh", **wide),
            layers.Dense(3, use_bias=False, **wide),
        ]
    )


def tensorflow_net(method: backlight.Method, **where: Any) -> SmoothNet:
    net, x = keras_net(), tf.constant(PICTURES)

    def filled(weights: Weights) -> keras.Model:
        net.set_weights([*weights.values()])
        return net

    def loss(net: keras.Model, **flag: bool) -> tf.Tensor:
        return tf.reduce_sum(tf.sin(method(net, x, CLASSES, **where, **flag).values))

    def gradient(weights: Weights) -> Weights:
        loss(
            filled(weights), differentiable=True
        )  # a tape sees what is traced inside of it in any case
        with tf.GradientTape() as tape:
            found = loss(net, differentiable=True)
        gradients = tape.gradient(found, net.trainable_variables, unconnected_gradients="zero")
        arrays = [np.asarray(tf.convert_to_tensor(one)) for one in gradients]
        return dict(zip(weights, arrays, strict=True))

    return SmoothNet(lambda weights: float(loss(filled(weights))), gradient)


def jax_outputs(weights: Mapping[str, jax.Array], x: jax.Array) -> jax.Array:
    features = jax.lax.conv_general_dilated(
        x, weights["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    features = jax.nn.softplus(features + weights["shift"])
    centred = features - features.mean(-1, keepdims=True)
    normed = centred / jnp.sqrt(features.var(-1, keepdims=True) + EPSILON)
    normed = jax.nn.gelu(normed * weights["scale"] + weights["offset"], approximate=False)
    return jnp.tanh(normed.mean((1, 2)) @ weights["hidden"]) @ weights["last"]


def jax_net(method: backlight.Method, **where: Any) -> SmoothNet:
    x = jnp.asarray(PICTURES)

    @jax.jit
    @jax.value_and_grad
    def loss(weights: Mapping[str, jax.Array]) -> jax.Array:
        def net(x: jax.Array) -> jax.Array:
            return jax_outputs(weights, x)

        return jnp.sin(method(net, x, CLASSES, **where, differentiable=True).values).sum()

    def gradient(weights: Weights) -> Weights:
        return {name: np.asarray(one) for name, one in loss(dict(weights))[1].items()}

    return SmoothNet(lambda weights: float(loss(dict(weights))[0]), gradient)


NETS: dict[str, Callable[..., SmoothNet]] = {
    "torch": torch_net,
    "tensorflow": tensorflow_net,
    "jax": jax_net,
}
