"""The sorts of net: where each keeps its weights, and how it is called with them as arguments.

A net's weights are arguments of what gets compiled, never constants in it: after a training step the
same compiled function explains the new weights. What a plain function closes over is a constant of
its trace, and so part of the structure: when it changes, the function is traced anew.
"""

import inspect
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, cast, final

import jax
import numpy as np

from backlight.errors import ModelError
from backlight.memory.identity import identity_beside, identity_of
from backlight.model.naming import named_by_keras
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


@final
@dataclass(frozen=True, eq=False)
class Net:
    """A net as a function of trees of weights and of its arguments.

    Attributes:
        run: its outputs in inference mode, for trees of weights and its arguments.
        trees: gives the trees that its weights are in now.
        identity: gives what it is made of at the moment beside its weights.
        paths: gives a name for each of the weights; None for their paths in the trees.
        shape: gives the shape that it says it takes; None where it does not say.
        structured: whether several inputs are one structured argument.
        frozen: whether the trees stay as they are; their parts need not be hashable then.
    """

    run: Callable[..., Any]
    trees: Callable[[], Sequence[Any]]
    identity: Callable[[], Hashable]
    paths: Callable[[], Sequence[str]] | None = None
    shape: Callable[[], object] | None = None
    structured: bool = False
    frozen: bool = False

    def state(self) -> State:
        """The weights now."""
        return self._frozen_state if self.frozen else self._read()

    def names(self) -> Sequence[str]:
        """A name for each of the weights, such as `layers[0].weight`."""
        if self.paths is not None:
            return self.paths()
        return [name for tree in self.trees() for name in array_names(tree)]

    def call(self, state: State, *arguments: Any, **keywords: Any) -> Any:
        """The net's outputs with the weights of a state."""
        found = self._read().structure if self.frozen else state.structure
        structure, rest = cast(tuple[Any, Any], found)
        trees = jax.tree.unflatten(structure, joined(state.leaves, rest))
        return self.run(trees, *arguments, **keywords)

    def wanted(self) -> str:
        """What the net says that it takes, as a clause for messages; empty if it does not say."""
        if self.shape is not None:
            shape = self.shape()
            return f"its input_shape is {shape}" if shape is not None else ""
        for name, leaf in zip(self.names(), self.state().leaves, strict=True):
            if getattr(leaf, "ndim", 0) > 1:
                return f"its first parameter {name} has shape {tuple(leaf.shape)}"
        return ""

    @cached_property
    def _frozen_state(self) -> State:
        return State(self._read().leaves, ())

    def _read(self) -> State:
        leaves, structure = jax.tree.flatten(tuple(self.trees()))
        arrays, rest = split(leaves)
        return State(arrays, (structure, rest))


def function_net(function: Callable[..., Any]) -> Net:
    """A function, jitted or not, or another callable without weights that can be found."""
    return Net(
        run=lambda trees, *arguments, **keywords: function(*arguments, **keywords),
        trees=tuple,
        identity=lambda: identity_of(function),
    )


def tree_net(tree: Any, method: Callable[..., Any] | None = None) -> Net:
    """A callable that is a tree of arrays, as equinox modules are, or a method of one."""
    equinox = sys.modules.get("equinox")
    frozen = equinox is not None and isinstance(tree, equinox.Module)
    held = equinox.nn.inference_mode(tree) if equinox is not None and frozen else tree

    def identity() -> Hashable:
        if frozen:  # its arrays stay: others in their places are an edit
            return identity_of(tree, method)
        return identity_beside(jax.tree.leaves(tree), ARRAYS, tree, method)

    return Net(
        run=partial(run_module, method),
        trees=lambda: (held,),
        identity=identity,
        frozen=frozen,
    )


