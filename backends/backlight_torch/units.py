"""What rules act on: operations, linear ones with what is folded into them, neurons."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import torch

from backlight.arrays import Arrays
from backlight.errors import CoverageError
from backlight.operations import LINEAR, UNARY, Kind, Operation
from backlight.rules import Rule, Rules
from backlight_torch.applications import TorchApplication, derivative_of
from backlight_torch.circuit import Circuit
from backlight_torch.linear import Linear
from backlight_torch.recording import Node, Record, View

if TYPE_CHECKING:
    from backlight_torch.plans import Plan


@final
@dataclass(eq=False)
class Unit:
    """One operation as rules see it.

    Attributes:
        kind: what it computes.
        record: the operation, or the first of several.
        end: the last of several.
        entries: where among which node's gradients those of its inputs are.
        linear: with what is folded into it, if it is linear.
        parts: of a neuron.
        inner: what it consists of, if it is opened.
        operation: as techniques see it; known when all units are.
        rule: what acts on it.
    """

    kind: Kind
    record: Record
    end: Record
    entries: list[tuple[Node, int, View | None]]
    linear: Linear | None = None
    parts: "tuple[Unit, ...]" = ()
    inner: "Plan | None" = None
    operation: Operation | None = None
    rule: Rule | None = None
    spare: list[tuple[Node, int]] = field(default_factory=list)
    """Other gradients of the same inputs, of a composite that uses them several times."""

    @property
    def inputs(self) -> list[torch.Tensor]:
        return [operand.tensor for operand in self.record.active if operand.tensor is not None]

    def application(self, arrays: Arrays) -> TorchApplication:
        assert self.operation is not None
        if self.parts:
            return self._neuron(arrays)
        record = self.record
        if self.linear is not None:
            return TorchApplication(
                self.operation,
                arrays,
                self.inputs,
                self.end.output,
                self.linear.forward,
                find_params=self.linear.params,
            )
        return TorchApplication(
            self.operation,
            arrays,
            self.inputs,
            record.output,
            lambda inputs, params: record.run(inputs, {}),
            derivative=derivative_of(record),
        )

    def _neuron(self, arrays: Arrays) -> TorchApplication:
        assert self.operation is not None
        linear, unary = (part.application(arrays) for part in self.parts)
        return TorchApplication(
            self.operation,
            arrays,
            self.inputs,
            self.end.output,
            lambda inputs, params: unary._forward([linear._forward(inputs, params)], None),
            parts=(linear, unary),
        )


def units_of(circuit: Circuit, rules: Rules) -> list[Unit]:
    """The units, in the order in which they are computed, without operations and rules yet."""
    taken: set[int] = set()
    found: list[Unit] = []
    for record in circuit.records:
        if id(record) in taken:
            continue
        taken.add(id(record))
        unit = _unit(circuit, record, rules)
        found.append(unit)
        if unit.linear is not None:
            taken.update(id(one) for one in unit.linear.folded)
            neuron = _neuron(circuit, unit) if Kind.NEURON in rules.kinds else None
            if neuron is not None:
                taken.add(id(neuron.end))
                found[-1] = neuron
    return found


def _unit(circuit: Circuit, record: Record, rules: Rules) -> Unit:
    entries = _entries(circuit, record)
    unit = Unit(record.found.kind, record, record, entries)
    if record.found.kind in LINEAR:
        unit.linear = Linear(record)
        following = _only_user(circuit, record)
        while following is not None and unit.linear.foldable(following, not rules.folds):
            unit.linear.folded.append(following)
            following = _only_user(circuit, following)
        unit.end = unit.linear.end
    return unit


def _neuron(circuit: Circuit, unit: Unit) -> Unit | None:
    following = _only_user(circuit, unit.end)
    if following is None or following.found.kind not in UNARY or following.view is not None:
        return None
    after = Unit(following.found.kind, following, following, _entries(circuit, following))
    return Unit(Kind.NEURON, unit.record, following, unit.entries, parts=(unit, after))


def _entries(circuit: Circuit, record: Record) -> list[tuple[Node, int, View | None]]:
    if record.func is None:
        edges = enumerate(record.node.next_functions)
        return [(record.node, number, None) for number, (n, _) in edges if n in circuit.users]
    numbers = circuit.entries(record)
    if len(numbers) != len(record.active):
        raise CoverageError(
            f"The gradients of {record.found.type} at {record.place or 'an unnamed place'} could not "
            "be told apart, so that no rule can act there. Please report this model; meanwhile use a "
            "technique without rules, such as 'gradient'."
        )
    return [(record.node, number, record.view if number == 0 else None) for number in numbers]


def _only_user(circuit: Circuit, record: Record) -> Record | None:
    """The operation that alone uses the result of this one."""
    users = circuit.users[record.node]
    if len(users) != 1 or users[0] is None:
        return None
    return circuit.by_node.get(users[0])


def linear_nodes(units: Iterable[Unit]) -> set[Node]:
    return {unit.record.node for unit in units if unit.kind in LINEAR or unit.parts}
