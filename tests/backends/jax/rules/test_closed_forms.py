"""Rules on the JAX backend: closed forms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from backlight.rules.operations import LINEAR, Kind
from backlight.rules.rules import AppliedOperation, Rule
from backlight.testing.rules import (
    DECONVNET,
    EPSILON,
    EPSILON_FOLDED,
    GUIDED,
    POSITIVE,
    Epsilon,
    by_kind,
)
from backlight.values.arrays import Array
from tests.backends.jax.model.nets import bound, normal, wrap
from tests.backends.jax.rules.nets import (
    FLAT,
    MADE,
    PICTURE,
    SPELLINGS,
    SQUARE,
    B,
    G,
    Net,
    V,
    Values,
    W,
    batch_norm,
    case,
    kinds,
    on,
    pooled,
    ruled,
)


@on(PICTURE)
def many_convolutions(x: Any) -> Any:
    layout = ("NHWC", "HWIO", "NHWC")
    x = lax.conv_general_dilated(
        x, normal(3, 3, 2, 8), (1, 1), "SAME", dimension_numbers=layout, feature_group_count=2
    )
    x = jnp.maximum(x + B, 0)
    x = lax.conv_general_dilated(
        x,
        0.3 * normal(3, 3, 1, 8),
        (1, 1),
        "SAME",
        rhs_dilation=(2, 2),
        dimension_numbers=layout,
        feature_group_count=8,
    )
    x = lax.conv_transpose(jax.nn.relu6(x), 0.3 * normal(3, 3, 8, 4), (2, 2), "SAME")
    x = pooled(jnp.tanh(x), 3, 2, "SAME")
    x = lax.reduce_window(x, 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME") / 9
    return x.mean((1, 2))


@on(FLAT)
def einsum(x: Any) -> Any:
    x = jnp.einsum("nab,bcd->cnd", x.reshape(-1, 2, 3), normal(3, 2, 4))
    return (jax.nn.elu(x + normal(4)) * normal(4)).sum(0)


def mlp(relu: Callable[[Any], Any]) -> Net:
    return lambda x: relu(relu(x @ W + B) @ SQUARE[0] - B) @ V


@pytest.mark.parametrize("name", [name for name, one in SPELLINGS.items() if one[0] is Kind.RELU])
def test_guided_backprop_and_deconvnet(name: str) -> None:
    net, x = mlp(SPELLINGS[name][1]), normal(*FLAT)
    one = x @ W + B
    two = np.maximum(one, 0) @ SQUARE[0] - B
    top = np.broadcast_to(V[:, 1], two.shape)
    guided = np.maximum(np.maximum(top, 0) * (two > 0) @ SQUARE[0].T, 0) * (one > 0) @ W.T
    deconvnet = np.maximum(np.maximum(top, 0) @ SQUARE[0].T, 0) @ W.T
    np.testing.assert_allclose(ruled(net, x, GUIDED).gradient, guided, atol=1e-12)
    np.testing.assert_allclose(ruled(net, x, DECONVNET).gradient, deconvnet, atol=1e-12)


def test_epsilon_with_batch_norm_folded_in() -> None:
    x, epsilon = normal(*FLAT), 0.25

    def net(x: Any) -> Any:
        return ((x @ W + 1.0 - B) / jnp.sqrt(G**2 + 1e-3) * G + B) @ V + normal(4)

    scale = G / np.sqrt(G**2 + 1e-3)
    z = (x @ W + 1.0 - B) * scale + B
    top = (z @ V + normal(4))[:, 1:2]

    def share(z: Values) -> Values:
        return z / (z + epsilon * np.where(z < 0, -1, 1))

    expected = (share(top) * V[:, 1] * share(z) * scale) @ W.T
    found = ruled(net, x, EPSILON_FOLDED)
    assert kinds(found.operations) == ["dense", "dense"]
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-12)
    y = x @ W + 1.0
    unfolded = (share(top) * V[:, 1] * scale * share(y)) @ W.T
    loose = ruled(net, x, EPSILON)
    assert kinds(loose.operations) == ["dense", "shift", "scale", "scale", "shift", "dense"]
    np.testing.assert_allclose(loose.gradient, unfolded, rtol=1e-12)


def test_epsilon_goes_to_the_gradient() -> None:
    x = normal(*PICTURE)
    tiny = by_kind({kind: Epsilon(1e-13) for kind in LINEAR}, folds=True)
    model = wrap(batch_norm)
    found = model.gradient(x, bound(model, x, 1), rules=tiny)
    plain = model.gradient(x, bound(model, x, 1))
    np.testing.assert_allclose(found.gradient, plain.gradient, rtol=1e-8, atol=1e-8)


def test_positive_weights_of_a_folded_layer() -> None:
    x = np.abs(normal(*FLAT))
    scale = np.where(B > 0, 1.5, -0.5)
    net = lambda x: (x @ W) * scale + G  # noqa: E731
    folded = W * scale
    z = x @ folded + G
    above = np.maximum(folded, 0)
    expected = (z[:, 1:2] / (x @ above)[:, 1:2]) * above[:, 1]
    np.testing.assert_allclose(ruled(net, x, POSITIVE).gradient, expected, rtol=1e-12)


@dataclass(frozen=True)
class Checked(Rule):
    """The derivative, NaN where the operation run again is not itself."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        def close(one: Array) -> Array:
            wrong = op.arrays.abs(one - op.output) > 1e-9 * (1.0 + op.arrays.abs(op.output))
            return op.arrays.where(wrong, op.arrays.zeros_like(one) + float("nan"), one * 0.0)

        grad = grad + close(op.replay(inputs=op.inputs))
        results = list(op.vjp(grad, inputs=op.inputs))
        if op.params:
            grad = grad + close(op.replay(params=op.params))
            grad = grad + close(op.replay(inputs=op.inputs, params=op.params))
            results = list(op.vjp(grad, params=op.params))
        return results


@pytest.mark.parametrize(
    ("name", "folds"),
    [
        *((name, True) for name in ("cnn", "many_convolutions", "attention", "einsum")),
        *((name, folds) for name in ("batch_norm", *MADE) for folds in (False, True)),
    ],
)
def test_operations_run_again_are_themselves(name: str, folds: bool) -> None:
    model, x = case(name)
    everything = by_kind({kind: Checked() for kind in Kind if kind is not Kind.NEURON}, folds)
    score = bound(model, x, [0, 1, 2])
    plain = model.gradient(x, score)
    found = model.gradient(x, score, rules=everything)
    np.testing.assert_allclose(found.gradient, plain.gradient, rtol=1e-9, atol=1e-11)
