"""The JAX backend: closures."""

import functools
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from tests.backends.jax.model.nets import SKIP, bound, normal, wrap


@final
class Holder:
    """An ordinary callable object, which counts its calls."""

    def __init__(self) -> None:
        self.w = jnp.asarray(SKIP, jnp.float32)
        self.t = 1.0
        self.calls = 0
        self.sub: Any = None

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return self.method(x)

    def method(self, x: Any) -> Any:
        return x @ self.w * self.t if self.sub is None else self.sub.method(x)


GLOBAL = {"w": jnp.asarray(SKIP, jnp.float32)}


def held_in_a_dict() -> tuple[Any, Callable[[], object]]:
    parameters = {"w": jnp.asarray(SKIP, jnp.float32)}
    return lambda x: x @ parameters["w"], lambda: parameters.update(w=5 * parameters["w"])


def held_in_a_global() -> tuple[Any, Callable[[], object]]:
    return lambda x: x @ GLOBAL["w"], lambda: GLOBAL.update(w=5 * GLOBAL["w"])


def held_in_numpy() -> tuple[Any, Callable[[], object]]:
    weights = SKIP.astype(np.float32)
    return lambda x: x @ weights, lambda: weights.__imul__(5)


def held_in_an_attribute() -> tuple[Any, Callable[[], object]]:
    net = Holder()
    return net, lambda: setattr(net, "w", 5 * net.w)


def held_in_a_number() -> tuple[Any, Callable[[], object]]:
    net = Holder()
    return net.method, lambda: setattr(net, "t", 5 * net.t)


def held_deeper() -> tuple[Any, Callable[[], object]]:
    net, net.sub = (outer := Holder()), Holder()
    return lambda x: outer(x), lambda: setattr(net.sub, "w", 5 * net.sub.w)


def held_by_an_object_that_is_bound() -> tuple[Any, Callable[[], object]]:
    net = Holder()
    return functools.partial(lambda n, x: n(x), net), lambda: setattr(net, "w", 5 * net.w)


def held_under_vmap() -> tuple[Any, Callable[[], object]]:
    net, change = held_in_a_dict()
    return jax.vmap(net), change


def held_by_nnx() -> tuple[Any, Callable[[], object]]:
    module = nnx.Linear(5, 4, rngs=nnx.Rngs(0))

    def change() -> None:
        module.kernel[...] = 5 * module.kernel[...]

    return lambda x: module(x), change


class Scaling:
    """A tree with an array of its own, that reads another."""

    def __init__(self, weight: Any, factor: Callable[[], Any]) -> None:
        self.weight, self.factor = weight, factor

    def __call__(self, x: Any) -> Any:
        return x @ self.weight * self.factor()


jax.tree_util.register_pytree_node(
    Scaling, lambda net: ([net.weight], net.factor), lambda factor, own: Scaling(*own, factor)
)


class LinenScaling(linen.Module):
    factor: Callable[[], Any]

    def __call__(self, x: Any) -> Any:
        return x @ SKIP.astype(np.float32) * self.factor()


class NnxScaling(nnx.Module):
    def __init__(self, factor: Callable[[], Any]) -> None:
        self.weight, self.factor = nnx.Param(jnp.asarray(SKIP, jnp.float32)), factor

    def __call__(self, x: Any) -> Any:
        return x @ self.weight[...] * self.factor()


def held_beside(kind: str) -> Callable[[], tuple[Any, Callable[[], object]]]:
    """An array that a module reads and that is none of its own."""

    def make() -> tuple[Any, Callable[[], object]]:
        factor = jnp.ones(4)

        def change() -> None:
            nonlocal factor
            factor = 5 * factor

        nets = {
            "tree": lambda: Scaling(jnp.asarray(SKIP, jnp.float32), lambda: factor),
            "linen": lambda: LinenScaling(lambda: factor).bind({}),
            "nnx": lambda: NnxScaling(lambda: factor),
        }
        return nets[kind](), change

    return make


@pytest.mark.parametrize(
    "make",
    [
        held_in_a_dict,
        held_in_a_global,
        held_in_numpy,
        held_in_an_attribute,
        held_in_a_number,
        held_deeper,
        held_by_an_object_that_is_bound,
        held_under_vmap,
        held_by_nnx,
        held_beside("tree"),
        held_beside("linen"),
        held_beside("nnx"),
    ],
)
def test_what_a_function_closes_over_is_read_at_each_call(make: Callable[[], Any]) -> None:
    net, change = make()
    model = wrap(net)
    x = jnp.asarray(normal(3, 5), jnp.float32)
    before = np.asarray(model.score(x, bound(model, x, 1)))
    np.testing.assert_allclose(before, net(x)[:, 1], rtol=1e-5)
    change()
    after = model.gradient(x, bound(model, x, 1))
    np.testing.assert_allclose(after.score, net(x)[:, 1], rtol=1e-5)
    np.testing.assert_allclose(after.score, 5 * before, rtol=1e-5)
    np.testing.assert_allclose((after.gradient * x).sum(1), after.score, rtol=1e-4)
    assert len(model.memory.answers("trace")) == 2  # one of each state, of the few last ones


def test_an_unchanged_function_is_traced_once() -> None:
    calls: list[Any] = []
    parameters = {"w": jnp.asarray(SKIP, jnp.float32), "b": np.ones(4, np.float32), "nan": np.nan}

    def net(x: Any) -> Any:
        calls.append(x.shape)  # which is a change too, but of the net's own making
        return x @ parameters["w"] + parameters["b"]

    model = wrap(net)
    x = jnp.asarray(normal(3, 5), jnp.float32)
    for k in range(3):
        model.gradient(x, bound(model, x, k))
        model.predict(2 * x)
    assert len(calls) == 1
    model.sites(x)
    seen = len(calls)
    model.sites(x)
    model.predict(x)
    assert len(calls) == seen
    counting = Holder()
    model = wrap(counting)
    for _ in range(3):
        model.predict(x)
    assert counting.calls == 1
