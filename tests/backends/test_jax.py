"""The JAX backend, judged by closed forms and by central differences in float64."""

import functools
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax.ad_checkpoint import checkpoint_name

import backlight
from backlight import (
    Class,
    Inputs,
    LogProbability,
    Margin,
    Neuron,
    Options,
    Output,
    Probability,
)
from backlight.errors import InputTypeError, ModelError, SiteError, TargetError, UnknownNameError
from backlight.explaining.objective import Objective
from backlight.explaining.spatial import last_feature_map
from backlight.values.inputs import PerExample, Shared
from backlight.values.outputs import OutputSpec
from backlight_jax import plugin

Values = Any


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    yield
    backlight.forget()


@pytest.fixture
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def normal(*shape: int, seed: int = 0) -> Values:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def wrap(net: object, **options: Any) -> Any:
    return backlight.wrap(net, "jax", **options)


def bound(model: Any, x: Any, k: Any) -> Any:
    inputs = model.prepare(x)
    return Class(k).bind(model.outputs(inputs), inputs.count)


def names(model: Any, x: Any) -> list[str]:
    return [site.name for site in model.sites(x)]


def differences(score: Callable[[Values], Values], x: Values, step: float = 1e-6) -> Values:
    """d score_n / d x_n by central differences, one coordinate of all examples at a time."""
    flat = x.reshape(len(x), -1)
    found = np.zeros_like(flat)
    for column in range(flat.shape[1]):
        moved = [flat.copy(), flat.copy()]
        moved[0][:, column] += step
        moved[1][:, column] -= step
        up, down = (np.asarray(score(each.reshape(x.shape))) for each in moved)
        found[:, column] = (up - down) / (2 * step)
    return found.reshape(x.shape)


# ---------------------------------------------------------------- nets

A, B, SKIP = normal(5, 6, seed=1), normal(6, 4, seed=2), normal(5, 4, seed=3)


def of(values: Values, x: Any) -> Any:
    """Values in the dtype of x; a new array, as JAX remembers NumPy arrays in their first dtype."""
    return jnp.asarray(values.astype(x.dtype))


def two_layers(x: Any) -> Any:
    """h = tanh(x A) ; h**2 B + x SKIP."""
    with jax.named_scope("hidden"):
        h = jnp.tanh(x @ of(A, x))
    with jax.named_scope("head"):
        return h**2 @ of(B, x) + x @ of(SKIP, x)


def conv(x: Any, kernel: Any, layout: str = "NHWC") -> Any:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=(layout, "HWIO", layout)
    )


def max_pool(x: Any) -> Any:
    window = (1, 2, 2, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")


KERNELS = {
    "first": 0.3 * normal(3, 3, 2, 4, seed=4),
    "second": 0.3 * normal(3, 3, 4, 4, seed=5),
    "dense": 0.3 * normal(16, 3, seed=6),
}


def small_cnn(x: Any) -> Any:
    """Without scopes: convolution, relu and pooling twice, then a dense layer."""
    x = max_pool(jax.nn.relu(conv(x, of(KERNELS["first"], x))))
    x = max_pool(jax.nn.relu(conv(x, of(KERNELS["second"], x))))
    return x.reshape(len(x), -1) @ of(KERNELS["dense"], x)


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x: Any, train: bool = False) -> Any:
        x = linen.relu(linen.Conv(4, (3, 3), name="stem")(x))
        x = linen.BatchNorm(use_running_average=not train, name="norm")(x)
        x = linen.max_pool(x, (2, 2), (2, 2))
        dense = linen.Dense(3, name="dense")
        x = linen.Dense(3, name="narrow")(x.mean((1, 2)))
        return linen.softmax(dense(dense(x)))


class NnxNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(4, 4, rngs=rngs) for _ in range(2)])

    def __call__(self, x: Any) -> Any:
        x = nnx.relu(self.norm(self.stem(x)))
        x = self.drop(nnx.max_pool(x, (2, 2), (2, 2))).mean((1, 2))
        for block in self.blocks:
            x = nnx.relu(block(x))
        return self.blocks[0](x)

    def features(self, x: Any) -> Any:
        return self.drop(self.stem(x)).sum((1, 2))


def equinox_net() -> Any:
    keys = jax.random.split(jax.random.key(3), 3)
    return eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(2, 4, 3, key=keys[0]),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.MaxPool2d(2, 2),
            eqx.nn.AvgPool2d(2, 2),
            eqx.nn.Dropout(0.5),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(4, 5, key=keys[1]),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Linear(5, 3, key=keys[2]),
        ]
    )


class Batched(eqx.Module):
    """An equinox module that takes a batch, with dropout that is active outside inference mode."""

    layers: list[Any]
    drop: eqx.nn.Dropout

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = jnp.tanh(x @ layer.weight.T + layer.bias)
        return self.drop(x, key=jax.random.key(0))


def batched() -> Batched:
    keys = jax.random.split(jax.random.key(4), 2)
    layers = [eqx.nn.Linear(5, 6, key=keys[0]), eqx.nn.Linear(6, 4, key=keys[1])]
    return Batched(layers, eqx.nn.Dropout(0.5))


# ---------------------------------------------------------------- the door


def run_python(script: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(script)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_plugin_imports_no_framework() -> None:
    run_python(
        """
        import sys
        import backlight_jax.plugin
        from backlight import Options
        wrapped = backlight_jax.plugin.backlight_wrap(
            net=len, inputs=[1], framework=None, options=Options()
        )
        assert wrapped is None
        found = {"jax", "flax", "equinox", "keras", "torch", "tensorflow"} & set(sys.modules)
        assert not found, found
        """
    )


def claimed(net: object, inputs: object = None, framework: str | None = None) -> bool:
    model = plugin.backlight_wrap(net, inputs, framework, Options())
    assert model is None or model.framework == "jax"
    return model is not None


def test_what_is_claimed() -> None:
    x = jnp.ones((2, 5))
    assert claimed(two_layers, x)
    assert claimed(two_layers, (np.ones(2), x))
    assert claimed(two_layers, {"a": x})
    assert claimed(two_layers, Inputs(x))
    assert claimed(two_layers, np.ones((2, 5)), "jax")
    assert claimed(jax.jit(two_layers))
    assert claimed(jax.vmap(equinox_net()))
    assert claimed(functools.partial(two_layers, x))
    assert claimed(functools.partial(lambda p, x: x @ p["w"], {"w": x}))
    assert claimed(batched())
    assert claimed(NnxNet(nnx.Rngs(0)))
    assert claimed(NnxNet(nnx.Rngs(0)).features)
    assert claimed((LinenNet(), {"params": {}}))


def test_what_is_not_claimed() -> None:
    import torch

    x = jnp.ones((2, 5))
    assert not claimed(two_layers)
    assert not claimed(two_layers, np.ones((2, 5)))
    assert not claimed(two_layers, x, "torch")
    assert not claimed(jax.jit(two_layers), x, "tensorflow")
    assert not claimed(torch.nn.Linear(5, 2), x)
    assert not claimed(np.tanh, np.ones((2, 5)))
    assert not claimed(functools.partial(np.tanh), np.ones((2, 5)))
    assert not claimed((two_layers, {}), x)
    assert not claimed("two_layers", x, "jax")


def test_a_linen_module_without_variables_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"LinenNet has no variables: pass module.bind\(variables\)"
    ):
        wrap(LinenNet())


# ---------------------------------------------------------------- verbs on arrays


