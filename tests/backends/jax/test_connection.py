"""Which ways derivatives can take through a JAX net, and where they are cut."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

import backlight
from backlight import Class, Neuron
from backlight.graph.dependence.cuts import Connection, Cut
from backlight.values.outputs import OutputSpec

Values = Any

W = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
TABLE = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
X = np.random.default_rng(2).normal(size=(4, 6)).astype(np.float32)

stop = jax.lax.stop_gradient


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    yield
    backlight.forget()


def connection(net: Any, x: Any = X, at: str | None = None) -> Connection:
    model = backlight.wrap(net, "jax")
    score = Class(0).bind(model.outputs(x), 4)
    return model.connection(x, score, at=at)


def slope(net: Any) -> Values:
    """JAX's own gradient of the first class."""
    return jax.jit(jax.grad(lambda x: net(x)[:, 0].sum()))(X)


@jax.custom_vjp
def quantised(x: Values) -> Values:
    return jnp.round(x)


quantised.defvjp(lambda x: (jnp.round(x), None), lambda _, grad: (jnp.zeros_like(grad),))


@jax.custom_vjp
def straight(x: Values) -> Values:
    return jnp.round(x)


straight.defvjp(lambda x: (jnp.round(x), None), lambda _, grad: (grad,))


@jax.custom_jvp
def frozen(x: Values) -> Values:
    return jnp.sin(x)


frozen.defjvp(lambda primals, tangents: (jnp.sin(primals[0]), 0 * tangents[0]))


@jax.custom_vjp
def half_frozen(x: Values, y: Values) -> Values:
    return x + y


half_frozen.defvjp(lambda x, y: (x + y, None), lambda _, grad: (grad, jnp.zeros_like(grad)))


def looped(step: Callable[[Values], Values], length: int) -> Callable[[Values], Values]:
    def net(x: Values) -> Values:
        return jax.lax.scan(lambda h, _: (step(h), None), x, length=length)[0] @ W

    return net


def carried(length: int) -> Callable[[Values], Values]:
    """The stopped value comes out of the loop two steps after."""

    def net(x: Values) -> Values:
        def step(held: Any, _: None) -> Any:
            first, second, _ = held
            return (x, stop(first), second), None

        zero = jnp.zeros_like(x)
        return jax.lax.scan(step, (zero, zero, zero), length=length)[0][2] @ W

    return net


def while_positive(x: Values) -> Values:
    _, y = jax.lax.while_loop(
        lambda held: held[0].max() > 0,
        lambda held: (held[0] - 1, held[1] + 1.0),
        (x, jnp.zeros(())),
    )
    return jnp.ones((4, 3)) * y


def branches(*cases: Callable[[Values], Values]) -> Callable[[Values], Values]:
    return lambda x: jax.lax.cond(x.sum() > 0, *cases, x) @ W


def scoped(x: Values) -> Values:
    with jax.named_scope("quantise"):
        return jnp.round(x) @ W


def embedded(x: Values) -> Values:
    codes = jnp.asarray(TABLE)[x[:, 1].astype(int)]
    return jnp.concatenate([x[:, :1], codes], 1) @ W[:5]


