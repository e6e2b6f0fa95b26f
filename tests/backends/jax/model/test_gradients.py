"""The JAX backend: gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import backlight
from backlight import (
    Inputs,
    Margin,
    Output,
)
from backlight.values.inputs import PerExample, Shared
from tests.backends.jax.model.nets import (
    KERNELS,
    SKIP,
    A,
    B,
    bound,
    conv,
    differences,
    normal,
    of,
    small_cnn,
    two_layers,
    wrap,
)


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