def partial_net(net: "partial[Any]") -> Net:
    """A net with some arguments bound (`functools.partial`): their arrays are weights."""
    inner, names = as_net(net.func), sorted(net.keywords)

    def trees() -> Sequence[Any]:
        return (*inner.trees(), *net.args, *(net.keywords[name] for name in names))

    def run(trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        end = len(trees) - len(names)
        begin = end - len(net.args)
        named = dict(zip(names, trees[end:], strict=True))
        return inner.run(trees[:begin], *trees[begin:end], *arguments, **{**named, **keywords})

    def identity() -> Hashable:
        rest = [leaf for leaf in jax.tree.leaves((net.args, net.keywords)) if not is_array(leaf)]
        return Constant(net.func), inner.identity(), identity_of(*rest)

    return Net(run, trees, identity)


def linen_net(
    module: Any,
    variables: Mapping[str, Any],
    rngs: Mapping[str, Any] | None = None,
    method: Callable[..., Any] | None = None,
) -> Net:
    """A flax linen module with its variables."""

    def run(trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        held, keys = trees
        return module.apply(held, *arguments, rngs=keys, method=method, **keywords)

    return Net(run, lambda: (variables, rngs), lambda: identity_of(module, method))


def nnx_net(module: Any, method: Callable[..., Any] | None = None) -> Net:
    """A flax nnx module, or a method of one. What runs is a copy, made anew from the weights."""
    nnx = sys.modules["flax.nnx"]

    def run(trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        copy = nnx.merge(nnx.graphdef(module), *trees)
        copy.eval()
        return run_module(method, [copy], *arguments, **keywords)

    return Net(
        run,
        trees=lambda: (nnx.state(module),),
        identity=lambda: identity_of(module, method, arguments=(nnx.Variable,)),
        paths=lambda: [name.removesuffix(".value") for name in array_names(nnx.state(module))],
    )


def keras_net(layer: Any) -> Net:
    """A Keras layer or model that computes with JAX."""
    takes = inspect.signature(layer.call).parameters
    inference = {"training": False} if "training" in takes else {}

    def variables() -> tuple[Sequence[Any], Sequence[Any]]:
        return layer.trainable_variables, layer.non_trainable_variables

    def trees() -> Sequence[Any]:
        if not layer.built:
            raise ModelError(
                f"The Keras model {layer.name!r} has no weights yet: call it once, or build it."
            )
        return [[variable.value for variable in some] for some in variables()]

    def run(trees: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
        outputs, _ = layer.stateless_call(*trees, *arguments, **{**inference, **keywords})
        return named_by_keras(layer, outputs)

    return Net(
        run,
        trees,
        identity=lambda: identity_of(layer, arguments=(sys.modules["keras"].Variable,)),
        paths=lambda: [one.path.replace("/", ".") for some in variables() for one in some],
        shape=lambda: getattr(layer, "input_shape", None),
        structured=True,
    )


def run_module(
    method: Callable[..., Any] | None, modules: Sequence[Any], *arguments: Any, **keywords: Any
) -> Any:
    """The result of a module, or of a method of it."""
    (module,) = modules
    if method is None:
        return module(*arguments, **keywords)
    return method(module, *arguments, **keywords)


def as_net(net: Any) -> Net:
    """The sort of net that this is."""
    linen, nnx = sys.modules.get("flax.linen"), sys.modules.get("flax.nnx")
    keras = sys.modules.get("keras")
    if isinstance(net, partial):
        return partial_net(net)
    owner, method = getattr(net, "__self__", net), getattr(net, "__func__", None)
    if linen is not None and isinstance(net, tuple):
        return linen_net(*net)
    if linen is not None and isinstance(owner, linen.Module) and is_bound(owner, method):
        rngs = {name: lazy.as_jax_rng() for name, lazy in owner.scope.rngs.items()}
        module, variables = owner.unbind()
        return linen_net(module, variables, rngs or None, method)
    if nnx is not None and isinstance(owner, nnx.Module):
        return nnx_net(owner, method)
    if keras is not None and isinstance(net, keras.Layer):
        return keras_net(net)
    if not jax.tree_util.all_leaves([owner]):
        return tree_net(owner, method)
    return function_net(net)


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
