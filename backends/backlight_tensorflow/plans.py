"""What rules make of a path: its units as operations, and the rule for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backlight.operations import LINEAR, Kind, Operation
from backlight.rules import Rule, Rules
from backlight_tensorflow.flattening import Node, Value
from backlight_tensorflow.paths import Path
from backlight_tensorflow.reciprocals import reciprocals
from backlight_tensorflow.recognition import Recognition
from backlight_tensorflow.units import Unit


@dataclass(eq=False)
class Plan:
    """The units of a path under rules.

    Attributes:
        units: in the order of computation.
        first, last: those that are reached from the value, or reach the score, without meeting
            another linear operation.
        quotients: products with a factor that comes from one over something, and which that is.
        passed: operations whose gradient goes through as it is.
        seen: the number of examples that shapes were last seen for, and the shapes then.
    """

    path: Path
    rules: Rules
    units: list[Unit] = field(init=False)
    first: set[Unit] = field(init=False)
    last: set[Unit] = field(init=False)
    quotients: dict[Unit, int] = field(init=False)
    passed: set[Node] = field(init=False)
    seen: tuple[int, dict[Value, tuple[int, ...]]] | None = None

    def __post_init__(self) -> None:
        found = Recognition(self.path, self.rules)
        self.units = found.units
        self.quotients = reciprocals(self.path, self.units)
        self.passed = self.path.transparent | found.passed
        self.first, self.last = self._ends()

    @property
    def values(self) -> list[Value]:
        """The values whose shapes matter: outputs of units, then their inputs."""
        parts = [part for unit in self.units for part in (unit, *unit.parts)]
        inputs = [value for part in parts for value in part.inputs]
        return list(dict.fromkeys([*(part.output for part in parts), *inputs]))

    def operations(self, shapes: Mapping[Value, tuple[int, ...]]) -> dict[Unit, Operation]:
        parts = [part for unit in self.units for part in (unit, *unit.parts)]
        return {part: self._operation(part, shapes[part.output]) for part in parts}

    def chosen(self, operations: Mapping[Unit, Operation]) -> dict[Unit, Rule]:
        kinds = self.rules.kinds
        found = {
            unit: self.rules.choose(operations[unit])
            for unit in self.units
            if unit.kind in kinds and unit.output.tensor.dtype.is_floating
        }
        return {unit: rule for unit, rule in found.items() if rule is not None}

    def _operation(self, unit: Unit, shape: tuple[int, ...]) -> Operation:
        return Operation(
            kind=unit.kind,
            name=self.path.traced.place(unit.core),
            type=unit.core.op.type,
            shape=shape,
            first=unit in self.first,
            last=unit in self.last,
            axes=unit.axes,
            reciprocal=self.quotients.get(unit),
            replayable=unit.replayable,
        )

    def _ends(self) -> tuple[set[Unit], set[Unit]]:
        path = self.path
        owner = {node: unit for unit in self.units for node in unit.nodes}
        linear = {*LINEAR, Kind.NEURON}
        free = {value for value in path.places if value in path.active}
        first: set[Unit] = set()
        for node in path.route:
            reached = not free.isdisjoint(node.inputs)
            unit = owner.get(node)
            if unit is not None and not free.isdisjoint(unit.inputs):
                first.add(unit)
            if reached and (unit is None or unit.kind not in linear):
                free.update(node.outputs)
        free, last = set(path.sinks), set()
        for node in reversed(path.route):
            reached = not free.isdisjoint(node.outputs)
            unit = owner.get(node)
            if unit is not None and unit.output in free:
                last.add(unit)
            if reached and (unit is None or unit.kind not in linear):
                free.update(value for value in node.inputs if value in path.active)
        for unit in self.units:
            for ends in (first, last):
                if unit in ends:
                    ends.update(unit.parts)
        return first, last
