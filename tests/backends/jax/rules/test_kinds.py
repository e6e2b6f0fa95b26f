"""Rules on the JAX backend: kinds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

from backlight import Probability
from backlight.errors import CoverageError
from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule
from backlight.testing.rules import (
    COMPLETE,
    EPSILON,
    GUIDED,
    NATIVE,
    Native,
    by_kind,
)
from backlight.values.arrays import Array
from tests.backends.jax.model.nets import bound, normal, wrap
from tests.backends.jax.rules.nets import (
    COMPOSED,
    DEEP_LIFT,
    FLAT,
    PICTURE,
    SPELLINGS,
    WHOLE,
    B,
    V,
    W,
    case,
    cnn,
    kinds,
)


@pytest.mark.parametrize("name", SPELLINGS)
def test_functions_are_known_by_what_they_do(name: str) -> None:
    kind, function = SPELLINGS[name]
    found = wrap(lambda x: function(x @ W + B) @ V).operations(normal(*FLAT))
    between = kinds(found)[1:-1]
    assert set(between) == {kind.value}
    assert len(between) == (2 if name == "reciprocal" else 1)


def test_functions_in_half_precision_are_known_too() -> None:
    for dtype in (jnp.bfloat16, jnp.float16, jnp.float32):
        x = jnp.asarray(normal(*FLAT), dtype)
        for function, kind in ((jax.nn.gelu, "gelu"), (jax.nn.selu, "selu"), (jax.nn.relu, "relu")):
            net = lambda x, f=function: f(x @ jnp.asarray(W, x.dtype))  # noqa: E731
            assert kinds(wrap(net).operations(x)) == ["dense", kind]


def test_operations_of_a_small_net() -> None:
    found = wrap(cnn).operations(normal(*PICTURE))
    assert kinds(found) == [
        *("convolution", "relu", "max_pool", "convolution", "relu", "max_pool", "dense"),
    ]
    assert [one.first for one in found] == [True, *[False] * 6]
    assert [one.last for one in found] == [*[False] * 6, True]
    assert found[0].shape == (3, 6, 6, 8)
    assert found[1].type == "relu"
    assert found[0].name == "conv_general_dilated"


def test_first_and_last_follow_every_way() -> None:
    found = wrap(lambda x: (jnp.tanh(x) @ W + x @ W[::-1]) @ V + jnp.exp(x[:, :4])).operations(
        normal(*FLAT)
    )
    shown = {(one.kind.value, one.first, one.last) for one in found}
    assert shown == {
        ("tanh", True, False),
        ("dense", True, False),
        ("add", False, False),
        ("exp", True, True),
        ("dense", False, True),
        ("add", True, True),
    }


def test_names_are_those_of_sites() -> None:
    model, x = case("flax_linen")
    named = {one.name: one.kind.value for one in model.operations(x, rules=WHOLE)}
    assert named["LinenNet/stem"] == "convolution"
    assert named["relu"] == "relu"
    assert named["LinenNet/mix/query"] == "dense"
    assert named["LinenNet/head"] == "dense"
    known = {site.name for site in model.sites(x)}
    assert {"LinenNet/stem", "LinenNet/mix/query", "LinenNet/head"} <= known


@pytest.mark.parametrize("name", COMPOSED)
def test_composite_kinds_are_units_where_asked_for(name: str) -> None:
    model, x = case(name)
    kind, inside = COMPOSED[name]
    for rules in (None, GUIDED, EPSILON, WHOLE):
        assert kind in kinds(model.operations(x, rules=rules))
    opened = set(kinds(model.operations(x, rules=COMPLETE)))
    assert kind not in opened
    assert (inside or {"exp", "sum"}) <= opened


def test_the_axes_of_a_softmax_are_told() -> None:
    found = wrap(lambda x: jax.nn.softmax(x.reshape(3, 2, 3), axis=1)).operations(normal(*FLAT))
    assert [(one.kind.value, one.axes) for one in found] == [("softmax", (1,))]


def test_a_score_has_operations_too() -> None:
    model, x = case("cnn")
    inputs = model.prepare(x)
    score = Probability(1).bind(model.outputs(inputs), inputs.count)
    found = model.operations(x, score=score, rules=DEEP_LIFT)
    assert (found[-1].kind, found[-1].name, found[-1].axes) == (Kind.SOFTMAX, "score", (1,))
    again = model.gradient(x, score, rules=DEEP_LIFT, reference=0.5 * x[:1])
    assert found == again.operations


def test_a_softmax_whose_exponential_is_written_twice_is_one_operation() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3))
    model = wrap(lambda z: jnp.exp(z) / jnp.exp(z).sum(1, keepdims=True))
    (found,) = model.operations(x, rules=by_kind({Kind.SOFTMAX: Native()}))
    assert (found.kind, found.axes) == (Kind.SOFTMAX, (1,))


def test_nothing_is_ignored() -> None:
    @jax.custom_vjp
    def odd(x: Any) -> Any:
        return jnp.cumsum(jnp.sin(x), 1), x[:, ::-1] ** 3

    odd.defvjp(lambda x: (odd(x), x), lambda x, grads: (3 * grads[0] + 5 * grads[1],))

    def net(x: Any) -> Any:
        one, two = odd(jnp.sort(x @ W, axis=1))
        return (one + 2 * two) @ V + jnp.round(x[:, :4])

    model, x = wrap(net), normal(*FLAT)
    found = model.operations(x)
    others = [one for one in found if one.kind is Kind.OTHER]
    assert [one.type for one in others] == ["sort", "odd"]
    assert all(one.replayable for one in others)
    plain = model.gradient(x, bound(model, x, 1))
    ruled_one = model.gradient(x, bound(model, x, 1), rules=NATIVE)
    np.testing.assert_allclose(ruled_one.gradient, plain.gradient, atol=1e-12)


def test_what_cannot_be_looked_into_is_one_operation() -> None:
    shape = jax.ShapeDtypeStruct(FLAT, jnp.float64)
    made = export.export(jax.jit(lambda x: jax.nn.relu(x @ W)))(shape)
    loaded = export.deserialize(made.serialize(vjp_order=1))
    long = lambda x: lax.fori_loop(0, 5000, lambda _, h: jnp.tanh(1.001 * h), x) @ W  # noqa: E731
    for net, expected in ((loaded.call, ["other"]), (long, ["other", "dense"])):
        model, x = wrap(net), normal(*FLAT)
        score = bound(model, x, 1)
        plain = model.gradient(x, score)
        found = model.gradient(x, score, rules=GUIDED)
        assert kinds(found.operations) == expected
        np.testing.assert_allclose(found.gradient, plain.gradient, atol=1e-12)


def test_what_no_gradient_comes_from_is_not_listed() -> None:
    def net(x: Any) -> Any:
        h = x @ W
        order = jnp.argsort(jnp.tanh(x @ W), 1)
        high = lax.stop_gradient(h.max(1, keepdims=True))
        return jnp.where(h > jnp.exp(h).mean(), h - high, 0.5 * h) + order

    found = [one.type for one in wrap(net).operations(normal(*FLAT))]
    assert found == ["dot_general", "sub", "mul", "select_n", "add"]


def test_what_calls_back_to_python_is_not_run_again() -> None:
    @jax.custom_vjp
    def host(x: Any) -> Any:
        return jax.pure_callback(np.sinh, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    host.defvjp(lambda x: (host(x), x), lambda x, grad: (grad * jnp.cosh(x),))
    model, x = wrap(lambda x: host(x @ W) @ V), normal(*FLAT)
    (other,) = (one for one in model.operations(x) if one.kind is Kind.OTHER)
    assert not other.replayable
    score = bound(model, x, 1)
    plain = model.gradient(x, score)
    found = model.gradient(x, score, rules=NATIVE)
    np.testing.assert_allclose(found.gradient, plain.gradient, atol=1e-12)
    with pytest.raises(CoverageError, match="calls back to Python"):
        model.gradient(x, score, rules=by_kind({Kind.OTHER: Elsewhere()}))


@dataclass(frozen=True)
class Elsewhere(Rule):
    """The derivative at twice the inputs."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return op.vjp(grad, inputs=[x * 2.0 for x in op.inputs])
