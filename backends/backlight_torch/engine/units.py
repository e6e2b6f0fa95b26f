"""Recognised operations with what went through them, as rules see them, and where gradients enter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, final

from backlight.engine.application import Applied
from backlight.errors import CoverageError
from backlight.graph.unit import Unit
from backlight.rules.rules import OutputGradientRule, Rule
from backlight.values.arrays import Array
from backlight_torch.capture.recorder import Recorder
from backlight_torch.capture.records import Node, Record, View
from backlight_torch.derivatives import WITH_PLACES, is_autograds
from backlight_torch.engine.runner import RUNNER


@final
@dataclass(frozen=True, eq=False)
class Entry:
    """A place among the gradients that a node of autograd's gives.

    Attributes:
        node: it.
        number: which of its gradients.
        shape: of the operand, that autograd sums the gradient to.
        view: the part of a larger gradient, if the operand was a part of a larger array.
    """

    node: Node
    number: int
    shape: tuple[int, ...]
    view: View | None = None


def entries_of(record: Record) -> list[tuple[int, Entry]]:
    """Where the gradients of a record's operands are, each with the operand's value.

    Raises:
        CoverageError: they cannot be told apart.
    """
    edges = record.node.next_functions
    active = [
        (operand, edge)
        for operand, edge in zip(record.operands, record.edges, strict=True)
        if operand.active
    ]
    found: list[tuple[int, Entry]] = []
    left = list(range(len(edges)))
    if record.view is not None:
        left = left[1:]  # the first is the whole's that it wrote into
        if record.operands[0].active:
            base, _ = active.pop(0)
            found.append((base.value, Entry(record.node, 0, base.shape, record.view)))
    for operand, edge in active:
        while left:
            number = left.pop(0)
            if edges[number] == edge:
                found.append((operand.value, Entry(record.node, number, operand.shape)))
                break
        else:
            raise CoverageError(
                f"The gradients of {record.name} could not be told apart, so that no rule can act "
                "there. Please report this model; meanwhile use a technique without rules, such as "
                "'gradient'."
            )
    return found


SAME = frozenset({"identity", "reshape"})
"""Moves after which all numbers are there, in their order."""


@final
class RuledUnit:
    """An operation of a run, with the rule for it.

    Attributes:
        unit: the operation.
        rule: for it.
        record: what gives its result.
        entries: where the gradients of its inputs leave, in their order.
        spare: other gradients of the same inputs, of one that reads them several times.
        replaced: records whose gradients go nowhere but to the inputs.
    """

    def __init__(self, recorder: Recorder, unit: Unit, rule: Rule) -> None:
        self.unit = unit
        self.rule = rule
        self.recorder = recorder
        nodes = [recorder.graph.nodes[position] for position in unit.positions]
        records = [node.native for node in nodes if isinstance(node.native, Record)]
        last = next(one for one in reversed(records) if unit.output in one.results)
        self.record = last
        # What no operation did, but follows from shared memory or from opening, has no node.
        # Nor is that of a view on the way, where something is written into it.
        moved = {node.result: node.operands[0] for node in nodes if node.native is None}
        views = {node.result: node.operands[0] for node in nodes if node.primitive in SAME}
        inside = {value for node in nodes for value in node.results} - moved.keys()
        leading = {unit.output}
        for node in reversed(nodes):
            if node.primitive != "stop_gradient" and not leading.isdisjoint(node.results):
                leading.update(node.operands)
        found: list[tuple[int, Entry]] = []
        self.replaced: list[Record] = []
        for record in records:
            passed = record.node is not None and not leading.isdisjoint(record.results)
            own = entries_of(record) if passed else []
            if own and all(value in inside or value in unit.inputs for value, _ in own):
                self.replaced.append(record)
            for value, entry in own:
                through = moved if entry.view is None else moved | views
                while value in through:
                    value = through[value]
                if value not in inside:
                    found.append((value, entry))
        self.entries: list[Entry] = []
        for value in unit.inputs:
            # Of several the last: its node is reached first, and for certain.
            several = unit.inputs.count(value) > 1
            pairs = [pair for pair in found if pair[0] == value]
            if not pairs:
                raise CoverageError(
                    f"No gradient leads from {unit.described.type} at "
                    f"{unit.described.name or 'an unnamed place'} back to what it reads, so that no "
                    "rule can act there. Please report this model; meanwhile use a technique without "
                    "rules, such as 'gradient'."
                )
            pair = pairs[0] if several else pairs[-1]
            found.remove(pair)
            self.entries.append(pair[1])
        self.spare = [entry for value, entry in found if value in unit.inputs]
        self.alone = len(records) == 1 and not self.spare

    @property
    def edge(self) -> tuple[Node, int]:
        """The node at which the gradient of what it gives arrives, and which of its results that is.

        What was written with gradients off has no node: the gradient goes straight to what was there.
        """
        if self.record.node is None and (before := self.record.edges[0]) is not None:
            return before
        return self.record.node, self.record.results.index(self.unit.output)

    @property
    def has_closed_form(self) -> bool:
        """Whether its derivative is taken otherwise than autograd does."""
        return not is_autograds(self.unit, self.recorder.graph.nodes[self.unit.core])

    def values(self) -> frozenset[int]:
        """The values that the rule looks at, or that running the operation again does."""
        unit, graph, needs = self.unit, self.recorder.graph, self.rule.needs
        wanted = set[int]()
        spelled = (
            not self.alone and unit.linear is None and not isinstance(self.rule, OutputGradientRule)
        )
        if "inputs" in needs or self.has_closed_form or spelled:
            wanted.update(unit.inputs)
        if "output" in needs or unit.parts:
            wanted.add(unit.output)
        if unit.parts:
            wanted.update((*unit.inputs, unit.parts[0].output))
        if self.record.name == WITH_PLACES:
            wanted.add(self.record.results[1])
        nodes = [graph.nodes[position] for position in unit.positions]
        inside = {value for node in nodes for value in node.results} | {*unit.inputs}
        read = {value for node in nodes for value in node.operands} - inside
        return frozenset(wanted | read)


def applied(recorder: Recorder, unit: Unit, reference: Applied | None = None) -> Applied:
    known = cast(Mapping[int, Array], recorder.tensors)
    return Applied(RUNNER, recorder.graph, unit, known, reference)
