"""Rules at the nodes of autograd's graph, of a net that runs as it is."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from threading import get_ident
from typing import Any, cast, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backlight.engine.application import Applied
from backlight.engine.runner import Values
from backlight.rules.rules import OutputGradientRule
from backlight.values.arrays import Array
from backlight_torch.capture.records import Record
from backlight_torch.engine.entries import part_of, put_back
from backlight_torch.engine.sections import Section

BACKWARD = {
    "convolution": ("convolution_backward", 1),
    "max_pool2d_with_indices": ("max_pool2d_with_indices_backward", 1),
    "relu": ("threshold_backward", 1),
    "gelu": ("gelu_backward", 1),
    "native_batch_norm": ("native_batch_norm_backward", 1),
    "native_layer_norm": ("native_layer_norm_backward", 1),
    "_scaled_dot_product_flash_attention_for_cpu": (
        "_scaled_dot_product_flash_attention_for_cpu_backward",
        3,
    ),
}
"""By an operation: its derivative, and for how many of its first operands it can be left out. The
derivative has the gradient before these."""


@final
class Unneeded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """From `begin` to `remove`: the derivative gives arrays of the right shapes, of any numbers."""

    def __init__(self, name: str, operands: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.name = name
        self.operands = operands
        self.thread: int | None = None

    def begin(self) -> None:
        self.__enter__()  # type: ignore[no-untyped-call]
        self.thread = get_ident()

    def remove(self) -> None:
        if self.thread == get_ident():  # those of autograd end with what they ran
            self.thread = None
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func.overloadpacket.__name__ != self.name:
            return func(*args, **(kwargs or {}))
        found = [torch.empty_like(one) for one in args[1 : 1 + self.operands]]
        count = len(func._schema.returns)
        return found[0] if count == 1 else (*found, *[None] * (count - len(found)))


def is_unneeded(record: Record) -> bool:
    """Whether the derivative of an operation, all of whose gradients are replaced, can be left out."""
    if record.name not in BACKWARD or record.view is not None:
        return False
    _, count = BACKWARD[record.name]
    return all(one in record.first(count) for one in record.operands if one.active)


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
        for record in filter(is_unneeded, section.replaced):
            derivative = Unneeded(*BACKWARD[record.name])
            yield derivative
            yield record.node.register_prehook(partial(self._skip, derivative))
            yield record.node.register_hook(lambda *grads, one=derivative: one.remove())
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
