"""The feature map of a net: the last value with all places of the input by which the score is told."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import final

from backlight.graph.axes.atoms import InputAxis, Joined, Role, atoms_in, length_of
from backlight.graph.axes.axes import GraphAxes
from backlight.graph.axes.grids import Grid, grid_of
from backlight.graph.axes.mattering import Masks, Mattering
from backlight.graph.dependence.dependence import Dependence, common
from backlight.graph.graph import Node
from backlight.graph.primitives import Family, family

POOLS = frozenset({"max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool"})
MIXING = frozenset({"dot", "conv"})
SHIFTS = frozenset({"add", "sub", "mul", "div", "batch_norm"})


@final
@dataclass(frozen=True)
class FeatureMap:
    """What a class activation map reads.

    Attributes:
        value: by its number in the graph.
        name: of its site.
        grid: where its places lie in the input, and how to read them.
        beside: names of others that tell the score without passing through it.
    """

    value: int
    name: str
    grid: Grid
    beside: tuple[str, ...] = ()


@final
class Places:
    """A graph from inputs to scores, as somebody who looks for a feature map sees it.

    Places are carried from value to value as long as they are there along all axes that count, and most
    of them can tell the score.

    Attributes:
        wanted: the axes of the first input that has any which hold places, not channels: in their order.
        carrying: the values that carry all of them, with the nearest other one before that all ways
            lead through; None for none.
    """

    def __init__(self, axes: GraphAxes, flow: Dependence) -> None:
        self.graph = axes.graph
        self.flow = flow
        self.axes = axes
        self.names: dict[int, str] = {}
        for name, value in self.graph.sites.items():
            self.names.setdefault(value, name)
        self.mattering = Mattering(axes, flow)
        self.wanted = self._wanted()
        self.carrying: dict[int, int | None] = {}
        self._depths: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        """By the position of each node at which places end for good: the nearest value before it that
        all its places come through."""
        if self.wanted:
            self._carry()

    def grid(self, value: int) -> Grid | None:
        """How the places lie in a value; None where they do not form a grid that can be read."""
        return grid_of(self.axes[value], self.wanted)

    def feature_map(self) -> FeatureMap | None:
        """The value to read; None where there is none."""
        if not self.ends:
            return None
        if any(map(self._has_places, self.outputs)):
            coarse = self._coarsest()
            found = None if coarse is None else self.readable(coarse)
            return None if found is None else self._described(found, self._around(found))
        last = max(self.ends, key=lambda position: (self._order(self.ends[position]), position))
        others = [self.ends[one] for one in self._around(self.ends[last]) if one != last]
        together = self._common([self.ends[last], *others])
        if together is None or together in self.graph.sources:
            together = self.ends[last]
        same = self._same_places(together, self.ends[last])
        found = self.readable(together if same else self.ends[last])
        return None if found is None else self._described(found, self._around(found))

    def readable(self, value: int | None) -> int | None:
        """The activation that a value reads, or the nearest to it that can be asked for."""
        while value is not None:
            near = [one for one in self._back(value) if self._can_be_read(one)]
            if near:
                return near[-1]
            value = self.carrying.get(value)
        return None

    def _can_be_read(self, value: int) -> bool:
        return value in self.names and self.grid(value) is not None

    def _back(self, value: int | None) -> Iterator[int]:
        """A value, and what it holds the numbers of, back to the activation: over pools and moves, and
        over mixing of channels with what is added to its result."""
        while value is not None:
            yield value
            before = self._behind_mixing(value)
            value = self._behind(value, self._moves) if before is None else before

    def _behind_mixing(self, value: int) -> int | None:
        """What a linear layer at each place by itself reads, if the value is what it gives, or an output
        made of that: an output that the score reads is no feature map."""
        at: int | None = value
        of_output = False
        while at is not None:
            before = self._behind(at, self._mixes)
            if before is not None:
                return before
            of_output |= at in self.outputs
            shifted = self._behind(at, lambda node: self._moves(node) or self._shifts(node))
            at = self._function_of(at) if shifted is None and of_output else shifted
        return None

    def _function_of(self, value: int) -> int | None:
        """What a value is a function of, a softmax say, with no linear layer in it."""
        before = self.carrying[value]
        pending, between = [value], set[int]()
        while pending and before is not None:
            node = self.flow.producer(pending.pop())
            if node is None or node.primitive in MIXING:
                return None
            more = {one for one in node.operands if not self.flow.is_constant(one)} - {before}
            pending += more - between
            between |= more
        same = before is not None and self._same_places(before, value)
        return before if same and before not in self.graph.sources else None

    def _behind(self, value: int, passes: Callable[[Node], bool]) -> int | None:
        """The only value with places that this one is made of, if its node may be passed."""
        node = self.flow.producer(value)
        if node is None or value in self.graph.sources or not passes(node):
            return None
        before = [one for one in dict.fromkeys(node.operands) if one in self.carrying]
        return before[0] if len(before) == 1 and before[0] not in self.graph.sources else None

    def _moves(self, node: Node) -> bool:
        moves = family(node) is Family.MOVE and len(self._varying(node)) == 1
        return moves or node.primitive in POOLS or self._averages(node)

    def _averages(self, node: Node) -> bool:
        """Whether it divides the sums of a pooling by how many numbers they are of."""
        varying = self._varying(node) if node.primitive in ("div", "mul") else []
        sums = self.flow.producer(*varying) if len(varying) == 1 else None
        return sums is not None and sums.primitive == "avg_pool"

    def _shifts(self, node: Node) -> bool:
        return node.primitive in SHIFTS and len(self._varying(node)) == 1

    def _mixes(self, node: Node) -> bool:
        if node.primitive not in MIXING or len(self._varying(node)) != 1:
            return False
        (before,) = self._varying(node)
        if node.primitive == "conv":
            weight = self.graph.shape(node.operands[1])
            if any(weight[axis] > 1 for axis in node.attributes["weight_axes"][2:]):
                return False
        return before in self.carrying and self._same_places(before, node.result)

    def _varying(self, node: Node) -> list[int]:
        return [value for value in dict.fromkeys(node.operands) if not self.flow.is_constant(value)]

    def _same_places(self, one: int, other: int) -> bool:
        return self._lines(one) == self._lines(other)

    def _lines(self, value: int) -> list[tuple[InputAxis, int, float, float]]:
        """For each axis of the input: how many places, how far apart at least, and from where."""
        found = []
        for key in self.wanted:
            atoms = [
                atom
                for atom in atoms_in(self.axes[value])
                if atom.role is Role.PLACES and atom.axis == key
            ]
            finest = min((abs(atom.stride) for atom in atoms), default=0.0)
            start = sum(min(atom.offset, 2 * atom.middle - atom.offset) for atom in atoms)
            found.append((key, prod(atom.length for atom in atoms), finest, round(start, 6)))
        return found

    def _wanted(self) -> tuple[InputAxis, ...]:
        """The axes of an input that any linear layer leaves places along, of the first that has some;
        those that are only grouped as channels, as colours are by a depthwise convolution, are none."""
        found: set[InputAxis] = set()
        grouped: set[InputAxis] = set()
        slid: set[InputAxis] = set()
        for position in sorted(self.flow.needed):
            node = self.graph.nodes[position]
            if node.primitive not in MIXING or len(self._varying(node)) != 1:
                continue
            found |= {
                atom.axis for atom in atoms_in(self.axes[node.result]) if atom.role is Role.PLACES
            }
            if node.primitive == "conv":
                axes = node.attributes["x_axes"]
                given = self.axes[node.operands[0]]
                grouped |= {atom.axis for atom in atoms_in((given[axes[1]],))}
                slid |= {atom.axis for atom in atoms_in(given[axis] for axis in axes[2:])}
        found -= grouped - slid
        return tuple(sorted(axis for axis in found if axis[0] == min(found)[0]))

    def _carry(self) -> None:
        for value in self.graph.sources:
            if self._carries(value, self.mattering.values.get(value)):
                self.carrying[value], self._depths[value] = None, 0
        for position in sorted(self.flow.needed):
            node = self.graph.nodes[position]
            above = [
                value
                for place, value in enumerate(node.operands)
                if value in self.carrying
                and value in self.flow.active
                and self._carries(value, self.mattering.edges.get((position, place)))
            ]
            if not above and self.flow.active.isdisjoint(node.operands):
                continue
            nearest = self._common(above) if above else None
            ended = True
            for value in node.results:
                if value in self.flow.active and self._carries(
                    value, self.mattering.values.get(value)
                ):
                    ended = False
                    self.carrying.setdefault(value, nearest)
                    depth = 0 if nearest is None else self._depths[nearest] + 1
                    self._depths.setdefault(value, depth)
            if ended and nearest is not None and any(v in self.flow.active for v in node.results):
                self.ends[position] = nearest
        self._leave_for_good()

    def _carries(self, value: int, masks: Masks | None, share: float = 0.5) -> bool:
        """Whether a value has places along all axes that count, and more than a share of them tells
        the score."""
        return masks is not None and all(
            self._tells(value, key, masks, share) for key in self.wanted
        )

    def _has_places(self, value: int) -> bool:
        """Whether any of its places tells the score."""
        return self._carries(value, self.mattering.values.get(value), 0.0)

    def _tells(self, value: int, key: InputAxis, masks: Masks, share: float) -> bool:
        for axis, mask in zip(self.axes[value], masks, strict=True):
            if not any(one.role is Role.PLACES and one.axis == key for one in atoms_in((axis,))):
                continue
            start = 0
            parts = axis[0].parts if len(axis) == 1 and isinstance(axis[0], Joined) else (axis,)
            for part in parts:
                length = length_of(part)
                here = any(one.role is Role.PLACES and one.axis == key for one in atoms_in((part,)))
                if here and mask[start : start + length].mean() > share:
                    return True
                start += length
        return False

    @cached_property
    def outputs(self) -> set[int]:
        """The outputs that the score is made of: what is kept, seen from the score."""
        found = set[int]()
        pending, seen = list(self.graph.targets), set[int]()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            node = self.flow.producer(value)
            if value in self.graph.kept and value not in self.graph.targets:
                found.add(value)
            elif node is not None:
                pending.extend(node.operands)
        return found

    def _coarsest(self) -> int | None:
        """The last of the values with the largest strides."""

        def size(value: int) -> tuple[float, int]:
            grid = self.grid(value)
            assert grid is not None
            return prod(line.stride for line in grid.lines), self._order(value)

        read = [
            value
            for value in self.carrying
            if value not in self.graph.sources and self.grid(value) is not None
        ]
        return max(read, key=size, default=None)

    def _leave_for_good(self) -> None:
        """Drops the ends whose results come back into values with places, as the sums in a softmax and
        gates do."""
        reached = set(self.graph.targets)
        for position in sorted(self.flow.needed, reverse=True):
            node = self.graph.nodes[position]
            if any(value in reached and value in self.flow.active for value in node.results):
                reached.update(value for value in node.operands if value not in self.carrying)
        self.ends = {
            position: nearest
            for position, nearest in self.ends.items()
            if not reached.isdisjoint(self.graph.nodes[position].results)
        }

    def _around(self, value: int) -> list[int]:
        """The ends that places reach past a value."""
        return [
            position for position, nearest in self.ends.items() if not self._through(nearest, value)
        ]

    def _through(self, value: int | None, before: int) -> bool:
        """Whether all places of a value come through another one."""
        while value is not None and value != before:
            value = self.carrying[value]
        return value == before

    def _described(self, value: int, others: Iterable[int]) -> FeatureMap | None:
        grid = self.grid(value)
        assert grid is not None
        names = [
            self.names[read]
            for position in others
            if (read := self.readable(self.ends[position])) is not None and read != value
        ]
        return FeatureMap(value, self.names[value], grid, tuple(dict.fromkeys(names)))

    def _order(self, value: int) -> int:
        return self.flow.producers.get(value, -1)

    def _common(self, values: Iterable[int]) -> int | None:
        first, *rest = dict.fromkeys(values)
        meeting: int | None = first
        for value in rest:
            meeting = common(meeting, value, self.carrying, self._depths)
        return meeting
