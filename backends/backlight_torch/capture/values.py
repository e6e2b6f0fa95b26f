"""Which value of the graph an array is now, whatever was written into its memory."""

import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import torch

from backlight.graph.graph import UNIFORM, Graph, Value
from backlight_torch.capture.memory import (
    Geometry,
    Known,
    Memory,
    address,
    apart,
    block_of,
    geometry,
    holds,
    index_of,
    same_numbers,
    start_of,
    version,
)
from backlight_torch.capture.records import Located, dtype_of

if TYPE_CHECKING:
    from backlight_torch.capture.gradients import Gradients

FILLINGS = {
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros"), 0.0),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), 1.0),
}
"""What operations fill a new array with that do not ask for a number."""


@final
class Values:
    """The values of arrays: of what depends on a start, and of constants, which are weights, buffers and
    numbers in the code.

    Args:
        graph: that they are in.
        gradients: where derivatives lead back to.
        stored: the net's weights and buffers.
        wanted: the values whose tensors are kept.
        place: where in the net what runs now is.

    Attributes:
        tensors: by number: those that are wanted, and all constants, as they were before anything was
            written into them.
        ungraded: values that were computed with gradients off.
        written_out: by id: a copy in place of a lazy conjugate or negative, which autograd never sees;
            of what.
    """

    def __init__(
        self,
        graph: Graph,
        gradients: "Gradients",
        stored: Iterable[torch.Tensor],
        wanted: Collection[int],
        place: Callable[[], str],
    ) -> None:
        self.tensors: dict[int, torch.Tensor] = {}
        self.ungraded: set[int] = set()
        self.written_out: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._graph = graph
        self._gradients = gradients
        self._wanted = wanted
        self._place = place
        self._kept: dict[int, list[int]] = {}
        """By memory: the values whose tensors are there."""
        self._known: dict[int, Known] = {}
        self._memories: dict[int, Memory] = {}
        self._stored = {address(one): isinstance(one, torch.nn.Parameter) for one in stored}
        """By memory: whether weights are there, or buffers."""
        self._constants: dict[int, tuple[torch.Tensor, int, int]] = {}
        """By id: the array, its version and its value."""
        self._filled: dict[int, tuple[weakref.ref[torch.Tensor], int, float]] = {}
        """By id: arrays that were made of one number, with their version."""

    def new(self, like: torch.Tensor, learned: bool = False) -> int:
        """A value with an array's shape and kind of numbers."""
        bits = 8 * like.element_size()
        return self._graph.value(like.shape, dtype_of(like.dtype), bits=bits, learned=learned)

    def keep(self, value: int, array: torch.Tensor) -> None:
        if value not in self.tensors:
            self.tensors[value] = array.detach()
            self._kept.setdefault(address(array), []).append(value)

    def protect(self, arrays: Iterable[torch.Tensor]) -> None:
        """Copy what is kept of arrays that an operation is about to write into."""
        for array in arrays:
            for value in self._kept.pop(address(array), ()):
                self.tensors[value] = self.tensors[value].clone()

    def register(self, array: torch.Tensor, value: int, *, written: bool = False) -> None:
        """An array is this value from now on."""
        if value in self._wanted:
            self.keep(value, array)
        place = address(array)
        memory = self._memories.get(place)
        if memory is None:
            whole = None if written else (value, geometry(array))
            memory = self._memories[place] = Memory.of(array, whole)
        if written:
            memory.writes.append((value, geometry(array)))
        self._known[id(array)] = Known(weakref.ref(array), value, memory, len(memory.writes))

    def knows(self, array: torch.Tensor) -> bool:
        """Whether an array depends on what is recorded."""
        known = self._known.get(id(array))
        if known is not None and known.array() is array:
            return True
        if id(array) in self.written_out or address(array) in self._memories:
            return True
        return array.grad_fn is not None and self._gradients.is_active(array.grad_fn)

    def located(self, array: torch.Tensor, detached: bool = False) -> Located:
        """An array as an operation reads it: its value, and where derivatives lead back from it."""
        if not self.knows(array):
            return self.constant(array), None
        if array.grad_fn is None and id(array) in self.written_out:
            _, array = self.written_out[id(array)]
        value = self._current(array)
        if detached:  # autograd detaches views in the middle of what it does
            return value, None
        edge = self._gradients.edge(array)
        if edge is None:
            if value in self._gradients.flowing:
                value = self._stopped(value, array)
            return value, None
        settled = self._gradients.settled(edge, value)
        if settled != value:
            self.register(array, settled)
        return settled, edge

    def constant(self, array: torch.Tensor) -> int:
        held = self._constants.get(id(array))
        if held is not None and held[1] == version(array):
            return held[2]
        self._graph.values.append(self._described(array))
        value = len(self._graph.values) - 1
        self.alias(array, value)
        self.keep(value, array)
        return value

    def alias(self, array: torch.Tensor, value: int) -> None:
        """A constant is this value."""
        self._constants[id(array)] = (array, version(array), value)

    def alike(self, array: torch.Tensor, value: Value) -> bool:
        """Whether what is known of a constant is what is known of a value."""
        found = self._described(array)
        return (found.number, found.places) == (value.number, value.places)

    def _described(self, array: torch.Tensor) -> Value:
        """What is known of a constant."""
        stored = self._stored.get(address(array))
        learned = array.requires_grad or isinstance(array, torch.nn.Parameter) or stored is True
        bits = 8 * array.element_size()
        value = Value(tuple(array.shape), dtype_of(array.dtype), bits, learned=learned)
        if not learned and (stored is None or array.numel() == 1):
            self._look(value, array)
        return value

    def made(self, func: Any, arguments: Mapping[str, Any], result: Any) -> None:
        """Told of what operations without an operand that counts give."""
        number = FILLINGS.get(func.overloadpacket.__name__, arguments.get("fill_value"))
        if isinstance(number, (int, float)):
            self._filled[id(result)] = weakref.ref(result), version(result), number

    def _look(self, value: Value, array: torch.Tensor) -> None:
        """Notes what is known of the numbers of an array, if it is small or known to be made of one."""
        made, before, filling = self._filled.get(id(array), (None, 0, 0.0))
        if made is not None and made() is array and version(array) == before:
            value.number = filling
            return
        if array.layout is not torch.strided:
            return
        for axis, stride in enumerate(array.stride()):
            if stride == 0:
                array = array.narrow(axis, 0, min(1, array.shape[axis]))
        if array.numel() <= UNIFORM:
            own = array.detach().cpu().resolve_conj().resolve_neg()
            # NumPy lacks the smaller floating-point numbers.
            numbers = (own.double() if own.is_floating_point() else own).numpy()
            Graph(values=[value]).look(0, numbers)

    def _current(self, array: torch.Tensor) -> int:
        known = self._known.get(id(array))
        if known is not None and known.array() is array:
            if known.seen == len(known.memory.writes):
                return known.value
            value = self._updated(known.value, array, known.memory.writes[known.seen :])
        else:
            value = self._unseen(array)
        self.register(array, value)
        return value

    def _unseen(self, array: torch.Tensor) -> int:
        """An array that no operation made: in the memory of others, or a result of a function's."""
        edge = (array.grad_fn, int(array.output_nr))
        memory = self._memories.get(address(array))
        if memory is None or self._gradients.knows(edge):
            return self._gradients.result(edge)
        if memory.whole is None:
            value = self.new(array)
        else:
            value, whole = memory.whole
            own = geometry(array)
            if own != whole and same_numbers(own, whole):
                value = self._reshaped(value, array)
            elif own != whole:
                value = self._picked(value, whole, array)
        return self._updated(value, array, memory.writes)

    def _updated(
        self, value: int, array: torch.Tensor, writes: Sequence[tuple[int, Geometry]]
    ) -> int:
        own = geometry(array)
        for part, place in writes:
            if apart(place, own):
                continue
            if place == own:
                value = part
            elif same_numbers(place, own):
                value = self._reshaped(part, array)
            elif holds(place, own):
                value = self._picked(part, place, array)
            else:
                block, like = block_of(place, own), self._graph.values[part]
                if block[0] != place[0]:
                    wide = self._graph.value(block[0], like.dtype, bits=like.bits)
                    part = self._derived("reshape", [part], wide, {"shape": block[0]})
                starts = {"starts": start_of(block, own)}
                value = self._derived("update", [value, part], self.new(array), starts)
        return value

    def _reshaped(self, value: int, array: torch.Tensor) -> int:
        return self._derived("reshape", [value], self.new(array), {"shape": tuple(array.shape)})

    def _picked(self, value: int, whole: Geometry, array: torch.Tensor) -> int:
        """An array whose numbers are among those of a value, which lie like this in its memory."""
        places = {"index": index_of(geometry(array), whole)}
        return self._derived("gather", [value], self.new(array), places)

    def _stopped(self, value: int, array: torch.Tensor) -> int:
        """A value that derivatives do not lead back from, though they would from what made it."""
        word = "torch.no_grad" if value in self.ungraded else "detach"
        found = self._derived("stop_gradient", [value], self.new(array), {"word": word}, word)
        self.register(array, found)
        return found

    def _derived(
        self,
        primitive: str,
        operands: list[int],
        value: int,
        attributes: dict[str, Any],
        type: str = "",
    ) -> int:
        """The result of what autograd does by itself, or of what follows from shared memory."""
        flowing, place = self._gradients.flowing, self._place()
        if primitive != "stop_gradient" and flowing.intersection(operands):
            flowing.add(value)
        self._graph.node(
            primitive, operands, [value], attributes, type=type, place=place, replayable=False
        )
        return value