def test_arrays_keep_type_and_get_the_nets_dtype(double: None) -> None:
    model = wrap(functools.partial(lambda w, x: x @ w, jnp.ones((5, 2), jnp.float16)))
    assert model.asarray(np.ones(3)).dtype == np.float16
    assert model.asarray(np.ones(3, np.float32)).dtype == np.float16
    assert model.asarray(np.ones(3, np.int64)).dtype == np.int64
    assert model.asarray(np.ones(3, bool)).dtype == bool
    like = jnp.ones(1, jnp.float32)
    assert model.asarray(np.ones(3), like=like).dtype == np.float32
    assert model.asarray(np.ones(3, np.int32), like=like).dtype == np.int32
    assert wrap(two_layers).asarray(np.ones(3, np.float32)).dtype == np.float32
    weight = jnp.ones((5, 2))
    closure = wrap(lambda x: x @ weight)
    assert closure.asarray(np.ones(3, np.float32)).dtype == np.float64
    with jax.enable_x64(False):
        assert closure.asarray(np.ones(3)).dtype == np.float32
        assert model.asarray(np.ones(3, np.int64)).dtype == np.int32
    assert model.owns(like)
    assert not model.owns(np.ones(3))
    assert model.is_floating(jnp.ones(2, jnp.bfloat16))
    assert not model.is_floating(jnp.ones(2, int))
    host = model.to_numpy(like)
    assert type(host) is np.ndarray
    assert host.dtype == np.float32
    with pytest.raises(InputTypeError):
        model.prepare("text")


def test_devices_are_kept() -> None:
    run_python(
        """
        import functools
        import jax, jax.numpy as jnp, numpy as np
        import backlight
        one = jax.devices()[1]
        weight = jax.device_put(jnp.ones((3, 2)), one)
        model = backlight.wrap(functools.partial(lambda w, x: jnp.tanh(x @ w), weight))
        for x in (np.ones((4, 3), np.float32), jax.device_put(jnp.ones((4, 3)), one)):
            inputs = model.prepare(x)
            score = backlight.Class(0).bind(model.outputs(inputs), 4)
            found = model.gradient(inputs, score)
            assert found.gradient.devices() == found.score.devices() == {one}
        like = jax.device_put(jnp.ones(2), jax.devices()[2])
        assert model.asarray(np.ones(2), like=like).devices() == like.devices()
        """,
        XLA_FLAGS="--xla_force_host_platform_device_count=3",
    )


# ---------------------------------------------------------------- predict, outputs


def test_predict_gives_the_nets_own_structure() -> None:
    def net(x: Any, scale: Any) -> Any:
        return {"logits": x * scale, "more": (x.sum(1), [x])}

    x, scale = jnp.asarray(normal(3, 5), jnp.float32), jnp.float32(2)
    model = wrap(net)
    inputs = model.prepare(x, extra=(scale,))
    found = model.predict(inputs)
    assert isinstance(found["more"], tuple)
    assert isinstance(found["more"][1], list)
    np.testing.assert_allclose(found["logits"], 2 * x)
    np.testing.assert_allclose(found["more"][0], x.sum(1), rtol=1e-6)
    assert model.outputs(inputs) == {
        "logits": OutputSpec((3, 5)),
        "more": (OutputSpec((3,)), (OutputSpec((3, 5)),)),
    }


def softmax_by_hand(z: Any) -> Any:
    return jnp.exp(z) / jnp.exp(z).sum(1, keepdims=True)


def shifted_by_hand(z: Any) -> Any:
    z = z - z.max(1, keepdims=True)
    return z - jnp.log(jnp.exp(z).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (jax.nn.softmax, "probabilities"),
        (jax.jit(jax.nn.softmax), "probabilities"),
        (linen.softmax, "probabilities"),
        (softmax_by_hand, "probabilities"),
        (jax.vmap(jax.nn.softmax), "probabilities"),
        (jax.checkpoint(jax.nn.softmax), "probabilities"),
        (lambda z: jax.nn.softmax(z.T, axis=0).T, "probabilities"),
        (lambda z: jax.nn.softmax(z).astype(jnp.float16), "probabilities"),
        (lambda z: jnp.exp(jax.nn.log_softmax(z)), "probabilities"),
        (jax.nn.log_softmax, "log_probabilities"),
        (shifted_by_hand, "log_probabilities"),
        (lambda z: jnp.log(jax.nn.softmax(z)), "log_probabilities"),
        (
            lambda z: z - jax.scipy.special.logsumexp(z, axis=1, keepdims=True),
            "log_probabilities",
        ),
        (lambda z: z, "logits"),
        (lambda z: jax.nn.softmax(z, axis=0), "logits"),
        (lambda z: jax.nn.softmax(z) * 2, "logits"),
        (lambda z: jax.nn.softmax(z) @ of(B[:4], z), "logits"),
        (lambda z: jnp.exp(z) / jnp.exp(2 * z).sum(1, keepdims=True), "logits"),
        (lambda z: jnp.exp(z) / (1 + jnp.exp(z).sum(1, keepdims=True)), "logits"),
        (lambda z: z - jnp.log(jnp.exp(2 * z).sum(1, keepdims=True)), "logits"),
        (jax.nn.sigmoid, "sigmoid"),
        (jax.jit(jax.nn.sigmoid), "sigmoid"),
        (lambda z: jax.nn.sigmoid(z).astype(jnp.float16), "sigmoid"),
        (lambda z: jax.nn.sigmoid(z)[:, 0], "sigmoid"),
        (lambda z: jnp.squeeze(jax.nn.sigmoid(z[:, 1:2]), 1).reshape(-1), "sigmoid"),
        (lambda z: jax.nn.sigmoid(z).mean(1), "logits"),
        (lambda z: 2 * jax.nn.sigmoid(z), "logits"),
        (lambda z: jnp.zeros_like(z), "logits"),
    ],
)
def test_kind_of_outputs(last: Callable[[Any], Any], kind: str) -> None:
    x = normal(3, 5).astype(np.float32)
    model = wrap(lambda x: last(x @ of(SKIP, x)))
    assert model.outputs(x).kind == kind
    assert wrap(two_layers, outputs="probabilities").outputs(x).kind == "probabilities"


def test_kind_of_dense_outputs_is_told_by_axis_1() -> None:
    x = normal(2, 3, 4, 4).astype(np.float32)
    assert wrap(lambda x: jax.nn.softmax(x, axis=1)).outputs(x).kind == "probabilities"
    assert wrap(lambda x: jax.nn.softmax(x, axis=-1)).outputs(x).kind == "logits"


def test_a_probability_is_explained_as_it_is_or_from_logits(double: None) -> None:
    x = normal(3, 5)
    scored = []
    for last in (lambda z: z, jax.nn.softmax, jax.nn.log_softmax):
        model = wrap(lambda x, last=last: last(two_layers(x)))
        score = Probability(2).bind(model.outputs(x), 3)
        scored.append(model.gradient(x, score))
    z = two_layers(x)
    expected = np.exp(z)[:, 2] / np.exp(z).sum(1)
    for found in scored:
        np.testing.assert_allclose(found.score, expected, rtol=1e-12)
        np.testing.assert_allclose(found.gradient, scored[0].gradient, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------- gradients


def test_gradient_in_closed_form(double: None) -> None:
    x, k = normal(7, 5), np.array([0, 3, 1, 1, 2, 0, 3])
    model = wrap(two_layers)
    found = model.gradient(x, bound(model, x, k))
    h = np.tanh(x @ A)
    expected = ((1 - h**2) * 2 * h * B[:, k].T) @ A.T + SKIP[:, k].T
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.score, (h**2 @ B + x @ SKIP)[np.arange(7), k], rtol=1e-12)
    np.testing.assert_allclose(model.score(x, bound(model, x, k)), found.score, rtol=1e-14)
    assert found.gradient.dtype == np.float64
    assert isinstance(found.gradient, jax.Array)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_gradient_has_the_values_dtype(dtype: str) -> None:
    x = jnp.asarray(normal(3, 5), dtype)
    model = wrap(lambda x: jnp.tanh(x) @ of(SKIP, x))
    found = model.gradient(x, bound(model, x, 1))
    assert found.gradient.dtype == found.value.dtype == jnp.dtype(dtype)
    assert found.value is x
    expected = (1 - np.tanh(np.asarray(x, np.float64)) ** 2) * SKIP[:, 1]
    tolerance = 1e-5 if dtype == "float32" else 0.03
    np.testing.assert_allclose(np.asarray(found.gradient, float), expected, atol=tolerance)


