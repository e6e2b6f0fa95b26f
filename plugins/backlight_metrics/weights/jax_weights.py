"""Weights of JAX nets: trees of arrays that are not written to, and modules that are."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import CellType, FunctionType, ModuleType
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from backlight import Model
from backlight.model.net_model import NetModel
from backlight_metrics.weights.weights import InPlace, Numbers, Weights


@final
class TreeWeights(Weights):
    """See `Weights`: the arrays of a tree, from which another net is made.

    Args:
        model: of the net.
        tree: holds the weights.
        remade: makes the net from another tree.
    """

    def __init__(self, model: NetModel, tree: Any, remade: Callable[[Any], object]) -> None:
        self.model, self.remade = model, remade
        self.leaves, self.structure = jax.tree_util.tree_flatten_with_path(tree)

    def read(self) -> dict[str, Numbers]:
        return {
            name: np.asarray(leaf, dtype=np.float64)
            for name, leaf in self._named()
            if is_weight(leaf)
        }

    @contextmanager
    def replaced(self, new: Mapping[str, Numbers]) -> Iterator[Model]:
        made = [
            jnp.asarray(new[name], dtype=leaf.dtype) if name in new else leaf
            for name, leaf in self._named()
        ]
        net = self.remade(jax.tree_util.tree_unflatten(self.structure, made))
        other: NetModel = type(self.model)(net, self.model.options)
        other.declared = self.model.declared
        other.declared_channels = self.model.declared_channels
        yield other

    def _named(self) -> list[tuple[str, Any]]:
        return [(spelled(path), leaf) for path, leaf in self.leaves]


@final
class HeldWeights(InPlace):
    """See `Weights`: arrays of JAX that an object keeps in attributes, or a function in its closure, in
    dicts, lists and objects there."""

    def __init__(self, model: Model, net: object) -> None:
        super().__init__(model)
        self.holders = {name: (holder, key) for name, holder, key in held(net)}

    def read(self) -> dict[str, Numbers]:
        return {name: np.asarray(one, dtype=np.float64) for name, one in self._arrays().items()}

    def kept(self) -> dict[str, object]:
        return dict(self._arrays())  # arrays of JAX are not written to

    def write(self, new: Mapping[str, Numbers]) -> None:
        now = self._arrays()
        self.restore({name: jnp.asarray(one, dtype=now[name].dtype) for name, one in new.items()})

    def restore(self, kept: Mapping[str, object]) -> None:
        for name, array in kept.items():
            holder, key = self.holders[name]
            holder[key] = array

    def _arrays(self) -> dict[str, Any]:
        return {name: holder[key] for name, (holder, key) in self.holders.items()}


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


@final
class NNXWeights(InPlace):
    """See `Weights`: the parameters of a flax nnx module."""

    def __init__(self, model: Model, module: Any) -> None:
        super().__init__(model)
        self.nnx = sys.modules["flax.nnx"]
        self.module = module

    def _parameters(self) -> dict[str, Any]:
        state = self.nnx.state(self.module, self.nnx.Param)
        leaves, _ = jax.tree_util.tree_flatten_with_path(state)
        return {spelled(path): leaf for path, leaf in leaves if is_weight(leaf)}

    def read(self) -> dict[str, Numbers]:
        return {name: np.asarray(one, dtype=np.float64) for name, one in self._parameters().items()}

    def kept(self) -> dict[str, object]:
        return dict(self._parameters())  # arrays of JAX are not written to

    def write(self, new: Mapping[str, Numbers]) -> None:
        now = self._parameters()
        self.restore({name: jnp.asarray(one, dtype=now[name].dtype) for name, one in new.items()})

    def restore(self, kept: Mapping[str, object]) -> None:
        state = self.nnx.state(self.module, self.nnx.Param)
        other = jax.tree_util.tree_map_with_path(
            lambda path, leaf: kept.get(spelled(path), leaf), state
        )
        self.nnx.update(self.module, other)


def jax_weights(model: NetModel, net: object) -> Weights | None:
    linen, nnx, keras = (sys.modules.get(name) for name in ("flax.linen", "flax.nnx", "keras"))
    owner, method = getattr(net, "__self__", net), getattr(net, "__func__", None)
    if isinstance(net, partial):
        held = net

        def remade(tree: Any) -> object:
            arguments, keywords = tree
            return partial(held.func, *arguments, **keywords)

        return TreeWeights(model, (net.args, net.keywords), remade)
    if linen is not None and isinstance(net, tuple) and isinstance(net[0], linen.Module):
        module, variables, *rest = net
        return TreeWeights(model, variables, lambda tree: (module, tree, *rest))
    if linen is not None and isinstance(owner, linen.Module) and owner.scope is not None:
        module, variables = owner.unbind()

        def bound(tree: Any) -> object:
            other = module.bind(tree)
            return other if method is None else method.__get__(other)

        return TreeWeights(model, variables, bound)
    if nnx is not None and isinstance(owner, nnx.Module):
        return NNXWeights(model, owner)
    if keras is not None and isinstance(owner, keras.Layer):
        from backlight_metrics.weights.keras_weights import KerasWeights

        return KerasWeights(model, owner)
    if not jax.tree_util.all_leaves([owner]):
        return TreeWeights(
            model, owner, lambda tree: tree if method is None else method.__get__(tree)
        )
    return HeldWeights(model, inner(owner))


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
