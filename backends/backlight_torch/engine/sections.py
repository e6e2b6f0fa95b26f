"""The parts of a run whose gradients the core's passes compute in autograd's place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast, final

from backlight.engine.application import Applied
from backlight.engine.explained import Part, Ruled, Step, operands, parts_among
from backlight.engine.passes import backward, forward
from backlight.engine.runner import Pullback, Runner, Values
from backlight.errors import CoverageError
from backlight.graph.graph import Graph
from backlight.graph.recognition.recognition import Recognised
from backlight.graph.unit import Unit
from backlight.rules.rules import OutputGradientRule, Rules
from backlight_torch.capture.expansion import Expansion
from backlight_torch.capture.records import Record
from backlight_torch.derivatives import WITH_PLACES, is_autograds
from backlight_torch.engine.entries import Entry, entries_of

SAME = frozenset({"identity", "reshape"})
"""Moves after which all numbers are there, in their order."""


@final
class Section:
    """An operation with a rule; or all that operations consist of which were expanded around some.

    Attributes:
        parts: what it is made of, in order.
        expanded: whether it has to be run before its gradients are known.
        arrivals: where the gradients of what it gives arrive: a record, which of its results, and the
            value.
        entries: by value: where the gradients of what it reads leave. All goes by the last, whose node
            is reached first, and for certain.
        replaced: records whose gradients go nowhere but to what it reads.
    """

    def __init__(
        self,
        runner: Runner,
        graph: Graph,
        known: Values,
        parts: Sequence[Part],
        positions: Sequence[int],
        expansions: Sequence[Expansion],
    ) -> None:
        self.runner = runner
        self.graph = graph
        self.known = known
        self.parts = parts
        self.expanded = bool(expansions)
        self.units = [part.unit for part in parts if isinstance(part, Ruled)]
        self.nodes = [self.graph.nodes[position] for position in positions]
        self.inside = {value for node in self.nodes for value in node.results}
        self.read = set(operands(self.nodes)) - self.inside
        inner = {at for one in expansions for at in range(one.first, one.last)}
        records = {one.first: one.record for one in expansions}
        for position, node in zip(positions, self.nodes, strict=True):
            if position not in inner and isinstance(node.native, Record):
                records[position] = node.native
        self.records = [records[position] for position in sorted(records)]
        given = {value for unit in self.units for value in unit.outputs}
        given.update(value for one in expansions for value in one.record.results)
        self.arrivals = [
            (record, number, value)
            for record in self.records
            for number, value in enumerate(record.results)
            if value in given
        ]
        self.entries: dict[int, list[Entry]] = {}
        self.replaced: list[Record] = []
        self._enter(given)

    def _enter(self, given: set[int]) -> None:
        # What no operation did, but follows from shared memory or from expansion, has no node.
        # Nor is that of a view on the way, where something is written into it.
        moved = {node.result: node.operands[0] for node in self.nodes if node.native is None}
        views = {node.result: node.operands[0] for node in self.nodes if node.primitive in SAME}
        inside = self.inside - moved.keys()
        leading = set(given)
        for node in reversed(self.nodes):
            if node.primitive != "stop_gradient" and not leading.isdisjoint(node.results):
                leading.update(node.operands)
        inputs = {value for unit in self.units for value in unit.inputs} - self.inside
        for record in self.records:
            passed = record.node is not None and not leading.isdisjoint(record.results)
            own = entries_of(record) if passed else []
            if own and (self.expanded or all(one in inside or one in inputs for one, _ in own)):
                self.replaced.append(record)
            for value, entry in own:
                through = moved if entry.view is None else moved | views
                while value in through:
                    value = through[value]
                if value not in inside:
                    self.entries.setdefault(value, []).append(entry)
        if not self.expanded:
            self.entries = {one: found for one, found in self.entries.items() if one in inputs}
        if missing := inputs - self.entries.keys():
            unit = next(one for one in self.units if not missing.isdisjoint(one.inputs))
            raise CoverageError(
                f"No gradient leads from {unit.described.type} at "
                f"{unit.described.name or 'an unnamed place'} back to what it reads, so that no "
                "rule can act there. Please report this model; meanwhile use a technique without "
                "rules, such as 'gradient'."
            )

    @property
    def incoming(self) -> OutputGradientRule | None:
        """The rule, if it leaves the derivative to autograd."""
        (part, *others) = self.parts
        if self.expanded or others or not isinstance(part, Ruled):
            return None
        if not isinstance(part.rule, OutputGradientRule) or not self._is_autograds(part.unit):
            return None
        return part.rule

    def _is_autograds(self, unit: Unit) -> bool:
        return is_autograds(unit, self.graph.nodes[unit.core])

    def wanted(self) -> frozenset[int]:
        """The values that rules look at, or that running the operations again does."""
        wanted = set(self.read)
        (part, *_) = self.parts
        if self.expanded or not isinstance(part, Ruled):
            return frozenset(wanted)
        unit, (record, _, _) = part.unit, self.arrivals[-1]
        single = len(self.records) == 1 and sum(map(len, self.entries.values())) == 1
        spelled = (
            not single and unit.linear is None and not isinstance(part.rule, OutputGradientRule)
        )
        if not ("inputs" in part.rule.needs or not self._is_autograds(unit) or spelled):
            wanted.difference_update(unit.inputs)
        if "output" in part.rule.needs or unit.parts:
            wanted.add(unit.output)
        if unit.parts:
            wanted.update((*unit.inputs, unit.parts[0].output))
        if record.name == WITH_PLACES:
            wanted.add(record.results[1])
        return frozenset(wanted)

    def operation(self, references: Mapping[int, Applied]) -> Applied:
        """The only one that there is."""
        (unit,) = self.units
        return Applied(self.runner, self.graph, unit, self.known, references.get(unit.output))

    def run(self) -> None:
        """Compute what is inside of it."""
        if self.expanded:
            self.runner.run((node for part in self.parts for node in part.nodes), self.known)

    def gradients(self, arrived: Values, references: Mapping[int, Applied]) -> Values:
        """The gradients of what it reads from those of what it gives."""
        values, pullbacks = self.known, [cast("Pullback | None", None)]
        if self.expanded:
            values = {value: values[value] for value in self.read if value in values}
            pullbacks = forward(self.runner, self.parts, values)
        gradients = dict(arrived)
        backward(self.runner, self.graph, self.parts, pullbacks, values, references, gradients)
        return gradients


def sections_of(
    runner: Runner,
    recognised: Recognised,
    rules: Rules,
    known: Values,
    expansions: Sequence[Expansion],
) -> list[Section]:
    """Those of the operations with rules. Where nothing acts inside of what was expanded, autograd's own
    derivative knows its conventions."""
    nodes = recognised.graph.nodes
    expanded = {at: one for one in expansions for at in range(one.first, one.last)}
    chosen = {unit for unit in recognised.units if rules.choose(unit.described) is not None}
    owner: dict[int, set[int]] = {}
    """By position: those of the section that it is in."""
    for unit in recognised.units:
        if unit in chosen:
            own = set(unit.positions)
            for one in {expanded[at] for at in own if at in expanded}:
                own.update(range(one.first, one.last))
            own = own.union(*{id(owner[at]): owner[at] for at in own if at in owner}.values())
            owner.update(dict.fromkeys(own, own))
    steps: dict[int, list[Step]] = {id(own): [] for own in owner.values()}
    for place in recognised.steps:
        ruled = place if isinstance(place, Unit) and place in chosen else None
        positions = place.positions if isinstance(place, Unit) else (place,)
        for some in [positions] if ruled is not None else [(at,) for at in positions]:
            if some[0] in owner:
                step = Step(ruled, tuple(nodes[at] for at in some), of_score=False)
                steps[id(owner[some[0]])].append(step)
    reads = Counter(operands(nodes))
    return [
        Section(
            runner,
            recognised.graph,
            known,
            parts_among(runner, steps[number], recognised.flow, reads, rules),
            sorted(own),
            list({expanded[at]: None for at in sorted(own) if at in expanded}),
        )
        for number, own in {id(own): own for own in owner.values()}.items()
    ]