def test_gradient_by_differences_on_a_convolutional_net(double: None) -> None:
    x = normal(2, 8, 8, 2)
    model = wrap(small_cnn)
    score = Margin(0, versus=2).bind(model.outputs(x), 2)
    expected = differences(lambda moved: model.score(moved, score), x)
    direct = small_cnn(x)
    np.testing.assert_allclose(model.score(x, score), direct[:, 0] - direct[:, 2], rtol=1e-12)
    np.testing.assert_allclose(model.gradient(x, score).gradient, expected, atol=1e-7)


def test_structured_inputs_and_zero_gradients(double: None) -> None:
    def net(z: Any, a: Any, unused: Any, count: Any) -> Any:
        return (z * a) @ of(B[:5], z) + count[:, None]

    x = {"z": normal(3, 5), "a": normal(3, 5, seed=9), "unused": normal(3, 2)}
    x["count"] = np.arange(3)
    model = wrap(net)
    found = model.gradient(x, bound(model, x, 2))
    assert list(found.gradient) == list(x)
    np.testing.assert_allclose(found.gradient["z"], x["a"] * B[:5, 2], rtol=1e-12)
    np.testing.assert_allclose(found.gradient["a"], x["z"] * B[:5, 2], rtol=1e-12)
    assert found.gradient["unused"].shape == (3, 2)
    assert not found.gradient["unused"].any()
    assert not found.gradient["count"].any()

    pair = (x["z"], x["a"])
    model = wrap(lambda z, a: (z - 2 * a) @ of(B[:5], z))
    found = model.gradient(pair, bound(model, pair, 0))
    assert isinstance(found.gradient, tuple)
    np.testing.assert_allclose(found.gradient[1], np.tile(-2 * B[:5, 0], (3, 1)), rtol=1e-12)


def test_extra_arguments_pass_through(double: None) -> None:
    calls = []

    def net(x: Any, mask: Any, scale: Any, *, mode: str, shift: float, table: Any) -> Any:
        calls.append(mode)
        assert mode in ("plain", "square")
        return (x * mask * scale + shift * table["t"]) ** (2 if mode == "square" else 1)

    x, mask = normal(4, 3), np.arange(12.0).reshape(4, 3)
    model = wrap(net)

    def inputs(mode: str, scale: float = 2.0) -> Inputs:
        return Inputs(
            jnp.asarray(x),
            (PerExample(jnp.asarray(mask)), Shared(jnp.full(3, scale))),
            {"mode": mode, "shift": 0.5, "table": {"t": jnp.ones(3)}},
        )

    found = model.gradient(inputs("square"), bound(model, inputs("square"), 1))
    expected = np.zeros((4, 3))
    expected[:, 1] = (2 * (2 * x * mask + 0.5) * 2 * mask)[:, 1]
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-12)
    assert len(calls) == 1
    model.gradient(inputs("square", 3.0), bound(model, inputs("square"), 1))
    assert len(calls) == 1
    plain = model.gradient(inputs("plain"), bound(model, inputs("plain"), 1))
    np.testing.assert_allclose(plain.gradient[:, 1], 2 * mask[:, 1], rtol=1e-12)
    assert len(calls) == 2


def test_scores_of_other_shapes(double: None) -> None:
    x = normal(3, 4, 4, 2)
    model = wrap(lambda x: {"map": conv(x, of(KERNELS["first"], x))})
    region = Output("map", index=(slice(0, 2), ..., 1)).bind(model.outputs(x), 3)
    np.testing.assert_allclose(
        model.score(x, region), conv(x, KERNELS["first"])[:, :2, :, 1].sum((1, 2)), rtol=1e-12
    )
    own = backlight.Function(lambda outputs, arrays: arrays.sum(outputs["map"], axis=(1, 2, 3)))
    total = differences(lambda moved: model.score(moved, own), x)
    np.testing.assert_allclose(model.gradient(x, own).gradient, total, atol=1e-7)
    constant = backlight.Function(
        lambda outputs, arrays: arrays.argmax(outputs["map"][:, 0, 0], axis=1)
    )
    assert not model.gradient(x, constant).gradient.any()


# ---------------------------------------------------------------- inner sites


def test_gradient_at_a_site_in_closed_form(double: None) -> None:
    x, k = normal(4, 5), np.array([0, 3, 1, 1])
    model = wrap(two_layers)
    score, h = bound(model, x, k), np.tanh(x @ A)
    found = model.gradient(x, score, at="hidden")
    np.testing.assert_allclose(found.value, h, rtol=1e-12)
    np.testing.assert_allclose(model.activation(x, "hidden"), h, rtol=1e-12)
    np.testing.assert_allclose(found.gradient, 2 * h * B[:, k].T, rtol=1e-12)
    np.testing.assert_allclose(found.score, model.score(x, score), rtol=1e-12)

    moved = normal(4, 6, seed=8)
    there = model.gradient(x, score, at="hidden", value=moved)
    expected = (moved**2 @ B + x @ SKIP)[np.arange(4), k]
    np.testing.assert_allclose(there.value, moved)
    np.testing.assert_allclose(there.gradient, 2 * moved * B[:, k].T, rtol=1e-12)
    np.testing.assert_allclose(there.score, expected, rtol=1e-12)
    np.testing.assert_allclose(
        model.score(x, score, at="hidden", value=moved), expected, rtol=1e-12
    )
    with_other_input = model.gradient(x, score, value=2 * x)
    np.testing.assert_allclose(
        with_other_input.gradient, model.gradient(2 * x, score).gradient, rtol=1e-12
    )


def test_neurons_and_sites_off_the_path(double: None) -> None:
    x = normal(4, 5)
    model = wrap(two_layers)
    neuron = Neuron("hidden", index=(2,)).bind(OutputSpec((4, 6)), 4)
    h = np.tanh(x @ A)
    found = model.gradient(x, neuron)
    np.testing.assert_allclose(found.score, h[:, 2], rtol=1e-12)
    np.testing.assert_allclose(found.gradient, (1 - h[:, 2:3] ** 2) * A[:, 2], rtol=1e-9)
    at_itself = model.gradient(x, neuron, at="hidden").gradient
    np.testing.assert_allclose(at_itself, np.tile(np.eye(6)[2], (4, 1)), rtol=1e-12)
    moved = model.score(x, neuron, at="hidden", value=h + 1)
    np.testing.assert_allclose(moved, h[:, 2] + 1, rtol=1e-12)
    later = model.gradient(x, neuron, at="head")
    assert later.gradient.shape == (4, 4)
    assert not later.gradient.any()
    np.testing.assert_allclose(later.score, h[:, 2], rtol=1e-12)


def test_sites_of_a_net_without_names(double: None) -> None:
    x = normal(3, 8, 8, 2)
    model = wrap(small_cnn)
    found = [(site.name, site.shape, site.pooled) for site in model.sites(x)]
    assert found == [
        ("conv_general_dilated", (3, 8, 8, 4), False),
        ("relu", (3, 8, 8, 4), False),
        ("reduce_window_max", (3, 4, 4, 4), True),
        ("conv_general_dilated:2", (3, 4, 4, 4), False),
        ("relu:2", (3, 4, 4, 4), False),
        ("reduce_window_max:2", (3, 2, 2, 4), True),
        ("dot_general", (3, 3), False),
    ]
    first = np.asarray(conv(x, KERNELS["first"]))
    np.testing.assert_allclose(
        model.activation(x, "conv_general_dilated"), first, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        model.activation(x, "relu"), np.maximum(first, 0), rtol=1e-12, atol=1e-12
    )
    score = bound(model, x, 1)
    value = normal(1, 4, 4, 4, seed=7)
    one = score.take(np.array([0]))
    expected = differences(lambda moved: model.score(x[:1], one, at="relu:2", value=moved), value)
    there = model.gradient(x[:1], one, at="relu:2", value=value)
    np.testing.assert_allclose(there.gradient, expected, atol=1e-7)
    # Names by primitive stay good where a friendlier one is listed, or nothing but a layout changes.
    np.testing.assert_array_equal(model.activation(x, "max"), model.activation(x, "relu"))
    assert model.activation(x, "reshape").shape == (3, 16)


