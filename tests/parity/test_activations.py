"""A layer's activations, and what its channels speak for, on each framework, against algebra."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import mlx.core as mx
import mlx.nn
import numpy as np
import pytest

import backlight

RNG = np.random.default_rng(3)
FILTERS, WEIGHT = RNG.normal(size=(3, 5)), RNG.normal(size=(5, 2))
PICTURES = RNG.random((2, 4, 6, 3)).astype(np.float32)
HELD = np.maximum(PICTURES @ FILTERS, 0)


class TorchNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.filters = torch.nn.Conv2d(3, 5, 1, bias=False)
        self.filters.weight.data = torch.tensor(FILTERS.T[:, :, None, None], dtype=torch.float32)
        self.held = torch.nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.held(self.filters(x)).mean((2, 3)) @ torch.tensor(WEIGHT, dtype=torch.float32)


def keras_net() -> keras.Model:
    x = keras.Input((4, 6, 3))
    filters = keras.layers.Conv2D(5, 1, use_bias=False, activation="relu", name="held")
    top = keras.layers.Dense(2, use_bias=False)
    net = keras.Model(x, top(keras.layers.GlobalAveragePooling2D()(filters(x))))
    filters.set_weights([FILTERS[None, None]])
    top.set_weights([WEIGHT])
    return net


def jax_net(x: jax.Array) -> jax.Array:
    with jax.named_scope("held"):
        held = jax.nn.relu(x @ jnp.asarray(FILTERS, dtype=jnp.float32))
    return held.mean((1, 2)) @ jnp.asarray(WEIGHT, dtype=jnp.float32)


class MLXNet(mlx.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.filters = mlx.nn.Conv2d(3, 5, 1, bias=False)
        self.filters.weight = mx.array(FILTERS.T[:, None, None, :].astype(np.float32))
        self.held = mlx.nn.ReLU()

    def __call__(self, x: mx.array) -> mx.array:
        return self.held(self.filters(x)).mean((1, 2)) @ mx.array(WEIGHT.astype(np.float32))


NETS: dict[str, tuple[Callable[[], Any], Any]] = {
    "torch": (TorchNet, torch.tensor(PICTURES).permute(0, 3, 1, 2)),
    "keras": (keras_net, PICTURES),
    "jax": (lambda: jax_net, jnp.asarray(PICTURES)),
    "mlx": (MLXNet, mx.array(PICTURES)),
}


@pytest.mark.parametrize("name", NETS)
def test_channels_have_what_they_add_to_the_score(name: str) -> None:
    make, x = NETS[name]
    found = backlight.activations(make(), x, "held", target=1, method="input_x_gradient")
    np.testing.assert_allclose(found.activation, np.moveaxis(HELD, -1, 1), atol=1e-5)
    expected = HELD.mean((1, 2)) * WEIGHT[:, 1]
    np.testing.assert_allclose(found.channels, expected, atol=1e-5)
    html = found._repr_html_()
    first = html.split("<figure>")[1:6]
    order = [f"channel {k}:" for k in np.argsort(-expected[0])]
    assert [name in part for name, part in zip(order, first, strict=True)] == [True] * 5
