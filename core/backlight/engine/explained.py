"""A graph with its operations, cut into what the passes over it run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

from backlight.engine.runner import Runner
from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import Graph, Node
from backlight.graph.recognition.recognition import Recognised
from backlight.graph.unit import Unit
from backlight.rules.rules import Rule, Rules


@final
@dataclass(frozen=True, eq=False)
class Step:
    """Nodes that run together: those of an operation, or one by itself.

    Attributes:
        unit: the operation; None for a node that is none, or that moves numbers only.
        nodes: in order.
        of_score: whether they are the score's, not the net's.
    """

    unit: Unit | None
    nodes: tuple[Node, ...]
    of_score: bool


@final
@dataclass(frozen=True, eq=False)
class Explained:
    """A net and a score with their operations, as rules see them.

    Attributes:
        recognised: the operations.
        places: the values that a reference stands in for: what is explained, and what was given beside
            it that derivatives cannot be taken by.
        read: the values of the net that the score reads; None for what is no value but a number.
        score: the position of the first node of the score.
    """

    recognised: Recognised
    places: tuple[int, ...]
    read: tuple[int | None, ...]
    score: int

    @property
    def graph(self) -> Graph:
        return self.recognised.graph

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What runs behind what is explained, in an order that it can be run in."""
        begin, found = self.graph.begin, []
        for step in self.recognised.steps:
            unit = step if isinstance(step, Unit) else None
            positions = step.positions if isinstance(step, Unit) else (step,)
            if positions[0] >= begin:
                nodes = tuple(self.graph.nodes[position] for position in positions)
                found.append(Step(unit, nodes, positions[-1] >= self.score))
        return tuple(found)

    @cached_property
    def own_units(self) -> tuple[Unit, ...]:
        """The operations of the net, without the score's."""
        return tuple(
            step.unit for step in self.steps if step.unit is not None and not step.of_score
        )

    @cached_property
    def independent(self) -> bool:
        """Whether the net depends on nothing that differs between examples but the value itself."""
        net = [node for step in self.steps if not step.of_score for node in step.nodes]
        known = {*self.places, *(value for node in net for value in node.results)}
        rows = self.recognised.flow.rows
        return not any(v in rows and v not in known for node in net for v in node.operands)


@final
@dataclass(frozen=True, eq=False)
class Stretch:
    """Nodes that no rule is for, differentiated together.

    Attributes:
        nodes: in order.
        inputs: what gradients flow to.
        outputs: what gradients flow from.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@final
@dataclass(frozen=True, eq=False)
class Ruled:
    """An operation with its rule."""

    unit: Unit
    nodes: tuple[Node, ...]
    rule: Rule

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.unit.inputs

    @property
    def outputs(self) -> tuple[int, ...]:
        return self.unit.outputs


Part: TypeAlias = Stretch | Ruled


def parts_of(runner: Runner, found: Explained, rules: Rules) -> list[Part]:
    """What the backward pass is made of, in the order of the forward pass.

    Args:
        runner: what runs the operations; where it keeps what it has run, nodes that no rule is for are
            differentiated together.
        found: the operations.
        rules: what they obey.
    """
    reads = Counter(value for step in found.steps for value in operands(step.nodes))
    return parts_among(runner, found.steps, found.recognised.flow, reads, rules)


def parts_among(
    runner: Runner, steps: Sequence[Step], flow: Dependence, reads: Mapping[int, int], rules: Rules
) -> list[Part]:
    """The same for some of the steps; `reads` says how often each value is read by any."""
    listed: list[Part] = []
    pending: list[Node] = []

    def close() -> None:
        if not pending:
            return
        own = {value for node in pending for value in node.results}
        inside = Counter(operands(pending))
        inputs = [v for v in inside if v in flow.active and v not in own]
        outputs = [
            v for v in own if v in flow.active and (v in flow.kept or reads.get(v, 0) > inside[v])
        ]
        listed.append(Stretch(tuple(pending), tuple(inputs), tuple(sorted(outputs))))
        pending.clear()

    for step in steps:
        unit, rule = step.unit, None
        if unit is not None and runner.is_array(unit.output):
            rule = rules.choose(unit.described)
        if unit is not None and rule is not None:
            close()
            listed.append(Ruled(unit, step.nodes, rule))
            continue
        for node in step.nodes:
            pending.append(node)
            if not runner.keeps:
                close()
    close()
    return listed


def operands(nodes: Sequence[Node]) -> list[int]:
    return [value for node in nodes for value in node.operands]
