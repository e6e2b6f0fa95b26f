"""Rules on the JAX backend: laws."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from backlight.testing.rules import (
    NATIVE,
)
from tests.backends.jax.model.nets import bound, normal
from tests.backends.jax.rules.nets import (
    COMPOSED,
    DEEP_LIFT,
    FLAT,
    MADE,
    NETS,
    SQUARE,
    TOKENS,
    WHOLE,
    V,
    W,
    case,
    on,
)


@on(TOKENS)
def ready_made_attention(x: Any) -> Any:
    h = (x @ W).reshape(len(x), 5, 2, 4)
    return jax.nn.dot_product_attention(h, 0.5 * h, h + 1.0).sum((1, 2))


@on(FLAT)
def scanned(x: Any) -> Any:
    def step(h: Any, w: Any) -> Any:
        return jnp.tanh(h @ w + 0.1), jax.nn.relu(h).sum(-1)

    h, sums = lax.scan(step, x @ W, SQUARE)
    return lax.scan(lambda h, w: (jax.nn.relu(h @ w), None), h, SQUARE, reverse=True)[0] @ V[
        :, :3
    ] + (sums.T)


@pytest.mark.parametrize("name", NETS)
def test_derivatives_one_by_one_are_the_gradient(name: str) -> None:
    model, x = case(name)
    score = bound(model, x, [0, 1, 2])
    plain = model.gradient(x, score)
    rules = WHOLE if name in (*MADE, *COMPOSED, "batch_norm") else NATIVE
    found = model.gradient(x, score, rules=rules)
    np.testing.assert_allclose(found.score, plain.score, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(found.gradient, plain.gradient, rtol=1e-10, atol=1e-12)
    assert found.operations == model.operations(x, score=score, rules=rules)


@pytest.mark.parametrize("name", NETS)
def test_deep_lift_is_complete(name: str) -> None:
    model, x = case(name)
    score = bound(model, x, [0, 1, 2])
    for rows in (1, 3) if name in ("attention", "scanned") else (1,):
        reference = 0.5 * normal(rows, *x.shape[1:], seed=8)
        found = model.gradient(x, score, rules=DEEP_LIFT, reference=reference)
        total = ((x - reference) * found.gradient).reshape(3, -1).sum(1)
        # JAX's own attention has its softmax in float32.
        close = 1e-5 if name == "ready_made_attention" else 1e-9
        np.testing.assert_allclose(total, found.score - found.reference_score, close, close)
        # Not `model.score`: gradients are compiled already.
        there = model.gradient(np.broadcast_to(reference, x.shape), score).score
        np.testing.assert_allclose(found.reference_score, there, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["cnn", "attention", "equinox"])
def test_an_example_does_not_see_its_neighbours(name: str) -> None:
    model, x = case(name)
    reference = 0.5 * normal(1, *x.shape[1:], seed=8)
    whole = model.gradient(x, bound(model, x, 1), rules=DEEP_LIFT, reference=reference)
    again = model.gradient(x, bound(model, x, 1), rules=DEEP_LIFT, reference=reference)
    assert (whole.gradient == again.gradient).all()
    alone = [
        model.gradient(row[None], bound(model, row[None], 1), rules=DEEP_LIFT, reference=reference)
        for row in x
    ]
    together = np.concatenate([one.gradient for one in alone])
    np.testing.assert_allclose(whole.gradient, together, rtol=1e-10, atol=1e-12)
