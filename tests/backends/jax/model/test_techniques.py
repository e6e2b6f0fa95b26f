"""The JAX backend: techniques."""

import functools
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import backlight
from backlight.errors import ModelError, TargetError
from backlight.explaining.objective import Objective
from tests.backends.jax.model.nets import A, B, bound, conv, normal, two_layers, wrap


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
