"""The sorts of net: where each keeps its weights, and how it is called with them as arguments.

A net's weights are arguments of what gets compiled, never constants in it: after a training step the
same compiled function explains the new weights. What a plain function closes over is a constant of
its trace, and so part of the structure: when it changes, the function is traced anew.
"""

import functools
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, final

import jax
import numpy as np

from backlight.errors import ModelError
from backlight.identity import identity_of
from backlight.named import named_by_keras

Leaves: TypeAlias = Sequence[Any]

ARRAYS: tuple[type, ...] = (jax.Array, np.ndarray, np.generic)


@final
@dataclass(frozen=True)
class State:
    """A net's weights at this moment.

    Attributes:
        leaves: arrays.
        structure: everything else that the net is made of; equal for equal nets.
    """

    leaves: Leaves
    structure: Hashable


class Net(ABC):
    """A net as a function of its weights and its arguments."""

    structured = False
    """Whether several inputs are one structured argument."""

    @abstractmethod
    def identity(self) -> Hashable:
        """What it is made of at the moment beside its weights."""

    @abstractmethod
    def state(self) -> State:
        """The weights now."""

    def weights(self) -> Leaves:
        """The arrays of the state."""
        return self.state().leaves

    @abstractmethod
    def names(self) -> Sequence[str]:
        """A name for each of the weights, such as `layers[0].weight`."""

    @abstractmethod
    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        """The net's outputs with these weights, in inference mode."""

    def wanted(self) -> str:
        """What the net says that it takes, as a clause for messages; empty if it does not say."""
        for name, leaf in zip(self.names(), self.weights(), strict=True):
            if getattr(leaf, "ndim", 0) > 1:
                return f"its first parameter {name} has shape {tuple(leaf.shape)}"
        return ""


