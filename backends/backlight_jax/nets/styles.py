"""The sorts of net: where each keeps its weights, and how it is called with them as arguments.

A net's weights are arguments of what gets compiled, never constants in it: after a training step the
same compiled function explains the new weights. What a plain function closes over is a constant of
its trace, and so part of the structure: when it changes, the function is traced anew.
"""

import functools
import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, final

import jax
import numpy as np

from backlight.errors import ModelError
from backlight.identity import identity_of
from backlight.named import named_by_keras
from backlight_jax.nets.arrays import Constant, Leaves, array_names, is_array, joined, split

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
    """A net as a function of trees of weights and of its arguments."""

    structured = False
    """Whether several inputs are one structured argument."""

    @abstractmethod
    def identity(self) -> Hashable:
        """What it is made of at the moment beside its weights."""

    @abstractmethod
    def trees(self) -> tuple[Any, ...]:
        """The trees that its weights are in now."""

    @abstractmethod
    def run(self, trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        """The net's outputs with these weights, in inference mode."""

    def state(self) -> State:
        """The weights now."""
        leaves, structure = jax.tree.flatten(self.trees())
        arrays, rest = split(leaves)
        return State(arrays, (structure, rest))

    def names(self) -> Sequence[str]:
        """A name for each of the weights, such as `layers[0].weight`."""
        return [name for tree in self.trees() for name in array_names(tree)]

    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        """The net's outputs with the weights of a state."""
        structure, rest = cast(tuple[Any, Any], state.structure)
        trees = jax.tree.unflatten(structure, joined(state.leaves, rest))
        return self.run(trees, *arguments, **keywords)

    def wanted(self) -> str:
        """What the net says that it takes, as a clause for messages; empty if it does not say."""
        for name, leaf in zip(self.names(), self.state().leaves, strict=True):
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

    def trees(self) -> tuple[Any, ...]:
        return ()

    def run(self, trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        return self.function(*arguments, **keywords)


@final
class TreeNet(Net):
    """A callable that is a tree of arrays, as equinox modules are, or a method of one."""

    def __init__(self, tree: Any, method: Callable[..., Any] | None = None) -> None:
        self.given, self.method = tree, method
        equinox = sys.modules.get("equinox")
        self.frozen = equinox is not None and isinstance(tree, equinox.Module)
        if equinox is not None and self.frozen:
            tree = equinox.nn.inference_mode(tree)
        self.tree = tree

    def identity(self) -> Hashable:
        # The arrays of a frozen module stay: others in their places are an edit.
        return identity_of(self.given, self.method, arguments=() if self.frozen else ARRAYS)

    def trees(self) -> tuple[Any, ...]:
        return (self.tree,)

    def state(self) -> State:
        return self._frozen_state if self.frozen else super().state()

    @cached_property
    def _frozen_state(self) -> State:
        # It stays the same, and its parts need not be hashable.
        return State(super().state().leaves, ())

    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        whole = State(state.leaves, super().state().structure)
        return super().call(whole, *arguments, **keywords)

    def run(self, trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        (tree,) = trees
        return called_with(self.method, tree)(*arguments, **keywords)


@final
class PartialNet(Net):
    """A net with some arguments bound (`functools.partial`): their arrays are weights."""

    def __init__(self, partial: "functools.partial[Any]") -> None:
        self.partial = partial
        self.net = as_net(partial.func)

    def identity(self) -> Hashable:
        bound = jax.tree.leaves((self.partial.args, self.partial.keywords))
        rest = [leaf for leaf in bound if not is_array(leaf)]
        return Constant(self.partial.func), self.net.identity(), identity_of(*rest)

    def trees(self) -> tuple[Any, ...]:
        keywords = self.partial.keywords
        named = (keywords[name] for name in sorted(keywords))
        return (*self.net.trees(), *self.partial.args, *named)

    def run(self, trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        names = sorted(self.partial.keywords)
        end = len(trees) - len(names)
        begin = end - len(self.partial.args)
        named = dict(zip(names, trees[end:], strict=True))
        return self.net.run(trees[:begin], *trees[begin:end], *arguments, **{**named, **keywords})


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

    def trees(self) -> tuple[Any, ...]:
        return self.variables, self.rngs

    def run(self, trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        variables, rngs = trees
        return self.module.apply(variables, *arguments, rngs=rngs, method=self.method, **keywords)


@final
class NnxNet(Net):
    """A flax nnx module, or a method of one. What runs is a copy, made anew from the weights."""

    def __init__(self, module: Any, method: Callable[..., Any] | None = None) -> None:
        self.module, self.method = module, method
        self.nnx = sys.modules["flax.nnx"]

    def identity(self) -> Hashable:
        return identity_of(self.module, self.method, arguments=(self.nnx.Variable, *ARRAYS))

    def trees(self) -> tuple[Any, ...]:
        return (self.nnx.state(self.module),)

    def names(self) -> Sequence[str]:
        return [name.removesuffix(".value") for name in super().names()]

    def run(self, trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        module = self.nnx.merge(self.nnx.graphdef(self.module), *trees)
        module.eval()
        return called_with(self.method, module)(*arguments, **keywords)


@final
class KerasNet(Net):
    """A Keras layer or model that computes with JAX."""

    structured = True

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        takes = inspect.signature(layer.call).parameters
        self._inference = {"training": False} if "training" in takes else {}

    def identity(self) -> Hashable:
        return identity_of(self.layer, arguments=(sys.modules["keras"].Variable,))

    @property
    def _variables(self) -> tuple[Sequence[Any], Sequence[Any]]:
        return self.layer.trainable_variables, self.layer.non_trainable_variables

    def trees(self) -> tuple[Any, ...]:
        if not self.layer.built:
            raise ModelError(
                f"The Keras model {self.layer.name!r} has no weights yet: call it once, or build it."
            )
        return tuple([variable.value for variable in some] for some in self._variables)

    def names(self) -> Sequence[str]:
        return [one.path.replace("/", ".") for some in self._variables for one in some]

    def run(self, trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        given = {**self._inference, **keywords}
        outputs, _ = self.layer.stateless_call(*trees, *arguments, **given)
        return named_by_keras(self.layer, outputs)

    def wanted(self) -> str:
        shape = getattr(self.layer, "input_shape", None)
        return f"its input_shape is {shape}" if shape is not None else ""


def called_with(method: Callable[..., Any] | None, module: Any) -> Callable[..., Any]:
    """A method of a module, or its call."""
    return module if method is None else functools.partial(method, module)


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
