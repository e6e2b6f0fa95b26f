"""One trace of a net: its program, its sites, and what has been compiled from it."""

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar, cast, final

import jax
import jax.numpy as jnp

from backlight.errors import ModelError
from backlight.graph.graph import Graph
from backlight.graph.outputs import output_kind
from backlight.interrupts import unbroken_package
from backlight.memory.recent import Recent
from backlight.values.outputs import Outputs, OutputSpec
from backlight.values.tree import map_nested
from backlight_jax.capture.graph import graph_of
from backlight_jax.capture.program import Key, Program, entered_calls, flatten
from backlight_jax.expansions import inside
from backlight_jax.nets.calls import Signature
from backlight_jax.nets.styles import Net
from backlight_jax.sites.names import named_values
from backlight_jax.sites.places import Sites, find_sites, owned_values
from backlight_jax.sites.structure import Structure
from backlight_jax.table import is_floating

# Else a later step of their own may fail on what an earlier one left.
unbroken_package("jax")
unbroken_package("keras")

T = TypeVar("T")

KEPT = 64
"""How many compiled functions a trace remembers."""


@final
class Trace:
    """What a net computes for one signature."""

    def __init__(
        self,
        net: Net,
        signature: Signature,
        names: Sequence[str],
        constant_names: dict[int, str],
        sibling: Callable[[Signature], "Trace"],
    ) -> None:
        """Trace the net, calling it once.

        Args:
            net: the net.
            signature: of its weights and arguments.
            names: of its weights.
            constant_names: names of arrays that it may close over, by identity.
            sibling: gives the trace for another signature.
        """
        self.signature = signature
        self.sibling = sibling
        self.names = names

        def function(*arrays: Any) -> Any:
            return signature.call(net, arrays)

        self.jaxpr, shapes = jax.make_jaxpr(function, return_shape=True)(*signature.abstract())
        _, self.structure_of_outputs = jax.tree.flatten(shapes)
        self.whole = flatten(self.jaxpr, entered_calls(None))
        self.constant_names = constant_names
        self._arrays: dict[int, jax.Array] = {}
        self._compiled: Recent[object] = Recent(KEPT)

    @cached_property
    def structure(self) -> Structure:
        weights = dict(zip(self.whole.inputs, self.names, strict=False))
        for value, constant in self.whole.constants.items():
            if id(constant) in self.constant_names:
                weights[value] = self.constant_names[id(constant)]
        inputs = zip(self.whole.inputs, self.signature.rows, strict=True)
        return Structure(self.whole, [value for value, row in inputs if row], weights)

    @cached_property
    def graph(self) -> Graph:
        """The operations from the examples to the outputs; from the weights where those are indices."""
        program = flatten(self.jaxpr, inside)
        values, weights = program.inputs, self.signature.weights
        choices = values[weights:], values, list(program.constants)
        sources = [[v for v in some if is_floating(program.avals[v])] for some in choices]
        return graph_of(program, next((some for some in sources if some), []), program.outputs)

    @cached_property
    def outputs(self) -> Outputs:
        """Shape and kind of the outputs."""
        kinds = map(partial(output_kind, self.graph), self.graph.targets)
        specifications = [
            OutputSpec(tuple(aval.shape), kind)
            for aval, kind in zip(self.jaxpr.out_avals, kinds, strict=True)
        ]
        tree = jax.tree.unflatten(self.structure_of_outputs, specifications)
        # None, say, holds nothing to explain.
        return map_nested(  # type: ignore[return-value]
            lambda leaf: leaf if isinstance(leaf, OutputSpec) else (), tree
        )

    @cached_property
    def _named(self) -> tuple[dict[str, int], dict[int, str]]:
        return named_values(self.structure)

    @cached_property
    def sites(self) -> Sites:
        return find_sites(self.structure, self.axes, *self._named)

    @cached_property
    def labels(self) -> dict[Key, str]:
        """The friendliest names of all values, those that are no sites included."""
        owners = owned_values(self.structure)
        return {owners[value]: name for value, name in self._named[1].items()}

    @cached_property
    def axes(self) -> list[int | None]:
        """Where each value has the examples: the axis that grows when there are more of them.

        Shapes alone do not tell: one example, or a batch as wide as a layer, looks like anything.
        """
        count = self.signature.count
        more = 3 if count != 3 else 5
        shapes = [tuple(aval.shape) for aval in self.whole.avals]
        try:
            others: Program | None = self.sibling(self.signature.of_count(more)).whole
        except ModelError:  # a net for one number of examples only
            others = None
        if others is None or primitives(others) != primitives(self.whole):
            return [0 if shape[:1] == (count,) else None for shape in shapes]
        return [
            grown(shape, tuple(other.shape), count, more)
            for shape, other in zip(shapes, others.avals, strict=True)
        ]

    def constants(self, program: Program) -> list[jax.Array]:
        """The arrays that a program closes over: arguments of whatever is compiled from it."""
        own = set(map(id, self.whole.constants.values()))

        def array(constant: Any) -> jax.Array:
            if id(constant) not in own:  # a score's, which may be edited or gone by the next call
                return jnp.asarray(constant)
            if id(constant) not in self._arrays:
                self._arrays[id(constant)] = jnp.asarray(constant)
            return self._arrays[id(constant)]

        return [array(constant) for constant in program.constants.values()]

    def compiled(self, key: Hashable, build: Callable[[], T]) -> T:
        """What was compiled under this key, built at first use."""
        return cast(T, self._compiled.recall(key, build))


def primitives(program: Program) -> list[str]:
    return [node.primitive for node in program.nodes]


def grown(shape: tuple[int, ...], other: tuple[int, ...], count: int, more: int) -> int | None:
    """The one axis that has `count` in one shape and `more` in the other; None if there is none."""
    if len(shape) != len(other):
        return None
    axes = [axis for axis, pair in enumerate(zip(shape, other, strict=True)) if pair[0] != pair[1]]
    one = len(axes) == 1 and (shape[axes[0]], other[axes[0]]) == (count, more)
    return axes[0] if one else None
