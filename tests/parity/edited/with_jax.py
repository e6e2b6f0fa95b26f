"""Edits of JAX nets: plain functions, equinox, flax linen and nnx."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import equinox
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from tests.parity.edited import settings
from tests.parity.edited.check import Case, X
from tests.parity.edited.scores import changing_scores

Array = Any


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(list(shape)).normal(size=shape) / np.sqrt(np.prod(shape[:-1]))


def conv(x: Array, kernel: Array, stride: int = 1) -> Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=numbers
    )


def slope(net: Any) -> Callable[[Array], Array]:
    return lambda x: jax.grad(lambda x: net(x)[:, 1].sum())(x)


def begin() -> Array:
    """Everything that nets share as it was, and what they are fed with."""
    settings.reset()
    settings.activation = jax.nn.relu
    return jnp.asarray(X)


@dataclass
class Setting:
    scale: float = 1.0


@dataclass(eq=False)
class Hashable(Setting):
    """Told by identity, as most objects are."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


class Base:
    shared = 1.0

    @property
    def factor(self) -> float:
        return self.shared


class Holder(Base):
    """A callable object, and every place where a user may keep something."""

    def __init__(self) -> None:
        self.first = jnp.asarray(drawn(3, 3, 2, 4))
        self.second = jnp.asarray(drawn(3, 3, 4, 4))
        self.head = drawn(4, 3)
        self.stride, self.eps = 1, 1e-3
        self.act: Callable[[Array], Array] = jax.nn.relu
        self.ending: Callable[[Array], Array] = lambda z: z
        self.kept: dict[str, Any] = {"listed": [1.0, 2.0], "deep": {"scale": np.ones(())}}
        self.setting = Setting()
        self.layers = [jnp.tanh, jnp.tanh]

    def features(self, x: Array) -> Array:
        x = self.act(conv(x, self.first))
        for layer in self.layers:
            x = layer(x)
        x = self.act(conv(x, self.second, self.stride))
        return x / jnp.sqrt((x**2).mean(-1, keepdims=True) + self.eps)

    def __call__(self, x: Array) -> Array:
        h = settings.activation(self.features(x) * self.factor).mean((1, 2))
        z = h @ self.head * self.kept["listed"][0] * self.kept["deep"]["scale"]
        return self.ending(z * self.setting.scale * settings.SCALE)


class Other(Holder):
    shared = 3.0


def held(edit: Callable[[Any], object]) -> Callable[[], Case]:
    def make() -> Case:
        x = begin()
        Base.shared = 1.0
        net = Holder()
        return Case(net, x, lambda: edit(net), slope(net))

    return make