def test_the_last_feature_map_is_after_the_activation_and_before_the_pooling() -> None:
    x = jnp.asarray(normal(3, 8, 8, 2), jnp.float32)
    for net, name in (
        (small_cnn, "relu:2"),
        (jax.jit(small_cnn), "relu:2"),
        (lambda x: small_cnn(x) + conv(x, of(KERNELS["first"], x)).mean((1, 2))[:, :3], None),
    ):
        model = wrap(net)
        inputs = model.prepare(x)
        objective = Objective(model, inputs, bound(model, x, 0), None, 8, np.arange(3), 3)
        found = last_feature_map(objective)
        if name is None:  # the branch that is computed last
            assert model.site(x, found).shape == (3, 8, 8, 4)
        else:
            assert found == name


def two_blocks(x: Any) -> Any:
    """Attention twice over 2 x 2 patches and a class token, whose own row is read."""
    tokens = conv(x, of(KERNELS["first"], x))[:, ::4, ::4].reshape(len(x), 4, 4)
    tokens = jnp.concatenate([jnp.ones_like(tokens[:, :1]), tokens], 1)
    for number in range(2):
        with jax.named_scope(f"block{number}"):
            weights = jax.nn.softmax(tokens @ tokens.swapaxes(1, 2))
            tokens = tokens + weights @ jnp.tanh(tokens)
            tokens = tokens + jax.nn.relu(tokens @ of(KERNELS["second"][0, 0], x))
    return tokens[:, 0]


def test_the_last_tokens_that_matter_are_found_without_a_pass(double: None) -> None:
    x = jnp.asarray(normal(3, 8, 8, 2))
    model = wrap(two_blocks)
    score = bound(model, x, 0)
    sites = [site.name for site in model.sites(x) if site.shape[:2] == (3, 5)]
    assert len(sites) > 10
    objective = Objective(model, model.prepare(x), score, None, 8, np.arange(3), 3)
    found = last_feature_map(objective)
    assert not any(trace._compiled.answers() for trace in model.memory.answers("trace"))

    def tells(name: str) -> Any:
        return jnp.abs(model.gradient(x, score, at=name).gradient).sum(-1)[:, 1:] > 0

    assert tells(found).all()
    assert not tells(sites[-1]).any()


def test_scopes_name_their_last_value_and_each_use() -> None:
    def net(x: Any) -> Any:
        for _ in range(2):
            with jax.named_scope("block"):
                with jax.named_scope("inner"):
                    y = jnp.sin(x)
                x = x + y
            x = x * 1.5
        with jax.named_scope("pool"):
            x = max_pool(x)
            unused = x * 2
        del unused
        return checkpoint_name(x, "chosen").sum((1, 2, 3))

    x = normal(2, 4, 4, 1).astype(np.float32)
    model = wrap(net)
    sites = {site.name: site for site in model.sites(x)}
    assert [name for name in sites if "block" in name] == [
        "block/inner",
        "block",
        "block/inner:2",
        "block:2",
    ]
    first = x + np.sin(x)
    second = 1.5 * first
    np.testing.assert_allclose(model.activation(x, "block/inner"), np.sin(x), rtol=1e-6)
    np.testing.assert_allclose(model.activation(x, "block"), first, rtol=1e-6)
    np.testing.assert_allclose(model.activation(x, "block/inner:2"), np.sin(second), rtol=1e-6)
    assert sites["pool"].pooled
    assert sites["pool"].shape == (2, 2, 2, 1)
    assert sites["chosen"].pooled
    assert [site.name for site in sites.values()] == list(sites)


def test_a_scope_may_have_a_primitives_name() -> None:
    def net(x: Any) -> Any:
        with jax.named_scope("sin"):
            h = jnp.tanh(x)
        return jnp.sin(h)

    x = normal(2, 3).astype(np.float32)
    model = wrap(net)
    assert names(model, x) == ["sin", "sin'"]
    np.testing.assert_allclose(model.activation(x, "sin'"), np.sin(np.tanh(x)), rtol=1e-6)


def test_pooling_is_seen_through_what_keeps_it() -> None:
    def net(x: Any) -> Any:
        window = (1, 2, 2, 1)
        total = jax.lax.reduce_window(x, 0.0, jax.lax.add, window, window, "VALID")
        with jax.named_scope("average"):
            average = (total / 4).transpose(0, 3, 1, 2)
        n, h, w, c = x.shape
        with jax.named_scope("by_hand"):
            by_hand = x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))
        with jax.named_scope("after"):
            after = jnp.tanh(by_hand)
        with jax.named_scope("sum"):
            return after.sum((1, 2)) + average.sum((2, 3))

    x = normal(3, 4, 4, 2).astype(np.float32)
    pooled = {site.name: site.pooled for site in wrap(net).sites(x)}
    assert pooled["average"]
    assert pooled["by_hand"]
    assert not pooled["after"]
    assert not pooled["sum"]


def test_examples_are_told_from_other_axes(double: None) -> None:
    """One example, or as many as a layer is wide: only the examples' own axis counts."""

    def net(x: Any) -> Any:
        with jax.named_scope("turned"):
            turned = jnp.tanh(of(A, x).T @ x.T)  # (6, N)
        with jax.named_scope("mixed"):
            mixed = turned.T @ turned  # (N, N)
        with jax.named_scope("table"):
            table = x.sum(0, keepdims=True) * jnp.ones((6, 5))  # depends on x, but has no examples
        return turned.T @ of(B, x) + 0 * mixed.sum() + 0 * table.sum()

    for count in (1, 3, 6):
        x = normal(count, 5)
        model = wrap(net)
        sites = {site.name: site for site in model.sites(x)}
        assert sites["turned"].shape == (count, 6)
        assert not {"mixed", "table"} & set(sites)
        h = np.tanh(x @ A)
        found = model.gradient(x, bound(model, x, 1), at="turned")
        np.testing.assert_allclose(found.value, h, rtol=1e-12)
        np.testing.assert_allclose(found.gradient, np.tile(B[:, 1], (count, 1)), rtol=1e-12)
        there = model.score(x, bound(model, x, 1), at="turned", value=2 * h)
        np.testing.assert_allclose(there, (2 * h @ B)[:, 1], rtol=1e-12)
        with pytest.raises(SiteError, match=r"'mixed'.*no axis for the examples"):
            model.gradient(x, bound(model, x, 1), at="mixed")


def test_a_net_for_one_batch_size_has_sites() -> None:
    def net(x: Any) -> Any:
        with jax.named_scope("hidden"):
            x = jnp.tanh(x.reshape(4, 5) @ of(A, x))
        return x @ of(B, x)

    assert "hidden" in names(wrap(net), normal(4, 5).astype(np.float32))


def test_unknown_and_unusable_sites() -> None:
    x = normal(4, 5).astype(np.float32)

    def net(x: Any) -> Any:
        with jax.named_scope("hidden"):
            order = jnp.argsort(x, axis=1)
        return x @ of(SKIP, x) + order[:, :4]

    model = wrap(net)
    score = bound(model, x, 0)
    for verb in (
        lambda at: model.gradient(x, score, at=at),
        lambda at: model.score(x, score, at=at),
        lambda at: model.activation(x, at),
    ):
        with pytest.raises(
            UnknownNameError, match=r"Unknown site 'dot_generl'. Nearest: dot_general"
        ):
            verb("dot_generl")
    with pytest.raises(SiteError, match=r"'convert_element_type' .*|'sort\[1\]'.*holds integers"):
        model.activation(x, "sort[1]")
    with pytest.raises(SiteError, match=r"must have shape \(4, 4\).*got \(4, 3\)"):
        model.score(x, score, at="dot_general", value=np.zeros((4, 3), np.float32))


