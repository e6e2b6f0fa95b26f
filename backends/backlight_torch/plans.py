"""Which rule acts where in one run, and the hooks that let it."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any, cast, final

import torch

from backlight.arrays import Arrays
from backlight.operations import LINEAR, UNARY, Kind, Operation
from backlight.rules import Application, Rules
from backlight_torch.circuit import Circuit
from backlight_torch.hooks import Hooks, Opening
from backlight_torch.opened import is_opened, parts_of, run_opened
from backlight_torch.quotients import reciprocal_of
from backlight_torch.recording import Keeps, Recorder
from backlight_torch.records import Node, Record
from backlight_torch.regions import SPELLED
from backlight_torch.units import Inner, Unit, linear_nodes, units_of

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
        for unit in self.units:
            if is_opened(unit.record, rules):
                unit.inner = opened(unit, rules, arrays)
        self._name()

    def clear(self) -> None:
        for unit in self.units:
            if unit.inner is not None:
                unit.inner.plan.clear()
                unit.inner.recorder.clear()

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(cast(Operation, unit.operation) for unit in self.flat())

    def flat(self) -> Iterator[Unit]:
        """The units, in place of compound ones what they consist of."""
        for unit in self.units:
            if unit.inner is None:
                yield unit
            else:
                yield from unit.inner.plan.flat()

    def _name(self) -> None:
        before, after = self.circuit.clear_of(linear_nodes(self.units))
        for unit in self.units:
            unit.operation = self._operation(unit, before, after)
            unit.rule = self.rules.choose(unit.operation)
            for part in unit.parts:
                part.operation = self._operation(part, before, after)
            if unit.inner is not None:
                unit.inner.plan.within(unit.operation)

    def within(self, outer: Operation) -> None:
        """Note that all of this is inside of one operation."""
        for unit in self.flat():
            own = cast(Operation, unit.operation)
            unit.operation = replace(
                own, first=own.first and outer.first, last=own.last and outer.last
            )
            unit.rule = self.rules.choose(unit.operation)

    def _operation(self, unit: Unit, before: set[Node], after: set[Node]) -> Operation:
        record, end = unit.record, unit.end
        return Operation(
            unit.kind,
            record.place,
            record.found.type if unit.region is None else unit.kind.value,
            end.shape,
            first=record.node in before,
            last=end.node in after,
            axes=record.found.axes if unit.region is None else unit.region.axes,
            reciprocal=reciprocal_of(self.circuit, record) if unit.region is None else None,
            replayable=record.found.replayable or unit.region is not None,
        )

    def install(self, reference: "Plan | None") -> Iterator[Any]:
        """Hooks on the nodes; gives the handle of each as soon as it is there."""
        for number, unit in enumerate(self.units):
            if unit.inner is not None:
                if all(one.rule is None for one in unit.inner.plan.flat()):
                    continue  # nothing acts inside: autograd's own derivative knows its conventions
                start = None if reference is None else reference.units[number].inner
                yield from unit.inner.plan.install(None if start is None else start.plan)
                yield from Opening(unit, unit.inner).install()
                continue
            if unit.rule is None:
                continue
            application = unit.application(self.arrays)
            if reference is not None:
                pair(application, reference.units[number].application(self.arrays))
            yield from Hooks(unit, application).install()


def opened(unit: Unit, rules: Rules, arrays: Arrays) -> Inner | None:
    """What a compound operation consists of; None where that is not known."""
    record = unit.record
    parts = parts_of(record)
    if parts is None:
        return None
    starts = [one.detach().clone().requires_grad_() for one in unit.inputs]
    recorder = Recorder(keeps_for(rules), lambda: record.place)
    for start in starts:
        recorder.start(start)
    try:
        with torch.enable_grad(), recorder:
            results = run_opened(record, parts, [start.view_as(start) for start in starts])
    except NotImplementedError:
        return None
    return Inner(
        starts,
        results,
        recorder,
        Plan(recorder, [one for one in results if one is not None], rules, arrays),
    )


def pair(application: Application, reference: Application) -> None:
    application.reference = reference
    for part, other in zip(application.parts, reference.parts, strict=True):
        part.reference = other


def keeps_for(rules: Rules) -> Keeps:
    """What a recorder keeps: what the rules for a kind look at, whichever of them is chosen."""
    known: dict[Hashable, frozenset[str]] = {}

    def keeps(record: Record) -> frozenset[str]:
        found = record.found
        if is_opened(record, rules):
            return INPUTS
        key = (
            found.kind,
            record.place,
            found.type,
            found.axes,
            found.replayable,
            found.condition is None,
            found.slope is None,
        )
        if key not in known:
            known[key] = looked_at(rules, record)
        return known[key]

    return keeps


INPUTS = frozenset({"inputs"})

SOURCES = frozenset({Kind.EXP, Kind.POW, Kind.MUL})
"""What a composite that is spelled in several operations may take its value in by."""


def looked_at(rules: Rules, record: Record) -> frozenset[str]:
    """What any rule for such an operation looks at, wherever it is."""
    found = record.found
    kinds = [found.kind]
    if (rules.folds and found.kind in FOLDED) or found.kind is Kind.SHIFT:
        kinds += [*LINEAR]
    if found.condition is not None:
        kinds += [Kind.ELEMENTWISE, Kind.LEAKY_RELU]
    needs: set[str] = set()
    for kind in kinds:
        places = (None, 0, 1) if kind is Kind.MUL else (None,)
        for first, last, place in product((False, True), (False, True), places):
            one = Operation(
                kind, record.place, found.type, (), first, last, found.axes, place, found.replayable
            )
            rule = rules.choose(one)
            if rule is not None:
                folds = kind in LINEAR and kind is not found.kind
                needs |= rule.needs - INPUTS if folds else rule.needs
                if found.slope is not None or found.axes:
                    needs |= INPUTS
    if rules.kinds & SPELLED and (found.kind in SOURCES or (found.kind is Kind.MAX and found.axes)):
        needs |= INPUTS
    if Kind.NEURON in rules.kinds and (found.kind in UNARY or found.kind in LINEAR):
        needs |= {"inputs", "output"}
    return frozenset(needs)