HELD: dict[str, Callable[[Any], object]] = {
    "array": lambda net: setattr(net, "second", 2 * net.second[::-1]),
    "numpy_array_in_place": lambda net: net.head.__imul__(-3),
    "stride": lambda net: setattr(net, "stride", 2),
    "eps": lambda net: setattr(net, "eps", 0.5),
    "function": lambda net: setattr(net, "act", jax.nn.gelu),
    "function_that_pools": lambda net: setattr(
        net, "act", lambda x: (x.reshape(len(x), 3, -1, 3, x.shape[2] // 3, 4)).max((2, 4))
    ),
    "ending": lambda net: setattr(net, "ending", jax.nn.sigmoid),
    "number_in_a_list": lambda net: net.kept["listed"].__setitem__(0, 2.0),
    "number_in_a_nested_dict": lambda net: net.kept["deep"].update(scale=2.0),
    "number_in_a_dataclass": lambda net: setattr(net.setting, "scale", 2.0),
    "layer": lambda net: net.layers.__setitem__(1, jax.nn.silu),
    "layer_added": lambda net: net.layers.append(jnp.sin),
    "global": lambda net: setattr(settings, "SCALE", 2.0),
    "function_of_a_module": lambda net: setattr(settings, "activation", jax.nn.gelu),
    "class": lambda net: setattr(net, "__class__", Other),
    "attribute_of_the_class": lambda net: setattr(Base, "shared", 3.0),
}


class Deep:
    """Something many attributes away."""

    def __init__(self, depth: int) -> None:
        self.inner = Deep(depth - 1) if depth else None
        self.scale = 1.0

    def scales(self) -> float:
        return self.scale if self.inner is None else self.inner.scales()

    def last(self) -> "Deep":
        return self if self.inner is None else self.inner.last()


class Slotted:
    __slots__ = ("scale",)

    def __init__(self) -> None:
        self.scale = 1.0


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


def closure(kind: str) -> Callable[[], Case]:
    """A plain function, with what it reads in one of the places that a function may keep it."""

    def make() -> Case:
        x = begin()
        first, second, head = drawn(3, 3, 2, 4), drawn(3, 3, 4, 4), drawn(4, 3)
        scale, act = 1.0, jax.nn.relu
        kept = {"scale": 1.0}
        deep, slotted = Deep(16), Slotted()
        table = np.array([1.0, None], object)

        def inner(x: Array) -> Array:
            return act(conv(act(conv(x, first)), second)) * scale

        @decorated
        def outer(x: Array) -> Array:
            return inner(x)

        def net(x: Array, factor: float = 1.0, *, power: int = 1) -> Array:
            h = settings.activation(outer(x)).mean((1, 2)) ** power
            z = h @ head * factor * kept["scale"] * settings.SCALE
            if kind in ("deep", "slots", "objects"):
                z = z * {"deep": deep.scales(), "slots": slotted.scale, "objects": table[0]}[kind]
            return z

        def smooth(x: Array) -> Array:
            return act(conv(act(conv(x, 2 * first)), second)) * scale

        def set_scale() -> None:
            nonlocal scale
            scale = 3.0

        def set_act() -> None:
            nonlocal act
            act = jax.nn.gelu

        partial = functools.partial(net, factor=1.0)
        edits: dict[str, Callable[[], object]] = {
            "cell": set_scale,
            "function_in_a_cell": set_act,
            "array_in_place": lambda: second.__imul__(-2),
            "dict": lambda: kept.update(scale=2.0),
            "default": lambda: setattr(net, "__defaults__", (2.0,)),
            "keyword_default": lambda: net.__kwdefaults__.update(power=2),
            "partial": lambda: partial.keywords.update(factor=2.0),
            "partial_function": lambda: partial.__setstate__((twice, (), {"factor": 1.0}, {})),
            "global": lambda: setattr(settings, "SCALE", 2.0),
            "function_of_a_module": lambda: setattr(settings, "activation", jax.nn.gelu),
            "code": lambda: setattr(inner, "__code__", smooth.__code__),
            "deep": lambda: setattr(deep.last(), "scale", 2.0),
            "slots": lambda: setattr(slotted, "scale", 2.0),
            "objects": lambda: table.__setitem__(0, 2.0),
            "vmap": set_scale,
            "vmap_of_a_partial": lambda: kept.update(scale=2.0),
        }

        def twice(x: Array, factor: float) -> Array:
            return 2 * net(x, factor) ** 2

        called: Any = net
        if kind.startswith("partial"):
            called = partial
        elif kind == "vmap":
            called = jax.vmap(lambda one: net(one[None])[0])
        elif kind == "vmap_of_a_partial":
            called = jax.vmap(
                functools.partial(lambda power, one: net(one[None], power=power)[0], 1)
            )
        return Case(called, x, edits[kind], slope(called))

    return make


CLOSURES = (
    "cell",
    "function_in_a_cell",
    "array_in_place",
    "dict",
    "default",
    "keyword_default",
    "partial",
    "partial_function",
    "global",
    "function_of_a_module",
    "code",
    "deep",
    "slots",
    "objects",
    "vmap",
    "vmap_of_a_partial",
)


class Equinox(equinox.Module):
    """For one example, channels first, with a function, a number and arrays that can change."""

    first: equinox.nn.Conv2d
    second: equinox.nn.Conv2d
    head: np.ndarray
    kept: dict[str, Any]
    act: Callable[[Array], Array] = equinox.field(static=True)
    setting: Setting = equinox.field(static=True)

    def __init__(self, act: Callable[[Array], Array]) -> None:
        keys = jax.random.split(jax.random.key(0), 2)
        self.first = equinox.nn.Conv2d(2, 4, 3, 1, 1, key=keys[0])
        self.second = equinox.nn.Conv2d(4, 4, 3, 1, 1, key=keys[1])
        self.head = drawn(4, 3)
        self.kept = {"scale": 1.0, "shift": jnp.zeros(3)}
        self.act, self.setting = act, Setting()

    def __call__(self, x: Array) -> Array:
        x = self.act(self.second(self.act(self.first(x))))
        z = x.mean((1, 2)) @ self.head * self.kept["scale"] * self.setting.scale * settings.SCALE
        return settings.activation(z + self.kept["shift"])


def own_act(x: Array) -> Array:
    return settings.activation(x)


def with_equinox(kind: str) -> Callable[[], Case]:
    def make() -> Case:
        x = begin()
        x = jnp.moveaxis(x, -1, 1)
        net = Equinox(own_act if kind == "static_function" else jax.nn.relu)
        edits: dict[str, Callable[[], object]] = {
            "numpy_array_in_place": lambda: net.head.__imul__(-3),
            "number_in_a_dict": lambda: net.kept.update(scale=2.0),
            "array_in_a_dict": lambda: net.kept.update(shift=jnp.ones(3)),
            "static_dataclass": lambda: setattr(net.setting, "scale", 2.0),
            "static_function": lambda: setattr(settings, "activation", jax.nn.gelu),
            "global": lambda: setattr(settings, "SCALE", 2.0),
            "by_force": lambda: object.__setattr__(net, "act", jax.nn.gelu),
            "weight_by_force": lambda: object.__setattr__(
                net.second, "weight", 2 * net.second.weight
            ),
            "closed_over": lambda: object.__setattr__(net, "act", jax.nn.gelu),
        }
        vmapped = jax.vmap(net)
        called = (lambda x: jax.vmap(net)(x)) if kind == "closed_over" else vmapped
        return Case(called, x, edits[kind], slope(called))

    return make


EQUINOX = (
    "numpy_array_in_place",
    "number_in_a_dict",
    "array_in_a_dict",
    "static_dataclass",
    "static_function",
    "global",
    "by_force",
    "weight_by_force",
    "closed_over",
)


class Linen(linen.Module):
    act: Callable[[Array], Array] = jax.nn.relu
    setting: Setting = field(default_factory=Setting)

    @linen.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        x = self.act(linen.Conv(4, (3, 3), name="first", param_dtype="float64")(x))
        x = linen.BatchNorm(use_running_average=not train, name="norm", param_dtype="float64")(x)
        x = self.act(linen.Conv(4, (3, 3), name="second", param_dtype="float64")(x)).mean((1, 2))
        z = linen.Dense(3, name="head", param_dtype="float64")(x)
        return settings.activation(z) * self.setting.scale * settings.SCALE


def with_linen(kind: str) -> Callable[[], Case]:
    def make() -> Case:
        x = begin()
        module = Linen(own_act if kind == "function_of_a_module" else jax.nn.relu)
        variables: Any = jax.tree.map(lambda leaf: leaf, module.init(jax.random.key(0), x[:1]))
        dense, norm = variables["params"]["head"], variables["batch_stats"]["norm"]
        host = np.array(dense["kernel"])
        if kind.startswith("numpy"):
            dense["kernel"] = host
        net: Any = (module, variables)
        if kind.startswith("bound"):
            net = module.bind(variables)
        elif kind.startswith("partial"):
            net = functools.partial(module.apply, variables)
        edits: dict[str, Callable[[], object]] = {
            "variables": lambda: dense.update(kernel=-2 * dense["kernel"]),
            "bound_variables": lambda: dense.update(kernel=-2 * dense["kernel"]),
            "partial_variables": lambda: dense.update(kernel=-2 * dense["kernel"]),
            "numpy_array_in_place": lambda: host.__imul__(-2),
            "statistics": lambda: norm.update(mean=norm["mean"] + 1),
            "dataclass": lambda: setattr(module.setting, "scale", 2.0),
            "global": lambda: setattr(settings, "SCALE", 2.0),
            "bound_global": lambda: setattr(settings, "SCALE", 2.0),
            "partial_global": lambda: setattr(settings, "SCALE", 2.0),
            "function_of_a_module": lambda: setattr(settings, "activation", jax.nn.gelu),
            "by_force": lambda: object.__setattr__(module, "act", jax.nn.gelu),
        }
        return Case(net, x, edits[kind], slope(lambda x: module.apply(variables, x)))

    return make


LINEN = (
    "variables",
    "bound_variables",
    "partial_variables",
    "numpy_array_in_place",
    "statistics",
    "dataclass",
    "global",
    "bound_global",
    "partial_global",
    "function_of_a_module",
    "by_force",
)


class Nnx(nnx.Module):
    def __init__(self, setting: type[Setting] = Hashable) -> None:
        rngs = nnx.Rngs(0)
        self.first = nnx.Conv(2, 4, (3, 3), rngs=rngs, param_dtype="float64")
        self.norm = nnx.BatchNorm(4, rngs=rngs, param_dtype="float64")
        self.second = nnx.Conv(4, 4, (3, 3), rngs=rngs, param_dtype="float64")
        self.head = nnx.Linear(4, 3, rngs=rngs, param_dtype="float64")
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.act: Callable[[Array], Array] = jax.nn.relu
        self.scale, self.setting = 1.0, setting()

    def __call__(self, x: Array) -> Array:
        x = self.norm(self.act(self.first(x)))
        x = self.drop(self.act(self.second(x))).mean((1, 2))
        return settings.activation(self.head(x)) * self.scale * self.setting.scale * settings.SCALE


def force_scale(net: Any) -> None:
    net.head.kernel[...] = net.head.kernel[...].at[:, 1].multiply(-2)


def with_nnx(
    edit: Callable[[Any], object], matters: bool = True, setting: type[Setting] = Hashable
) -> Callable[[], Case]:
    def make() -> Case:
        x = begin()
        net = Nnx(setting)

        def evaluated(x: Array) -> Array:
            graph, state = nnx.split(net)
            copy = nnx.merge(graph, state)
            copy.eval()
            return slope(copy)(x)

        return Case(net, x, lambda: edit(net), evaluated, matters)

    return make


NNX: dict[str, Callable[[Any], object]] = {
    "parameter": force_scale,
    "statistics": lambda net: net.norm.mean.__setitem__(..., net.norm.mean[...] + 1),
    "attribute": lambda net: setattr(net, "scale", 2.0),
    "dataclass": lambda net: setattr(net.setting, "scale", 2.0),
    "function": lambda net: setattr(net, "act", jax.nn.gelu),
    "layer": lambda net: setattr(
        net,
        "second",
        nnx.Conv(4, 4, (3, 3), strides=2, rngs=nnx.Rngs(1), param_dtype="float64"),
    ),
    "strides": lambda net: setattr(net.second, "strides", (2, 2)),
    "eps": lambda net: setattr(net.norm, "epsilon", 0.5),
    "global": lambda net: setattr(settings, "SCALE", 2.0),
    "function_of_a_module": lambda net: setattr(settings, "activation", jax.nn.gelu),
}
NNX_HARMLESS: dict[str, Callable[[Any], object]] = {
    "train": lambda net: net.train(),
    "eval": lambda net: net.eval(),
    "rate": lambda net: setattr(net.drop, "rate", 0.1),
    "momentum": lambda net: setattr(net.norm, "momentum", 0.5),
}


def score(kind: str) -> Callable[[], Case]:
    """A net that stays, and a score function that reads what changes."""

    def make() -> Case:
        x = begin()
        net = Holder()
        array = np.array([0.0, 1.0, 0.0])

        def weighted(outputs: Any, arrays: Any, weight: float = 1.0) -> Any:
            return outputs[:, 1] * weight

        scores = changing_scores() | {
            "array": (
                lambda outputs, arrays: (outputs * array).sum(1),
                lambda: array.__setitem__(0, -2.0),
            ),
            "default": (weighted, lambda: setattr(weighted, "__defaults__", (-2.0,))),
        }
        target, edit = scores[kind]
        return Case(net, x, edit, target=target)

    return make


SCORES = ("closure", "global", "attribute", "array", "default", "list")

EDITS: dict[str, Callable[[], Case]] = {
    **{f"object_{name}": held(edit) for name, edit in HELD.items()},
    **{f"closure_{kind}": closure(kind) for kind in CLOSURES},
    **{f"equinox_{kind}": with_equinox(kind) for kind in EQUINOX},
    **{f"linen_{kind}": with_linen(kind) for kind in LINEN},
    **{f"nnx_{name}": with_nnx(edit) for name, edit in NNX.items()},
    **{f"nnx_{name}": with_nnx(edit, matters=False) for name, edit in NNX_HARMLESS.items()},
    "nnx_attribute_beside_what_has_no_hash": with_nnx(NNX["attribute"], setting=Setting),
    **{f"score_{kind}": score(kind) for kind in SCORES},
}
