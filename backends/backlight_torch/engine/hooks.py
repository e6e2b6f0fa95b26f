"""What acts at the nodes of autograd's graph in the backward pass."""

from collections.abc import Iterator
from functools import partial
from typing import Any, cast, final

import torch

from backlight.engine.application import Applied
from backlight.rules.rules import OutputGradientRule
from backlight.values.arrays import Array
from backlight_torch.capture.expansion import Expansion
from backlight_torch.capture.records import View
from backlight_torch.engine.units import Entry, RuledUnit, entries_of
from backlight_torch.engine.unneeded import Unneeded, unneeded


@final
class Hooks:
    """The hooks of one operation with a rule."""

    def __init__(self, unit: RuledUnit, application: Applied) -> None:
        self.unit = unit
        self.rule = unit.rule
        self.application = application
        self.closed = unit.has_closed_form
        self.node, self.number = unit.edge
        self.grad: torch.Tensor | None = None
        self.results: list[torch.Tensor] | None = None
        self.unneeded = unneeded(unit.replaced)

    def install(self) -> Iterator[Any]:
        unit = self.unit
        if isinstance(self.rule, OutputGradientRule) and not self.closed:
            yield self.node.register_prehook(self._incoming)
            return
        yield self.node.register_prehook(self._arriving)
        for skipped, derivative in self.unneeded.items():
            yield derivative
            yield skipped.register_prehook(partial(self._skip, derivative))
            yield skipped.register_hook(lambda *grads, one=derivative: one.remove())
        for node in {entry.node: None for entry in (*unit.entries, *unit.spare)}:
            yield node.register_hook(partial(self._leaving, node))

    def _incoming(self, grads: tuple[Any, ...]) -> tuple[Any, ...] | None:
        view, number = self.unit.record.view, 0 if self.unit.record.view else self.number
        if grads[number] is None:
            return None
        rule, changed = cast(OutputGradientRule, self.rule), list(grads)
        if view is None:
            changed[number] = rule.output_gradient(self.application, cast(Array, grads[number]))
        else:
            changed[number], part = view.part(grads[number])
            found = rule.output_gradient(self.application, cast(Array, part.clone()))
            part.copy_(cast(torch.Tensor, found))
        return tuple(changed)

    def _arriving(self, grads: tuple[Any, ...]) -> None:
        view = self.unit.record.view
        self.grad = grads[self.number] if view is None else part_of(view, grads[0])

    def _skip(self, derivative: Unneeded, grads: tuple[Any, ...]) -> None:
        if self.grad is not None:
            derivative.begin()

    def _leaving(self, node: Any, grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> Any:
        """What the node hands on in place of its own gradients."""
        if self.grad is None:
            return None
        unit = self.unit
        if self.results is None:
            found = self.rule(self.application, cast(Array, self.grad))
            self.results = [cast(torch.Tensor, one) for one in found]
        changed = list(grads)
        for entry, result in zip(unit.entries, self.results, strict=True):
            if entry.node is node and changed[entry.number] is not None:
                own = result.reshape(entry.shape)
                changed[entry.number] = placed(own, changed[entry.number], entry.view)
        for entry in unit.spare:
            if entry.node is node and changed[entry.number] is not None:
                changed[entry.number] = torch.zeros_like(changed[entry.number])
        return tuple(changed)


@final
class ExpandedHooks:
    """The hooks of an operation that was run as what it consists of: the gradient goes back through
    that."""

    def __init__(self, expansion: Expansion) -> None:
        self.expansion = expansion
        self.entries: list[tuple[Entry, int | None]] = []
        numbers: dict[int, int] = {}
        for value, entry in entries_of(expansion.record):
            new = value not in numbers
            number = numbers.setdefault(value, len(numbers))
            self.entries.append((entry, number if new else None))
        self.grads: tuple[Any, ...] = ()
        self.unneeded = unneeded([expansion.record])

    def install(self) -> Iterator[Any]:
        node = self.expansion.record.node
        yield node.register_prehook(self._arriving)
        yield from self.unneeded.values()
        yield node.register_hook(self._leaving)

    def _arriving(self, grads: tuple[Any, ...]) -> None:
        view = self.expansion.record.view
        self.grads = grads if view is None else (part_of(view, grads[0]), *grads[1:])
        for derivative in self.unneeded.values():
            derivative.begin()

    def _leaving(self, grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> Any:
        for derivative in self.unneeded.values():
            derivative.remove()
        pairs = [
            (result, grad)
            for result, grad in zip(self.expansion.results, self.grads, strict=False)
            if result is not None and result.requires_grad and grad is not None
        ]
        found = torch.autograd.grad(
            [result for result, _ in pairs],
            self.expansion.starts,
            [grad.reshape(result.shape) for result, grad in pairs],
            allow_unused=True,
        )
        changed = list(grads)
        for entry, number in self.entries:
            if changed[entry.number] is not None:
                result = None if number is None else found[number]
                own = torch.zeros(entry.shape, dtype=changed[entry.number].dtype)
                own = own.to(changed[entry.number].device) if result is None else result
                changed[entry.number] = placed(own, changed[entry.number], entry.view)
        return tuple(changed)


def part_of(view: View, whole: torch.Tensor | None) -> torch.Tensor | None:
    return None if whole is None else view.part(whole)[1].clone()


def placed(result: torch.Tensor, like: torch.Tensor, view: View | None) -> torch.Tensor:
    """A gradient in the place of another: of the same shape, or a part of it."""
    if view is None:
        return shaped(result, like)
    whole: torch.Tensor
    whole, part = view.part(like)
    part.copy_(result)
    return whole


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