def test_token_ids_are_explained_at_their_embedding(double: None) -> None:
    table = normal(7, 3)

    def net(ids: Any, mask: Any) -> Any:
        with jax.named_scope("embedding"):
            x = jnp.asarray(table.copy())[ids]
        return (jnp.tanh(x) * mask[..., None]).sum(1)

    ids, mask = np.array([[1, 2, 6, 0], [3, 3, 0, 5]]), np.array([[1.0, 1, 0, 1], [1, 1, 1, 0]])
    model = wrap(net)
    inputs = model.prepare(ids, extra=(mask,))
    found = model.gradient(inputs, bound(model, inputs, 2), at="embedding")
    np.testing.assert_allclose(found.value, table[ids])
    expected = np.zeros((2, 4, 3))
    expected[..., 2] = ((1 - np.tanh(table[ids]) ** 2) * mask[..., None])[..., 2]
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-12)


# ---------------------------------------------------------------- meanings that autodiff must keep


@jax.custom_vjp
def straight_through(x: Any) -> Any:
    return jnp.round(x)


straight_through.defvjp(lambda x: (jnp.round(x), None), lambda _, g: (3 * g,))


def test_derivatives_of_the_nets_own_are_kept(double: None) -> None:
    model = wrap(lambda x: straight_through(x) @ of(SKIP, x))
    x = normal(3, 5)
    found = model.gradient(x, bound(model, x, 1))
    np.testing.assert_allclose(found.gradient, np.tile(3 * SKIP[:, 1], (3, 1)), rtol=1e-12)
    zero = np.zeros((3, 5))
    for at in (None, "sub"):  # also when the site asked for is elsewhere
        model = wrap(lambda x: jax.nn.relu(x - 0.0) @ of(SKIP, x))
        assert not model.gradient(zero, bound(model, zero, 1), at=at).gradient.any()


def test_sites_inside_checkpointed_blocks(double: None) -> None:
    def block(x: Any) -> Any:
        with jax.named_scope("inside"):
            h = jnp.tanh(x @ of(A, x))
        return h**2 @ of(B, x)

    model, x = wrap(jax.checkpoint(block)), normal(3, 5)
    h = np.tanh(x @ A)
    assert "inside" in names(model, x)
    found = model.gradient(x, bound(model, x, 2), at="inside")
    np.testing.assert_allclose(found.gradient, 2 * h * B[:, 2], rtol=1e-12)
    np.testing.assert_allclose(
        model.gradient(x, bound(model, x, 2)).gradient,
        ((1 - h**2) * 2 * h * B[:, 2]) @ A.T,
        rtol=1e-9,
        atol=1e-12,
    )


def test_loops_are_single_equations(double: None) -> None:
    weights = jnp.asarray(normal(3, 5, 5))

    def net(x: Any) -> Any:
        x, each = jax.lax.scan(lambda h, w: (jnp.tanh(h @ w),) * 2, x, weights)
        return jax.lax.cond(x.sum() > 1e9, jnp.sin, lambda h: h, x) + each.sum(0)

    x = normal(2, 5)
    model = wrap(net)
    expected = differences(lambda moved: model.score(moved, bound(model, x, 1)), x)
    np.testing.assert_allclose(model.gradient(x, bound(model, x, 1)).gradient, expected, atol=1e-8)
    sites = {site.name: site.shape for site in model.sites(x)}
    assert sites["scan[0]"] == (2, 5)
    assert sites["scan[1]"] == (2, 3, 5)  # the examples first, then the loop's steps
    value = np.asarray(model.activation(x, "scan[1]"))
    h = x
    for step in range(3):
        h = np.tanh(h @ np.asarray(weights[step]))
        np.testing.assert_allclose(value[:, step], h, rtol=1e-12)


# ---------------------------------------------------------------- tracing and compiling


def test_one_trace_serves_classes_values_baselines_and_weights(double: None) -> None:
    traces = []

    def net(parameters: Any, x: Any) -> Any:
        traces.append(x.shape)
        with jax.named_scope("hidden"):
            h = jnp.tanh(x @ parameters["a"])
        return h @ parameters["b"]

    parameters = {"a": jnp.asarray(A), "b": jnp.asarray(B)}
    model = wrap(functools.partial(net, parameters))
    x = normal(4, 5)

    def all_verbs(x: Values, k: int) -> list[Values]:
        score = bound(model, x, k)
        neuron = Neuron("hidden", index=(k,)).bind(OutputSpec((4, 6)), 4)
        value = model.activation(x, "hidden")
        return [
            model.predict(x),
            model.score(x, score),
            model.score(x, score, at="hidden", value=value + k),
            model.score(x, neuron),
            model.gradient(x, score).gradient,
            model.gradient(x, score, at="hidden").gradient,
            model.gradient(x, score, at="hidden", value=value * k).gradient,
        ]

    all_verbs(x, 0)
    assert len(traces) == 2  # once, and once to see which axes the examples are on
    compiled = sum(compilations(model))
    parameters["b"] = 2 * parameters["b"]
    later = all_verbs(3 * x, 1)
    assert len(traces) == 2
    assert sum(compilations(model)) == compiled
    h = np.tanh(3 * x @ A)
    np.testing.assert_allclose(later[0], h @ (2 * B), rtol=1e-12)
    np.testing.assert_allclose(later[1], h @ (2 * B[:, 1]), rtol=1e-9)
    np.testing.assert_allclose(later[2], (h + 1) @ (2 * B[:, 1]), rtol=1e-9)
    np.testing.assert_allclose(later[3], h[:, 1], rtol=1e-12)
    slope = ((1 - h**2) * 2 * B[:, 1]) @ A.T
    np.testing.assert_allclose(later[4], slope, rtol=1e-9, atol=1e-12)
    for gradient in later[5:]:
        np.testing.assert_allclose(gradient, np.tile(2 * B[:, 1], (4, 1)), rtol=1e-12)
    all_verbs(x[:2].repeat(2, axis=0), 2)
    assert len(traces) == 2
    model.predict(x[:3])
    assert traces[2:] == []  # the batch of three was traced to see the axes
    model.predict(x[:2])
    assert traces[2:] == [(2, 5)]


def compilations(model: Any) -> list[int]:
    """How often each pass was compiled."""
    return [
        each.function._cache_size()
        for trace in model.memory.answers("trace")
        for each in trace._compiled.answers()
    ]


def test_a_compiled_pass_is_compiled_once() -> None:
    x = normal(4, 5).astype(np.float32)
    model = wrap(two_layers)
    for k in range(3):
        model.gradient((k + 1) * x, bound(model, x, k))
        model.gradient(x, bound(model, x, k), at="hidden")
    assert compilations(model) == [1, 1]


def test_the_x64_switch_is_part_of_the_key() -> None:
    x = normal(4, 5)
    model = wrap(two_layers)
    single = model.gradient(x, bound(model, x, 1)).gradient
    assert single.dtype == np.float32
    with jax.enable_x64(True):
        found = model.gradient(x, bound(model, x, 1)).gradient
        assert found.dtype == np.float64
    np.testing.assert_allclose(single, found, rtol=1e-4, atol=1e-5)
    assert model.gradient(x, bound(model, x, 1)).gradient.dtype == np.float32
    assert not jax.config.jax_enable_x64

    wide = wrap(lambda x: x.astype(float))  # the same input, but the net does something else
    narrow = jnp.asarray(x, np.float32)
    assert wide.predict(narrow).dtype == np.float32
    with jax.enable_x64(True):
        assert wide.predict(narrow).dtype == np.float64


def test_memory_of_a_model_is_bounded() -> None:
    model = wrap(lambda x: x @ of(SKIP, x))
    for count in range(1, 40):
        model.outputs(normal(count, 5).astype(np.float32))
    assert len(model.memory.answers("trace")) <= 32
    x = normal(2, 5).astype(np.float32)
    for power in range(70):
        model.score(x, backlight.Function(lambda y, arrays, p=power: y[:, 0] * p))
    assert len(model.memory.answers("trace")[-1]._compiled.answers()) <= 64


