"""What each axis of each value of a graph stands for: examples, places of an input, or other things.

No layout of an input is assumed: each axis but the first, which is the examples', starts as places.
What is not known is lost, never copied.
"""

from dataclasses import dataclass, field
from math import prod
from typing import Any, final

import numpy as np

from backlight.graph.axes.atoms import Atom, Axes, Role, has, length_of, lost, other
from backlight.graph.axes.axis_rules import rule_for
from backlight.graph.axes.node_axes import NodeAxes, examples
from backlight.graph.graph import FEW, Graph, Node, Numbers
from backlight.graph.primitives import evaluated


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
        uniform: values that are one number throughout, computed of others.
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
    uniform: set[int] = field(default_factory=set)
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
        touched = set(self.graph.sources)
        nodes = self.graph.nodes
        for position, node in enumerate(nodes):
            if node.primitive == "random":
                self.random.append(position)
            if not any(value in self.axes for value in node.operands):
                self._fold(node)
                continue
            operands = [self[value] for value in node.operands]
            given = NodeAxes(self, node, operands)
            found = self._called(given) if node.primitive == "call" else rule_for(node)(given)
            if not touched.isdisjoint(node.operands):
                self._follow_rows(given)
                touched.update(node.hanging_on(touched))
                if given.mixes:
                    self.mixing.append(position)
                elif given.unknown:
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

    def _called(self, given: NodeAxes) -> list[Axes]:
        """The axes of what a function gives, from those of what it is given."""
        body: Any = given.attributes["body"]
        inside = GraphAxes(body, self.count)
        inside.axes.update(zip(body.sources, given.operands, strict=True))
        inside.follow()
        given.mixes |= bool(inside.mixing)
        given.unknown |= bool(inside.doubtful)
        if inside.random:
            self.random.append(self.graph.nodes.index(given.node))
        return [inside[value] for value in body.targets]

    def _follow_rows(self, given: NodeAxes) -> None:
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
        """Notes the few whole numbers that are computed of others, and what is one number throughout."""
        if node.primitive == "broadcast" and prod(self.lengths(node.operands[0])) == 1:
            self.uniform.add(node.result)
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
