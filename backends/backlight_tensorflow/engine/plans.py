"""What rules make of a path: its operations, as the core recognises them, and the way back."""

from collections.abc import Iterable
from typing import TypeAlias, cast

from backlight.graph.recognition.recognition import recognise
from backlight.graph.unit import Unit
from backlight.memory.recent import Recent
from backlight.rules.operations import Operation
from backlight.rules.rules import Rule, Rules
from backlight_tensorflow.capture.flattening import Node, carries_numbers
from backlight_tensorflow.capture.graphs import Capture
from backlight_tensorflow.capture.paths import Path
from backlight_tensorflow.engine.copying import users_gradient

COUNTS = 8
"""For how many numbers of examples the operations of a plan are remembered."""

Operations: TypeAlias = dict[Unit, Operation]
"""The operations that units are for some number of examples."""


class Plan:
    """The operations of a path under rules.

    Attributes:
        captured: the path as a graph of the core.
        recognised: what is in it.
        active: the values that gradients go back to.
        route: the operations that gradients go back through, in the order of computation.
        passed: operations whose gradient goes through as it is.
        described: the operations by the number of examples; whether all their values have a row for
            each of these.
    """

    def __init__(self, path: Path, rules: Rules, captured: Capture) -> None:
        self.path, self.rules, self.captured = path, rules, captured
        self.recognised = recognise(captured.graph, rules)
        self.described: Recent[tuple[Operations, bool]] = Recent(COUNTS)
        self._order = {node: at for at, node in enumerate(path.nodes)}
        numbers, active = captured.numbers, self.recognised.flow.active
        self.active = {
            value
            for value in path.touched
            if carries_numbers(value.tensor) and (value not in numbers or numbers[value] in active)
        }
        self.route = [node for node in path.needed if not self.active.isdisjoint(node.inputs)]
        self.passed = {
            native
            for at, node in enumerate(captured.graph.nodes)
            if node.primitive == "identity"
            for native in self.nodes([at])
            if native.op.type == "StopGradient" or users_gradient(native) is not None
        }

    def nodes(self, positions: Iterable[int]) -> list[Node]:
        """The operations of TensorFlow that some of the graph are made of, in order."""
        nodes = self.captured.graph.nodes
        found = {native for at in positions for native in cast(tuple[Node, ...], nodes[at].native)}
        return sorted(found, key=self._order.__getitem__)

    @property
    def parts(self) -> list[Unit]:
        """The units and what they are made of."""
        return [part for unit in self.recognised.units for part in (unit, *unit.parts)]

    def chosen(self, operations: Operations) -> dict[Unit, Rule]:
        found = {
            unit: self.rules.choose(operations[unit])
            for unit in self.recognised.units
            if unit.kind in self.rules.kinds
            and self.captured.native(unit.output).tensor.dtype.is_floating
        }
        return {unit: rule for unit, rule in found.items() if rule is not None}
