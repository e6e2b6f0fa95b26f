"""Where the examples of a batch look at each other, it is said and the batch is run whole; elsewhere
nothing is said and the batch is cut as usual."""

import functools
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf
from flax import linen
from torch import nn
from torch.nn import functional

import backlight
from backlight import Attribution, BacklightError, BacklightWarning
from backlight_methods import DeepLIFT, Gradient, InputXGradient, IntegratedGradients
from tests.parity.measure import FRAMEWORKS

N, T, C = 6, 3, 4
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(N, C))
SEQUENCES = RANDOM.normal(size=(N, T, C))
WEIGHT = RANDOM.normal(size=(C, 3))
SQUARE = RANDOM.normal(size=(C, C))
ADJACENCY = RANDOM.uniform(size=(N, N))
CLASSES = np.array([0, 1, 2, 1, 0, 0])
"""Of each example: were they all the same, what a batch does to its rows might cancel."""
ORDER = np.array([2, 0, 5, 1, 4, 3])

Net = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


WORDS = {
    "statistics": "norm|mean|var|sum|div",
    "centred": "mean|sum|sub",
    "adjacency": "mm|dot|mat|einsum",
    "summed": "sum|add",
    "softmax": "softmax|exp|sum|max|div",
    "sorted": "sort|top|gather|take",
    "cumulative": "cum",
    "flipped": "flip|rev",
    "rolled": "roll|slice|concat|cat|gather",
    "picked": "gather",
    "shuffled": "index|gather|take|select",
    "similarity": "mm|dot|mat|einsum",
    "maximum": "max|sub",
    "layer": "norm|layer|mean|var|attention|lstm|scan|dot|div",
    "rows_swapped": "stack|pack|concat",
    "row_beside_others": "add|sub",
    "written_elsewhere": "update|scatter|gather",
    "side_by_side": "slice",
    "first_alone": "update|dot|mat|mm|scatter",
    "two_index_arrays": "index|gather",
    "one_row_scaled": "slice|scatter|concat",
    "scaled_by_place": "mul|div",
    "looped": "stack|while|loop|slice|gather|rev",
}
"""What a warning may call the operation at which rows meet."""

LINEAR = ("centred", "adjacency_linear", "summed", "cumulative", "flipped", "rolled", "shuffled")
BATCH_MATES = "batch-mates"


def before(x: Any) -> np.ndarray:
    """The places of the row before each one, of all numbers in one column."""
    count = x.shape[0] * C
    return np.roll(np.arange(count), C)[:, None]


def torch_mixing() -> dict[str, Net]:
    weight, square, adjacency = map(torch.from_numpy, (WEIGHT, SQUARE, ADJACENCY))
    norm = nn.BatchNorm1d(C, affine=False, track_running_stats=False).double().eval()
    order = torch.from_numpy(ORDER)
    return {
        "statistics": lambda x: (x - x.mean(0)) / (x.var(0, correction=0) + 0.1).sqrt() @ weight,
        "centred": lambda x: (x - x.mean(0)) @ weight,
        "adjacency": lambda x: torch.relu(adjacency @ torch.tanh(x @ square)) @ weight,
        "adjacency_linear": lambda x: adjacency @ (x @ weight),
        "summed": lambda x: x @ weight + x.sum(0, keepdim=True) @ weight,
        "softmax": lambda x: (x @ weight).softmax(0) * (x @ weight),
        "sorted": lambda x: x.sort(0).values @ weight,
        "cumulative": lambda x: x.cumsum(0) @ weight,
        "flipped": lambda x: (x + 2 * x.flip(0)) @ weight,
        "rolled": lambda x: (x - 2 * x.roll(1, 0)) @ weight,
        "picked": lambda x: (
            (x - 2 * x.reshape(-1, 1).gather(0, torch.from_numpy(before(x))).reshape(x.shape))
            @ weight
        ),
        "shuffled": lambda x: x[order] @ weight,
        "similarity": lambda x: (x @ x.T) @ x @ weight,
        "maximum": lambda x: (x - x.amax(0)) @ weight,
        "layer": lambda x: norm(x) @ weight,
        "rows_swapped": lambda x: torch.stack([torch.tanh(row) @ weight for row in x][::-1]),
        "row_beside_others": lambda x: torch.stack(
            [(row - torch.tanh(x[0])) @ weight for row in x]
        ),
        "written_elsewhere": lambda x: torch_rows(x.unbind()[::-1]) @ weight,
        "side_by_side": lambda x: x.reshape(-1, 2 * C)[:, :C].repeat_interleave(2, 0) @ weight,
        "first_alone": lambda x: x.index_add(0, torch.tensor([0]), torch.tanh(x[:1])) @ weight,
        "two_index_arrays": lambda x: (
            x[torch.arange(len(x)).flip(0)[:, None], torch.arange(C)] @ weight
        ),
        "one_row_scaled": lambda x: torch.cat([2 * x[:1], x[1:]]) @ weight,
        "scaled_by_place": lambda x: x * torch.eye(len(x), 1, dtype=x.dtype).exp() @ weight,
        "looped": lambda x: torch.stack([torch.tanh(x[-1 - n]) @ weight for n in range(len(x))]),
    }


