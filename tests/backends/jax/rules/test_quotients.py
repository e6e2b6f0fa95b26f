"""Rules on the JAX backend: quotients."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax import lax

import backlight
import backlight_methods
from backlight.rules.operations import Kind
from backlight.testing.rules import (
    Frozen,
    by_kind,
)
from tests.backends.jax.model.nets import normal, wrap
from tests.backends.jax.rules.nets import (
    DEEP_LIFT,
    FLAT,
    WHOLE,
    B,
    G,
    Net,
    W,
    case,
    kinds,
    layer_norm,
    moved,
    ruled,
    size,
)


def normed_twice(x: Any) -> Any:
    def over_size(part: Any) -> Any:
        return part / jnp.sqrt(x.var(-1, keepdims=True) + 1e-3)

    return (over_size(x) - over_size(x.mean(-1, keepdims=True))) * G + B


@pytest.mark.parametrize("norm", [layer_norm, normed_twice])
def test_a_normalisation_with_its_size_held_constant(norm: Net) -> None:
    x = normal(*FLAT)
    net = lambda x: norm(x @ W)  # noqa: E731
    h = x @ W
    size = np.sqrt(h.var(1) + 1e-3)
    top = np.zeros(8)
    top[1] = G[1]
    expected = ((top - top.mean())[None] / size[:, None]) @ W.T
    rules = by_kind({Kind.NORMALIZATION: Frozen()})
    np.testing.assert_allclose(ruled(net, x, rules).gradient, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["flax_linen", "equinox"])
def test_normalisations_of_libraries_are_units(name: str) -> None:
    model, x = case(name)
    found = kinds(model.operations(x, rules=WHOLE))
    assert found.count("normalization") == {"flax_linen": 3, "equinox": 1}[name]
    assert "rsqrt" not in found


def normed_by_hand(x: Any) -> Any:
    d = x - x.mean(-1, keepdims=True)
    return d * lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-6) * G


def normed_in_a_line(x: Any) -> Any:
    """As Keras writes it."""
    mean, divisor = x.mean(-1, keepdims=True), lax.rsqrt(x.var(-1, keepdims=True) + 1e-6) * G
    return x * divisor - mean * divisor


DOUBLE: dict[str, Any] = {"param_dtype": jnp.float64}


NORMS: dict[str, Callable[[], Any]] = {
    "linen layer norm": lambda: linen.LayerNorm(**DOUBLE),
    "linen group norm": lambda: linen.GroupNorm(2, **DOUBLE),
    "linen size": lambda: linen.RMSNorm(**DOUBLE),
    "nnx layer norm": lambda: nnx.LayerNorm(8, rngs=nnx.Rngs(0), **DOUBLE),
    "nnx group norm": lambda: nnx.GroupNorm(8, 2, rngs=nnx.Rngs(0), **DOUBLE),
    "nnx size": lambda: nnx.RMSNorm(8, rngs=nnx.Rngs(0), **DOUBLE),
}


QUOTIENTS: dict[str, tuple[Net, list[int | None]]] = {
    "power": (lambda x: x * size(x) ** -0.5, [1]),
    "power of a whole number": (lambda x: size(x) ** -2 * x, [0]),
    "positive power": (lambda x: x * size(x) ** 1.5, [None]),
    "one over a root": (lambda x: 2.0 / jnp.sqrt(size(x)) * x, [0]),
    "array over": (lambda x: jnp.asarray(B) / size(x) * x, [0]),
    "jitted": (lambda x: x * jax.jit(lambda y: jnp.reciprocal(jnp.sqrt(y)))(size(x)), [1]),
    "both": (lambda x: lax.rsqrt(size(x)) * (1.0 / jnp.exp(x)), [0]),
    "moved and scaled": (lambda x: x * moved(x).reshape(x.shape), [1]),
    "shifted": (lambda x: x * (1.0 + lax.rsqrt(size(x))), [None]),
    "joined": (lambda x: x[:, :2] * jnp.concatenate([size(x) ** -0.5, x[:, :1]], 1), [None]),
    "another factor": (lambda x: x * (jnp.sin(x) * lax.rsqrt(size(x))), [1, None]),
    "quotient": (lambda x: x / jnp.sqrt(size(x)), []),
    "by hand": (normed_by_hand, [1]),
    "in a line": (normed_in_a_line, [1, 1]),
}


def norm(name: str) -> Net:
    made = NORMS[name]()
    if isinstance(made, linen.Module):
        weights = made.init(jax.random.key(0), jnp.zeros((1, 8)))
        return lambda x: made.apply(weights, x)
    return lambda x: made(x)


@pytest.mark.parametrize("name", [*QUOTIENTS, *NORMS])
def test_products_that_are_quotients_say_so(name: str) -> None:
    net, places = QUOTIENTS[name] if name in QUOTIENTS else (norm(name), [1])
    found = wrap(net).operations(normal(3, 8), rules=DEEP_LIFT)
    assert [one.reciprocal for one in found if one.kind is Kind.MUL] == places
    assert {one.reciprocal for one in found if one.kind is not Kind.MUL} <= {None}


@pytest.mark.parametrize("name", ["in a line", "linen layer norm", "nnx group norm"])
def test_normalisations_of_a_flat_baseline_keep_their_digits(name: str) -> None:
    one = QUOTIENTS[name][0] if name in QUOTIENTS else norm(name)

    def net(x: Any) -> Any:
        for seed in range(6):
            x = one(x @ normal(8, 8, seed=seed))
        return x

    method = backlight_methods.DeepLIFT(baseline=0.0)
    found = backlight.explain(wrap(net), normal(5, 8), target=1, method=method)
    assert np.abs(found.values).max() < 1e3
    assert found.gap is not None and found.gap.max() <= 1e-9
