"""Several sites in one pass, and layers that give several arrays, on each framework, against algebra."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
from collections.abc import Iterator
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
from backlight import Class, Neuron
from backlight.errors import InputError, InputTypeError, SiteError, UnknownNameError
from backlight_methods import (
    Conductance,
    DeepLIFT,
    IntegratedGradients,
    InternalInfluence,
    NeuronConductance,
)
from backlight_study.passes import CountedModel

RNG = np.random.default_rng(21)
A, B, C, D, E = (RNG.normal(size=shape) / 2 for shape in ((6, 5), (5, 4), (4, 3), (7, 5), (5, 3)))
SKIP = RNG.normal(size=(4, 3)) / 2
X = RNG.normal(size=(3, 6))
RUNS: list[int] = []
"""One for each time that a net runs forward, where it counts."""
SITES = ["first", "block", "mix", None]
"""`block` gives h and, made of it, g; the score reads both, and h once more past `mix`."""


def forward(x: np.ndarray) -> tuple[np.ndarray, ...]:
    first = np.tanh(x @ A)
    h = np.tanh(first @ B)
    g = np.tanh(h @ C)
    mix = np.concatenate([h, g], axis=1) @ D
    return first, h, g, mix, np.tanh(mix) @ E + (h * h) @ SKIP


def slopes(x: np.ndarray, k: int) -> list[Any]:
    """By hand: d score / d each of the sites, of `block` by h and by g as they leave it."""
    first, h, g, mix, _ = forward(x)
    mixed = (1 - np.tanh(mix) ** 2) * E[:, k]
    by_h, by_g = mixed @ D[:4].T + 2 * h * SKIP[:, k], mixed @ D[4:].T
    inside = by_h + (by_g * (1 - g**2)) @ C.T
    by_first = (inside * (1 - h**2)) @ B.T
    return [by_first, (by_h, by_g), mixed, (by_first * (1 - first**2)) @ A.T]


class TorchLayer(torch.nn.Module):
    def __init__(self, weight: np.ndarray) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


class TorchBlock(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        h = torch.tanh(x @ torch.tensor(B))
        return h, [torch.tanh(h @ torch.tensor(C))]


class TorchNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Sequential(TorchLayer(A), torch.nn.Tanh())
        self.block, self.mix, self.head = TorchBlock(), TorchLayer(D), TorchLayer(E)
        self.skip = TorchLayer(SKIP)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        RUNS.append(1)
        h, (g,) = self.block(self.first(x))
        mix = self.mix(torch.cat([h, g], 1))
        return self.head(torch.tanh(mix)) + self.skip(h * h)


class KerasCount(keras.layers.Layer):
    def call(self, x: tf.Tensor) -> tf.Tensor:
        rows = tf.shape(x)[0]
        seen = tf.numpy_function(lambda rows: (RUNS.append(1), rows)[1], [rows], tf.int32)
        return x + 0 * tf.cast(tf.reshape(seen, []), x.dtype)


class KerasBlock(keras.layers.Layer):
    def call(self, x: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor]]:
        h = tf.tanh(x @ B)
        return h, (tf.tanh(h @ C),)


def keras_net(counting: bool = False) -> keras.Model:
    given = keras.Input((6,), dtype="float64")
    counted = KerasCount(dtype="float64")(given) if counting else given

    def dense(weight: np.ndarray, name: str, activation: str | None = None) -> keras.layers.Dense:
        layer = keras.layers.Dense(weight.shape[1], activation, False, name=name, dtype="float64")
        layer.build((None, len(weight)))
        layer.set_weights([weight])
        return layer

    h, (g,) = KerasBlock(name="block", dtype="float64")(dense(A, "first", "tanh")(counted))
    mix = dense(D, "mix")(keras.layers.Concatenate(dtype="float64")([h, g]))
    head = dense(E, "head")(keras.layers.Activation("tanh", dtype="float64")(mix))
    squares = keras.layers.Multiply(dtype="float64")([h, h])
    return keras.Model(
        given, keras.layers.Add(dtype="float64")([head, dense(SKIP, "skip")(squares)])
    )


def jax_net(x: jax.Array) -> jax.Array:
    jax.debug.callback(lambda: RUNS.append(1))
    with jax.named_scope("first"):
        first = jnp.tanh(x @ A)
    with jax.named_scope("block"):
        h = jnp.tanh(first @ B)
        g = jnp.tanh(h @ C)
    with jax.named_scope("mix"):
        mix = jnp.concatenate([h, g], axis=1) @ D
    return jnp.tanh(mix) @ E + (h * h) @ SKIP


class MLXLayer(mlx.nn.Module):
    def __init__(self, weight: np.ndarray) -> None:
        super().__init__()
        self.weight = mx.array(weight)

    def __call__(self, x: mx.array) -> mx.array:
        return x @ self.weight


class MLXFirst(mlx.nn.Module):
    def __call__(self, x: mx.array) -> mx.array:
        return mx.tanh(x @ mx.array(A))


class MLXBlock(mlx.nn.Module):
    def __call__(self, x: mx.array) -> tuple[mx.array, mx.array]:
        h = mx.tanh(x @ mx.array(B))
        return h, mx.tanh(h @ mx.array(C))


class MLXNet(mlx.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.block, self.mix = MLXFirst(), MLXBlock(), MLXLayer(D)

    def __call__(self, x: mx.array) -> mx.array:
        h, g = self.block(self.first(x))
        mix = self.mix(mx.concatenate([h, g], axis=1))
        return mx.tanh(mix) @ mx.array(E) + (h * h) @ mx.array(SKIP)


FRAMEWORKS = ["torch", "tensorflow", "jax", "mlx"]


@pytest.fixture(scope="module")
def models() -> Iterator[dict[str, backlight.Model]]:
    with jax.enable_x64(True):
        yield {
            "torch": backlight.wrap(TorchNet()),
            "tensorflow": backlight.wrap(keras_net()),
            "jax": backlight.wrap(jax_net, "jax"),
            "mlx": backlight.wrap(MLXNet()),
        }


def close(framework: str) -> dict[str, float]:
    """MLX's matrix products have float32's digits."""
    return {"rtol": 1e-4, "atol": 1e-5} if framework == "mlx" else {"rtol": 1e-11, "atol": 1e-12}


def agree(found: Any, expected: Any, framework: str) -> None:
    assert isinstance(found, tuple) == isinstance(expected, tuple)
    ours, theirs = (one if isinstance(one, tuple) else (one,) for one in (found, expected))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, **close(framework))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_gradients_at_several_sites_are_those_of_each(
    models: dict[str, backlight.Model], framework: str
) -> None:
    found = backlight.explain(models[framework], X, [Class(0), Class(2)], "gradient", at=SITES)
    for of_target, k in zip(found, (0, 2), strict=True):
        assert [one.at for one in of_target] == SITES
        for one, expected in zip(of_target, slopes(X, k), strict=True):
            agree(one.numpy(), expected, framework)
            np.testing.assert_allclose(one.score, forward(X)[-1][:, k], **close(framework))
    backwards = backlight.explain(models[framework], X, 2, "saliency", at=tuple(SITES[::-1]))
    for one, expected in zip(backwards[::-1], found[1], strict=True):
        agree(one.numpy(), as_sizes(expected.numpy()), framework)


def as_sizes(values: Any) -> Any:
    return tuple(map(np.abs, values)) if isinstance(values, tuple) else np.abs(values)


@pytest.mark.parametrize("framework", FRAMEWORKS[:3])
def test_a_net_runs_forward_once_for_several_sites(
    models: dict[str, backlight.Model], framework: str
) -> None:
    model = (
        backlight.wrap(keras_net(counting=True)) if framework == "tensorflow" else models[framework]
    )
    inputs = model.prepare(X)
    scores = [Class(k).bind(model.outputs(inputs), len(X)) for k in range(3)]

    def gradients() -> Any:
        return model.gradients(inputs, scores, sites=SITES)[0].score

    def activations() -> Any:
        return model.activations(inputs, ["first", "mix"])[0]

    for asked in (gradients, activations):
        for _ in range(2):  # at first it is looked at as well
            RUNS.clear()
            model.to_numpy(asked())
            jax.effects_barrier()
        assert len(RUNS) == 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_values_at_several_sites_are_read(
    models: dict[str, backlight.Model], framework: str
) -> None:
    model = models[framework]
    first, h, g, mix, _ = forward(X)
    for found, expected in zip(
        model.activations(X, ["mix", "block", "first"]), (mix, (h, g), first), strict=True
    ):
        host = tuple(map(model.to_numpy, found)) if isinstance(found, tuple) else found
        agree(host, expected, framework)


@pytest.mark.parametrize(
    ("method", "off"),
    [
        (IntegratedGradients(steps=12), 1e-6),
        (DeepLIFT(), 1e-9),
        (Conductance(steps=100), 1e-2),  # by the trapezoid rule
    ],
)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_a_layer_gives_is_explained_as_a_whole(
    models: dict[str, backlight.Model], framework: str, method: backlight.Method, off: float
) -> None:
    """Every way to the score leaves the block by h or by g: only both together are complete."""
    found = method(models[framework], X, 1, at="block")
    h, g = found.numpy()
    assert (h.shape, g.shape) == ((3, 4), (3, 3))
    off = max(off, 1e-4) if framework == "mlx" else off
    change = found.score - found.baseline_score
    np.testing.assert_allclose(h.sum(1) + g.sum(1), change, rtol=off)
    assert (np.abs(h.sum(1) - change) > 0.01).all()


@pytest.mark.filterwarnings("ignore:.*Raise steps:backlight.BacklightWarning")
@pytest.mark.parametrize(
    ("framework", "method"),
    [
        *((framework, Conductance(steps=7)) for framework in FRAMEWORKS[:3]),
        ("torch", InternalInfluence(steps=7)),
    ],
)
def test_layers_on_one_way_as_if_each_were_alone(
    models: dict[str, backlight.Model], framework: str, method: backlight.Method
) -> None:
    several, single = CountedModel(models[framework]), CountedModel(models[framework])
    found = method(several, X, 1, at=SITES, batch_size=9)
    for one, site in zip(found, SITES, strict=True):
        alone = method(single, X, 1, at=site, batch_size=9)
        agree(one.numpy(), alone.numpy(), framework)
        np.testing.assert_allclose(one.score, alone.score, rtol=1e-12)
    assert several.passes.backward * len(SITES) == single.passes.backward


@pytest.mark.filterwarnings("ignore:.*Raise steps:backlight.BacklightWarning")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_the_neurons_of_a_layer_pass_on_is_what_the_inputs_do(
    models: dict[str, backlight.Model], framework: str
) -> None:
    """All ways lead through `first`: its neurons share integrated gradients, by the chain rule."""
    model, asked = models[framework], {"steps": 3, "baseline": 0.1}
    targets = [Class(0), Class(2)]
    wanted = IntegratedGradients(**asked)(model, X, targets)
    whole = NeuronConductance(layer="first", **asked)(model, X, targets, batch_size=5)
    for one, other in zip(whole, wanted, strict=True):
        agree(one.numpy(), other.numpy(), framework)
    some = [NeuronConductance(layer="first", index=index, **asked) for index in (2, slice(3, 5))]
    nodes, weights = np.polynomial.legendre.leggauss(3)
    for method, rows in zip(some, ([2], [3, 4]), strict=True):
        expected = np.zeros_like(X)
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            point = 0.1 + node * (X - 0.1)
            through = slopes(point, 2)[0] * (1 - forward(point)[0] ** 2)
            expected += weight * through[:, rows] @ A[:, rows].T
        agree(method(model, X, 2).numpy(), expected * (X - 0.1), framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_a_layer_gives_is_replaced_as_a_whole(
    models: dict[str, backlight.Model], framework: str
) -> None:
    model = models[framework]
    inputs = model.prepare(X)
    score = Class(1).bind(model.outputs(inputs), len(X))
    other = X[::-1].copy()
    _, h, g, _, outputs = forward(other)
    native = tuple(model.asarray(one, like=inputs.attributed) for one in (h, g))
    there = model.gradient(inputs, score, at="block", value=native)
    np.testing.assert_allclose(model.to_numpy(there.score), outputs[:, 1], **close(framework))
    agree(tuple(map(model.to_numpy, there.gradient)), slopes(other, 1)[1], framework)
    again = model.score(inputs, score, at="block", value=native)
    np.testing.assert_allclose(model.to_numpy(again), outputs[:, 1], **close(framework))
    with pytest.raises(SiteError, match=r"'block' must have .*\(3, 4\), \(3, 3\)"):
        model.gradient(inputs, score, at="block", value=native[0])
    with pytest.raises(InputError, match="for one site, not for 2"):
        model.gradients(inputs, [score], sites=["block", "mix"], value=native)


def test_sites_are_names(models: dict[str, backlight.Model]) -> None:
    model = models["torch"]
    for at in ([], [3], 3):
        with pytest.raises(InputTypeError, match="a list of names"):
            backlight.explain(model, X, 1, "gradient", at=at)
    with pytest.raises(UnknownNameError, match="mixx"):
        backlight.explain(model, X, 1, "gradient", at=["mix", "mixx"])
    with pytest.raises(
        SiteError, match=r"'block' gives 2 arrays: name one of them, as 'block\[0\]'"
    ):
        backlight.explain(model, X, Neuron("block", (0,)), "gradient")
    with pytest.raises(SiteError, match="'block' gives 2 arrays: name one of them"):
        NeuronConductance(layer="block")(model, X, 1)
    assert isinstance(backlight.explain(model, X, 1, "gradient", at=["mix"]), tuple)


def test_the_states_of_a_recurrent_layer_are_explained_with_its_output() -> None:
    keras.utils.set_random_seed(3)
    given = keras.Input((5, 2))
    output, *states = keras.layers.LSTM(3, return_state=True, name="lstm")(given)
    joined = keras.layers.Concatenate()([output, *states])
    model = keras.Model(given, keras.layers.Dense(2, activation="tanh")(joined))
    x = RNG.normal(size=(3, 5, 2)).astype(np.float32)
    found = backlight.explain(model, x, 1, "integrated_gradients", at="lstm")
    assert [one.shape for one in found.values] == [(3, 3)] * 3  # the output is the hidden state
    assert (found.relative_gap < 1e-4).all()


def test_a_state_without_rows_for_the_examples_is_named() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(2, 4, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output, (h, c) = self.lstm(x)
            return output.sum((1, 2)) + (h * c).sum((0, 2))

    x = torch.ones(3, 5, 2)
    with pytest.raises(
        SiteError, match=r"'lstm\[1\]\[0\]' .* \(1, 3, 4\) .*Name another: 'lstm\[0\]'"
    ):
        backlight.explain(Net(), x, method="gradient", at="lstm")
    assert backlight.explain(Net(), x, method="gradient", at="lstm[0]").values.shape == (3, 5, 4)
