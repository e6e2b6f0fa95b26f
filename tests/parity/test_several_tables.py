"""Categories that are looked up in two tables each, as by a factorisation machine, on each framework,
against algebra: a weight of each category is its own, and of a product of two vectors each has half along
a path from zero.

S. Rendle, "Factorization Machines" (2010), equation 1.
"""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
from collections.abc import Iterator
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import keras
import mlx.core as mx
import mlx.nn
import numpy as np
import pytest

import backlight

RNG = np.random.default_rng(17)
ROWS, STARTS = (5, 3), (0, 5)
WEIGHTS, VECTORS = ([RNG.normal(size=(rows, width)) for rows in ROWS] for width in (1, 4))
KINDS = np.stack([RNG.integers(0, rows, 6) for rows in ROWS], axis=1)
NAMES = ("first weight", "second weight", "first vector", "second vector")
TABLES = dict(zip(NAMES, WEIGHTS + VECTORS, strict=True))
WHOLE = {"weight": np.concatenate(WEIGHTS), "vector": np.concatenate(VECTORS)}
"""All categories in one table, those of a column behind those of the column before."""


def machine(look: Any, kinds: Any, ones: Any) -> Any:
    """Scores (N, 1), of tables for each column."""
    (one, other), (first, second) = (
        [look(name, kinds[:, column]) for column, name in enumerate(names)]
        for names in (NAMES[:2], NAMES[2:])
    )
    return one + other + (first * second) @ ones


def whole_machine(look: Any, kinds: Any, ones: Any) -> Any:
    """The same, of tables for all columns."""
    weights, vectors = look("weight", kinds), look("vector", kinds)
    return weights[:, 0] + weights[:, 1] + (vectors[:, 0] * vectors[:, 1]) @ ones


def expected() -> np.ndarray:
    weights, vectors = (
        [table[KINDS[:, column]] for column, table in enumerate(tables)]
        for tables in (WEIGHTS, VECTORS)
    )
    half = (vectors[0] * vectors[1]).sum(-1, keepdims=True) / 2
    return np.concatenate([one + half for one in weights], axis=1)


def score(look: Any, kinds: Any, ones: Any, starts: Any | None) -> Any:
    """
    Args:
        starts: where the categories of each column begin in one table; None where each has its own.
    """
    if starts is None:
        return machine(look, kinds, ones)
    return whole_machine(look, kinds + starts, ones)


def torch_net(whole: bool) -> torch.nn.Module:
    tables, starts = (WHOLE, torch.tensor(STARTS)) if whole else (TABLES, None)
    ones = torch.ones(4, 1, dtype=torch.float64)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = torch.nn.ModuleDict(
                {
                    name: torch.nn.Embedding.from_pretrained(torch.tensor(one))
                    for name, one in tables.items()
                }
            )

        def forward(self, kinds: torch.Tensor) -> Any:
            return score(lambda name, ids: self.tables[name](ids), kinds, ones, starts)

    return Net()


def keras_net(whole: bool) -> keras.Model:
    kinds = keras.Input((2,), dtype="int64")
    layers = {}

    def look(name: str, ids: Any) -> Any:
        layers[name] = keras.layers.Embedding(*tables[name].shape, dtype="float64")
        return layers[name](ids)

    tables, starts = (WHOLE, np.array(STARTS)) if whole else (TABLES, None)
    net = keras.Model(kinds, score(look, kinds, np.ones((4, 1)), starts))
    for name, layer in layers.items():
        layer.set_weights([tables[name]])
    return net


def flax_net(whole: bool) -> Any:
    tables, starts = (WHOLE, STARTS) if whole else (TABLES, None)

    class Net(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, kinds: jax.Array) -> Any:
            def look(name: str, ids: jax.Array) -> jax.Array:
                rows, width = tables[name].shape
                return flax.linen.Embed(rows, width, name=name, param_dtype=jnp.float64)(ids)

            return score(look, kinds, jnp.ones((4, 1)), starts and jnp.array(starts))

    return Net(), {
        "params": {name: {"embedding": jnp.asarray(one)} for name, one in tables.items()}
    }


def jax_function(whole: bool) -> Any:
    tables, starts = (WHOLE, STARTS) if whole else (TABLES, None)

    def look(name: str, ids: jax.Array) -> jax.Array:
        return jnp.asarray(tables[name])[ids]

    return lambda kinds: score(look, kinds, jnp.ones((4, 1)), starts and jnp.array(starts))


def mlx_net(whole: bool) -> mlx.nn.Module:
    tables, starts = (WHOLE, mx.array(STARTS)) if whole else (TABLES, None)

    class Net(mlx.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = {}
            for name, one in tables.items():
                self.tables[name] = mlx.nn.Embedding(*one.shape)
                self.tables[name].weight = mx.array(one.astype(np.float32))

        def __call__(self, kinds: mx.array) -> Any:
            return score(lambda name, ids: self.tables[name](ids), kinds, mx.ones((4, 1)), starts)

    return Net()


NETS = {
    "torch": (torch_net, torch.tensor, 1e-12),
    "keras": (keras_net, np.asarray, 1e-12),
    "flax": (flax_net, jnp.asarray, 1e-12),
    "jax": (jax_function, jnp.asarray, 1e-12),
    "mlx": (mlx_net, mx.array, 1e-5),
}


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.mark.filterwarnings("error::backlight.BacklightWarning")
@pytest.mark.parametrize("whole", [False, True], ids=["each", "whole"])
@pytest.mark.parametrize("name", NETS)
def test_what_is_looked_up_in_each_table_is_summed(name: str, whole: bool) -> None:
    make, native, within = NETS[name]
    found = backlight.explain(make(whole), native(KINDS), 0, "integrated_gradients")
    np.testing.assert_allclose(np.asarray(found.numpy()), expected(), atol=within)
    assert (found.gap < 100 * within).all()


TOKENS = RNG.integers(0, 5, (4, 6))


class Words(torch.nn.Module):
    """Ids of a text: each has a weight in one table, and a vector in another that is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.vector = (
            torch.nn.Embedding.from_pretrained(torch.tensor(one[0])) for one in (WEIGHTS, VECTORS)
        )

    def forward(self, ids: torch.Tensor) -> Any:
        first, again = self.vector(ids).sum(2), self.vector(ids)[..., 0]
        return (self.weight(ids)[..., 0] + first + 2 * again).sum(1, keepdim=True)


def words_of_jax(ids: jax.Array) -> Any:
    weights, vectors = jnp.asarray(WEIGHTS[0]), jnp.asarray(VECTORS[0])
    first, again = jnp.take(vectors, ids, axis=0).sum(2), vectors[ids][..., 0]
    return (weights[ids][..., 0] + first + 2 * again).sum(1, keepdims=True)


@pytest.mark.filterwarnings("error::backlight.BacklightWarning")
@pytest.mark.parametrize(
    ("make", "native"), [(Words, torch.tensor), (lambda: words_of_jax, jnp.asarray)]
)
def test_ids_that_stand_alone_are_looked_up_in_all_tables(make: Any, native: Any) -> None:
    found = backlight.explain(make(), native(TOKENS), 0, "integrated_gradients")
    wanted = WEIGHTS[0][:, 0] + VECTORS[0].sum(1) + 2 * VECTORS[0][:, 0]
    np.testing.assert_allclose(np.asarray(found.numpy()), wanted[TOKENS], atol=1e-12)
