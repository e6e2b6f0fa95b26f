"""A net's graph with a score behind it, for frameworks that run the nodes of a graph as they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from backlight.engine.explained import Explained, parts_of
from backlight.engine.passes import ruled
from backlight.engine.reference import reference_among
from backlight.engine.runner import Runner, Values
from backlight.graph.graph import Graph, Node
from backlight.graph.recognition.recognition import recognise
from backlight.graph.unit import Unit
from backlight.rules.rules import Rules
from backlight.values.arrays import Array

SCORE = "score"
"""Where the operations of a score are."""


@final
@dataclass(frozen=True, eq=False)
class Scored:
    """A net with a score, or its outputs, explained at its arguments or at a site.

    Attributes:
        graph: the net's operations, then the score's; each node can be run.
        inputs: the values of the net's weights and arguments.
        operands: the values of the score's operands.
        places: what is explained: the attributed arguments, or the site.
        read: the values that the score reads.
        end: how many of the nodes are the net's.
    """

    graph: Graph
    inputs: tuple[int, ...]
    operands: tuple[int, ...]
    places: tuple[int, ...]
    read: tuple[int, ...]
    end: int

    @cached_property
    def behind(self) -> list[Node]:
        """The nodes behind what is explained, to the targets."""
        graph, begin = self.graph, self.graph.begin
        return [graph.nodes[at] for at in graph.needed(graph.targets) if at >= begin]

    def start(self, runner: Runner, arrays: Sequence[Array], operands: Sequence[Array]) -> Values:
        """The values known before the nodes behind what is explained run.

        Args:
            runner: what runs the others.
            arrays: the weights and arguments.
            operands: the score's.
        """
        graph, begin = self.graph, self.graph.begin
        held: Any = {at: one.constant for at, one in enumerate(graph.values)}
        found: Values = {at: one for at, one in held.items() if one is not None}
        found.update(zip(self.inputs, arrays, strict=True))
        found.update(zip(self.operands, operands, strict=True))
        before = graph.needed((*graph.targets, *graph.sources))
        runner.run((graph.nodes[at] for at in before if at < begin), found)
        return found

    def explained(self, rules: Rules, names: Mapping[int, str]) -> Explained:
        """The operations, as rules see them, with names of values."""
        graph = self.graph

        def name(unit: Unit) -> str:
            place = graph.nodes[unit.core].place
            if place == SCORE or not (unit.linear or unit.parts):
                return place if place == SCORE else names.get(unit.output, place)
            results = (names.get(graph.nodes[at].result, "") for at in unit.positions)
            uses = (one for one in results if one.partition(":")[0] == place)
            return next(uses, place) or names.get(unit.output, "")

        return Explained(recognise(graph, rules, name), self.places, self.read, self.end)


def by_rules(
    runner: Runner,
    found: Explained,
    rules: Rules,
    values: Values,
    starts: Sequence[Array] | None,
    single: Callable[[], tuple[Explained, Values]],
) -> tuple[Array, Values, Array | None]:
    """Scores, gradients as rules say, and the scores of the pass over a reference.

    Args:
        runner: what runs the operations.
        found: what is explained, with the examples on axis 0.
        rules: what the backward pass obeys.
        values: those known before the nodes behind it run.
        starts: the reference; None for none.
        single: gives `found` and `values` for one example.
    """
    (target,) = found.graph.targets
    reference, there = None, dict(values)
    if starts is not None:
        count = found.graph.shape(found.places[0])[0]
        reference, known = reference_among(found, there, starts, count, single)
        there = dict(known)
        for one, array in zip(reference.net.places, starts, strict=True):
            there[one] = runner.fitted(array, there[one])
    parts = parts_of(runner, found, rules)
    gradients, after = ruled(runner, found, parts, values, reference, there)
    return values[target], gradients, None if after is None else after[target]
