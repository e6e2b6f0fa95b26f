"""Class activation maps of nets over the ids of tokens, on each framework, against algebra."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
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
TABLE, KERNEL, WEIGHT = (
    RNG.normal(size=shape).astype("float32") for shape in ((20, 4), (3, 4, 6), (6, 3))
)
IDS = RNG.integers(2, 20, (3, 7)).astype("int32")
CLASSES = [0, 1, 2]


class TorchNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding.from_pretrained(torch.tensor(TABLE))
        self.conv = torch.nn.Conv1d(4, 6, 3, padding=1, bias=False)
        self.conv.weight.data = torch.tensor(KERNEL.transpose(2, 1, 0).copy())
        self.weight = torch.nn.Parameter(torch.tensor(WEIGHT))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.conv(self.table(ids).mT).relu().amax(2) @ self.weight


def keras_net() -> keras.Model:
    ids = keras.Input((7,), dtype="int32")
    table = keras.layers.Embedding(20, 4)
    conv = keras.layers.Conv1D(6, 3, padding="same", use_bias=False, activation="relu")
    top = keras.layers.Dense(3, use_bias=False)
    net = keras.Model(ids, top(keras.ops.max(conv(table(ids)), axis=1)))
    net.set_weights([TABLE, KERNEL, WEIGHT])
    return net


def jax_net(ids: jax.Array) -> jax.Array:
    vectors = jnp.asarray(TABLE)[ids]
    seen = jax.lax.conv_general_dilated(
        vectors, jnp.asarray(KERNEL), (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
    )
    return jax.nn.relu(seen).max(1) @ jnp.asarray(WEIGHT)


class MLXNet(mlx.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = mlx.nn.Embedding(20, 4)
        self.table.weight = mx.array(TABLE)
        self.conv = mlx.nn.Conv1d(4, 6, 3, padding=1, bias=False)
        self.conv.weight = mx.array(KERNEL.transpose(2, 0, 1))
        self.weight = mx.array(WEIGHT)

    def __call__(self, ids: mx.array) -> mx.array:
        return mx.maximum(self.conv(self.table(ids)), 0.0).max(1) @ self.weight


NETS = {
    "torch": (TorchNet, IDS),
    "keras": (keras_net, IDS),
    "jax": (lambda: jax_net, jnp.asarray(IDS)),
    "mlx": (MLXNet, mx.array(IDS)),
}


@pytest.mark.parametrize("name", NETS)
def test_each_token_has_what_the_last_feature_map_says_there(name: str) -> None:
    make, ids = NETS[name]
    words = [f"word{number}" for number in range(20)]
    found: Any = backlight.explain(make(), ids, CLASSES, "grad_cam", names=words)
    vectors = np.pad(TABLE[IDS], ((0, 0), (1, 1), (0, 0)))
    seen = np.maximum(sum(vectors[:, at : at + 7] @ KERNEL[at] for at in range(3)), 0)
    # The gradient of a channel's largest value is its weight, at one of the 7 places.
    expected = np.einsum("nlk,kn->nl", seen, WEIGHT) / 7
    np.testing.assert_allclose(np.asarray(found.numpy()), expected, atol=1e-5)
    assert found.grid == (7,)
    assert found.inputs[0].tokens[1] == tuple(words[id] for id in IDS[1])