CUT = {
    "stop": (lambda x: stop(jnp.tanh(x)) @ W, Cut("tanh", "stop_gradient")),
    "at the input": (lambda x: stop(x) @ W, Cut("dot_general", "stop_gradient")),
    "jit": (jax.jit(lambda x: stop(x) @ W), Cut("dot_general", "stop_gradient")),
    "remat": (jax.checkpoint(lambda x: stop(jnp.tanh(x)) @ W), Cut("tanh", "stop_gradient")),
    "cast": (lambda x: jnp.asarray(TABLE)[x[:, 1].astype(int)], Cut("slice", "cast to int32")),
    "round": (scoped, Cut("quantise", "round")),
    "floor": (lambda x: jnp.floor(x) @ W, Cut("floor", "floor")),
    "ceil": (lambda x: jnp.ceil(x) @ W, Cut("ceil", "ceil")),
    "sign": (lambda x: jnp.sign(x) @ W, Cut("sign", "sign")),
    "custom_vjp": (lambda x: quantised(x) @ W, Cut("custom_vjp_call", "quantised (custom_vjp)")),
    "custom_jvp": (lambda x: frozen(x) @ W, Cut("frozen", "frozen (custom_jvp)")),
    "argmax": (lambda x: jax.nn.one_hot(x.argmax(1), 6) @ W, Cut("argmax", "argmax")),
    "argsort": (lambda x: jnp.argsort(x, 1).astype(float) @ W, Cut("sort[0]", "sort")),
    "comparison": (lambda x: (x > 0).astype(float) @ W, Cut("gt", "gt")),
    "scan": (looped(jnp.round, 3), Cut("scan", "round")),
    "long scan": (looped(jnp.round, 5000), Cut("scan", "round")),
    "carry": (carried(5000), Cut("scan[0]", "stop_gradient")),
    "cond": (branches(stop, lambda x: stop(jnp.sin(x))), Cut("cond", "stop_gradient")),
    "while": (while_positive, Cut("while[0]", "gt")),
}
"""Nets in which no derivative reaches the input, and where it is cut."""


@pytest.mark.parametrize("name", CUT)
def test_what_cuts_is_named(name: str) -> None:
    net, cut = CUT[name]
    found = connection(net)
    assert (found.reached, found.depends) == ((False,), (True,))
    assert found.cuts == (cut,)
    assert np.any(net(X) != net(1 - 3 * X))
    if name != "while":  # which JAX does not differentiate backwards
        assert not slope(net).any()


def shifted(x: Values) -> Values:
    return jnp.exp(x - stop(x.max(1, keepdims=True)))


def weighted(x: Values) -> Values:
    """A softmax times W, the division last."""
    terms = shifted(x)
    return (terms @ W[:3]) / terms.sum(1, keepdims=True)


def running(x: Values) -> Values:
    """A softmax over the columns, one after another, by the largest so far."""

    def step(held: Any, column: Values) -> Any:
        largest, total, weighed = held
        larger = stop(jnp.maximum(largest, column))
        kept, term = jnp.exp(largest - larger), jnp.exp(column - larger)
        return (larger, kept * total + term, kept * weighed + term * column), None

    start = (jnp.full(4, -1e9), jnp.zeros(4), jnp.zeros(4))
    (_, total, weighed), _ = jax.lax.scan(step, start, x.T)
    return (weighed / total)[:, None] * W[0]


WHOLE: dict[str, Callable[[Values], Values]] = {
    "rectifiers": lambda x: jnp.where(x > 0, x, 0) @ W + jax.nn.relu(x) @ W + jnp.clip(x, 0, 1) @ W,
    "softmax": lambda x: jax.nn.softmax(x @ W) + jax.nn.log_softmax(x @ W),
    "logsumexp": lambda x: x @ W - jax.nn.logsumexp(x @ W, axis=1, keepdims=True),
    "in a loop": looped(lambda h: h - jax.nn.softmax(h) / 5000, 5000),
    "attention": lambda x: jax.nn.dot_product_attention(*[x.reshape(4, 3, 1, 2)] * 3)[:, 0, 0] + 1,
    "attention by hand": lambda x: weighted(x @ W),
    "attention in a loop": running,
    "masked logsumexp": lambda x: x @ W - jax.nn.logsumexp(x, 1, where=x < 2, keepdims=True),
    "written twice": lambda x: shifted(x) / shifted(x).sum(1, keepdims=True) @ W,
    "inverse": lambda x: jnp.linalg.solve(jnp.eye(3) + x[:, :3, None] * x[:, None, 3:], W[0]),
    "sinc": lambda x: jnp.sinc(x) @ W,
    "variance": lambda x: (x - x.mean(1, keepdims=True)) / jnp.std(x, 1, keepdims=True) @ W,
    "norm": lambda x: x / jnp.linalg.norm(x, axis=1, keepdims=True) @ W,
    "sorted": lambda x: jnp.sort(x, 1) @ W + jax.lax.top_k(x, 3)[0],
    "median": lambda x: (x - jnp.median(x, 1, keepdims=True)) @ W,
    "straight through": lambda x: (x + stop(jnp.round(x) - x)) @ W,
    "straight through, turned": lambda x: (x - stop(x - jnp.round(x))) @ W,
    "straight through, by a rule": lambda x: straight(x) @ W,
    "unused": lambda x: (jnp.round(x), x @ W)[1],
}
"""Nets in which nothing is cut."""


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_no_cut(name: str) -> None:
    assert connection(WHOLE[name]) == Connection((True,), (True,))
    assert slope(WHOLE[name]).any()


