"""What acts at the nodes of autograd's graph in the backward pass."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast, final

import torch

from backlight.arrays import Array
from backlight.rules import Incoming
from backlight_torch.applications import TorchApplication

if TYPE_CHECKING:
    from backlight_torch.units import Inner, Unit


@final
class Hooks:
    """The hooks of one unit with a rule."""

    def __init__(self, unit: "Unit", application: TorchApplication) -> None:
        assert unit.rule is not None
        self.unit = unit
        self.rule = unit.rule
        self.application = application
        self.grad: torch.Tensor | None = None
        self.results: list[torch.Tensor] | None = None

    def install(self) -> Iterator[Any]:
        unit, end = self.unit, self.unit.end
        if isinstance(self.rule, Incoming) and not has_closed_form(unit):
            yield end.node.register_prehook(self._incoming)
            return
        yield end.node.register_prehook(self._arriving)
        nodes = {node: None for node, _, _ in unit.entries}
        nodes.update({node: None for node, _ in unit.spare})
        for node in nodes:
            yield node.register_hook(Leaving(self, node))

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

    def leaving(self, node: Any, grads: tuple[Any, ...]) -> Any:
        """What the node hands on in place of its own gradients."""
        if self.grad is None:
            return None
        if self.results is None:
            if self.unit.record is self.unit.end and not has_closed_form(self.unit):
                self.application.native = (self.grad, lambda: self._native(grads))
            found = self.rule(self.application, cast(Array, self.grad))
            self.results = [cast(torch.Tensor, one) for one in found]
            self.application.native = None
        changed = list(grads)
        for (at, number, view), result in zip(self.unit.entries, self.results, strict=True):
            if at is node and changed[number] is not None:
                changed[number] = placed(result, changed[number], view)
        for at, number in self.unit.spare:
            if at is node and changed[number] is not None:
                changed[number] = torch.zeros_like(changed[number])
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


@final
class Leaving:
    """The hook behind one node of a unit."""

    def __init__(self, hooks: Hooks, node: Any) -> None:
        self.hooks = hooks
        self.node = node

    def __call__(self, grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> Any:
        return self.hooks.leaving(self.node, grads)


@final
class Opening:
    """The hooks of a compound operation: the gradient goes back through its parts."""

    def __init__(self, unit: "Unit", inner: "Inner") -> None:
        self.unit = unit
        self.inner = inner
        self.grads: tuple[Any, ...] = ()

    def install(self) -> Iterator[Any]:
        node = self.unit.end.node
        yield node.register_prehook(self._arriving)
        yield node.register_hook(self._leaving)

    def _arriving(self, grads: tuple[Any, ...]) -> None:
        view = self.unit.end.view
        if view is not None and grads[0] is not None:
            grads = (view.part(grads[0])[1].clone(), *grads[1:])
        self.grads = grads

    def _leaving(self, grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> Any:
        pairs = [
            (result, grad)
            for result, grad in zip(self.inner.results, self.grads, strict=False)
            if result is not None and result.requires_grad and grad is not None
        ]
        found = torch.autograd.grad(
            [result for result, _ in pairs],
            self.inner.starts,
            [grad.reshape(result.shape) for result, grad in pairs],
            allow_unused=True,
        )
        changed = list(grads)
        for (_, number, view), result in zip(self.unit.entries, found, strict=True):
            if changed[number] is not None:
                own = torch.zeros_like(changed[number]) if result is None else result
                changed[number] = placed(own, changed[number], view)
        return tuple(changed)


def has_closed_form(unit: "Unit") -> bool:
    """Whether its derivative is taken otherwise than autograd does."""
    found = unit.record.found
    return (
        unit.region is not None
        or found.slope is not None
        or (unit.kind.value in ("max", "min") and bool(found.axes))
    )


def placed(result: torch.Tensor, like: torch.Tensor, view: Any) -> torch.Tensor:
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
