"""Regions of a graph run in NumPy: functions of one value, with stand-ins for what is not known."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, final

import numpy as np

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import DType, Graph, Node, Numbers
from backlight.graph.primitives import PRIMITIVES, Family, evaluated

POINTWISE = frozenset({Family.POINTWISE, Family.TEST})
PASSING = frozenset({"identity", "convert"})
"""Moves that keep each number where it is, and its derivative."""

LARGEST = 1 << 22
"""How many numbers an array may have that a region is run on."""

LARGE = 1 << 15
"""From how many on axes are cut that nothing is summed over."""

UNKNOWN_LENGTH = 2
"""What an axis of unknown length is taken for."""


@final
@dataclass(frozen=True, eq=False)
class Region:
    """Nodes between one value and another that nothing outside looks into.

    Attributes:
        flow: of the graph.
        positions: of the nodes, in order.
        entry, sink: the values.
        stops: values inside that are computed outside, and taken as they are.
    """

    flow: Dependence
    positions: tuple[int, ...]
    entry: int
    sink: int
    stops: tuple[int, ...] = ()

    @property
    def nodes(self) -> list[Node]:
        return [self.flow.nodes[position] for position in self.positions]

    @property
    def is_pointwise(self) -> bool:
        """Whether each number of the result is made of the one at the same place, node by node."""
        shape = self.flow.shape(self.entry)
        return not self.is_stopped and all(
            self.flow.shape(node.result) == shape
            and (is_pointwise(node) or node.primitive == "stop_gradient")
            for node in self.nodes
        )

    @property
    def is_stopped(self) -> bool:
        """Whether a derivative is stopped inside, where there was one."""
        return any(
            node.primitive == "stop_gradient" and node.operands[0] in self.flow.reached
            for node in self.nodes
        )

    @property
    def constants(self) -> list[int]:
        """The values from outside, each once, whose numbers are not known."""
        own = {value for node in self.nodes for value in node.results} | {self.entry}
        read = dict.fromkeys(value for node in self.nodes for value in node.operands)
        return [
            value
            for value in read
            if (value not in own or value in self.stops) and self.flow.number(value) is None
        ]

    def key(self) -> Hashable:
        """Equal for regions that compute the same, sizes included."""
        local: dict[int, int] = {self.entry: 0}

        def named(value: int) -> Hashable:
            number = self.flow.number(value)
            if value not in local and number is not None:
                return repr(number.item())
            return local.setdefault(value, len(local)), self.flow.shape(value)

        return (
            self.flow.values[self.entry].bits <= 16,
            tuple(
                (
                    node.primitive,
                    tuple(named(value) for value in node.operands),
                    tuple(named(value) for value in node.results),
                    attributes_key(node.attributes),
                )
                for node in self.nodes
            ),
            tuple(named(value) for value in self.stops),
        )

    def run(
        self,
        x: Numbers,
        given: Mapping[int, Any] | None = None,
        held: Mapping[int, Any] | None = None,
    ) -> dict[int, Numbers] | None:
        """All values inside for an entry; None where NumPy cannot follow.

        Args:
            x: the entry.
            given: the constants that are not known.
            held: results that are taken as they are, whatever the nodes give.
        """
        values: dict[int, Any] = {self.entry: x, **(given or {})}
        with np.errstate(all="ignore"):
            for node in self.nodes:
                operands: list[Any] = []
                for value in node.operands:
                    number = values.get(value)
                    number = self.flow.number(value) if number is None else number
                    if number is None:
                        return None
                    operands.append(number)
                try:
                    found = evaluated(self._resized(node, x.shape), operands)
                except (ValueError, IndexError, TypeError, ZeroDivisionError):
                    return None  # lengths that do not fit the smaller arrays that it runs on
                if found is None:
                    return None
                for value, result in zip(node.results, found, strict=False):
                    if value not in self.stops:
                        values[value] = (held or {}).get(value, result)
        return values

    def sample(self, seed: int, axes: Collection[int] = ()) -> list[Numbers]:
        """Random entries: the first that NumPy can follow is to be taken. Of large ones the axes but
        these are cut; where that does not fit what is inside, whole ones follow.
        """
        shape = self._lengths(self.entry)
        cut = tuple(length if axis in axes else min(length, 2) for axis, length in enumerate(shape))
        shapes = [shape]
        if prod(shape) > LARGE:
            shapes = [*([cut] if axes else []), (min(2, shape[0]), *shape[1:]), shape]
        rng = np.random.default_rng(seed)
        return [rng.normal(size=each) for each in shapes if 0 < prod(each) <= LARGEST]

    def stand_ins(self, like: Numbers, seed: int) -> dict[int, Numbers]:
        """Random numbers for the constants that are not known, for an entry of this shape."""
        rng = np.random.default_rng(seed)
        return {value: 1 + rng.random(self._fitted(value, like.shape)) for value in self.constants}

    def _lengths(self, value: int) -> tuple[int, ...]:
        shape = self.flow.shape(value)
        return tuple(UNKNOWN_LENGTH if length < 0 else length for length in shape)

    def _fitted(self, value: int, entry: tuple[int, ...]) -> tuple[int, ...]:
        """The lengths of a constant that goes with an entry of other lengths."""
        shape, whole = self._lengths(value), self._lengths(self.entry)
        offset = len(whole) - len(shape)
        if offset < 0:
            return shape
        return tuple(
            entry[offset + axis] if length == whole[offset + axis] else length
            for axis, length in enumerate(shape)
        )

    def _resized(self, node: Node, entry: tuple[int, ...]) -> Node:
        """The node for an entry of other lengths: what says lengths says those.

        Raises:
            ValueError: they cannot be told.
        """
        whole = self.flow.shape(self.entry)
        if node.primitive not in ("reshape", "broadcast") or entry == whole:
            return node
        shape = tuple(node.attributes["shape"])
        if shape[:1] == whole[:1] and entry[1:] == self._lengths(self.entry)[1:]:
            return replace(node, attributes={**node.attributes, "shape": (*entry[:1], *shape[1:])})
        fits = len(shape) == len(whole) and all(
            one in (1, other) for one, other in zip(shape, whole, strict=True)
        )
        if not fits:
            if entry == self._lengths(self.entry):
                return node
            raise ValueError(f"a {node.primitive} to {shape} of what was {whole} and is {entry}")
        resized = tuple(
            now if one == other else 1 for one, other, now in zip(shape, whole, entry, strict=True)
        )
        return replace(node, attributes={**node.attributes, "shape": resized})

    def result(self, x: Numbers, given: Mapping[int, Any] | None = None) -> Numbers | None:
        values = self.run(x, given)
        return None if values is None else np.asarray(values[self.sink])


def is_pointwise(node: Node) -> bool:
    """Whether it computes each number from those at the same place, and can be run in NumPy."""
    if len(node.results) != 1:
        return False
    if node.primitive == "call":
        return body_is_pointwise(node.attributes["body"])
    primitive = PRIMITIVES[node.primitive]
    return node.primitive in PASSING or (
        primitive.family in POINTWISE and primitive.meaning is not None
    )


def body_is_pointwise(body: Graph) -> bool:
    return len(body.targets) == 1 and all(
        is_pointwise(node) or (node.primitive == "broadcast" and body.shape(node.operands[0]) == ())
        for node in body.nodes
    )


def is_runnable(node: Node) -> bool:
    """Whether NumPy can run it as a part of a function along axes."""
    if node.primitive == "call":
        return all(map(is_runnable, node.attributes["body"].nodes))
    primitive = PRIMITIVES[node.primitive]
    return primitive.meaning is not None and primitive.family is not Family.PRODUCT


def attributes_key(attributes: Mapping[str, Any]) -> Hashable:
    return tuple((name, hashable(attributes[name])) for name in sorted(attributes))


def hashable(value: Any) -> Hashable:
    if isinstance(value, Graph):
        return graph_key(value)
    if isinstance(value, (tuple, list)):
        return tuple(map(hashable, value))
    if isinstance(value, (str, int, bool, DType)) or value is None:
        return value
    return repr(value)


def graph_key(graph: Graph) -> Hashable:
    """Equal for graphs of the same operations, sizes and numbers; places in the model included."""
    return (
        graph.sources,
        graph.targets,
        graph.rows,
        graph.kept,
        tuple(
            (one.shape, one.dtype, one.bits, one.learned, number_key(one.number))
            for one in graph.values
        ),
        tuple(
            (
                node.primitive,
                node.operands,
                node.results,
                node.type,
                node.place,
                node.replayable,
                attributes_key(node.attributes) if node.attributes else (),
            )
            for node in graph.nodes
        ),
    )


def number_key(number: object) -> Hashable:
    """In which NaN equals itself, and 1 is not True."""
    return None if number is None else (type(number).__name__, repr(number))