@final
class FunctionNet(Net):
    """A function, jitted or not, or another callable without weights that can be found."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def identity(self) -> Hashable:
        return identity_of(self.function)

    def state(self) -> State:
        return State((), ())

    def names(self) -> Sequence[str]:
        return ()

    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        return self.function(*arguments, **keywords)


@final
class TreeNet(Net):
    """A callable that is a tree of arrays, as equinox modules are, or a method of one."""

    def __init__(self, tree: Any, method: Callable[..., Any] | None = None) -> None:
        self.given = tree
        equinox = sys.modules.get("equinox")
        self.frozen = equinox is not None and isinstance(tree, equinox.Module)
        if equinox is not None and self.frozen:
            tree = equinox.nn.inference_mode(tree)
        self.tree = tree
        self.method = method
        self._state = self._read()

    def identity(self) -> Hashable:
        # The arrays of a frozen module stay: others in their places are an edit.
        return identity_of(self.given, self.method, arguments=() if self.frozen else ARRAYS)

    def state(self) -> State:
        return self._state if self.frozen else self._read()

    def _read(self) -> State:
        leaves, structure = jax.tree.flatten(self.tree)
        arrays, rest = split(leaves)
        # A frozen module stays the same, and its parts need not be hashable.
        return State(arrays, () if self.frozen else (structure, rest))

    def names(self) -> Sequence[str]:
        return array_names(self.tree)

    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        leaves, structure = jax.tree.flatten(self.tree)
        tree = jax.tree.unflatten(structure, joined(state.leaves, split(leaves)[1]))
        if self.method is not None:
            return self.method(tree, *arguments, **keywords)
        return tree(*arguments, **keywords)


@final
class PartialNet(Net):
    """A net with some arguments bound (`functools.partial`): their arrays are weights."""

    def __init__(self, partial: "functools.partial[Any]") -> None:
        self.partial = partial
        self.net = as_net(partial.func)

    @property
    def bound(self) -> tuple[Any, Any]:
        return self.partial.args, self.partial.keywords

    def identity(self) -> Hashable:
        rest = [leaf for leaf in jax.tree.leaves(self.bound) if not is_array(leaf)]
        return Constant(self.partial.func), self.net.identity(), identity_of(*rest)

    def state(self) -> State:
        inner = self.net.state()
        leaves, structure = jax.tree.flatten(self.bound)
        arrays, rest = split(leaves)
        return State(
            (*inner.leaves, *arrays),
            (inner.structure, len(inner.leaves), structure, rest),
        )

    def names(self) -> Sequence[str]:
        positional, keywords = self.bound
        parts = (*positional, *(keywords[name] for name in sorted(keywords)))
        return [*self.net.names(), *(name for part in parts for name in array_names(part))]

    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        inner, count, structure, rest = cast(tuple[Any, int, Any, Any], state.structure)
        bound = jax.tree.unflatten(structure, joined(state.leaves[count:], rest))
        return self.net.call(
            State(state.leaves[:count], inner), *bound[0], *arguments, **{**bound[1], **keywords}
        )


@final
class LinenNet(Net):
    """A flax linen module with its variables."""

    def __init__(
        self,
        module: Any,
        variables: Mapping[str, Any],
        rngs: Mapping[str, Any] | None = None,
        method: Callable[..., Any] | None = None,
    ) -> None:
        self.module, self.variables, self.rngs, self.method = module, variables, rngs, method

    def identity(self) -> Hashable:
        return identity_of(self.module, self.method, arguments=ARRAYS)

    def state(self) -> State:
        leaves, structure = jax.tree.flatten((self.variables, self.rngs))
        return State(leaves, structure)

    def names(self) -> Sequence[str]:
        return array_names(self.variables) + array_names(self.rngs)

    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        variables, rngs = jax.tree.unflatten(cast(Any, state.structure), state.leaves)
        return self.module.apply(variables, *arguments, rngs=rngs, method=self.method, **keywords)


@final
class NnxNet(Net):
    """A flax nnx module, or a method of one. What runs is a copy, made anew from the weights."""

    def __init__(self, module: Any, method: Callable[..., Any] | None = None) -> None:
        self.module, self.method = module, method

    def identity(self) -> Hashable:
        kinds = (sys.modules["flax.nnx"].Variable, *ARRAYS)
        return identity_of(self.module, self.method, arguments=kinds)

    def state(self) -> State:
        graph, state = sys.modules["flax.nnx"].split(self.module)
        leaves, structure = jax.tree.flatten(state)
        return State(leaves, (Covered(graph), structure))

    def names(self) -> Sequence[str]:
        names = array_names(sys.modules["flax.nnx"].state(self.module))
        return [name.removesuffix(".value") for name in names]

    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        covered, structure = cast(tuple[Any, Any], state.structure)
        variables = jax.tree.unflatten(structure, state.leaves)
        module = sys.modules["flax.nnx"].merge(covered.value, variables)
        module.eval()
        if self.method is not None:
            return self.method(module, *arguments, **keywords)
        return module(*arguments, **keywords)


@final
class KerasNet(Net):
    """A Keras layer or model that computes with JAX."""

    structured = True

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def identity(self) -> Hashable:
        return identity_of(self.layer, arguments=(sys.modules["keras"].Variable,))

    def state(self) -> State:
        if not self.layer.built:
            raise ModelError(
                f"The Keras model {self.layer.name!r} has no weights yet: call it once, or build it."
            )
        trainable = [variable.value for variable in self.layer.trainable_variables]
        others = [variable.value for variable in self.layer.non_trainable_variables]
        return State((*trainable, *others), len(trainable))

    def names(self) -> Sequence[str]:
        variables = (*self.layer.trainable_variables, *self.layer.non_trainable_variables)
        return [variable.path.replace("/", ".") for variable in variables]

    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        count = cast(int, state.structure)
        outputs, _ = self.layer.stateless_call(
            list(state.leaves[:count]),
            list(state.leaves[count:]),
            *arguments,
            **{"training": False, **keywords},
        )
        return named_by_keras(self.layer, outputs)

    def wanted(self) -> str:
        shape = getattr(self.layer, "input_shape", None)
        return f"its input_shape is {shape}" if shape is not None else ""


def as_net(net: Any) -> Net:
    """The sort of net that this is."""
    linen, nnx = sys.modules.get("flax.linen"), sys.modules.get("flax.nnx")
    keras = sys.modules.get("keras")
    if isinstance(net, functools.partial):
        return PartialNet(net)
    owner, method = getattr(net, "__self__", net), getattr(net, "__func__", None)
    if linen is not None and isinstance(net, tuple):
        return LinenNet(*net)
    if linen is not None and isinstance(owner, linen.Module) and is_bound(owner, method):
        rngs = {name: lazy.as_jax_rng() for name, lazy in owner.scope.rngs.items()}
        module, variables = owner.unbind()
        return LinenNet(module, variables, rngs or None, method)
    if nnx is not None and isinstance(owner, nnx.Module):
        return NnxNet(owner, method)
    if keras is not None and isinstance(net, keras.Layer):
        return KerasNet(net)
    if not jax.tree_util.all_leaves([owner]):
        return TreeNet(owner, method)
    return FunctionNet(net)


def is_bound(module: Any, method: object) -> bool:
    """Whether a linen module holds its variables; `module.apply` is a function without them."""
    if module.scope is not None:
        return True
    if method is None:
        raise ModelError(
            f"The flax module {type(module).__name__} has no variables: "
            "pass module.bind(variables), or (module, variables)."
        )
    return False


def is_array(leaf: object) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


@final
class Constant:
    """A part of a net or call that is no array: compared by value, or by identity without a hash."""

    def __init__(self, value: Any) -> None:
        self.value = value
        try:
            self.key: Hashable = (type(value), value)
            self.hash = hash(self.key)
        except TypeError:
            self.key = self.hash = id(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.key == other.key

    def __hash__(self) -> int:
        return self.hash


@final
@dataclass(frozen=True, eq=False)
class Covered:
    """A part of a structure that need not be compared, as the net's identity covers it."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Covered)

    def __hash__(self) -> int:
        return 0


def split(leaves: Leaves) -> tuple[list[Any], tuple[Constant | None, ...]]:
    """The arrays among leaves, and the rest, with None where an array was."""
    arrays = [leaf for leaf in leaves if is_array(leaf)]
    return arrays, tuple(None if is_array(leaf) else Constant(leaf) for leaf in leaves)


def joined(arrays: Leaves, rest: Sequence[Constant | None]) -> list[Any]:
    """What `split` took apart."""
    remaining = iter(arrays)
    return [next(remaining) if other is None else other.value for other in rest]


def array_names(tree: Any) -> list[str]:
    """The paths of the arrays of a tree, such as `layers[0].weight`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [spelled(path) for path, leaf in leaves if is_array(leaf)]


def spelled(path: Sequence[Any]) -> str:
    text = ""
    for entry in path:
        key = next(
            getattr(entry, field) for field in ("name", "key", "idx") if hasattr(entry, field)
        )
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.removeprefix(".")
