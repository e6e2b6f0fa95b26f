"""Rules on the JAX backend: small nets of every style, judged by laws and by closed forms in float64."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax import export, lax

import backlight
import backlight_methods
from backlight import Class, Margin, Neuron, Probability
from backlight.errors import CoverageError, InputError
from backlight.rules.operations import LINEAR, UNARY, Kind
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.testing.rules import (
    COMPLETE,
    DECONVNET,
    EPSILON,
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
    POSITIVE,
    Epsilon,
    Frozen,
    Native,
    Quotient,
    by_kind,
)
from backlight.values.arrays import Array
from backlight.values.outputs import OutputSpec
from backlight_methods.deep_lift.rules import RULES
from tests.backends.test_jax import bound, conv, normal, run_python, wrap

Values = Any
Net = Callable[[Any], Any]

DEEP_LIFT = by_kind({**RULES, **{kind: Quotient() for kind in UNARY}})
"""Complete for softmax, quotients and minima too."""
WHOLE = by_kind(
    {kind: Native() for kind in Kind if kind not in (Kind.NEURON, Kind.OTHER)}, folds=True
)
"""Every composite kind but neurons is a unit."""


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield
    backlight.forget()


@pytest.fixture(scope="module", autouse=True)
def forget_cases() -> Iterator[None]:
    yield
    case.cache_clear()


# ---------------------------------------------------------------- nets

W, V = normal(6, 8, seed=1), normal(8, 4, seed=2)
B, G = normal(8, seed=3), 1 + 0.3 * normal(8, seed=4)
SQUARE = 0.4 * normal(3, 8, 8, seed=5)
FLAT, PICTURE, TOKENS = (3, 6), (3, 6, 6, 4), (3, 5, 6)
NETS: dict[str, tuple[Any, tuple[int, ...]]] = {}


def on(shape: tuple[int, ...]) -> Callable[[Net], Net]:
    def add(net: Net) -> Net:
        NETS[net.__name__] = net, shape
        return net

    return add


def pooled(x: Any, size: int, stride: int, padding: str = "VALID") -> Any:
    window, strides = (1, size, size, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding)


@on(PICTURE)
def cnn(x: Any) -> Any:
    x = pooled(jax.nn.relu(conv(x, normal(3, 3, 4, 8)) + B), 2, 2)
    x = pooled(jax.nn.relu(conv(x, 0.3 * normal(3, 3, 8, 8)) + B), 2, 1)
    return x.reshape(len(x), -1) @ normal(32, 4) + normal(4)


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


@on(PICTURE)
def squeeze_excite(x: Any) -> Any:
    x = jax.nn.silu(conv(x, normal(1, 1, 4, 8)))
    gate = jax.nn.sigmoid(jax.nn.relu(x.mean((1, 2)) @ normal(8, 2)) @ normal(2, 8))
    return (x * gate[:, None, None]).max((1, 2)) @ V


@on(PICTURE)
def resized(x: Any) -> Any:
    x = jax.nn.relu(conv(x, normal(3, 3, 4, 4)))
    return jnp.concatenate(
        [jax.image.resize(x, (len(x), 9, 9, 4), "bilinear").mean((1, 2)), x.min((1, 2))], axis=1
    )


@on(PICTURE)
def batch_norm(x: Any) -> Any:
    x = (conv(x, normal(3, 3, 4, 8)) - B) * lax.rsqrt(B**2 + 1e-3) * G + B
    return jax.nn.relu(x).sum((1, 2)) @ V


def layer_norm(x: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 1e-3) * G + B


@on(FLAT)
def layer_normed(x: Any) -> Any:
    return jnp.tanh(layer_norm(x @ W)) @ V


@on(FLAT)
def rms_normed(x: Any) -> Any:
    h = x @ W
    return (h * lax.rsqrt((h * h).mean(-1, keepdims=True) + 1e-3) * G) @ V


@on(TOKENS)
def attention(x: Any) -> Any:
    q, k, v = x @ W, x @ W[::-1], x @ W[:, ::-1]
    scores = jnp.einsum("nqd,nkd->nqk", q, k) / jnp.sqrt(8.0)
    seen = np.tril(np.ones((5, 5))) > 0
    mixed = jax.nn.softmax(jnp.where(seen, scores, -1e9)) @ v
    return (mixed + v).mean(1) @ V


@on(TOKENS)
def ready_made_attention(x: Any) -> Any:
    h = (x @ W).reshape(len(x), 5, 2, 4)
    return jax.nn.dot_product_attention(h, 0.5 * h, h + 1.0).sum((1, 2))


@on(TOKENS)
def vmapped_attention(x: Any) -> Any:
    module = eqx.nn.MultiheadAttention(2, 6, key=jax.random.key(0), dtype=jnp.float64)
    return jax.vmap(lambda row: module(row, row, row).sum(0))(x)


@on(FLAT)
def einsum(x: Any) -> Any:
    x = jnp.einsum("nab,bcd->cnd", x.reshape(-1, 2, 3), normal(3, 2, 4))
    return (jax.nn.elu(x + normal(4)) * normal(4)).sum(0)


@on(FLAT)
def gated(x: Any) -> Any:
    h = x @ W
    return (h * jax.nn.sigmoid(x @ W[::-1]) + jax.nn.glu(jnp.concatenate([h, h**2], -1))) @ V


@on(FLAT)
def quotients(x: Any) -> Any:
    h = jnp.exp(0.3 * (x @ W))
    return h / (1 + h.sum(-1, keepdims=True)) + 1 / (2 + h**2)


@on(FLAT)
def log_probabilities(x: Any) -> Any:
    return jax.nn.log_softmax(x @ W + B)


@on(FLAT)
def soft_maximum(x: Any) -> Any:
    return jax.nn.logsumexp((x @ W)[:, :, None] * B[:4], axis=1)


@on(FLAT)
def two_operands(x: Any) -> Any:
    return jnp.maximum(x @ W, 2 * x @ W[::-1]) @ V + jnp.minimum(x @ W, 0.3) @ V


@on(FLAT)
def scanned(x: Any) -> Any:
    def step(h: Any, w: Any) -> Any:
        return jnp.tanh(h @ w + 0.1), jax.nn.relu(h).sum(-1)

    h, sums = lax.scan(step, x @ W, SQUARE)
    return lax.scan(lambda h, w: (jax.nn.relu(h @ w), None), h, SQUARE, reverse=True)[0] @ V[
        :, :3
    ] + (sums.T)


@on(FLAT)
def mapped_and_looped(x: Any) -> Any:
    x = lax.fori_loop(0, 2, lambda _, h: jnp.tanh(1.5 * h), x)
    return lax.map(lambda row: jax.nn.gelu(row @ W) @ V, x)


@on(FLAT)
def nested(x: Any) -> Any:
    block = jax.checkpoint(jax.jit(lambda h: jax.nn.relu(h @ W)))
    return jax.jit(lambda h: block(h) @ V)(x)


@on(FLAT)
def conditional(x: Any) -> Any:
    return lax.cond(jnp.asarray(W)[0, 0] > -9, lambda h: jax.nn.relu(h @ W), lambda h: h @ W, x)


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        kind = {"param_dtype": jnp.float64}
        x = linen.relu(linen.Conv(8, (3, 3), name="stem", **kind)(x))
        x = linen.GroupNorm(2, **kind)(x)
        x = linen.avg_pool(x, (2, 2), (2, 2)).reshape(len(x), -1, 8)
        x = linen.gelu(linen.LayerNorm(**kind)(x))
        x = x + linen.MultiHeadDotProductAttention(2, name="mix", **kind)(x, x)
        return linen.Dense(3, name="head", **kind)(linen.RMSNorm(**kind)(x).mean(1))


def linen_net() -> Any:
    net = LinenNet()
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.asarray(normal(*PICTURE)))
    return net, jax.tree.map(lambda one: jnp.asarray(0.3 * normal(*one.shape)), shapes)


class NnxNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        kind: dict[str, Any] = {"param_dtype": jnp.float64, "rngs": rngs}
        self.stem = nnx.Conv(4, 8, (3, 3), **kind)
        self.norm = nnx.BatchNorm(8, **kind)
        self.norm.mean.set_value(jnp.asarray(0.3 * B))
        self.norm.var.set_value(jnp.asarray(G**2))
        self.head = nnx.Linear(8, 3, **kind)

    def __call__(self, x: Any) -> Any:
        x = nnx.leaky_relu(self.norm(self.stem(x)))
        return self.head(nnx.max_pool(x, (2, 2), (2, 2)).mean((1, 2)))


def equinox_net() -> Any:
    keys = jax.random.split(jax.random.key(3), 2)
    kind = {"dtype": jnp.float64}
    return jax.vmap(
        eqx.nn.Sequential(
            [
                eqx.nn.Conv2d(4, 5, 3, key=keys[0], **kind),
                eqx.nn.Lambda(jax.nn.softplus),
                eqx.nn.AdaptiveAvgPool2d(2),
                eqx.nn.MaxPool2d(2, 1),
                eqx.nn.Lambda(jnp.ravel),
                eqx.nn.LayerNorm(5, **kind),
                eqx.nn.Linear(5, 3, key=keys[1], **kind),
            ]
        )
    )


NETS["flax_linen"] = linen_net, PICTURE
NETS["flax_nnx"] = lambda: NnxNet(nnx.Rngs(0)), PICTURE
NETS["equinox"] = equinox_net, (3, 4, 6, 6)
MADE = ("flax_linen", "flax_nnx", "equinox")


@cache
def case(name: str) -> tuple[Any, Values]:
    """A net, wrapped once for all tests: what they have in common is compiled once."""
    net, shape = NETS[name]
    return wrap(net() if name in MADE else net), normal(*shape, seed=7)


def kinds(operations: Sequence[Any]) -> list[str]:
    return [one.kind.value for one in operations]


def ruled(net: Any, x: Values, rules: Rules, k: Any = 1, **options: Any) -> Any:
    model = wrap(net)
    return model.gradient(x, bound(model, x, k), rules=rules, **options)


# ---------------------------------------------------------------- laws, on all nets


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


# ---------------------------------------------------------------- what is recognised

SPELLINGS: dict[str, tuple[Kind, Callable[[Any], Any]]] = {
    "jax.nn.relu": (Kind.RELU, jax.nn.relu),
    "maximum": (Kind.RELU, lambda x: jnp.maximum(0.0, x)),
    "where": (Kind.RELU, lambda x: jnp.where(x > 0, x, 0)),
    "where turned": (Kind.RELU, lambda x: jnp.where(x <= 0, 0, x)),
    "mask": (Kind.RELU, lambda x: x * (x > 0)),
    "clip": (Kind.RELU, lambda x: jnp.clip(x, 0)),
    "absolute": (Kind.RELU, lambda x: (x + jnp.abs(x)) / 2),
    "minimum": (Kind.RELU, lambda x: -jnp.minimum(-x, 0)),
    "jitted": (Kind.RELU, jax.jit(lambda x: jnp.maximum(x, 0))),
    "jax.nn.relu6": (Kind.RELU6, jax.nn.relu6),
    "clip on both sides": (Kind.RELU6, lambda x: jnp.clip(x, 0, 4)),
    "minimum of relu": (Kind.RELU6, lambda x: jnp.minimum(jax.nn.relu(x), 6.0)),
    "jax.nn.leaky_relu": (Kind.LEAKY_RELU, jax.nn.leaky_relu),
    "slope per channel": (Kind.PRELU, lambda x: jnp.where(x > 0, x, B * x)),
    "two relus": (Kind.PRELU, lambda x: jax.nn.relu(x) - B * jax.nn.relu(-x)),
    "jax.nn.elu": (Kind.ELU, jax.nn.elu),
    "jax.nn.selu": (Kind.SELU, jax.nn.selu),
    "jax.nn.celu": (Kind.CELU, lambda x: jax.nn.celu(x, 1.7)),
    "jax.nn.gelu": (Kind.GELU, jax.nn.gelu),
    "exact gelu": (Kind.GELU, lambda x: jax.nn.gelu(x, approximate=False)),
    "quick gelu": (Kind.GELU, lambda x: x * jax.nn.sigmoid(1.702 * x)),
    "jax.nn.silu": (Kind.SILU, jax.nn.silu),
    "silu by hand": (Kind.SILU, lambda x: x / (1 + jnp.exp(-x))),
    "jax.nn.mish": (Kind.MISH, jax.nn.mish),
    "jax.nn.hard_swish": (Kind.HARD_SWISH, jax.nn.hard_swish),
    "jax.nn.hard_sigmoid": (Kind.HARD_SIGMOID, jax.nn.hard_sigmoid),
    "jax.nn.hard_tanh": (Kind.HARD_TANH, jax.nn.hard_tanh),
    "jax.nn.sigmoid": (Kind.SIGMOID, jax.nn.sigmoid),
    "sigmoid by hand": (Kind.SIGMOID, lambda x: 1 / (1 + jnp.exp(-x))),
    "tanh": (Kind.TANH, jnp.tanh),
    "jax.nn.softplus": (Kind.SOFTPLUS, jax.nn.softplus),
    "softplus by hand": (Kind.SOFTPLUS, lambda x: jnp.log(1 + jnp.exp(x))),
    "jax.nn.soft_sign": (Kind.SOFTSIGN, jax.nn.soft_sign),
    "jax.nn.log_sigmoid": (Kind.LOG_SIGMOID, jax.nn.log_sigmoid),
    "abs": (Kind.ABS, jnp.abs),
    "square": (Kind.POW, jnp.square),
    "reciprocal": (Kind.POW, lambda x: 1 / (2.0 / x)),
    "erf": (Kind.ERF, jax.scipy.special.erf),
    "cosine": (Kind.ELEMENTWISE, jnp.cos),
    "hard shrink": (Kind.ELEMENTWISE, lambda x: jnp.where(jnp.abs(x) > 0.5, x, 0)),
}


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


COMPOSED = {
    "layer_normed": ("normalization", {"div", "sqrt"}),
    "rms_normed": ("normalization", {"rsqrt", "mul"}),
    "attention": ("softmax", set[str]()),
    "log_probabilities": ("log_softmax", set[str]()),
    "soft_maximum": ("logsumexp", set[str]()),
}


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


# ---------------------------------------------------------------- closed forms


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


def size(x: Any) -> Any:
    return jnp.square(x).mean(-1, keepdims=True) + 1e-6


def normed_by_hand(x: Any) -> Any:
    d = x - x.mean(-1, keepdims=True)
    return d * lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-6) * G


def normed_in_a_line(x: Any) -> Any:
    """As Keras writes it."""
    mean, divisor = x.mean(-1, keepdims=True), lax.rsqrt(x.var(-1, keepdims=True) + 1e-6) * G
    return x * divisor - mean * divisor


def moved(x: Any) -> Any:
    scaled = -lax.rsqrt(size(x)) / 3.0 * B
    return jnp.tile(scaled.astype(jnp.float32).astype(x.dtype).T[:4].T[:, None], (1, 2, 1))


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


# ---------------------------------------------------------------- conventions


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


# ---------------------------------------------------------------- sites, scores, references


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


# ---------------------------------------------------------------- caching, threads, the user's net


def test_another_class_is_not_compiled_again() -> None:
    traced = 0

    @dataclass(frozen=True)
    class Counting(Rule):
        def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
            nonlocal traced
            traced += 1
            return op.vjp(grad)

    model, x = case("cnn")
    for k in (0, 1, [2, 1, 0]):
        rules = by_kind({Kind.DENSE: Counting()})
        found = model.gradient(x + 1, bound(model, x, k), rules=rules)
        plain = model.gradient(x + 1, bound(model, x, k))
        np.testing.assert_allclose(found.gradient, plain.gradient, atol=1e-12)
    assert traced == 1


def test_new_weights_are_seen() -> None:
    net, x = NnxNet(nnx.Rngs(0)), normal(*PICTURE)
    model = wrap(net)
    before = model.gradient(x, bound(model, x, 1), rules=EPSILON_FOLDED)
    net.head.kernel[...] = 2 * net.head.kernel[...]
    after = model.gradient(x, bound(model, x, 1), rules=EPSILON_FOLDED)
    assert np.abs(after.gradient - before.gradient).max() > 1e-3
    plain = model.gradient(x, bound(model, x, 1), rules=NATIVE)
    np.testing.assert_allclose(
        plain.gradient, model.gradient(x, bound(model, x, 1)).gradient, atol=1e-12
    )


def test_two_threads() -> None:
    model, x = case("squeeze_excite")
    score = bound(model, x, 1)
    expected = [model.gradient(x, score, rules=rules).gradient for rules in (GUIDED, EPSILON)]
    fresh = wrap(NETS["squeeze_excite"][0])
    found: list[Any] = [None, None]

    def work(at: int, rules: Rules) -> None:
        with jax.enable_x64(True):
            found[at] = fresh.gradient(x, score, rules=rules).gradient

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate((GUIDED, EPSILON))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


# ---------------------------------------------------------------- Keras


def test_keras_layers() -> None:
    run_python(
        """
        import jax, keras, numpy as np
        import backlight
        from backlight import Class
        from backlight.rules.operations import Kind
        from tests.backends.test_jax_rules import DEEP_LIFT, WHOLE, normal

        keras.utils.set_random_seed(0)
        layers = keras.layers
        image = keras.Input((8, 8, 3))
        x = layers.Conv2D(6, 3, padding="same")(image)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.DepthwiseConv2D(3)(layers.MaxPooling2D(3, 2, padding="same")(x))
        x = layers.PReLU()(layers.LayerNormalization()(x))
        x = layers.Activation("swish")(layers.GroupNormalization(2)(x))
        x = layers.Dense(8, activation="gelu")(layers.GlobalAveragePooling2D()(x))
        net = keras.Model(image, layers.Dense(3, activation="softmax")(x))
        norm = net.layers[2]
        norm.set_weights([np.abs(normal(*w.shape)) + 0.3 for w in norm.get_weights()])
        x = normal(2, 8, 8, 3).astype("float32")
        model = backlight.wrap(net, "jax")
        score = Class(1).bind(model.outputs(model.prepare(x)), 2)
        plain = model.gradient(x, score)
        kinds = lambda rules: [one.kind.value for one in model.operations(x, rules=rules)]
        assert kinds(WHOLE) == [
            *("convolution", "relu", "max_pool", "convolution", "normalization", "prelu"),
            *("normalization", "silu", "sum", "scale", "dense", "gelu", "dense", "softmax"),
        ], kinds(WHOLE)
        names = [one.name for one in model.operations(x, rules=WHOLE)]
        assert names[0] == net.layers[1].name, names
        found = model.gradient(x, score, rules=WHOLE)
        np.testing.assert_allclose(found.gradient, plain.gradient, rtol=1e-4, atol=1e-6)
        products = [
            one.reciprocal for one in model.operations(x, rules=DEEP_LIFT) if one.kind is Kind.MUL
        ]
        assert products == [1, 1, 1, 1], products  # of two normalisations
        found = model.gradient(x, score, rules=DEEP_LIFT, reference=0 * x[:1])
        total = (x * found.gradient).sum((1, 2, 3))
        np.testing.assert_allclose(total, found.score - found.reference_score, atol=1e-4)
        """,
        KERAS_BACKEND="jax",
    )