def torch_rows(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """The rows written into an array one by one."""
    found = torch.zeros(len(rows), C, dtype=torch.float64)
    for number, row in enumerate(rows):
        found[number] = torch.tanh(row)
    return found


def tensorflow_mixing() -> dict[str, Net]:
    weight, square, adjacency = map(tf.constant, (WEIGHT, SQUARE, ADJACENCY))
    norm = keras.layers.BatchNormalization(center=False, scale=False, dtype="float64")
    norm.build((None, C))

    def normed(x: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, [0])
        return (x - mean) / tf.sqrt(variance + 0.1) @ weight

    return {
        "statistics": normed,
        "centred": lambda x: (x - tf.reduce_mean(x, 0)) @ weight,
        "adjacency": lambda x: tf.nn.relu(adjacency @ tf.tanh(x @ square)) @ weight,
        "adjacency_linear": lambda x: adjacency @ (x @ weight),
        "summed": lambda x: x @ weight + tf.reduce_sum(x, 0, keepdims=True) @ weight,
        "softmax": lambda x: tf.nn.softmax(x @ weight, axis=0) * (x @ weight),
        "sorted": lambda x: tf.sort(x, axis=0) @ weight,
        "cumulative": lambda x: tf.cumsum(x, 0) @ weight,
        "flipped": lambda x: (x + 2 * tf.reverse(x, [0])) @ weight,
        "rolled": lambda x: (x - 2 * tf.roll(x, 1, 0)) @ weight,
        "picked": lambda x: (
            (x - 2 * tf.reshape(tf.gather_nd(tf.reshape(x, (-1, 1)), before(x)), tf.shape(x)))
            @ weight
        ),
        "shuffled": lambda x: tf.gather(x, ORDER) @ weight,
        "similarity": lambda x: (x @ tf.transpose(x)) @ x @ weight,
        "maximum": lambda x: (x - tf.reduce_max(x, 0)) @ weight,
        "layer": lambda x: norm(x, training=True) @ weight,
        "rows_swapped": lambda x: tf.stack(tf.unstack(tf.tanh(x) @ weight)[::-1]),
        "row_beside_others": lambda x: (
            tf.stack([row - tf.tanh(x[0]) for row in tf.unstack(x)]) @ weight
        ),
        "written_elsewhere": lambda x: tensorflow_rows(tf.unstack(x)[::-1]) @ weight,
        "first_alone": lambda x: tf.tensor_scatter_nd_add(x, [[0]], tf.tanh(x[:1])) @ weight,
        "two_index_arrays": lambda x: tf.gather_nd(x, backwards(tf.shape(x)[0])) @ weight,
        "one_row_scaled": lambda x: tf.concat([2 * x[:1], x[1:]], 0) @ weight,
        "scaled_by_place": lambda x: x * tf.exp(tf.eye(tf.shape(x)[0], 1, dtype=x.dtype)) @ weight,
        "looped": lambda x: tensorflow_loop(x, -1) @ weight,
        "side_by_side": lambda x: tf.repeat(tf.reshape(x, (-1, 2 * C))[:, :C], 2, axis=0) @ weight,
    }


def backwards(count: tf.Tensor, step: int = -1) -> tf.Tensor:
    """The places of all numbers of an array (count, C), its rows in another order."""
    places = tf.meshgrid(tf.range(count)[::step], tf.range(C), indexing="ij")
    return tf.stack(places, -1)


@tf.function
def tensorflow_loop(x: tf.Tensor, step: int) -> tf.Tensor:
    """The rows one by one into an array that grows, in their order or backwards."""
    count = tf.shape(x)[0]
    found = tf.TensorArray(x.dtype, count, element_shape=(C,))
    for place in tf.range(count):
        found = found.write(place, tf.tanh(x[place if step > 0 else count - 1 - place]))
    return found.stack()


def tensorflow_rows(rows: Sequence[tf.Tensor]) -> tf.Tensor:
    """The rows put into an array one by one."""
    found = tf.zeros((len(rows), C), "float64")
    for number, row in enumerate(rows):
        found = tf.tensor_scatter_nd_update(found, [[number]], tf.tanh(row)[None])
    return found


def jax_mixing() -> dict[str, Net]:
    norm = linen.BatchNorm(use_running_average=False, use_bias=False, use_scale=False)
    statistics = {"mean": np.zeros(C), "var": np.ones(C)}

    def normed(x: Any) -> Any:
        found, _ = norm.apply({"batch_stats": statistics}, x, mutable=["batch_stats"])
        return found @ WEIGHT  # type: ignore[index, operator]

    return {
        "statistics": lambda x: (x - x.mean(0)) / jnp.sqrt(x.var(0) + 0.1) @ WEIGHT,
        "centred": lambda x: (x - x.mean(0)) @ WEIGHT,
        "adjacency": lambda x: jax.nn.relu(ADJACENCY @ jnp.tanh(x @ SQUARE)) @ WEIGHT,
        "adjacency_linear": lambda x: ADJACENCY @ (x @ WEIGHT),
        "summed": lambda x: x @ WEIGHT + x.sum(0, keepdims=True) @ WEIGHT,
        "softmax": lambda x: jax.nn.softmax(x @ WEIGHT, axis=0) * (x @ WEIGHT),
        "sorted": lambda x: jnp.sort(x, axis=0) @ WEIGHT,
        "cumulative": lambda x: jnp.cumsum(x, 0) @ WEIGHT,
        "flipped": lambda x: (x + 2 * x[::-1]) @ WEIGHT,
        "rolled": lambda x: (x - 2 * jnp.roll(x, 1, 0)) @ WEIGHT,
        "picked": lambda x: (
            (x - 2 * jnp.take_along_axis(x.reshape(-1, 1), before(x), 0).reshape(x.shape)) @ WEIGHT
        ),
        "shuffled": lambda x: x[ORDER] @ WEIGHT,
        "similarity": lambda x: (x @ x.T) @ x @ WEIGHT,
        "maximum": lambda x: (x - x.max(0)) @ WEIGHT,
        "layer": normed,
        "rows_swapped": lambda x: jnp.stack([jnp.tanh(row) @ WEIGHT for row in x][::-1]),
        "row_beside_others": lambda x: jnp.stack([(row - jnp.tanh(x[0])) @ WEIGHT for row in x]),
        "written_elsewhere": lambda x: jax_rows(list(x)[::-1]) @ WEIGHT,
        "first_alone": lambda x: x.at[0].add(jnp.tanh(x[0])) @ WEIGHT,
        "two_index_arrays": lambda x: x[jnp.arange(len(x))[::-1, None], jnp.arange(C)] @ WEIGHT,
        "one_row_scaled": lambda x: x.at[0].multiply(2.0) @ WEIGHT,
        "scaled_by_place": lambda x: x.at[1].divide(2.0) @ WEIGHT,
        "looped": lambda x: jax.lax.scan(lambda c, row: (c, jnp.tanh(row)), 0, x)[1][::-1] @ WEIGHT,
        "side_by_side": lambda x: jnp.repeat(x.reshape(-1, 2 * C)[:, :C], 2, axis=0) @ WEIGHT,
    }


def jax_rows(rows: Sequence[Any]) -> Any:
    """The rows put into an array one by one."""
    found = jnp.zeros((len(rows), C))
    for number, row in enumerate(rows):
        found = found.at[number].set(jnp.tanh(row))
    return found


def torch_apart() -> dict[str, Net]:
    weight, square = map(torch.from_numpy, (WEIGHT, SQUARE))
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(C, 2, 8, batch_first=True, dtype=torch.float64).eval()
    lstm = nn.LSTM(C, C, batch_first=True, dtype=torch.float64)
    norm = nn.BatchNorm1d(C, dtype=torch.float64).eval()
    token = torch.from_numpy(SEQUENCES[:1, :1])

    def numbers_written(x: torch.Tensor) -> torch.Tensor:
        found = x[:, 0].clone()
        for row in range(len(x)):
            for column in range(C):
                found[row, column] *= torch.tanh(x[row, 1, column])
        return found @ weight

    def attended(x: torch.Tensor) -> torch.Tensor:
        scores = torch.einsum("ntc,nsc->nts", x @ square, x)
        return (scores.softmax(-1) @ x).mean(1) @ weight

    return {
        "norms": lambda x: functional.layer_norm(x, (C,)).mean(1) @ weight,
        "rows_of_tokens": lambda x: (
            torch.tanh(x.reshape(-1, C) @ square).reshape(-1, T, C)[:, 0] @ weight
        ),
        "einsum": lambda x: torch.einsum("ntc,ck->nk", x, weight),
        "attention": attended,
        "examples_behind": lambda x: torch.tanh(x.transpose(0, 1)).sum(0) @ weight,
        "columns": lambda x: (weight.T @ x[:, 0].T).T,
        "along_tokens": lambda x: (
            (x.flip(1).cumsum(1).softmax(1) - x.mean(1, keepdim=True))[:, 1] @ weight
        ),
        "matrices": lambda x: torch.bmm(x, x.transpose(1, 2)).mean(1)[:, :3],
        "encoder": lambda x: layer(x)[:, 0] @ weight,
        "lstm": lambda x: lstm(x)[0][:, -1] @ weight,
        "running_statistics": lambda x: norm(x[:, 0]) @ weight,
        "token": lambda x: torch.cat([token.expand(len(x), -1, -1), x], 1).mean(1) @ weight,
        "sums_of_weights": lambda x: x[:, 0] @ (weight - weight.mean(0)),
        "row_by_row": lambda x: torch.stack([torch.tanh(row[0] @ square) @ weight for row in x]),
        "rows_joined": lambda x: torch.cat([torch.tanh(one[:, 0]) @ weight for one in x.split(1)]),
        "own_row": lambda x: (x @ weight)[torch.arange(len(x)), -1],
        "picked_in_heads": lambda x: (
            x.reshape(-1, 1, C)
            .gather(2, torch.arange(C).flip(0).expand(x.shape[0] * T, 1, C))
            .reshape(x.shape)
            .mean(1)
            @ weight
        ),
        "rows_written": lambda x: torch_rows(x[:, 0].unbind()) @ weight,
        "rows_taken": lambda x: (
            torch.stack(
                [torch.tanh(x[:, 0].index_select(0, torch.tensor([n]))[0]) for n in range(len(x))]
            )
            @ weight
        ),
        "own_by_two_arrays": lambda x: (
            x[:, 0][torch.arange(len(x))[:, None], torch.arange(C)] @ weight
        ),
        "alike_by_place": lambda x: x[:, 0] * torch.full((len(x), C), 2.0).cumsum(1) @ weight,
        "looped": lambda x: torch.stack([torch.tanh(x[n, 0]) @ weight for n in range(len(x))]),
        "numbers_written": numbers_written,
        "mapped": lambda x: torch.vmap(lambda one: torch.tanh(one[0]) @ weight)(x),
    }


def tensorflow_apart() -> dict[str, Net]:
    weight, square = map(tf.constant, (WEIGHT, SQUARE))
    keras.utils.set_random_seed(0)
    lstm = keras.layers.LSTM(C, dtype="float64")
    lstm.build((None, T, C))
    norm = keras.layers.BatchNormalization(dtype="float64")
    norm.build((None, C))
    attention = keras.layers.MultiHeadAttention(2, 2, dtype="float64")
    attention.build((None, T, C), (None, T, C))
    token = tf.constant(SEQUENCES[:1, :1])

    def numbers_written(x: tf.Tensor) -> tf.Tensor:
        found = x[:, 0]
        for row in range(int(x.shape[0])):
            found = tf.tensor_scatter_nd_add(found, [[row]], tf.tanh(x[row : row + 1, 1]))
        return found @ weight

    def normed(x: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return tf.reduce_mean((x - mean) / tf.sqrt(variance + 0.1), 1) @ weight

    def attended(x: tf.Tensor) -> tf.Tensor:
        scores = tf.einsum("ntc,nsc->nts", x @ square, x)
        return tf.reduce_mean(tf.nn.softmax(scores) @ x, 1) @ weight

    return {
        "norms": normed,
        "rows_of_tokens": lambda x: (
            tf.reshape(tf.tanh(tf.reshape(x, (-1, C)) @ square), (-1, T, C))[:, 0] @ weight
        ),
        "einsum": lambda x: tf.einsum("ntc,ck->nk", x, weight),
        "attention": attended,
        "examples_behind": lambda x: tf.reduce_sum(tf.tanh(tf.transpose(x, (1, 0, 2))), 0) @ weight,
        "columns": lambda x: tf.transpose(tf.transpose(weight) @ tf.transpose(x[:, 0])),
        "along_tokens": lambda x: (
            (
                tf.nn.softmax(tf.cumsum(tf.reverse(x, [1]), 1), 1)
                - tf.reduce_mean(x, 1, keepdims=True)
            )[:, 1]
            @ weight
        ),
        "matrices": lambda x: tf.reduce_mean(x @ tf.transpose(x, (0, 2, 1)), 1)[:, :3],
        "encoder": lambda x: attention(x, x)[:, 0] @ weight,
        "lstm": lambda x: lstm(x) @ weight,
        "running_statistics": lambda x: norm(x[:, 0]) @ weight,
        "token": lambda x: (
            tf.reduce_mean(tf.concat([tf.repeat(token, tf.shape(x)[0], 0), x], 1), 1) @ weight
        ),
        "sums_of_weights": lambda x: x[:, 0] @ (weight - tf.reduce_mean(weight, 0)),
        "row_by_row": lambda x: tf.stack(
            [tf.linalg.matvec(weight, tf.tanh(row[0]), True) for row in tf.unstack(x)]
        ),
        "rows_joined": lambda x: tf.concat(
            [tf.tanh(x[n : n + 1, 0]) @ weight for n in range(int(x.shape[0]))], 0
        ),
        "own_row": lambda x: tf.gather(x[:, -1] @ weight, tf.range(tf.shape(x)[0])),
        "picked_in_heads": lambda x: (
            tf.reduce_mean(
                tf.reshape(
                    tf.gather(
                        tf.reshape(x, (-1, 1, C)),
                        tf.tile(tf.range(C)[None, None, ::-1], (tf.shape(x)[0] * T, 1, 1)),
                        axis=2,
                        batch_dims=2,
                    ),
                    tf.shape(x),
                ),
                1,
            )
            @ weight
        ),
        "rows_written": lambda x: tensorflow_rows(tf.unstack(x[:, 0])) @ weight,
        "rows_taken": lambda x: (
            tf.stack([tf.tanh(tf.gather(x, n)[0]) for n in range(int(x.shape[0]))]) @ weight
        ),
        "own_by_two_arrays": lambda x: tf.gather_nd(x[:, 0], backwards(tf.shape(x)[0], 1)) @ weight,
        "alike_by_place": lambda x: (
            x[:, 0] * tf.cumsum(tf.fill((tf.shape(x)[0], C), tf.constant(2.0, x.dtype)), 1) @ weight
        ),
        "looped": lambda x: tensorflow_loop(x[:, 0], 1) @ weight,
        "numbers_written": numbers_written,
        "mapped": lambda x: tf.vectorized_map(lambda one: (tf.tanh(one[:1]) @ weight)[0], x),
    }


def jax_apart() -> dict[str, Net]:
    def attended(x: Any) -> Any:
        scores = jnp.einsum("ntc,nsc->nts", x @ SQUARE, x)
        return (jax.nn.softmax(scores) @ x).mean(1) @ WEIGHT

    def numbers_written(x: Any) -> Any:
        found = x[:, 0]
        for row in range(len(x)):
            found = found.at[row].add(jnp.tanh(x[row, 1]))
        return found @ WEIGHT

    def recurrent(x: Any) -> Any:
        def step(h: Any, row: Any) -> Any:
            return jnp.tanh(h @ SQUARE + row), None

        h, _ = jax.lax.scan(step, jnp.zeros_like(x[:, 0]), jnp.moveaxis(x, 1, 0))
        return h @ WEIGHT

    return {
        "norms": lambda x: jax.nn.standardize(x, -1).mean(1) @ WEIGHT,
        "rows_of_tokens": lambda x: (
            jnp.tanh(x.reshape(-1, C) @ SQUARE).reshape(-1, T, C)[:, 0] @ WEIGHT
        ),
        "einsum": lambda x: jnp.einsum("ntc,ck->nk", x, WEIGHT),
        "attention": attended,
        "examples_behind": lambda x: jnp.tanh(x.transpose(1, 0, 2)).sum(0) @ WEIGHT,
        "columns": lambda x: (WEIGHT.T @ x[:, 0].T).T,
        "along_tokens": lambda x: (
            (jax.nn.softmax(jnp.cumsum(x[:, ::-1], 1), 1) - x.mean(1, keepdims=True))[:, 1] @ WEIGHT
        ),
        "matrices": lambda x: (x @ x.transpose(0, 2, 1)).mean(1)[:, :3],
        "encoder": jax.vmap(lambda one: (jax.nn.softmax(one @ one.T) @ one).sum(0) @ WEIGHT),
        "lstm": recurrent,
        "running_statistics": lambda x: (x[:, 0] - 0.3) / np.sqrt(1.7) @ WEIGHT,
        "token": lambda x: (
            jnp.concatenate([jnp.tile(SEQUENCES[:1, :1], (len(x), 1, 1)), x], 1).mean(1) @ WEIGHT
        ),
        "sums_of_weights": lambda x: x[:, 0] @ (WEIGHT - WEIGHT.mean(0)),
        "row_by_row": lambda x: jnp.stack([jnp.tanh(row[0] @ SQUARE) @ WEIGHT for row in x]),
        "rows_joined": lambda x: jnp.concatenate(
            [jnp.tanh(x[n : n + 1, 0]) @ WEIGHT for n in range(len(x))]
        ),
        "own_row": lambda x: (x @ WEIGHT)[jnp.arange(len(x)), -1],
        "picked_in_heads": lambda x: (
            jnp.take_along_axis(
                x.reshape(-1, 1, C),
                jnp.broadcast_to(jnp.arange(C)[::-1], (len(x) * T, 1, C)),
                2,
            )
            .reshape(x.shape)
            .mean(1)
            @ WEIGHT
        ),
        "rows_written": lambda x: jax_rows(list(x[:, 0])) @ WEIGHT,
        "rows_taken": lambda x: (
            jnp.stack([jnp.tanh(jnp.take(x, n, axis=0)[0]) for n in range(len(x))]) @ WEIGHT
        ),
        "own_by_two_arrays": lambda x: x[:, 0][jnp.arange(len(x))[:, None], jnp.arange(C)] @ WEIGHT,
        "alike_by_place": lambda x: x[:, 0] * jnp.cumsum(jnp.full((len(x), C), 2.0), 1) @ WEIGHT,
        "looped": lambda x: jax.lax.map(lambda row: jnp.tanh(row[0]) @ WEIGHT, x),
        "numbers_written": numbers_written,
        "mapped": lambda x: x[jnp.arange(len(x)), 0] @ WEIGHT,
    }


MIXING = {"torch": torch_mixing, "tensorflow": tensorflow_mixing, "jax": jax_mixing}
APART = {"torch": torch_apart, "tensorflow": tensorflow_apart, "jax": jax_apart}


@functools.cache
def nets(framework: str, mixing: bool) -> dict[str, Net]:
    return (MIXING if mixing else APART)[framework]()


def array(framework: str, x: np.ndarray) -> Any:
    return {"torch": torch.from_numpy, "tensorflow": tf.constant, "jax": jnp.asarray}[framework](x)


def slope(framework: str, net: Net, x: Any) -> np.ndarray:
    """d (sum of each example's class over the whole batch) / d x, by the framework alone."""
    chosen = np.eye(3)[CLASSES[: len(x)]]
    if framework == "jax":
        return np.asarray(jax.grad(lambda x: (net(x) * chosen).sum())(x))
    if framework == "tensorflow":
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(net(x) * chosen)
        return np.asarray(tf.convert_to_tensor(tape.gradient(score, x)))
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad((net(x) * torch.from_numpy(chosen)).sum(), x)[0].numpy()


def explained(method: Any, net: Net, x: Any, batch_size: int | None = None) -> Attribution:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        try:
            found: Attribution = method(net, x, CLASSES[: len(x)], batch_size=batch_size)
        finally:
            backlight.forget()
    return found


def said(found: Attribution) -> list[str]:
    return [note for note in found.warnings if BATCH_MATES in note]


@pytest.mark.parametrize("kind", list(WORDS))
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_batch_mates_that_matter_are_said(framework: str, kind: str) -> None:
    found = explained(Gradient(), nets(framework, True)[kind], array(framework, X))
    (note,) = said(found)
    assert re.search(WORDS[kind], note, re.IGNORECASE), note


def whole_or_refused(
    method: Any, framework: str, kind: str, expected: Callable[[Any], Any]
) -> None:
    net, x = nets(framework, True)[kind], array(framework, X)
    try:
        found = explained(method, net, x, batch_size=2)
    except BacklightError as error:
        assert BATCH_MATES in str(error), str(error)
        return
    right = expected(slope(framework, net, x))
    np.testing.assert_allclose(np.asarray(found.values), right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", list(WORDS))
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_batch_whose_rows_look_at_each_other_is_never_cut(framework: str, kind: str) -> None:
    whole_or_refused(Gradient(), framework, kind, lambda gradient: gradient)


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_points_of_such_a_batch_do_not_meet(framework: str, kind: str) -> None:
    """In a linear net each point's gradient is the same, unless points become each other's mates."""
    whole_or_refused(IntegratedGradients(steps=4), framework, kind, lambda gradient: gradient * X)


@pytest.mark.parametrize("kind", ["adjacency_linear", "flipped", "centred"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_rules_see_such_a_batch_whole(framework: str, kind: str) -> None:
    whole_or_refused(DeepLIFT(), framework, kind, lambda gradient: gradient * X)


@pytest.mark.parametrize("kind", [*torch_apart()])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_rows_that_keep_to_themselves_are_cut_and_nothing_is_said(
    framework: str, kind: str
) -> None:
    net, x = nets(framework, False)[kind], array(framework, SEQUENCES)
    found = explained(InputXGradient(), net, x, batch_size=2)
    right = slope(framework, net, x) * SEQUENCES
    assert said(found) == []
    np.testing.assert_allclose(np.asarray(found.values), right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_example_by_itself_has_no_mates(framework: str) -> None:
    net, x = nets(framework, True)["softmax"], array(framework, X[:1])
    found = explained(Gradient(), net, x)
    np.testing.assert_allclose(found.values, slope(framework, net, x), rtol=1e-9, atol=1e-12)
    assert said(found) == []
