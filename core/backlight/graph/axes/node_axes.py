"""A node with the axes of what it reads, which rules turn into the axes of what it gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from backlight.graph.axes.alignment import apart, crossed, together
from backlight.graph.axes.atoms import Atom, Axes, Axis, Role, has, length_of, lost
from backlight.graph.graph import Node, Numbers

if TYPE_CHECKING:
    from backlight.graph.axes.axes import GraphAxes


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

    within: "GraphAxes"
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
        within = self.within
        number = within.graph.values[value].number
        return number is None and value not in within.axes and value not in within.uniform

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
"""The axes of each result of a node."""


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
    """Nothing is known; an operation that keeps the axis first that has the examples keeps them: alone,
    or with others, such as heads, before more axes. Of one that moves numbers elsewhere each may come
    from any row."""
    found = []
    given.unknown = any(has(axis, Role.EXAMPLES) for axes in given.operands for axis in axes)
    for number in range(len(given.node.results)):
        lengths = given.lengths(number)
        axes = [*map(lost, lengths)]
        alone = examples(given.within.count)
        for first in [axes_[0] for axes_ in given.operands if axes_]:
            among = has(first, Role.EXAMPLES) and len(lengths) > 1
            if lengths and lengths[0] == length_of(first) and (first == alone or among):
                axes[0] = first
                break
        found.append(tuple(axes))
    if given.node.primitive == "gather" and found[0]:  # lists have no axes
        given.mixes |= any(has(axis, Role.EXAMPLES) for axis in given.first) and not any(
            has(axis, Role.EXAMPLES) for axis in found[0]
        )
    return found
