"""What does not depend on the explained value: weights, buffers, and numbers in the code."""

from collections.abc import Iterable
from typing import final

import torch

from backlight.graph.graph import UNIFORM, Graph, counts
from backlight_torch.capture.kept import Kept
from backlight_torch.memory import address
from backlight_torch.table.reading import dtype_of


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

    def value(self, array: torch.Tensor) -> int:
        """Which value it is."""
        held = self._values.get(id(array))
        if held is not None and held[1] == version(array):
            return held[2]
        stored = self._stored.get(address(array))
        learned = array.requires_grad or isinstance(array, torch.nn.Parameter) or stored is True
        value = new_value(self._graph, array, learned=learned)
        if not learned and (stored is None or array.numel() == 1):
            self._look(value, array)
        self._values[id(array)] = (array, version(array), value)
        self._kept.keep(value, array)
        return value

    def _look(self, value: int, array: torch.Tensor) -> None:
        """Looks at an array's numbers: whether they are all the same, or count."""
        self._graph.values[value].number = uniform(array)
        if (
            array.ndim == 1
            and array.dtype in (torch.int32, torch.int64)
            and array.numel() <= UNIFORM
        ):
            self._graph.values[value].counts = counts(array.cpu().numpy())


def uniform(array: torch.Tensor) -> float | int | bool | complex | None:
    """The one number that an array is throughout; None for others."""
    if array.layout is not torch.strided or not array.numel():
        return None
    own = array.detach()
    for axis, stride in enumerate(own.stride()):
        own = own if stride else own.narrow(axis, 0, 1)
    first = own[(0,) * own.ndim]
    return first.item() if bool((own == first).all()) else None


def version(array: torch.Tensor) -> int:
    """How often an array was written into. Those made in inference mode do not count it."""
    return 0 if array.is_inference() else array._version


def new_value(graph: Graph, like: torch.Tensor, learned: bool = False) -> int:
    """A value with an array's shape and kind of numbers."""
    bits = 8 * like.element_size()
    return graph.value(tuple(like.shape), dtype_of(like.dtype), bits=bits, learned=learned)
