"""Rules on the JAX backend: references."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from backlight import Class, Margin, Neuron, Probability
from backlight.errors import InputError
from backlight.testing.rules import (
    GUIDED,
    NATIVE,
)
from backlight.values.outputs import OutputSpec
from tests.backends.jax.model.nets import bound, normal, wrap
from tests.backends.jax.rules.nets import DEEP_LIFT, FLAT, SQUARE, B, V, W, kinds


def sited(x: Any) -> Any:
    with jax.named_scope("inner"):
        h = jax.nn.relu(x @ W + B)
    return jax.nn.relu(h @ SQUARE[0]) @ V + 0.3 * x[:, :4]


def test_rules_act_behind_a_site_only() -> None:
    model, x = wrap(sited), normal(*FLAT)
    score = bound(model, x, 1)
    found = model.gradient(x, score, at="inner", rules=GUIDED)
    assert kinds(found.operations) == ["dense", "relu", "dense", "shift"]
    h = np.maximum(x @ W + B, 0)
    expected = np.maximum(V[:, 1], 0) * (h @ SQUARE[0] > 0) @ SQUARE[0].T
    np.testing.assert_allclose(found.value, h, atol=1e-12)
    np.testing.assert_allclose(found.gradient, expected, atol=1e-12)
    moved = model.gradient(x, score, at="inner", value=2 * h, rules=GUIDED)
    np.testing.assert_allclose(moved.gradient, expected, atol=1e-12)
    assert model.operations(x, score=score, at="inner", rules=GUIDED) == found.operations


@pytest.mark.parametrize("rows", [1, 3])
def test_completeness_at_a_site(rows: int) -> None:
    """One that the input also goes around: the reference then needs a row for each example."""
    for net in (sited, lambda x: sited(x) * 1.0):
        model, x = wrap(net), normal(*FLAT)
        score = bound(model, x, 1)
        reference = normal(rows, 8, seed=9)
        found = model.gradient(x, score, at="inner", rules=DEEP_LIFT, reference=reference)
        total = ((found.value - reference) * found.gradient).sum(1)
        np.testing.assert_allclose(total, found.score - found.reference_score, atol=1e-10)


@pytest.mark.parametrize("make", [Probability, lambda k: Margin(k, 3), Class])
def test_every_score_is_explained_completely(make: Any) -> None:
    model, x = wrap(sited), normal(*FLAT)
    inputs = model.prepare(x)
    score = make([0, 1, 2]).bind(model.outputs(inputs), inputs.count)
    for rows in (1, 3):
        reference = normal(rows, *FLAT[1:], seed=9)
        found = model.gradient(x, score, rules=DEEP_LIFT, reference=reference)
        total = ((x - reference) * found.gradient).reshape(3, -1).sum(1)
        np.testing.assert_allclose(total, found.score - found.reference_score, atol=1e-10)


def test_the_score_of_a_neuron() -> None:
    model, x = wrap(sited), normal(*FLAT)
    site = model.site(x, "inner")
    score = Neuron("inner", 2).bind(OutputSpec(site.shape, "logits"), 3)
    found = model.gradient(x, score, rules=DEEP_LIFT, reference=0 * x[:1])
    assert kinds(found.operations)[:2] == ["dense", "relu"]
    total = (x * found.gradient).sum(1)
    np.testing.assert_allclose(total, found.score - found.reference_score, atol=1e-10)


def test_arguments_that_differ_between_examples_and_a_shared_reference() -> None:
    def net(x: Any, mask: Any) -> Any:
        return jnp.tanh(x * mask) @ W

    model, x = wrap(net), normal(*FLAT)
    mask = np.abs(normal(*FLAT, seed=5))
    inputs = model.prepare(x, (mask,))
    score = Class(1).bind(model.outputs(inputs), 3)
    found = model.gradient(inputs, score, rules=DEEP_LIFT, reference=0.5 * x[:1])
    total = ((x - 0.5 * x[:1]) * found.gradient).sum(1)
    np.testing.assert_allclose(total, found.score - found.reference_score, atol=1e-10)


def test_a_net_that_mixes_the_batch_into_other_axes() -> None:
    def net(x: Any) -> Any:
        heads = (x @ W).reshape(-1, 4)  # two rows per example
        return jnp.tanh(heads).reshape(-1, 8) @ V

    model, x = wrap(net), normal(*FLAT)
    found = model.gradient(x, bound(model, x, 1), rules=DEEP_LIFT, reference=0.5 * x[:1])
    total = ((x - 0.5 * x[:1]) * found.gradient).sum(1)
    np.testing.assert_allclose(total, found.score - found.reference_score, atol=1e-10)


def test_a_reference_of_another_shape_is_refused() -> None:
    model, x = wrap(sited), normal(*FLAT)
    for reference in (x[:2], x[:, :3]):
        with pytest.raises(InputError, match="A reference is shaped like the value"):
            model.gradient(x, bound(model, x, 1), rules=DEEP_LIFT, reference=reference)


def test_dicts_and_integers_beside_what_is_explained() -> None:
    table = normal(10, 8, seed=6)

    def net(tokens: Any, x: Any) -> Any:
        with jax.named_scope("embedding"):
            embedded = jnp.asarray(table)[tokens]
        return jnp.tanh(embedded.mean(1) + x @ W) @ V

    model = wrap(net)
    value = {"tokens": np.array([[1, 2], [3, 4], [0, 9]]), "x": normal(*FLAT)}
    score = bound(model, value, 1)
    found = model.gradient(value, score, rules=NATIVE)
    np.testing.assert_allclose(
        found.gradient["x"], model.gradient(value, score).gradient["x"], atol=1e-12
    )
    assert not np.any(found.gradient["tokens"])
    at = model.gradient(
        value, score, at="embedding", rules=DEEP_LIFT, reference=np.zeros((1, 2, 8))
    )
    assert kinds(at.operations)[:2] == ["sum", "scale"]
    total = (at.value * at.gradient).sum((1, 2))
    np.testing.assert_allclose(total, at.score - at.reference_score, atol=1e-10)
