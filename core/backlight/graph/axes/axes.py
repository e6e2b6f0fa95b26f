"""What each axis of each value of a graph stands for: examples, places of an input, or other things.

No layout of an input is assumed: each axis but the first, which is the examples', starts as places.
What is not known is lost, never copied.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import final

import numpy as np

from backlight.graph.axes.alignment import apart, crossed, together
from backlight.graph.axes.atoms import Atom, Axes, Axis, Role, has, length_of, lost, other
from backlight.graph.graph import FEW, Graph, Node, Numbers
from backlight.graph.primitives import Family, evaluated, family


@final
@dataclass(eq=False)
class GraphAxes:
    """See the module.

    Attributes:
        graph: whose values they are of.
        count: how many examples there are; lengths that the graph does not know are taken for it.
        axes: of each value that depends on an input or differs from example to example, by number.
        mixing: positions of the nodes at which rows look at each other: what they give for one example
            depends on the inputs of others too. What is made of one row alone looks at no other until it
            meets another one, or comes out in the place of another one.
        doubtful: positions of the nodes of which it is not known what they do with rows.
        random: positions of the nodes that give other numbers in each run.
        read_out: positions of the nodes at which what depends on an input leaves the framework.
        rows: of each value that is made of one row alone, which.
        filled: of each value into which rows were put by themselves, each in its place, which.
    """

    graph: Graph
    count: int
    axes: dict[int, Axes] = field(default_factory=dict)
    mixing: list[int] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)
    random: list[int] = field(default_factory=list)
    read_out: list[int] = field(default_factory=list)
    rows: dict[int, int] = field(default_factory=dict)
    filled: dict[int, frozenset[int]] = field(default_factory=dict)
    _folded: dict[int, Numbers] = field(default_factory=dict)

    @staticmethod
    def of(graph: Graph, count: int | None = None) -> "GraphAxes":
        """The axes of a graph of at least two examples: of one, none can be told from axes of length 1.

        Args:
            graph: what to look at.
            count: how many examples there are; by default as many as the first source says.
        """
        if count is None:
            count = graph.shape(graph.sources[0])[0]
        found = GraphAxes(graph, count)
        for number, value in enumerate(graph.sources):
            found.axes[value] = found.source(number, value)
        for value in graph.rows.difference(graph.sources):
            first, *rest = found.lengths(value)
            found.axes[value] = (
                examples(count) if first == count else other(first),
                *map(other, rest),
            )
        found.follow()
        return found

    def source(self, number: int, value: int) -> Axes:
        """An input's axes: the examples', then places each."""
        _, *lengths = self.lengths(value)
        places = (
            (Atom(Role.PLACES, length, (number, axis)),) if length > 1 else ()
            for axis, length in enumerate(lengths, 1)
        )
        return (examples(self.count), *places)

    def follow(self) -> None:
        """Finds the axes of what nodes give, in order."""
        from backlight.graph.axes.axis_rules import RULES

        touched = set(self.graph.sources)
        nodes = self.graph.nodes
        for position, node in enumerate(nodes):
            if node.primitive == "random":
                self.random.append(position)
            if not any(value in self.axes for value in node.operands):
                self._fold(node)
                continue
            operands = [self[value] for value in node.operands]
            application = NodeAxes(self, node, operands)
            rule = RULES.get(node.primitive, unknown)
            if node.primitive not in RULES and family(node) in (Family.POINTWISE, Family.TEST):
                rule = pointwise
            found = rule(application)
            if not touched.isdisjoint(node.operands):
                self._follow_rows(application)
                touched.update(node.hanging_on(touched))
                if application.mixes:
                    self.mixing.append(position)
                elif application.unknown:
                    self.doubtful.append(position)
                if node.primitive == "read_out":
                    self.read_out.append(position)
            for value, axes in zip(node.results, found, strict=False):
                if value not in self.graph.sources:
                    self.axes[value] = self.checked(value, axes)
        ends = {v for v in self.graph.targets if v in self.rows or self._lacks_rows(v)}
        if ends and not self.mixing:  # one row stands for all
            producers = {value: at for at, node in enumerate(nodes) for value in node.results}
            self.mixing += sorted({producers[value] for value in ends})
        read = {self.rows.get(nodes[at].result) for at in self.read_out}
        if read and read != set(range(self.count)):  # what Python does by them, it does to all rows
            self.mixing += self.read_out

    def _follow_rows(self, given: "NodeAxes") -> None:
        """Notes of which row alone the results are made, and which rows they have so far."""
        results, operands = given.node.results, given.node.operands
        if given.put is not None:
            self.filled[results[0]] = self.filled.get(operands[0], frozenset()) | {given.put}
            return
        given.mixes |= not given.picked and any(map(self._lacks_rows, operands))
        self.rows |= {results[number]: row for number, row in given.picked.items()}
        rows = {row for row in given.rows if row is not None}
        if not rows or given.whole:
            return
        if len(rows) > 1 or any(
            has(axis, Role.EXAMPLES) for axes in given.operands for axis in axes
        ):
            given.mixes = True
        else:
            self.rows |= dict.fromkeys(results, rows.pop())

    def _lacks_rows(self, value: int) -> bool:
        """Whether some rows were put there, and others not."""
        return 0 < len(self.filled.get(value, ())) < self.count

    def known(self, value: int) -> Numbers | None:
        """The numbers of a value of few whole numbers, or of one, where they are known."""
        held, shape = self.graph.values[value], self.lengths(value)
        if value in self._folded:
            return self._folded[value]
        if held.places is not None and len(held.places) == prod(shape):
            return np.reshape(held.places, shape)
        return None if held.number is None else np.full(shape, held.number)

    def _fold(self, node: Node) -> None:
        """Notes the few whole numbers that are computed of others."""
        held = self.graph.values[node.result] if len(node.results) == 1 else None
        if held is None or held.dtype.differentiable or prod(self.lengths(node.result)) > FEW:
            return
        given = [number for v in node.operands if (number := self.known(v)) is not None]
        found = evaluated(node, given) if len(given) == len(node.operands) else None
        if found is not None:
            self._folded[node.result] = found[0]

    def checked(self, value: int, axes: Axes) -> Axes:
        """The axes, lost where they have not the lengths that the backend says."""
        said = self.graph.shape(value)
        if len(said) != len(axes):
            return tuple(lost(self.count if length < 0 else length) for length in said)
        return tuple(
            axis if length in (-1, length_of(axis)) else lost(length)
            for length, axis in zip(said, axes, strict=True)
        )

    def __getitem__(self, value: int) -> Axes:
        found = self.axes.get(value)
        return tuple(map(other, self.lengths(value))) if found is None else found

    def lengths(self, value: int) -> tuple[int, ...]:
        """The shape of a value, none of it unknown."""
        if value in self.axes:
            return tuple(map(length_of, self.axes[value]))
        return tuple(self.count if length < 0 else length for length in self.graph.shape(value))


@final
@dataclass(eq=False)
class NodeAxes:
    """A node, and the axes of what it reads.

    Attributes:
        within: the graph's axes so far.
        node: what is done.
        operands: the axes of what it reads.
        mixes: whether a rule found that rows look at each other here.
        unknown: whether nothing is known of what happens to rows here.
        picked: by the number of a result, the one row that it is taken from.
        whole: whether rows that were apart are put back into their places.
        put: the one row that is put into its place in the first operand.
    """

    within: GraphAxes
    node: Node
    operands: list[Axes]
    mixes: bool = False
    unknown: bool = False
    picked: dict[int, int] = field(default_factory=dict)
    whole: bool = False
    put: int | None = None

    @property
    def first(self) -> Axes:
        return self.operands[0]

    @property
    def attributes(self) -> Mapping[str, object]:
        return self.node.attributes

    @property
    def rows(self) -> list[int | None]:
        """Of each operand, the one row that it is made of; None of what is made of all, or of none."""
        return [self.within.rows.get(value) for value in self.node.operands]

    @property
    def count(self) -> int:
        """How many examples there are."""
        return self.within.count

    def lengths(self, result: int = 0) -> tuple[int, ...]:
        """The shape of a result."""
        return self.within.lengths(self.node.results[result])

    def is_constant(self, value: int) -> bool:
        """Whether it depends on no input, and is not one number throughout."""
        return value not in self.within.axes and self.within.graph.values[value].number is None

    def known(self, operand: int) -> Numbers | None:
        """The few whole numbers that an operand consists of."""
        return self.within.known(self.node.operands[operand])

    def along(self, axes: Sequence[int], operand: int = 0) -> None:
        """Says that numbers at different places of these axes look at each other."""
        given = self.operands[operand]
        self.mixes |= any(has(given[axis], Role.EXAMPLES) for axis in axes)

    def pick(self, axis: int, start: int, length: int, result: int = 0) -> None:
        """Says that a result has some places of an axis and no others."""
        if length == 1 and self.first[axis] == examples(self.count):
            self.picked[result] = start
        elif length != length_of(self.first[axis]):
            self.along((axis,))

    def gathered(self) -> Axis | None:
        """The examples, if the operands are a row each, in order, and are put one beside the other."""
        self.whole = self.rows == list(range(self.count))
        self.unknown |= self.whole  # each may have come another way
        return examples(self.count) if self.whole else None


Rule = Callable[[NodeAxes], Sequence[Axes]]
"""The axes of each result of an application."""


def examples(count: int) -> tuple[Atom, ...]:
    return (Atom(Role.EXAMPLES, count),)


def pointwise(given: NodeAxes) -> Sequence[Axes]:
    """Numbers at the same places are put together."""
    found, origins = together(given.operands)
    given.mixes |= crossed(found, origins)
    given.unknown = any(
        has(here, Role.EXAMPLES) and length_of(axis) > 1
        for value, axes in zip(given.node.operands, given.operands, strict=True)
        if given.is_constant(value)
        for here, axis in zip(found[len(found) - len(axes) :], axes, strict=True)
    )
    return [apart(found, origins)] * len(given.node.results)


def unknown(given: NodeAxes) -> Sequence[Axes]:
    """Nothing is known; an operation that keeps the examples' axis first keeps the examples. Of one that
    moves numbers elsewhere each may come from any row."""
    found = []
    given.unknown = any(has(axis, Role.EXAMPLES) for axes in given.operands for axis in axes)
    for number in range(len(given.node.results)):
        lengths = given.lengths(number)
        axes = [*map(lost, lengths)]
        rows = any(axes_ and axes_[0] == examples(given.within.count) for axes_ in given.operands)
        if rows and lengths and lengths[0] == given.within.count:
            axes[0] = examples(given.within.count)
        found.append(tuple(axes))
    if given.node.primitive == "gather" and found[0]:  # lists have no axes
        given.mixes |= any(has(axis, Role.EXAMPLES) for axis in given.first) and not any(
            has(axis, Role.EXAMPLES) for axis in found[0]
        )
    return found
