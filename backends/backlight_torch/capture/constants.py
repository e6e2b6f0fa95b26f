"""What does not depend on the explained value: weights, buffers, and numbers in the code."""

import weakref
from collections.abc import Iterable, Mapping
from typing import Any, final

import torch

from backlight.graph.graph import UNIFORM, Graph, Value
from backlight_torch.capture.kept import Kept
from backlight_torch.memory import address, version
from backlight_torch.table.reading import dtype_of

FILLINGS = {
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros"), 0.0),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), 1.0),
}
"""What operations fill a new array with that do not ask for a number."""


@final
class Constants:
    """The constants of a graph.

    Args:
        graph: it.
        kept: keeps all constants.
        stored: the net's weights and buffers.
    """

    def __init__(self, graph: Graph, kept: Kept, stored: Iterable[torch.Tensor]) -> None:
        self._graph = graph
        self._kept = kept
        self._stored = {address(one): isinstance(one, torch.nn.Parameter) for one in stored}
        """By memory: whether weights are there, or buffers."""
        self._values: dict[int, tuple[torch.Tensor, int, int]] = {}
        """By id: the array, its version and its value."""
        self._filled: dict[int, tuple[weakref.ref[torch.Tensor], int, float]] = {}
        """By id: arrays that were made of one number, with their version."""

    def value(self, array: torch.Tensor) -> int:
        """Which value it is."""
        held = self._values.get(id(array))
        if held is not None and held[1] == version(array):
            return held[2]
        self._graph.values.append(self._described(array))
        value = len(self._graph.values) - 1
        self.alias(array, value)
        self._kept.keep(value, array)
        return value

    def alias(self, array: torch.Tensor, value: int) -> None:
        """An array is this value."""
        self._values[id(array)] = (array, version(array), value)

    def alike(self, array: torch.Tensor, value: Value) -> bool:
        """Whether what is known of an array is what is known of a value."""
        found = self._described(array)
        return (found.number, found.places) == (value.number, value.places)

    def _described(self, array: torch.Tensor) -> Value:
        stored = self._stored.get(address(array))
        learned = array.requires_grad or isinstance(array, torch.nn.Parameter) or stored is True
        graph = Graph()
        value = new_value(graph, array, learned=learned)
        if not learned and (stored is None or array.numel() == 1):
            self._look(graph, value, array)
        return graph.values[value]

    def made(self, func: Any, arguments: Mapping[str, Any], result: Any) -> None:
        """Told of what operations without an operand that counts give."""
        number = FILLINGS.get(func.overloadpacket.__name__, arguments.get("fill_value"))
        if isinstance(number, (int, float)):
            self._filled[id(result)] = weakref.ref(result), version(result), number

    def _look(self, graph: Graph, value: int, array: torch.Tensor) -> None:
        """Notes what is known of the numbers of an array, if it is small or known to be made of one."""
        made, before, filling = self._filled.get(id(array), (None, 0, 0.0))
        if made is not None and made() is array and version(array) == before:
            graph.values[value].number = filling
            return
        if array.layout is not torch.strided:
            return
        for axis, stride in enumerate(array.stride()):
            if stride == 0:
                array = array.narrow(axis, 0, min(1, array.shape[axis]))
        if array.numel() <= UNIFORM:
            graph.look(value, in_numpy(array))


def new_value(graph: Graph, like: torch.Tensor, learned: bool = False) -> int:
    """A value with an array's shape and kind of numbers."""
    bits = 8 * like.element_size()
    return graph.value(tuple(like.shape), dtype_of(like.dtype), bits=bits, learned=learned)


def in_numpy(array: torch.Tensor) -> Any:
    own = array.detach().cpu().resolve_conj().resolve_neg()
    return (own.double() if own.is_floating_point() else own).numpy()
