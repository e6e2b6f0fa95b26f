"""Which rule acts where in one run, and the hooks that let it."""

from collections.abc import Hashable, Iterable, Sequence
from itertools import product
from typing import Any, cast, final

import torch

from backlight.arrays import Array, Arrays
from backlight.operations import LINEAR, UNARY, Kind, Operation
from backlight.rules import Application, Incoming, Rules
from backlight_torch.applications import TorchApplication
from backlight_torch.circuit import Circuit
from backlight_torch.recording import Keeps, Node, Record, Recorder
from backlight_torch.units import Unit, linear_nodes, units_of

FOLDED = frozenset({Kind.BATCH_NORM, Kind.SCALE, Kind.SHIFT})
"""What may be folded into a linear operation."""


@final
class Plan:
    """The units between the starts and the ends of one run, and what is done with them.

    Attributes:
        units: in the order in which they are computed.
    """

    def __init__(
        self, recorder: Recorder, ends: Iterable[torch.Tensor], rules: Rules, arrays: Arrays
    ) -> None:
        self.rules = rules
        self.arrays = arrays
        self.circuit = Circuit(recorder, ends)
        self.units = units_of(self.circuit, rules)
        self._name()

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(unit.operation for unit in self.units if unit.operation is not None)

    def _name(self) -> None:
        before, after = self.circuit.clear_of(linear_nodes(self.units))
        for unit in self.units:
            unit.operation = self._operation(unit, before, after)
            unit.rule = self.rules.choose(unit.operation)
            for part in unit.parts:
                part.operation = self._operation(part, before, after)

    def _operation(self, unit: Unit, before: set[Node], after: set[Node]) -> Operation:
        record, end = unit.record, unit.end
        return Operation(
            unit.kind,
            record.place,
            record.found.type,
            end.shape,
            first=record.node in before,
            last=end.node in after,
            axes=record.found.axes if unit.kind is record.found.kind else (),
            replayable=record.found.replayable,
        )

    def install(self, reference: "Plan | None") -> list[Any]:
        """Hooks on the nodes; gives their handles."""
        handles: list[Any] = []
        for number, unit in enumerate(self.units):
            if unit.rule is None:
                continue
            application = unit.application(self.arrays)
            if reference is not None:
                pair(application, reference.units[number].application(self.arrays))
            handles += Hooks(unit, application).install()
        return handles


def pair(application: Application, reference: Application) -> None:
    application.reference = reference
    for part, other in zip(application.parts, reference.parts, strict=True):
        part.reference = other


@final
class Hooks:
    """What acts at the nodes of one unit in the backward pass."""

    def __init__(self, unit: Unit, application: TorchApplication) -> None:
        assert unit.rule is not None
        self.unit = unit
        self.rule = unit.rule
        self.application = application
        self.grad: torch.Tensor | None = None
        self.results: Sequence[torch.Tensor] | None = None

    def install(self) -> list[Any]:
        unit, end = self.unit, self.unit.end
        if isinstance(self.rule, Incoming) and not has_closed_form(unit):
            return [end.node.register_prehook(self._incoming)]
        handles = [end.node.register_prehook(self._arriving)]
        for node in {node: None for node, _, _ in unit.entries}:
            handles.append(node.register_hook(self._leaving))
        return handles

    def _incoming(self, grads: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if grads[0] is None:
            return None
        rule = cast(Incoming, self.rule)
        view = self.unit.end.view
        if view is None:
            changed = rule.incoming(self.application, cast(Array, grads[0]))
            return (changed, *grads[1:])
        whole, part = view.part(grads[0])
        part.copy_(cast(torch.Tensor, rule.incoming(self.application, cast(Array, part.clone()))))
        return (whole, *grads[1:])

    def _arriving(self, grads: tuple[Any, ...]) -> None:
        self.grad = grads[0]
        view = self.unit.end.view
        if self.grad is not None and view is not None:
            self.grad = view.part(self.grad)[1].clone()

    def _leaving(self, grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> Any:
        if self.grad is None:
            return None
        if self.unit.record is self.unit.end:
            self.application.native = (self.grad, lambda: self._native(grads))
        found = cast(Sequence[torch.Tensor], self.rule(self.application, cast(Array, self.grad)))
        self.application.native = None
        self.grad = None
        changed = list(grads)
        done: set[int] = set()
        for (_, number, view), result in zip(self.unit.entries, found, strict=True):
            if changed[number] is None:
                continue
            if view is None:
                own = shaped(result, changed[number])
                changed[number] = own
            else:
                whole, part = view.part(changed[number])
                part.copy_(result)
                changed[number] = whole
            done.add(number)
        return tuple(changed)

    def _native(self, grads: tuple[Any, ...]) -> tuple[torch.Tensor, ...]:
        """What autograd itself hands to the inputs."""
        found = []
        operands = self.unit.record.active
        for index, (_, number, view) in enumerate(self.unit.entries):
            grad = grads[number]
            if view is not None:
                grad = view.part(grad)[1].clone()
            if operands:  # autograd sums over broadcast axes after its hooks
                grad = grad.sum_to_size(operands[index].shape)
            found.append(grad)
        return tuple(found)


def has_closed_form(unit: Unit) -> bool:
    return unit.record.found.slope is not None or bool(unit.record.found.axes)


def shaped(result: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The gradient of an operand in the shape that autograd will sum to the operand's own."""
    result = result.to(like.dtype)
    if result.shape == like.shape:
        return result
    own = torch.zeros_like(like)
    part = own
    result = result.reshape((1,) * (like.ndim - result.ndim) + tuple(result.shape))
    for axis, length in enumerate(result.shape):
        if length != like.shape[axis]:
            part = part.narrow(axis, 0, length)
    part.copy_(result)
    return own


def keeps_for(rules: Rules) -> Keeps:
    """What a recorder keeps: what the rules for a kind look at, whichever of them is chosen."""
    known: dict[Hashable, frozenset[str]] = {}

    def keeps(record: Record) -> frozenset[str]:
        found = record.found
        if found.opened:
            return INPUTS
        key = (found.kind, record.place, found.type, found.axes, found.replayable)
        if key not in known:
            known[key] = looked_at(rules, record)
        return known[key]

    return keeps


INPUTS = frozenset({"inputs"})


def looked_at(rules: Rules, record: Record) -> frozenset[str]:
    """What any rule for such an operation looks at, wherever it is."""
    found = record.found
    kinds = [found.kind]
    if (rules.folds and found.kind in FOLDED) or found.kind is Kind.SHIFT:
        kinds += [*LINEAR]
    needs: set[str] = set()
    for kind in kinds:
        for first, last in product((False, True), repeat=2):
            one = Operation(
                kind, record.place, found.type, (), first, last, found.axes, found.replayable
            )
            rule = rules.choose(one)
            if rule is not None:
                needs |= rule.needs if kind is found.kind else rule.needs - INPUTS
                if found.slope is not None or found.axes:
                    needs |= INPUTS
    if Kind.NEURON in rules.kinds and (found.kind in UNARY or found.kind in LINEAR):
        needs |= {"inputs", "output"}
    return frozenset(needs)