def test_threads_share_a_model(double: None) -> None:
    x = normal(6, 5)
    model = wrap(two_layers)
    h = np.tanh(x @ A)
    failures: list[BaseException] = []

    def work(k: int) -> None:
        try:
            with jax.enable_x64(True):  # the switch is each thread's own
                explain_parts(k)
        except BaseException as error:
            failures.append(error)

    def explain_parts(k: int) -> None:
        score = Class(k).bind(OutputSpec((6, 4)), 6)
        for rows in (6, 3, 2):
            part, chosen = x[:rows], score.take(np.arange(rows))
            found = model.gradient(part, chosen, at="hidden")
            np.testing.assert_allclose(found.gradient, 2 * h[:rows] * B[:, k], rtol=1e-12)
            assert "hidden" in names(model, part)
            model.gradient(part, chosen)

    threads = [threading.Thread(target=work, args=(k % 4,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# ---------------------------------------------------------------- modules


def linen_net() -> tuple[LinenNet, Any]:
    module = LinenNet()
    return module, jax.jit(module.init)(jax.random.key(0), jnp.ones((1, 8, 8, 2)))


def test_linen_however_it_is_passed() -> None:
    module, variables = linen_net()
    x = normal(3, 8, 8, 2).astype(np.float32)
    direct = module.apply(variables, x)
    expected = jax.grad(lambda x: module.apply(variables, x)[:, 1].sum())(jnp.asarray(x))
    for net in (
        module.bind(variables),
        (module, variables),
        functools.partial(module.apply, variables),
        module.bind(variables).__call__,
    ):
        model = backlight.wrap(net)
        np.testing.assert_allclose(model.predict(x), direct, rtol=1e-6)
        assert model.outputs(x) == OutputSpec((3, 3), "probabilities")
        listed = names(model, x)
        assert [name for name in listed if name.startswith("LinenNet/")] == [
            "LinenNet/stem",
            "LinenNet/norm",
            "LinenNet/narrow",
            "LinenNet/dense",
            "LinenNet/dense:2",
        ]
        assert {"relu", "reduce_window_max"} < set(listed)
        assert model.site(x, "reduce_window_max").pooled
    found = model.gradient(x, bound(model, x, 1))
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(
        model.activation(x, "relu"), np.maximum(model.activation(x, "LinenNet/stem"), 0)
    )
    kernel = variables["params"]["dense"]["kernel"]
    first = model.activation(x, "LinenNet/dense")
    second = first @ kernel + variables["params"]["dense"]["bias"]
    np.testing.assert_allclose(model.activation(x, "LinenNet/dense:2"), second, rtol=1e-5)


def test_linen_takes_arguments_of_its_own() -> None:
    module, variables = linen_net()
    model = wrap((module, variables))
    x = normal(3, 8, 8, 2).astype(np.float32)
    inputs = Inputs(jnp.asarray(x), keyword={"train": False})
    np.testing.assert_allclose(model.predict(inputs), module.apply(variables, x), rtol=1e-6)


def nnx_state(module: Any) -> list[Values]:
    leaves = jax.tree.leaves(nnx.state(module))
    return [
        np.asarray(jax.random.key_data(leaf))
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        else np.asarray(leaf)
        for leaf in leaves
    ]


def test_nnx_runs_in_inference_mode_and_comes_back_as_it_was() -> None:
    module = NnxNet(nnx.Rngs(0))
    module.norm.mean[...] = jnp.arange(4.0) / 10
    before = nnx_state(module)
    x = normal(3, 8, 8, 2).astype(np.float32)
    model = wrap(module)
    predicted = model.predict(x)
    found = model.gradient(x, bound(model, x, 1))
    model.sites(x)
    with pytest.raises(ModelError):
        model.predict(x[..., :1])
    assert not module.drop.deterministic
    assert not module.norm.use_running_average
    assert module.drop.rngs is not None
    for one, other in zip(before, nnx_state(module), strict=True):
        np.testing.assert_array_equal(one, other)

    module.eval()
    np.testing.assert_allclose(predicted, module(x), rtol=1e-6)
    expected = jax.grad(lambda x: module(x)[:, 1].sum())(jnp.asarray(x))
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-5, atol=1e-7)


def test_nnx_weights_are_read_at_each_call() -> None:
    module = NnxNet(nnx.Rngs(0))
    x = normal(3, 8, 8, 2).astype(np.float32)
    model = wrap(module)
    first = model.predict(x)
    module.blocks[0].bias[...] = module.blocks[0].bias[...] + 1
    second = model.predict(x)
    module.eval()
    np.testing.assert_allclose(second, module(x), rtol=1e-6)
    assert np.abs(np.asarray(first) - np.asarray(second)).max() > 0.1
    assert compilations(model) == [1]


def test_nnx_sites_are_named_by_their_parameters() -> None:
    module = NnxNet(nnx.Rngs(0))
    x = normal(3, 8, 8, 2).astype(np.float32)
    model = wrap(module)
    listed = names(model, x)
    own = [name for name in listed if name.split("[")[0] in ("stem", "norm", "blocks")]
    assert own == ["stem", "norm", "blocks[0]", "blocks[1]", "blocks[0]:2"]
    assert {"relu", "relu:2", "relu:3", "reduce_window_max"} < set(listed)
    module.eval()
    stem = module.stem(x)
    np.testing.assert_allclose(model.activation(x, "stem"), stem, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.activation(x, "norm"), module.norm(stem), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        model.activation(x, "blocks[0]:2"), model.predict(x), rtol=1e-6, atol=1e-7
    )


def test_methods_of_modules() -> None:
    module = NnxNet(nnx.Rngs(0))
    x = normal(3, 8, 8, 2).astype(np.float32)
    np.testing.assert_allclose(
        wrap(module.features).predict(x), module.stem(x).sum((1, 2)), rtol=1e-5
    )


def test_equinox_for_one_example_under_vmap(double: None) -> None:
    module = eqx.nn.inference_mode(equinox_net())
    module = jax.tree.map(lambda a: a.astype(float) if eqx.is_array(a) else a, module)
    x = normal(3, 2, 6, 6)
    direct = jax.jit(jax.vmap(module))
    for net in (jax.vmap(module), direct):
        model = backlight.wrap(net)
        score = bound(model, x, 1)
        expected = differences(lambda moved: direct(moved)[:, 1], x, step=1e-5)
        np.testing.assert_allclose(model.gradient(x, score).gradient, expected, atol=1e-6)
        assert model.channels == "first"
        listed = names(model, x)
        assert [name for name in listed if name.startswith("layers")] == [
            "layers[0]",
            "layers[6]",
            "layers[8]",
        ]
        first = np.stack([module.layers[0](one) for one in x])
        np.testing.assert_allclose(model.activation(x, "layers[0]"), first, rtol=1e-6)
        np.testing.assert_allclose(model.activation(x, "relu"), np.maximum(first, 0), rtol=1e-6)
        sites = {site.name: site for site in model.sites(x)}
        assert all(site.shape[0] == 3 for site in sites.values())
        assert sites["layers[6]"].shape == (3, 5)


def test_equinox_that_takes_a_batch_runs_in_inference_mode() -> None:
    module = batched()
    x = normal(3, 5).astype(np.float32)
    model = wrap(module)
    first, second = module.layers
    expected = np.tanh(np.tanh(x @ first.weight.T + first.bias) @ second.weight.T + second.bias)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5)
    assert not module.drop.inference
    listed = names(model, x)
    assert [name for name in listed if name.startswith("layers")] == ["layers[0]", "layers[1]"]
    assert all(leaf.shape for leaf in model._net.state().leaves)


def test_equinox_for_one_example_fed_a_batch_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"jax\.vmap\(module\)"):
        wrap(equinox_net()).predict(normal(3, 2, 6, 6).astype(np.float32))


def test_the_nets_error_comes_out_with_what_it_was_given() -> None:
    model = wrap(NnxNet(nnx.Rngs(0)))
    with pytest.raises(
        ModelError,
        match=r"raised \w+ when called with \(3, 8, 8, 5\) float32; its first parameter .* has shape",
    ) as caught:
        model.predict(normal(3, 8, 8, 5).astype(np.float32))
    assert caught.value.__cause__ is not None
    assert str(caught.value.__cause__) in str(caught.value)
    mixed = wrap(lambda x: conv(x, KERNELS["first"].astype(np.float32)))
    with pytest.raises(ModelError, match=r"\(3, 8, 8, 2\) float16"):
        mixed.predict(jnp.asarray(normal(3, 8, 8, 2), jnp.float16))
    with pytest.raises(ModelError, match="TracerArrayConversionError"):
        wrap(lambda x: np.asarray(x)).predict(normal(3, 2).astype(np.float32))


