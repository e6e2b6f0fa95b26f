"""Derivatives that autograd takes and a rule replaces: those that take long are left out."""

from collections.abc import Iterable
from threading import get_ident
from typing import Any, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backlight_torch.capture.records import Node, Record

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


def unneeded(records: Iterable[Record]) -> dict[Node, Unneeded]:
    """To be run around the nodes of operations, all of whose gradients are replaced."""
    return {
        record.node: Unneeded(*BACKWARD[record.name]) for record in records if is_unneeded(record)
    }


def is_unneeded(record: Record) -> bool:
    if record.name not in BACKWARD or record.view is not None:
        return False
    _, count = BACKWARD[record.name]
    return all(one in record.first(count) for one in record.operands if one.active)
