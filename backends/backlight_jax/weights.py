"""Weights of JAX nets: trees of arrays that are not written to, and modules and functions that are."""

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CellType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from backlight.memory.keras_layers import is_keras
from backlight.model.keras_weights import keras_storage
from backlight.model.weights import Storage, Weights, read_by

if TYPE_CHECKING:
    from backlight_jax.model import JaxModel


def storage(model: "JaxModel") -> Storage | None:
    """The arrays of a tree or a module; of a function those of floating-point numbers that it reads, None
    where there are none."""
    net: Any = model.given
    linen, nnx = sys.modules.get("flax.linen"), sys.modules.get("flax.nnx")
    owner, method = getattr(net, "__self__", net), getattr(net, "__func__", None)

    def bound(one: object) -> object:
        return one if method is None else method.__get__(one)

    if isinstance(net, partial):
        arguments = (net.args, net.keywords)
        return tree_storage(model, arguments, lambda tree: partial(net.func, *tree[0], **tree[1]))
    if linen is not None and isinstance(net, tuple) and isinstance(net[0], linen.Module):
        module, variables, *rest = net
        return tree_storage(model, variables, lambda tree: (module, tree, *rest))
    if linen is not None and isinstance(owner, linen.Module) and owner.scope is not None:
        module, variables = owner.unbind()
        return tree_storage(model, variables, lambda tree: bound(module.bind(tree)))
    if nnx is not None and isinstance(owner, nnx.Module):
        return nnx_storage(owner)
    if is_keras(owner):
        return keras_storage(owner)
    if not jax.tree_util.all_leaves([owner]):
        return tree_storage(model, owner, bound)
    return held_storage(inner(owner))


def tree_storage(model: "JaxModel", tree: Any, remade: Callable[[Any], object]) -> Storage:
    """The arrays of a tree, from which another net is made.

    Args:
        model: of the net.
        tree: holds the weights.
        remade: makes the net from another tree.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    named = [(spelled(path), leaf) for path, leaf in leaves]

    def put(values: Mapping[str, Any]) -> "JaxModel":
        made = [
            jnp.asarray(values[name], dtype=leaf.dtype) if name in values else leaf
            for name, leaf in named
        ]
        other = type(model)(remade(jax.tree_util.tree_unflatten(structure, made)), model.options)
        other.declared, other.declared_channels = model.declared, model.declared_channels
        return other

    return Storage(weights_of(dict(named)), put, unchanged)


def nnx_storage(module: Any) -> Storage:
    """The parameters of a flax nnx module; its other variables, states of random numbers aside."""
    nnx = sys.modules["flax.nnx"]

    def leaves_of(*kinds: Any) -> dict[str, Any]:
        leaves, _ = jax.tree_util.tree_flatten_with_path(nnx.state(module, *kinds))
        return {spelled(path): leaf for path, leaf in leaves}

    told = weights_of(leaves_of(nnx.Param))
    rest = weights_of(leaves_of(nnx.Not(nnx.Any(nnx.Param, nnx.RngState))))

    def put(values: Mapping[str, Any]) -> None:
        def new(path: Any, leaf: Any) -> Any:
            name = spelled(path)
            return jnp.asarray(values[name], dtype=leaf.dtype) if name in values else leaf

        nnx.update(module, jax.tree_util.tree_map_with_path(new, nnx.state(module, nnx.Param)))

    return Storage(
        Weights(told.parameters, {**told.buffers, **rest.parameters, **rest.buffers}),
        put,
        unchanged,
    )


def held_storage(net: object) -> Storage | None:
    """Arrays of JAX that an object keeps in attributes, or a function in its closure, in dicts, lists and
    objects there; and arrays of NumPy that it reads."""
    places = {name: (holder, key) for name, holder, key in held(net)}
    parameters = {name: holder[key] for name, (holder, key) in places.items()}
    read = [one for one in read_by(net, jax.Array, np.ndarray) if is_weight(one)]
    ours = set(map(id, parameters.values()))
    others = [one for one in read if id(one) not in ours]

    def put(values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            holder, key = places[name]
            holder[key] = jnp.asarray(value, dtype=parameters[name].dtype)

    buffers: dict[str, Any] = {
        f"read.{place}": jnp.asarray(one) for place, one in enumerate(others)
    }
    return Storage(Weights(parameters, buffers), put, unchanged) if parameters or buffers else None


def weights_of(leaves: Mapping[str, Any]) -> Weights:
    """Arrays of floating-point numbers are parameters; others, keys of random numbers aside, buffers."""
    arrays: dict[str, Any] = {
        name: leaf
        for name, leaf in leaves.items()
        if isinstance(leaf, (jax.Array, np.ndarray))
        and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    }
    return Weights(
        {name: one for name, one in arrays.items() if is_weight(one)},
        {name: one for name, one in arrays.items() if not is_weight(one)},
    )


def unchanged(array: Any) -> Any:
    return array  # arrays of JAX are not written to


def inner(net: object) -> object:
    """What is inside of what `jax.jit` and `jax.vmap` make of it."""
    while callable(wrapped := getattr(net, "__wrapped__", None)):
        net = wrapped
    return net


def is_weight(leaf: object) -> bool:
    return isinstance(leaf, (jax.Array, np.ndarray)) and jnp.issubdtype(leaf.dtype, jnp.floating)


def spelled(path: tuple[Any, ...]) -> str:
    """A path in a tree as `layers.0.weight`."""
    parts = []
    for entry in path:
        fields = ("name", "key", "idx")
        parts.append(str(next(getattr(entry, one) for one in fields if hasattr(entry, one))))
    return ".".join(parts)


def held(net: object) -> Iterator[tuple[str, Any, Any]]:
    """The weights among what an object holds: a name, where it is, and under which key."""
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [("", net)]
    while waiting:
        path, owner = waiting.pop(0)
        if id(owner) in seen or isinstance(owner, (jax.Array, np.ndarray, type, ModuleType)):
            continue
        seen.add(id(owner))
        holder = holder_of(owner)
        for key in () if holder is None else [*holder]:
            value, name = holder[key], f"{path}.{key}".removeprefix(".")
            if isinstance(value, jax.Array) and is_weight(value):
                yield name, holder, key
            else:
                waiting.append((name, value))


def holder_of(owner: object) -> Any:
    """What an object holds, by keys that can be written to; None where it holds nothing."""
    if isinstance(owner, dict):
        return owner
    if isinstance(owner, list):
        return Listed(owner)
    if isinstance(owner, FunctionType):
        return Closed(owner)
    return getattr(owner, "__dict__", None)


@final
class Listed:
    """A list by places."""

    def __init__(self, owner: list[Any]) -> None:
        self.owner = owner

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.owner)))

    def __getitem__(self, key: int) -> Any:
        return self.owner[key]

    def __setitem__(self, key: int, value: Any) -> None:
        self.owner[key] = value


@final
class Closed:
    """What a function closes over, by names."""

    def __init__(self, owner: FunctionType) -> None:
        cells = zip(owner.__code__.co_freevars, owner.__closure__ or (), strict=True)
        self.cells = {name: cell for name, cell in cells if cell != CellType()}

    def __iter__(self) -> Iterator[str]:
        return iter(self.cells)

    def __getitem__(self, key: str) -> Any:
        return self.cells[key].cell_contents

    def __setitem__(self, key: str, value: Any) -> None:
        self.cells[key].cell_contents = value