def test_keras_on_jax() -> None:
    run_python(
        """
        import numpy as np, jax, jax.numpy as jnp, keras
        import backlight
        from backlight import Class, Options
        from backlight.errors import ModelError
        from backlight.graph.dependence.cuts import Connection, Cut
        from backlight_jax import plugin

        keras.utils.set_random_seed(0)
        layers = keras.layers
        first = keras.Input((8, 8, 2))
        h = layers.Conv2D(4, 3, activation="relu", name="stem")(first)
        h = layers.BatchNormalization(name="norm")(h)
        h = layers.MaxPooling2D(name="pool")(h)
        h = layers.Dropout(0.5)(layers.Flatten()(h))
        net = keras.Model(first, layers.Dense(3, activation="softmax", name="dense")(h))
        net.get_layer("norm").moving_mean.assign(np.arange(4) / 10)
        before = [np.asarray(variable) for variable in net.variables]
        x = np.random.default_rng(0).standard_normal((3, 8, 8, 2)).astype("float32")
        model = backlight.wrap(net)
        assert model.framework == "jax"
        outputs = model.outputs(x)
        assert outputs.kind == "probabilities" and model.channels == "last", outputs
        direct = net(x, training=False)
        np.testing.assert_allclose(model.predict(x), direct, rtol=1e-6)
        score = Class(1).bind(outputs, 3)
        found = model.gradient(x, score)
        step = 1e-2 * np.random.default_rng(1).standard_normal(x.shape).astype("float32")
        change = net(x + step, training=False)[:, 1] - net(x - step, training=False)[:, 1]
        np.testing.assert_allclose(
            (found.gradient * 2 * step).sum((1, 2, 3)), change, atol=2e-4
        )
        sites = {site.name: site for site in model.sites(x)}
        assert {"stem", "norm", "pool", "flatten", "dense"} < set(sites), list(sites)
        assert sites["pool"].pooled and not sites["stem"].pooled
        stem = keras.Model(first, net.get_layer("stem").output)(x)
        np.testing.assert_allclose(model.activation(x, "stem"), stem, atol=1e-6)
        compiled = [
            each.function._cache_size()
            for trace in model.memory.answers("trace") for each in trace._compiled.answers()
        ]
        net.get_layer("dense").bias.assign([1.0, 2.0, 3.0])
        np.testing.assert_allclose(model.predict(x), net(x, training=False), rtol=1e-6)
        assert compiled == [
            each.function._cache_size()
            for trace in model.memory.answers("trace") for each in trace._compiled.answers()
        ]
        for one, other in zip(before[:-1], net.variables):
            np.testing.assert_array_equal(one, np.asarray(other))
        try:
            model.predict(x[:, :, :, :1])
        except ModelError as error:
            assert "(3, 8, 8, 1) float32; its input_shape is (None, 8, 8, 2)" in str(error), error
        else:
            raise AssertionError("no error")

        labels = keras.Sequential([keras.Input((2,)), layers.Dense(4, activation="sigmoid")])
        assert backlight.wrap(labels).outputs(x[:, 0, 0]).kind == "sigmoid"

        a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
        joined = keras.Model({"a": a, "b": b}, layers.Dense(2)(layers.Concatenate()([a, b])))
        model = backlight.wrap(joined)
        pair = {"a": x[:, 0, :3, 0], "b": x[:, 0, 0]}
        np.testing.assert_allclose(model.predict(pair), joined(pair), rtol=1e-6)
        weights = np.asarray(joined.layers[-1].kernel)
        found = model.gradient(pair, Class(1).bind(model.outputs(pair), 3))
        np.testing.assert_allclose(found.gradient["b"], np.tile(weights[3:, 1], (3, 1)), rtol=1e-6)

        stop = layers.Lambda(keras.ops.stop_gradient, name="frozen")
        h = layers.Dense(2, name="body")(a)
        cut = backlight.wrap(keras.Model(a, layers.Dense(2, activation="softmax")(stop(h))))
        score = Class(1).bind(cut.outputs(pair["a"]), 3)
        expected = Connection((False,), (True,), (Cut("frozen", "stop_gradient"),))
        assert cut.connection(pair["a"], score) == expected

        unbuilt = keras.Sequential([layers.Dense(2)])
        try:
            backlight.wrap(unbuilt).predict(x[:, 0, 0])
        except ModelError as error:
            assert "call it once, or build it" in str(error)
        else:
            raise AssertionError("no error")
        """,
        KERAS_BACKEND="jax",
    )


def test_keras_on_another_framework_is_not_claimed() -> None:
    run_python(
        """
        import torch, keras, jax.numpy as jnp
        from backlight import Options
        from backlight_jax import plugin
        net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        for framework in (None, "jax"):
            assert plugin.backlight_wrap(net, jnp.ones((2, 3)), framework, Options()) is None
        """,
        KERAS_BACKEND="torch",
    )


# ---------------------------------------------------------------- what a function closes over


@final
class Holder:
    """An ordinary callable object, which counts its calls."""

    def __init__(self) -> None:
        self.w = jnp.asarray(SKIP, jnp.float32)
        self.t = 1.0
        self.calls = 0
        self.sub: Any = None

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return self.method(x)

    def method(self, x: Any) -> Any:
        return x @ self.w * self.t if self.sub is None else self.sub.method(x)


GLOBAL = {"w": jnp.asarray(SKIP, jnp.float32)}


def held_in_a_dict() -> tuple[Any, Callable[[], object]]:
    parameters = {"w": jnp.asarray(SKIP, jnp.float32)}
    return lambda x: x @ parameters["w"], lambda: parameters.update(w=5 * parameters["w"])


def held_in_a_global() -> tuple[Any, Callable[[], object]]:
    return lambda x: x @ GLOBAL["w"], lambda: GLOBAL.update(w=5 * GLOBAL["w"])


def held_in_numpy() -> tuple[Any, Callable[[], object]]:
    weights = SKIP.astype(np.float32)
    return lambda x: x @ weights, lambda: weights.__imul__(5)


def held_in_an_attribute() -> tuple[Any, Callable[[], object]]:
    net = Holder()
    return net, lambda: setattr(net, "w", 5 * net.w)


def held_in_a_number() -> tuple[Any, Callable[[], object]]:
    net = Holder()
    return net.method, lambda: setattr(net, "t", 5 * net.t)


def held_deeper() -> tuple[Any, Callable[[], object]]:
    net, net.sub = (outer := Holder()), Holder()
    return lambda x: outer(x), lambda: setattr(net.sub, "w", 5 * net.sub.w)


def held_by_an_object_that_is_bound() -> tuple[Any, Callable[[], object]]:
    net = Holder()
    return functools.partial(lambda n, x: n(x), net), lambda: setattr(net, "w", 5 * net.w)


def held_under_vmap() -> tuple[Any, Callable[[], object]]:
    net, change = held_in_a_dict()
    return jax.vmap(net), change


def held_by_nnx() -> tuple[Any, Callable[[], object]]:
    module = nnx.Linear(5, 4, rngs=nnx.Rngs(0))

    def change() -> None:
        module.kernel[...] = 5 * module.kernel[...]

    return lambda x: module(x), change


class Scaling:
    """A tree with an array of its own, that reads another."""

    def __init__(self, weight: Any, factor: Callable[[], Any]) -> None:
        self.weight, self.factor = weight, factor

    def __call__(self, x: Any) -> Any:
        return x @ self.weight * self.factor()


jax.tree_util.register_pytree_node(
    Scaling, lambda net: ([net.weight], net.factor), lambda factor, own: Scaling(*own, factor)
)


class LinenScaling(linen.Module):
    factor: Callable[[], Any]

    def __call__(self, x: Any) -> Any:
        return x @ SKIP.astype(np.float32) * self.factor()


