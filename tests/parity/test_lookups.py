"""Ids of tokens whose vectors no layer looks up, on each framework, against algebra."""

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
import tensorflow as tf

import backlight

RNG = np.random.default_rng(4)
TABLE, WEIGHT = (RNG.normal(size=shape).astype("float32") for shape in ((20, 4), (4, 3)))
IDS = RNG.integers(0, 20, (3, 5)).astype("int32")
CLASSES = [0, 1, 2]
Look = Callable[[Any, Any], Any]
"""Of the table and the ids: the vectors."""


class TorchNet(torch.nn.Module):
    def __init__(self, look: Look) -> None:
        super().__init__()
        self.table, self.weight = (torch.nn.Parameter(torch.tensor(one)) for one in (TABLE, WEIGHT))
        self.look = look

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.look(self.table, ids).tanh().sum(1) @ self.weight


class TensorFlowNet(tf.Module):  # type: ignore[misc]
    def __init__(self, look: Look) -> None:
        super().__init__()
        self.table, self.weight = tf.Variable(TABLE), tf.Variable(WEIGHT)
        self.look = look

    def __call__(self, ids: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.tanh(self.look(self.table, ids)), 1) @ self.weight


class KerasLayer(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look

    def build(self, shape: object) -> None:
        self.table = self.add_weight(shape=(20, 4), name="table")
        self.top = self.add_weight(shape=(4, 3), name="top")

    def call(self, ids: Any) -> Any:
        return keras.ops.sum(keras.ops.tanh(self.look(self.table, ids)), 1) @ self.top


def keras_net(look: Look) -> keras.Model:
    ids, layer = keras.Input((5,), dtype="int32"), KerasLayer(look)
    net = keras.Model(ids, layer(ids))
    net.set_weights([TABLE, WEIGHT])
    return net


def jax_net(look: Look) -> Callable[[jax.Array], jax.Array]:
    return lambda ids: jnp.tanh(look(jnp.asarray(TABLE), ids)).sum(1) @ jnp.asarray(WEIGHT)


class MLXNet(mlx.nn.Module):
    def __init__(self, look: Look) -> None:
        super().__init__()
        self.table, self.weight = mx.array(TABLE), mx.array(WEIGHT)
        self.look = look

    def __call__(self, ids: mx.array) -> mx.array:
        return mx.tanh(self.look(self.table, ids)).sum(1) @ self.weight


def torch_gather(table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    whole = table.expand(len(ids), *table.shape)
    return whole.gather(1, ids.long()[..., None].expand(*ids.shape, 4))


def torch_select(table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return table.index_select(0, ids.flatten()).view(*ids.shape, 4)


def indexed(table: Any, ids: Any) -> Any:
    return table[ids]


FRAMEWORKS: dict[str, tuple[Callable[[Look], Any], Callable[[Any], Any], dict[str, Look]]] = {
    "torch": (
        TorchNet,
        torch.tensor,
        {
            "embedding": lambda table, ids: torch.nn.functional.embedding(ids, table),
            "index": indexed,
            "index_select": torch_select,
            "gather": torch_gather,
            "one-hot": lambda table, ids: (ids[..., None] == torch.arange(20)).float() @ table,
        },
    ),
    "tensorflow": (
        TensorFlowNet,
        tf.constant,
        {"gather": tf.gather, "embedding_lookup": tf.nn.embedding_lookup},
    ),
    "keras": (
        keras_net,
        np.asarray,
        {
            "gather": tf.gather,
            "embedding_lookup": tf.nn.embedding_lookup,
            "take": lambda table, ids: keras.ops.take(table, ids, axis=0),
            "one-hot": lambda table, ids: keras.ops.one_hot(ids, 20) @ table,
        },
    ),
    "jax": (
        jax_net,
        jnp.asarray,
        {
            "index": indexed,
            "take": lambda table, ids: jnp.take(table, ids, axis=0),
            "one-hot": lambda table, ids: jax.nn.one_hot(ids, 20) @ table,
        },
    ),
    "mlx": (
        MLXNet,
        mx.array,
        {
            "index": indexed,
            "take": lambda table, ids: mx.take(table, ids, axis=0),
            "one-hot": lambda table, ids: (ids[..., None] == mx.arange(20)) * 1.0 @ table,
        },
    ),
}


@pytest.mark.parametrize(
    ("framework", "way"),
    [(name, way) for name, (_, _, ways) in FRAMEWORKS.items() for way in ways],
)
def test_each_way_to_look_up_vectors_has_a_site(framework: str, way: str) -> None:
    make, native, ways = FRAMEWORKS[framework]
    found: Any = backlight.explain(make(ways[way]), native(IDS), CLASSES, "deep_lift")
    expected = np.einsum("nld,dn->nl", np.tanh(TABLE)[IDS], WEIGHT)
    np.testing.assert_allclose(np.asarray(found.numpy()), expected, atol=1e-5)
    assert found.inputs[0].kind == "text"
