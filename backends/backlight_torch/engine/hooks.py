"""What acts at the nodes of autograd's graph in the backward pass."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, cast, final

import torch

from backlight.engine.application import Applied
from backlight.engine.runner import Values
from backlight.rules.rules import OutputGradientRule
from backlight.values.arrays import Array
from backlight_torch.capture.records import Record
from backlight_torch.engine.entries import part_of, put_back
from backlight_torch.engine.sections import Section
from backlight_torch.engine.unneeded import Unneeded, unneeded


@final
class Hooks:
    """The hooks of one section.

    Attributes:
        section: it.
        references: its operations in the pass over the reference, by the numbers of their results.
        arrived: the gradients of what it gives, by value.
        results: those of what it reads.
    """

    def __init__(self, section: Section, references: Mapping[int, Applied]) -> None:
        self.section = section
        self.references = references
        self.arrived: Values = {}
        self.results: Values | None = None

    def install(self) -> Iterator[Any]:
        section = self.section
        if section.incoming is not None:
            (record, number, _) = section.arrivals[-1]
            node, number = arriving_at(record, number)
            act = partial(self._incoming, section.incoming, record, number)
            yield node.register_prehook(act)
            return
        for record, number, value in section.arrivals:
            node, number = arriving_at(record, number)
            yield node.register_prehook(partial(self._arriving, record, number, value))
        for skipped, derivative in unneeded(section.replaced).items():
            yield derivative
            yield skipped.register_prehook(partial(self._skip, derivative))
            yield skipped.register_hook(lambda *grads, one=derivative: one.remove())
        found = (entry.node for entries in section.entries.values() for entry in entries)
        for node in dict.fromkeys(found):
            yield node.register_hook(partial(self._leaving, node))

    def _incoming(
        self, rule: OutputGradientRule, record: Record, number: int, grads: tuple[Any, ...]
    ) -> tuple[Any, ...] | None:
        if grads[number] is None:
            return None
        op = self.section.operation(self.references)
        changed = list(grads)
        if record.view is None:
            changed[number] = rule.output_gradient(op, cast(Array, grads[number]))
        else:
            changed[number], part = record.view.part(grads[number])
            part.copy_(cast(torch.Tensor, rule.output_gradient(op, cast(Array, part.clone()))))
        return tuple(changed)

    def _arriving(self, record: Record, number: int, value: int, grads: tuple[Any, ...]) -> None:
        grad = grads[number] if number < len(grads) else None  # of what autograd keeps for itself
        if grad is not None:
            own = grad if record.view is None else part_of(record.view, grad)
            self.arrived[value] = cast(Array, own)

    def _skip(self, derivative: Unneeded, grads: tuple[Any, ...]) -> None:
        if self.arrived:
            derivative.begin()

    def _leaving(self, node: Any, grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> Any:
        """What the node hands on in place of its own gradients."""
        if not self.arrived:
            return None
        if self.results is None:
            self.results = self.section.gradients(self.arrived, self.references)
        changed = list(grads)
        for value, entries in self.section.entries.items():
            result = cast("torch.Tensor | None", self.results.get(value))
            for entry in entries:
                like = changed[entry.number] if entry.node is node else None
                if like is not None:
                    own = result if entry is entries[-1] else None
                    own = like.new_zeros(entry.shape) if own is None else own.reshape(entry.shape)
                    changed[entry.number] = put_back(own, like, entry.view)
        return tuple(changed)


def arriving_at(record: Record, number: int) -> tuple[Any, int]:
    """The node at which the gradient of a result arrives, and the place there.

    What was written with gradients off has no node: the gradient goes straight to what was there.
    """
    if record.node is None and (before := record.edges[0]) is not None:
        return before
    return record.node, number