class NnxScaling(nnx.Module):
    def __init__(self, factor: Callable[[], Any]) -> None:
        self.weight, self.factor = nnx.Param(jnp.asarray(SKIP, jnp.float32)), factor

    def __call__(self, x: Any) -> Any:
        return x @ self.weight[...] * self.factor()


def held_beside(kind: str) -> Callable[[], tuple[Any, Callable[[], object]]]:
    """An array that a module reads and that is none of its own."""

    def make() -> tuple[Any, Callable[[], object]]:
        factor = jnp.ones(4)

        def change() -> None:
            nonlocal factor
            factor = 5 * factor

        nets = {
            "tree": lambda: Scaling(jnp.asarray(SKIP, jnp.float32), lambda: factor),
            "linen": lambda: LinenScaling(lambda: factor).bind({}),
            "nnx": lambda: NnxScaling(lambda: factor),
        }
        return nets[kind](), change

    return make


@pytest.mark.parametrize(
    "make",
    [
        held_in_a_dict,
        held_in_a_global,
        held_in_numpy,
        held_in_an_attribute,
        held_in_a_number,
        held_deeper,
        held_by_an_object_that_is_bound,
        held_under_vmap,
        held_by_nnx,
        held_beside("tree"),
        held_beside("linen"),
        held_beside("nnx"),
    ],
)
def test_what_a_function_closes_over_is_read_at_each_call(make: Callable[[], Any]) -> None:
    net, change = make()
    model = wrap(net)
    x = jnp.asarray(normal(3, 5), jnp.float32)
    before = np.asarray(model.score(x, bound(model, x, 1)))
    np.testing.assert_allclose(before, net(x)[:, 1], rtol=1e-5)
    change()
    after = model.gradient(x, bound(model, x, 1))
    np.testing.assert_allclose(after.score, net(x)[:, 1], rtol=1e-5)
    np.testing.assert_allclose(after.score, 5 * before, rtol=1e-5)
    np.testing.assert_allclose((after.gradient * x).sum(1), after.score, rtol=1e-4)
    assert len(model.memory.answers("trace")) == 2  # one of each state, of the few last ones


def test_an_unchanged_function_is_traced_once() -> None:
    calls: list[Any] = []
    parameters = {"w": jnp.asarray(SKIP, jnp.float32), "b": np.ones(4, np.float32), "nan": np.nan}

    def net(x: Any) -> Any:
        calls.append(x.shape)  # which is a change too, but of the net's own making
        return x @ parameters["w"] + parameters["b"]

    model = wrap(net)
    x = jnp.asarray(normal(3, 5), jnp.float32)
    for k in range(3):
        model.gradient(x, bound(model, x, k))
        model.predict(2 * x)
    assert len(calls) == 1
    model.sites(x)
    seen = len(calls)
    model.sites(x)
    model.predict(x)
    assert len(calls) == seen
    counting = Holder()
    model = wrap(counting)
    for _ in range(3):
        model.predict(x)
    assert counting.calls == 1


# ---------------------------------------------------------------- labels, missing outputs, failures


def test_sigmoids_one_per_label(double: None) -> None:
    x = normal(3, 5)
    model = wrap(lambda x: jax.nn.sigmoid(x @ of(SKIP, x)))
    outputs = model.outputs(x)
    assert outputs.kind == "sigmoid"
    z = x @ SKIP
    p = 1 / (1 + np.exp(-z))
    slope = p * (1 - p)
    for score, value, gradient in (
        (Probability(1), p[:, 1], slope[:, 1:2] * SKIP[:, 1]),
        (LogProbability(1), np.log(p[:, 1]), (1 - p[:, 1:2]) * SKIP[:, 1]),
        (
            Margin(1, versus=3),
            z[:, 1] - z[:, 3],
            np.tile(SKIP[:, 1] - SKIP[:, 3], (3, 1)),
        ),
    ):
        found = model.gradient(x, score.bind(outputs, 3))
        np.testing.assert_allclose(found.score, value, rtol=1e-9)
        np.testing.assert_allclose(found.gradient, gradient, rtol=1e-9)


def test_none_among_the_outputs() -> None:
    x = jnp.asarray(normal(3, 5), jnp.float32)
    model = wrap(lambda x: (x @ of(SKIP, x), None))
    assert model.outputs(x) == (OutputSpec((3, 4)), ())
    assert wrap(lambda x: (x, None), outputs="logits").outputs(x) == (OutputSpec((3, 5)), ())
    score = Output(0, index=1).bind(model.outputs(x), 3)
    np.testing.assert_allclose(model.score(x, score), (x @ of(SKIP, x))[:, 1], rtol=1e-6)
    assert bound(model, x, 0).path == 0


def test_failures_while_running_or_differentiating_are_the_models() -> None:
    x = jnp.asarray(normal(3, 5), jnp.float32)

    def looped(x: Any) -> Any:
        return jax.lax.while_loop(lambda x: x.sum() < 100, lambda x: x + 1, x)

    model = wrap(looped)
    model.score(x, bound(model, x, 0))
    with pytest.raises(ModelError, match="raised ValueError: Reverse-mode") as caught:
        model.gradient(x, bound(model, x, 0))
    assert isinstance(caught.value.__cause__, ValueError)

    def called(x: Any) -> Any:
        return jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    model = wrap(called)
    np.testing.assert_array_equal(model.predict(x), x)
    with pytest.raises(ModelError, match="callback"):
        model.gradient(x, bound(model, x, 0))

    def refused(x: Any) -> Any:
        raise KeyError("not today")

    def failing(x: Any) -> Any:
        return jax.pure_callback(refused, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    with pytest.raises(ModelError, match="not today"):
        wrap(failing).predict(x)
    with pytest.raises(TargetError, match=r"Function\(<lambda>\) raised KeyError.*not today"):
        wrap(two_layers).gradient(x, backlight.Function(lambda y, arrays: refused(y)))


# ---------------------------------------------------------------- with the core


@final
@dataclass(frozen=True, kw_only=True)
class TimesInput(backlight.Method):
    """Gradient times value at points between zero and the value: exact for what is quadratic."""

    def attribute(self, objective: Objective) -> backlight.Result:
        value: Any = objective.value
        points = objective.column(np.array([0.25, 0.75]), like=value) * value[None]
        found = objective.gradient(points)
        mean = objective.arrays.mean(found.gradient, axis=0)  # type: ignore[arg-type]
        zero = objective.score(objective.arrays.zeros_like(value)[None])[0]
        return backlight.Result(mean * value, baseline_score=zero)


def test_a_technique_runs_on_it(double: None) -> None:
    x = normal(5, 5)
    quadratic = functools.partial(lambda w, x: (x @ w["a"]) ** 2 @ w["b"] + 1, {"a": A, "b": B})
    result = TimesInput()(wrap(quadratic), x, [0, 1, 2, 3, 0], batch_size=4)
    assert isinstance(result.values, np.ndarray)
    assert result.framework == "jax"
    assert result.gap is not None
    assert result.gap.max() < 1e-12
    native = TimesInput()(quadratic, jnp.asarray(x), [0, 1, 2, 3, 0])
    assert isinstance(native.values, jax.Array)
    np.testing.assert_allclose(native.values, result.values, rtol=1e-12)
    inner = TimesInput()(two_layers, jnp.asarray(x), 1, at="hidden")
    np.testing.assert_allclose(inner.values, np.tanh(x @ A) ** 2 * B[:, 1], rtol=1e-12)


def test_channels_come_from_the_convolution() -> None:
    x = normal(2, 5, 8, 8).astype(np.float32)
    kernel = normal(3, 3, 5, 2).astype(np.float32)
    model = wrap(lambda x: conv(x, kernel, "NCHW"))
    model.outputs(x)
    assert model.channels == "first"
    model = wrap(lambda x: conv(x.transpose(0, 2, 3, 1), kernel))
    model.outputs(x)
    assert model.channels == "last"
    model = wrap(lambda x: conv(x, kernel, "NCHW"), channels="last")
    model.outputs(x)
    assert model.channels == "last"
    assert wrap(two_layers).channels == "last"