PARTLY = {
    "cast": (embedded, ("cast to int32",)),
    "fraction": (lambda x: (x - jnp.floor(x)) @ W, ("floor",)),
    "beside": (lambda x: (jnp.tanh(x) + stop(jnp.tanh(x))) @ W, ("stop_gradient",)),
    "one branch": (lambda x: branches(jnp.floor, jnp.sin)(x) + x @ W, ("floor",)),
    "in order": (lambda x: stop(x) @ W + jnp.round(x) @ W + x @ W, ("stop_gradient", "round")),
}
"""Nets with a cut and a way around it."""


@pytest.mark.parametrize("name", PARTLY)
def test_a_cut_with_a_way_around_it(name: str) -> None:
    net, types = PARTLY[name]
    found = connection(net)
    assert (found.reached, found.depends) == ((True,), (True,))
    assert tuple(cut.type for cut in found.cuts) == types
    assert slope(net).any()


def test_each_leaf_has_its_own_ways() -> None:
    def net(a: Values, b: Values, c: Values, d: Values) -> Values:
        with jax.named_scope("gate"):
            gate = b[:, :3] > 0
        return jnp.where(gate, a @ W, 0) + half_frozen(a, d) @ W

    found = connection(net, (X, X, X, X))
    assert found.reached == (True, False, False, False)
    assert found.depends == (True, True, False, True)
    # Rectifiers compare too, but this comparison is all that b is for.
    assert found.cuts == (
        Cut("gate", "gt"),
        Cut("custom_vjp_call", "half_frozen (custom_vjp)"),
    )


def test_integers_are_depended_on_and_not_reached() -> None:
    def net(values: Values, index: Values) -> Values:
        return values @ W + jnp.asarray(TABLE)[index][:, :3]

    found = connection(net, {"values": X, "index": np.arange(4)})
    assert found == Connection((True, False), (True, True))


def test_between_a_site_and_the_score() -> None:
    def net(x: Values) -> Values:
        return jnp.round(jnp.tanh(stop(x))) @ W

    before = connection(net, at="tanh")
    assert before == Connection((False,), (True,), (Cut("round", "round"),))
    assert connection(net, at="round") == Connection((True,), (True,))


def test_from_a_value_inside() -> None:
    model = backlight.wrap(lambda x: jnp.round(jnp.tanh(x)) @ W, "jax")
    score = Neuron("tanh", (0,)).bind(OutputSpec((4, 6)), 4)
    assert model.connection(X, score) == Connection((True,), (True,))


class Stopped(linen.Module):
    @linen.compact
    def __call__(self, x: Values) -> Values:
        with jax.named_scope("frozen"):
            x = stop(linen.Dense(5, name="body")(x))
        return linen.Dense(3, name="head")(x)


def test_in_the_words_of_the_framework() -> None:
    module = Stopped()
    found = connection((module, module.init(jax.random.key(0), X)))
    assert found.cuts == (Cut("Stopped/frozen", "stop_gradient"),)
