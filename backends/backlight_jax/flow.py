"""How values flow through a circuit: what depends on what, who uses what, what dominates what."""

from collections.abc import Collection, Iterable
from typing import Any, final

import numpy as np
from jax.extend.core import Literal

from backlight_jax import pointwise
from backlight_jax.circuit import Circuit, is_floating
from backlight_jax.program import Node, Operand
from backlight_jax.structure import LAYOUT, behind_layout

UNIFORM = 4096
"""How large a closed-over array may be that is looked at for being one number throughout."""


@final
class Flow:
    """The data flow from the sources to the targets.

    Attributes:
        circuit: the circuit.
        producers: the position of the equation that computes each value.
        varying: the values that depend on the sources.
        active: those that gradients flow through on their way from a target: floating-point numbers,
            not stopped.
        rows: the values that depend on anything that differs between examples.
        made: the values that depend on no argument and no array: made of numbers in the code.
        numbers: values known to be one number throughout.
        needed: the positions of the equations that the targets depend on.
        users: the positions of the needed equations that use each value.
        kept: values that are looked at from outside: what the score reads, and the targets.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        program = circuit.program
        self.avals = program.avals
        self.nodes = program.nodes
        self.producers: dict[int, int] = {}
        self.varying = set(circuit.sources)
        self.active = set(circuit.sources)
        self.rows = {*circuit.rows, *circuit.sources}
        given = {*program.inputs, *program.constants, *circuit.operands, *circuit.sources}
        self.made: set[int] = set()
        self.numbers: dict[int, pointwise.Numbers] = {}
        for value, constant in program.constants.items():
            self._look(value, constant)
        for position, node in enumerate(self.nodes):
            for value in node.outputs:
                self.producers[value] = position
            if set(node.outputs) & given:  # the site itself
                continue
            if not self.varying.isdisjoint(node.values):
                self.varying.update(node.outputs)
            if not self.active.isdisjoint(node.values) and node.primitive != "stop_gradient":
                self.active.update(v for v in node.outputs if is_floating(self.avals[v]))
            if not self.rows.isdisjoint(node.values):
                self.rows.update(node.outputs)
            if all(value in self.made for value in node.values):
                self.made.update(node.outputs)
            self._fold(node)
        self.needed = self._needed()
        self.active &= self._leading()
        self.users: dict[int, list[int]] = {}
        for position in sorted(self.needed):
            for value in dict.fromkeys(self.nodes[position].values):
                self.users.setdefault(value, []).append(position)
        self.kept = {v for v in (*circuit.scored, *circuit.targets) if isinstance(v, int)}
        self.dominators: dict[int, int | None] = {}
        self._depths: dict[int, int] = {}
        self._dominate()

    def shape(self, value: int) -> tuple[int, ...]:
        return tuple(self.avals[value].shape)

    def producer(self, operand: Operand) -> Node | None:
        if isinstance(operand, Literal) or operand not in self.producers:
            return None
        return self.nodes[self.producers[operand]]

    def activity(self, node: Node) -> list[int]:
        """Where the operands are that gradients flow to."""
        return [
            at
            for at, operand in enumerate(node.inputs)
            if isinstance(operand, int) and operand in self.active
        ]

    def varies(self, operand: Operand) -> bool:
        return isinstance(operand, int) and operand in self.varying

    def number(self, operand: Operand) -> pointwise.Numbers | None:
        """The number that an operand is throughout."""
        if isinstance(operand, Literal):
            return pointwise.number(operand)
        return self.numbers.get(operand)

    def sole_user(self, value: int) -> int | None:
        """The position of the only equation that uses a value."""
        users = self.users.get(value, [])
        return users[0] if len(users) == 1 and value not in self.kept else None

    def behind_layout(self, operand: Operand) -> Operand:
        """What an operand was before it was moved and repeated."""
        return behind_layout(self.producer, operand)

    def region(
        self, entry: int, sink: int, stops: Collection[int] = (), most: int = 400
    ) -> list[int] | None:
        """The positions of the equations between two values, if those lead nowhere else and nothing
        else that varies leads in (but for `stops`, which are taken as they are)."""
        found: set[int] = set()
        pending = [sink]
        while pending:
            value = pending.pop()
            if value == entry or value in stops or value not in self.varying:
                continue
            position = self.producers.get(value)
            if position is None or value in self.circuit.sources or len(found) > most:
                return None
            if position not in found:
                found.add(position)
                pending.extend(self.nodes[position].values)
        for position in found:
            for value in self.nodes[position].outputs:
                if value != sink and (
                    value in self.kept or not found.issuperset(self.users.get(value, ()))
                ):
                    return None
        return sorted(found)

    def common(self, operands: Iterable[Operand]) -> int | None:
        """The nearest value through which everything that varies among the operands goes."""
        meeting: int | None = None
        for operand in operands:
            if not isinstance(operand, int) or operand not in self.varying:
                continue
            meeting = operand if meeting is None else self._meet(meeting, operand)
            if meeting is None:
                return None
        return meeting

    def _look(self, value: int, constant: Any) -> None:
        size = int(np.prod(constant.shape))
        if 0 < size <= UNIFORM:
            try:
                array = np.asarray(constant).astype(float)
            except (TypeError, ValueError):  # keys, and dtypes that are no numbers
                return
            if (array == array.flat[0]).all():
                self.numbers[value] = np.asarray(array.flat[0])

    def _fold(self, node: Node) -> None:
        """Whether an equation of numbers gives a number."""
        operands = [self.number(operand) for operand in node.inputs]
        known = [operand for operand in operands if operand is not None]
        if not operands or len(known) < len(operands) or len(node.outputs) != 1:
            return
        if node.primitive in LAYOUT:
            if node.primitive == "convert_element_type":
                self.numbers[node.outputs[0]] = pointwise.evaluated(node.equation, known)
            else:
                self.numbers[node.outputs[0]] = known[0]
        elif pointwise.is_pointwise(node.equation):
            with np.errstate(all="ignore"):
                self.numbers[node.outputs[0]] = pointwise.evaluated(node.equation, known)

    def _needed(self) -> set[int]:
        needed: set[int] = set()
        pending = [target for target in self.circuit.targets if isinstance(target, int)]
        while pending:
            position = self.producers.get(pending.pop())
            if position is not None and position not in needed:
                needed.add(position)
                pending.extend(self.nodes[position].values)
        return needed

    def _leading(self) -> set[int]:
        """The values from which gradients reach a target."""
        leading = {target for target in self.circuit.targets if isinstance(target, int)}
        for position in sorted(self.needed, reverse=True):
            node = self.nodes[position]
            arrives = any(v in leading and v in self.active for v in node.outputs)
            if arrives and node.primitive != "stop_gradient":
                leading.update(node.values)
        return leading

    def _dominate(self) -> None:
        for source in self.circuit.sources:
            self.dominators[source], self._depths[source] = None, 0
        for position in sorted(self.needed):
            node = self.nodes[position]
            if not self.varies_at(node):
                continue
            above = self.common(node.inputs)
            for value in node.outputs:
                if value in self._depths:
                    continue
                self.dominators[value] = above
                self._depths[value] = 0 if above is None else self._depths[above] + 1

    def varies_at(self, node: Node) -> bool:
        return not self.varying.isdisjoint(node.values)

    def _meet(self, one: int | None, other: int | None) -> int | None:
        while one != other:
            if one is None or other is None:
                return None
            if self._depths[one] >= self._depths[other]:
                one = self.dominators[one]
            else:
                other = self.dominators[other]
        return one
