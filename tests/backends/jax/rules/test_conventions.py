"""Rules on the JAX backend: conventions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backlight.rules.operations import LINEAR, UNARY, Kind
from backlight.rules.rules import AppliedOperation, Rule
from backlight.testing.rules import (
    NATIVE,
    Native,
    by_kind,
)
from backlight.values.arrays import Array
from tests.backends.jax.model.nets import bound, normal, wrap
from tests.backends.jax.rules.nets import FLAT, WHOLE, W, case, kinds, pooled, ruled


@dataclass(frozen=True)
class PartByPart(Rule):
    """The derivative of a neuron by its parts; NaN where they do not fit together."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        linear, unary = op.parts
        assert linear.reference is not None and unary.reference is not None
        assert linear.operation.kind in LINEAR and unary.operation.kind in UNARY
        (z,), (z0,) = unary.inputs, unary.reference.inputs
        gap = op.arrays.abs(z - linear.output) + op.arrays.abs(
            unary.reference.output - unary.replay(inputs=(z0 + op.arrays.zeros_like(z),))
        )
        wrong = gap > 1e-12
        grad = op.arrays.where(wrong, op.arrays.zeros_like(z) + float("nan"), grad)
        return linear.vjp(unary.vjp(grad)[0])


def test_neurons_have_parts() -> None:
    model, x = case("cnn")
    score = bound(model, x, 1)
    rules = by_kind({Kind.NEURON: PartByPart()})
    found = model.gradient(x, score, rules=rules, reference=0.5 * x[:1])
    assert kinds(found.operations) == ["neuron", "max_pool", "neuron", "max_pool", "dense"]
    assert [one.first for one in found.operations][:3] == [True, False, False]
    plain = model.gradient(x, score)
    np.testing.assert_allclose(found.gradient, plain.gradient, atol=1e-12)


def test_what_is_multiplied_by_a_size_is_no_normalisation() -> None:
    def net(x: Any) -> Any:
        h = x @ W
        return h * jnp.linalg.norm(h, axis=1, keepdims=True) + 1 / jnp.sqrt(1 + (h**2).sum())

    def divided(x: Any) -> Any:
        return (x @ W) / jnp.linalg.norm(x, axis=1, keepdims=True)

    for one in (net, divided):
        assert "normalization" not in kinds(wrap(one).operations(normal(*FLAT), rules=WHOLE))


def test_what_two_read_is_no_neuron() -> None:
    def net(x: Any) -> Any:
        h = x @ W
        return jax.nn.relu(h) + h, jax.nn.silu(x @ W)

    found = wrap(net).operations(normal(*FLAT), rules=by_kind({Kind.NEURON: PartByPart()}))
    assert sorted(kinds(found)) == ["add", "dense", "neuron", "relu"]


def test_the_first_of_equal_maxima_gets_the_gradient() -> None:
    x = np.zeros((2, 3, 3, 1))
    x[1, 1, 1] = x[1, 2, 0] = 1.0
    rules = by_kind({Kind.MAX_POOL: Native(), Kind.MAX: Native(), Kind.MIN: Native()})

    def windows(x: Any) -> Any:
        return pooled(x, 2, 1).sum((1, 2))

    expected = np.zeros((2, 3, 3))
    expected[0, :2, :2] = 1
    expected[1, 1, 1] = 4
    expected[1, 2, 0] = 0
    found = ruled(windows, x, rules, k=0)
    np.testing.assert_array_equal(found.gradient[..., 0], expected)
    top = np.zeros((2, 3, 3))
    top[0, 0, 0] = top[1, 1, 1] = 1
    found = ruled(lambda x: x.max((1, 2)), x, rules, k=0)
    np.testing.assert_array_equal(found.gradient[..., 0], top)
    found = ruled(lambda x: -(-x).min((1, 2)), x, rules, k=0)
    np.testing.assert_array_equal(found.gradient[..., 0], top)


def test_pooling_windows_of_every_sort() -> None:
    """Each example is explained for another sort."""
    sorts = [(2, 2), (3, 2), (2, 3), (3, 1)]
    windows = [(*sort, padding) for sort in sorts for padding in ("SAME", "VALID")]
    x = normal(8, 7, 8, 3)

    def net(x: Any) -> Any:
        return jnp.stack([(pooled(x, *one) ** 2).sum((1, 2))[:, 1] for one in windows], 1)

    model = wrap(net)
    score = bound(model, x, list(range(8)))
    plain = model.gradient(x, score)
    found = model.gradient(x, score, rules=by_kind({Kind.MAX_POOL: Native()}))
    assert kinds(found.operations).count("max_pool") == 8
    np.testing.assert_allclose(found.gradient, plain.gradient, rtol=1e-12)


def test_kinks() -> None:
    x = np.array([[0.0, 6.0, -1.0, 1.0]])
    for function, slopes in (
        (lambda x: jnp.maximum(x, 0), [0, 1, 0, 1]),
        (lambda x: jnp.where(x >= 0, x, 0), [0, 1, 0, 1]),
        (lambda x: jnp.clip(x, 0, 6), [0, 0, 0, 1]),
        (jnp.abs, [0, 1, -1, 1]),
    ):
        net = lambda x, f=function: f(x).sum(1)  # noqa: E731
        np.testing.assert_array_equal(ruled(net, x, NATIVE, k=0).gradient[0], slopes)
