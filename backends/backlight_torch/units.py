"""What rules act on: operations, linear ones with what is folded into them, neurons."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast, final

import torch

from backlight.arrays import Arrays
from backlight.errors import CoverageError
from backlight.operations import LINEAR, UNARY, Kind, Operation
from backlight.rules import Rule, Rules
from backlight_torch.applications import Forward, TorchApplication
from backlight_torch.circuit import Circuit
from backlight_torch.derivatives import derivative_of
from backlight_torch.linear import Linear, Move, move_of
from backlight_torch.opened import parts_of, run_opened
from backlight_torch.recording import Recorder
from backlight_torch.records import Node, Record, View
from backlight_torch.regions import Region, regions

if TYPE_CHECKING:
    from backlight_torch.plans import Plan


@final
@dataclass(eq=False)
class Inner:
    """What a compound operation consists of, run at the operation's own inputs.

    Attributes:
        starts: the inputs, as the start of a graph of their own.
        results: of the operation, None for those that are not asked for.
        recorder: of that run.
        plan: what is done with its operations.
    """

    starts: list[torch.Tensor]
    results: list[torch.Tensor | None]
    recorder: Recorder
    plan: "Plan"


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
        region: the operations that make it, if it is spelled in several.
        operation: as techniques see it; known when all units are.
        rule: what acts on it.
    """

    kind: Kind
    record: Record
    end: Record
    entries: list[tuple[Node, int, View | None]]
    linear: Linear | None = None
    parts: "tuple[Unit, ...]" = ()
    inner: Inner | None = None
    region: Region | None = None
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
            output = self.end.output
            if output is not None and tuple(output.shape) != self.linear.shape:
                output = None  # it is moved on the way to a neuron's function
            return TorchApplication(
                self.operation,
                arrays,
                self.inputs,
                output,
                self.linear.forward,
                find_params=self.linear.params,
            )
        if self.region is not None:
            region = self.region
            return TorchApplication(
                self.operation,
                arrays,
                region.inputs,
                self.end.output,
                region.forward,
                frozen=region.frozen,
            )
        return TorchApplication(
            self.operation,
            arrays,
            self.inputs,
            record.output,
            lambda inputs, params: record.run(inputs, {}),
            derivative=derivative_of(record),
            frozen=frozen_of(record),
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


def frozen_of(record: Record) -> Forward | None:
    """A normalisation with what it divides by held constant."""
    parts = parts_of(record) if record.found.kind is Kind.NORMALIZATION else None
    if parts is None:
        return None

    def forward(inputs: Sequence[torch.Tensor], params: object) -> torch.Tensor:
        return cast(torch.Tensor, run_opened(record, parts, inputs, frozen=True)[0])

    return forward


def units_of(circuit: Circuit, rules: Rules) -> list[Unit]:
    """The units, in the order in which they are computed, without operations and rules yet."""
    taken: set[int] = set()
    found: list[Unit] = []
    ends: dict[int, Region] = {}
    for region in regions(circuit, rules.kinds):
        taken.update(id(one) for one in region.records)
        ends[id(region.end)] = region
    for record in circuit.records:
        if id(record) in ends:
            found.append(_composite(circuit, ends[id(record)]))
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
        linear = Linear(record)
        while True:
            following, moves = _only_user(circuit, linear.end)
            moved = linear.through(moves)
            if following is None or not moved.foldable(following, not rules.folds):
                break
            moved.fold(following)
            linear = moved
        unit.linear, unit.end = linear, linear.end
    return unit


def _composite(circuit: Circuit, region: Region) -> Unit:
    """All of the result goes to one of the places that take the value in."""
    (entry, *spare) = [
        (record.node, circuit.entries(record)[number], record.view if number == 0 else None)
        for record, number in region.takes
    ]
    return Unit(
        region.kind,
        region.source,
        region.end,
        [entry],
        region=region,
        spare=[(node, number) for node, number, _ in spare],
    )


def _neuron(circuit: Circuit, unit: Unit) -> Unit | None:
    assert unit.linear is not None
    following, moves = _only_user(circuit, unit.end)
    if following is None or following.found.kind not in UNARY or following.view is not None:
        return None
    if len(following.active) != 1 or unit.record.view is not None:
        return None
    moved = unit.linear.through(moves)
    if moves and not moved.axes:
        return None
    before = replace(unit, linear=moved)
    after = Unit(following.found.kind, following, following, _entries(circuit, following))
    return Unit(Kind.NEURON, unit.record, following, unit.entries, parts=(before, after))


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


def _only_user(circuit: Circuit, record: Record) -> tuple[Record | None, list[Move]]:
    """The operation that alone uses the result of this one, and how that is moved on the way."""
    node = record.node
    moves: list[Move] = []
    while True:
        users = circuit.users[node]
        if len(users) != 1 or users[0] is None:
            return None, []
        node = users[0]
        found = circuit.by_node.get(node)
        if found is not None:
            return found, moves
        move = move_of(node)
        if move is None:
            return None, []
        moves.append(move)


def linear_nodes(units: Iterable[Unit]) -> set[Node]:
    """The nodes that linear operations are in."""
    return {
        unit.record.node
        for unit in units
        if unit.kind in LINEAR
        or unit.parts
        or (unit.inner is not None and any(one.kind in LINEAR for one in unit.inner.plan.flat()))
    }
