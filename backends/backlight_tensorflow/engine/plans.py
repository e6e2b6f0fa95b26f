"""What rules make of a path: its operations, as the core recognises them, in TensorFlow's own terms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from backlight.graph import unit as core
from backlight.graph.graph import Node as CoreNode
from backlight.graph.recognition import recognise
from backlight.graph.unit import Linear
from backlight.operations import Kind, Operation
from backlight.recent import Recent
from backlight.rules import Rule, Rules
from backlight_tensorflow.capture.flattening import Node, Value, carries_numbers
from backlight_tensorflow.capture.graphs import Captured
from backlight_tensorflow.capture.paths import Path
from backlight_tensorflow.engine.copying import has_users_gradient
from backlight_tensorflow.table.reading import Shape

COUNTS = 8
"""For how many numbers of examples the shapes of a plan's operations are remembered."""


@dataclass(frozen=True, eq=False)
class Unit:
    """A recognised operation by the operations of TensorFlow that it is made of.

    Attributes:
        found: what was recognised.
        nodes: in the order of computation.
        inputs: the operands that gradients flow to, each once.
        outputs: the results that gradients flow from; the first is the operation's.
        core: the operation that it is named by.
        held: of a normalisation: the operations that give what it divides by.
        parts: of a neuron.
    """

    found: core.Unit
    nodes: list[Node]
    inputs: list[Value]
    outputs: list[Value]
    core: Node
    held: frozenset[Node]
    parts: "tuple[Unit, ...]"

    @property
    def kind(self) -> Kind:
        return self.found.kind

    @property
    def linear(self) -> Linear:
        assert self.found.linear is not None
        return self.found.linear

    @property
    def output(self) -> Value:
        return self.outputs[0]


Shaped: TypeAlias = tuple[dict[Value, Shape], dict[Unit, Operation]]
"""The shapes of what units take and give, and the operations that they are then."""


class Plan:
    """The operations of a path under rules.

    Attributes:
        captured: the path as a graph of the core.
        recognised: what is in it.
        units: in the order of computation.
        route: the operations that gradients go back through, in the order of computation.
        active: the values that gradients go back to.
        passed: operations whose gradient goes through as it is.
        shaped: by the number of examples.
    """

    def __init__(self, path: Path, rules: Rules, captured: Captured) -> None:
        self.path, self.rules, self.captured = path, rules, captured
        self.recognised = recognise(captured.graph, rules)
        self.shaped: Recent[Shaped] = Recent(COUNTS)
        position = {node: at for at, node in enumerate(path.nodes)}
        self.units = [self._unit(found, position) for found in self.recognised.units]
        numbers, active = captured.numbers, self.recognised.flow.active
        self.active = {
            value
            for value in path.touched
            if carries_numbers(value.tensor) and (value not in numbers or numbers[value] in active)
        }
        self.route = [node for node in path.needed if not self.active.isdisjoint(node.inputs)]
        self.passed = {
            native
            for node in captured.graph.nodes
            if node.primitive == "identity"
            for native in natives_of(node)
            if native.op.type == "StopGradient" or has_users_gradient(native)
        }

    @property
    def parts(self) -> list[Unit]:
        """The units and what they are made of."""
        return [part for unit in self.units for part in (unit, *unit.parts)]

    def operations(self, shapes: Mapping[Value, Shape]) -> dict[Unit, Operation]:
        """Each unit's operation for arrays of these shapes."""
        return {
            part: replace(part.found.described, shape=shapes[part.output]) for part in self.parts
        }

    def chosen(self, operations: Mapping[Unit, Operation]) -> dict[Unit, Rule]:
        kinds = self.rules.kinds
        found = {
            unit: self.rules.choose(operations[unit])
            for unit in self.units
            if unit.kind in kinds and unit.output.tensor.dtype.is_floating
        }
        return {unit: rule for unit, rule in found.items() if rule is not None}

    def _unit(self, found: core.Unit, position: Mapping[Node, int]) -> Unit:
        graph, natives = self.captured.graph, self.captured.natives
        nodes = {native for at in found.positions for native in natives_of(graph.nodes[at])}
        producers = self.recognised.flow.producers
        sizes = [graph.nodes[producers[value]] for value in found.sizes]
        return Unit(
            found,
            sorted(nodes, key=position.__getitem__),
            [natives[value] for value in dict.fromkeys(found.inputs)],
            [natives[value] for value in found.outputs],
            natives_of(graph.nodes[found.core])[0],
            frozenset(native for size in sizes for native in natives_of(size)),
            tuple(self._unit(part, position) for part in found.parts),
        )


def natives_of(node: CoreNode) -> tuple[Node, ...]:
    return cast(tuple[Node, ...], node.native)
