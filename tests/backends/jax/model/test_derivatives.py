"""The JAX backend: derivatives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.backends.jax.model.nets import SKIP, A, B, bound, differences, names, normal, of, wrap


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
