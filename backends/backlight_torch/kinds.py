"""Whether a net ends in a softmax: told by the operations that it runs, whatever called them."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backlight.outputs import OutputKind
from backlight_torch.running import without_compilation

aten = torch.ops.aten

SOFTMAX: dict[object, OutputKind] = {
    aten._softmax: "probabilities",
    aten._safe_softmax: "probabilities",
    aten._log_softmax: "log_probabilities",
}
SIGMOID = {aten.sigmoid, aten.sigmoid_}
SAME = {
    aten.alias,
    aten.clone,
    aten.detach,
    aten.expand,
    aten.lift_fresh,
    aten._to_copy,
    aten.slice,
    aten.view,
    aten._unsafe_view,
}
"""Operations whose result is their operand, where it has the same shape."""

MOVED = SAME | {
    aten.permute,
    aten.select,
    aten.squeeze,
    aten.t,
    aten.transpose,
    aten.unsqueeze,
}
"""Operations whose result holds numbers of their operand, wherever they are now."""


@final
class SoftmaxWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers which arrays are results of a softmax over axis 1, the classes'."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known: dict[int, tuple[torch.Tensor, int, OutputKind]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in SOFTMAX:
            if result.ndim > 1 and args[1] % result.ndim == 1:
                self._remember(result, SOFTMAX[packet])
        elif packet in SIGMOID or (packet in MOVED and self.kind(args[0]) == "sigmoid"):
            self._remember(result, "sigmoid")  # of each number by itself, wherever it stands
        elif packet in SAME and result.shape == args[0].shape and result.is_floating_point():
            kind = self.kind(args[0])
            if kind != "logits":
                self._remember(result, kind)
        return result

    def kind(self, array: torch.Tensor) -> OutputKind:
        known = self._known.get(id(array))
        # The version tells whether something was written into the array since.
        return known[2] if known is not None and known[1] == array._version else "logits"

    def _remember(self, array: torch.Tensor, kind: OutputKind) -> None:
        # The array is kept, so that no other one gets its id meanwhile.
        self._known[id(array)] = (array, array._version, kind)


@contextmanager
def kinds_watched() -> Iterator[SoftmaxWatch]:
    """Watch the net that runs inside."""
    # A compiled function that once met a dispatch mode would never be compiled again.
    compiled = "torch._dynamo" in sys.modules
    with without_compilation() if compiled else nullcontext(), SoftmaxWatch() as watch:
        yield watch
