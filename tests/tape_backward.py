"""The backward pass over a tape, as rules say."""

from dataclasses import dataclass
from typing import cast

import array_api_strict as strict
import numpy as np

from backlight.rules.operations import LINEAR, UNARY, Kind, Operation
from backlight.rules.rules import AppliedOperation, Rules
from backlight.values.arrays import Arrays
from tests.tape import Raw, Step, Tape, Traced, raw, summed_to


@dataclass(eq=False)
class Applied(AppliedOperation):
    """A step as rules see it: array-api-strict arrays only."""

    step: Step
    operation: Operation
    reference: "AppliedOperation | None" = None
    parts: "tuple[AppliedOperation, ...]" = ()
    arrays = cast(Arrays, strict)

    @property
    def inputs(self):
        return tuple(strict.asarray(raw(self.step.operands[i]).copy()) for i in self.step.active)

    @property
    def output(self):
        return strict.asarray(self.step.result.value.copy())

    @property
    def params(self):
        if self.operation.kind not in LINEAR:
            return {}
        constants = [one for one in self.step.operands if not isinstance(one, Traced)]
        return {
            name: strict.asarray(raw(one).copy())
            for name, one in zip(("weight", "bias"), constants, strict=False)
        }

    def operands(self, inputs, params) -> list[Raw]:
        found = [raw(one) for one in self.step.operands]
        if inputs is not None:
            for i, value in zip(self.step.active, inputs, strict=True):
                found[i] = np.asarray(value)
        if params is not None:
            passive = [i for i in range(len(found)) if i not in self.step.active]
            given = [np.asarray(params[key]) for key in ("weight", "bias") if key in params]
            for i, value in zip(passive, given, strict=False):
                found[i] = value
            dropped = passive[len(given) :]
            found = [value for i, value in enumerate(found) if i not in dropped]
        return found

    def vjp(self, grad, *, inputs=None, params=None, frozen=False):
        operands = self.operands(inputs, params)
        output = self.step.run(*operands)
        pull = self.step.frozen if frozen else self.step.pull
        grads = pull(np.asarray(grad), output, *operands)
        return tuple(
            strict.asarray(summed_to(np.array(grads[i]), operands[i].shape))
            for i in self.step.active
        )

    def replay(self, *, inputs=None, params=None):
        return strict.asarray(np.array(self.step.run(*self.operands(inputs, params))))


@dataclass(eq=False)
class Neuron(Applied):
    """A linear step and the unary one behind it; `step` is the linear one."""

    @property
    def output(self):
        return self.parts[1].output

    def vjp(self, grad, *, inputs=None, params=None, frozen=False):
        (linear, unary), z = self.parts, self.parts[0].replay(inputs=inputs, params=params)
        return linear.vjp(unary.vjp(grad, inputs=(z,))[0], inputs=inputs, params=params)

    def replay(self, *, inputs=None, params=None):
        z = self.parts[0].replay(inputs=inputs, params=params)
        return self.parts[1].replay(inputs=(z,))


def applications(tape: Tape, rules: Rules, roots: list[Traced]) -> dict[int, Applied]:
    """The steps that have a kind, by their number on the tape; a neuron is at its last one."""
    users: dict[int, list[int]] = {}
    for number, step in enumerate(tape.steps):
        for operand in step.operands:
            users.setdefault(id(operand), []).append(number)
    untouched: dict[int, bool] = {id(root): True for root in roots}
    first = []
    for step in tape.steps:
        reached = any(untouched[id(step.operands[i])] for i in step.active)
        first.append(reached)
        untouched[id(step.result)] = reached and step.kind not in LINEAR
    free: dict[int, bool] = {}
    for number in reversed(range(len(tape.steps))):
        behind = users.get(id(tape.steps[number].result), [])
        free[number] = not behind or any(
            free[later] and tape.steps[later].kind not in LINEAR for later in behind
        )
    found = {}
    for number, step in enumerate(tape.steps):
        if step.kind is None:
            continue
        operation = Operation(
            step.kind,
            step.name,
            step.type,
            step.result.shape,
            first[number],
            free[number],
            step.axes,
            reciprocal_of(tape, step),
            2.0 if step.type == "square" else None,
        )
        found[number] = Applied(step, operation)
    if Kind.NEURON in rules.kinds:
        for number, one in list(found.items()):
            behind = users.get(id(one.step.result), [])
            if one.operation.kind not in LINEAR or len(behind) != 1:
                continue
            second = found.get(behind[0])
            if second is None or second.operation.kind not in UNARY:
                continue
            o = one.operation
            merged = Operation(
                Kind.NEURON,
                o.name,
                "neuron",
                second.operation.shape,
                o.first,
                second.operation.last,
            )
            found[behind[0]] = Neuron(one.step, merged, parts=(one, second))
            del found[number]
    return found


def reciprocal_of(tape: Tape, step: Step) -> int | None:
    """Which factor of a product is one over something."""
    makers = {id(one.result): one for one in tape.steps}
    for place, operand in enumerate(step.operands if step.kind is Kind.MUL else ()):
        maker = makers.get(id(operand))
        while maker is not None and maker.kind in (None, Kind.SCALE) and len(maker.active) == 1:
            maker = makers.get(id(maker.operands[maker.active[0]]))
        if maker is not None and maker.type == "reciprocal":
            return place
    return None


def backward(
    tape: Tape,
    score: Traced,
    roots: list[Traced],
    rules: Rules,
    reference: "tuple[Tape, list[Traced]] | None",
) -> tuple[list[Raw], tuple[Operation, ...]]:
    """Gradients of the roots, and what the rules saw."""
    found = applications(tape, rules, roots)
    if reference is not None:
        others = applications(reference[0], rules, reference[1])
        for one, other in zip(found.values(), others.values(), strict=True):
            assert one.operation.kind is other.operation.kind
            one.reference = other
            for part, before in zip(one.parts, other.parts, strict=True):
                part.reference = before
    grads: dict[int, Raw] = {id(score): np.ones(score.shape)}
    for number in reversed(range(len(tape.steps))):
        step = tape.steps[number]
        grad = grads.pop(id(step.result), None)
        if grad is None:
            continue
        one = found.get(number)
        rule = rules.choose(one.operation) if one is not None else None
        source = one.step if isinstance(one, Neuron) else step
        if one is not None and (rule is not None or isinstance(one, Neuron)):
            strict_grad = strict.asarray(grad)
            shares = rule(one, strict_grad) if rule else one.vjp(strict_grad)
            parts = [np.asarray(share) for share in shares]
        else:
            pulled = step.pull(grad, step.result.value, *map(raw, step.operands))
            parts = [pulled[i] for i in step.active]
        for i, part in zip(source.active, parts, strict=True):
            operand = source.operands[i]
            part = summed_to(np.asarray(part, dtype=float), operand.shape)
            grads[id(operand)] = grads[id(operand)] + part if id(operand) in grads else part
    return (
        [grads.get(id(root), np.zeros(root.shape)) for root in roots],
        tuple(one.operation for one in found.values()),
    )
