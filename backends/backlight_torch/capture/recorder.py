"""The core's graph of one run, from what a mode below autograd sees and the nodes that autograd makes.

Every operation is recorded that depends on what the graph starts from in any way: through masks,
indices and detached values too. What arrays share memory is followed, so that an array that was
written into by way of another is known for what it is now. Where the nodes of autograd lead otherwise
than the operations, the nodes count: a function with a backward of its own is `other`, and where a node
is missing that derivatives would pass, the gradient is stopped.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any, TypeAlias, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backlight.graph.graph import DType, Graph
from backlight.graph.graph import Node as GraphNode
from backlight.graph.primitives import PRIMITIVES, Family
from backlight_torch.capture.constants import Constants
from backlight_torch.capture.expansion import Expansion, expanded
from backlight_torch.capture.gradients import Gradients
from backlight_torch.capture.kept import Kept
from backlight_torch.capture.records import (
    Node,
    Operand,
    Parts,
    Record,
    bound,
    replaced,
    tensors_in,
    written_in,
)
from backlight_torch.capture.values import Values
from backlight_torch.table import primitive_of
from backlight_torch.table.moves import BLOCKS
from backlight_torch.table.reading import Found

Expand: TypeAlias = Callable[[Record, Found], Parts | None]
"""How to compute an operation from the arithmetic that it consists of, if rules are to see that."""


BACKENDS = ("CPU", "CUDA", "MPS", "XPU", "CompositeExplicitAutograd")
"""Where an operation may be computed by a kernel of its own."""

EVERYTHING = range(sys.maxsize)
"""The numbers of all values."""


@final
class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations that depend on a start. It changes nothing of what is computed.

    Args:
        place: where in the net what runs now is.
        stored: the net's weights and buffers.
        keep: the values whose tensors are kept.
        expand: which operations are run once more as what they consist of.
        draws: whether random numbers are recorded that depend on no start, and moves of blocks as the
            simpler ones that they consist of.

    Attributes:
        graph: filled as the net runs.
        tensors: values by number: those in `keep`, and all constants.
        expansions: the operations that were run once more as what they consist of.
        taken: what stands for numbers that left PyTorch.
        seeds: the state of the generator before each draw of random numbers, if these are recorded.
    """

    def __init__(
        self,
        place: Callable[[], str],
        stored: Iterable[torch.Tensor] = (),
        keep: Collection[int] = (),
        expand: Expand | None = None,
        draws: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = Graph()
        self.expansions: list[Expansion] = []
        self.taken: list[int] = []
        self.seeds: list[object] = []
        self._expand = expand
        self._draws = draws
        self._kept = Kept()
        self.tensors = self._kept.tensors
        self._gradients = Gradients()
        self._constants = Constants(self.graph, self._kept, stored)
        self._values = Values(self.graph, self._gradients, self._constants, self._kept, keep, place)

    def source(self, leaf: torch.Tensor, copy: torch.Tensor | None = None) -> None:
        """From now on, what depends on this leaf, or on a copy of it, is recorded."""
        self.graph.sources = (*self.graph.sources, self._begun(leaf, copy))
        if leaf.requires_grad:
            self._gradients.begin(leaf)

    def row(self, array: torch.Tensor) -> None:
        """What depends on this array differs from example to example, and is recorded."""
        self.graph.rows = self.graph.rows | {self._begun(array, None)}

    def _begun(self, array: torch.Tensor, copy: torch.Tensor | None) -> int:
        value = self._values.new(array)
        for one in (array,) if copy is None else (array, copy):
            self._values.register(one, value)
        if array.requires_grad:
            self._values.flowing.add(value)
        return value

    def finish(self, results: Iterable[torch.Tensor]) -> None:
        """To be called when the run is over: with what is explained of it."""
        self._gradients.resolve()
        self.graph.targets = tuple(map(self.value_of, results))
        self.expansions = expanded(self.graph, self._run_parts)
        self._gradients.resolve()

    def value_of(self, array: torch.Tensor) -> int:
        """Which value an array is."""
        return self._values.operand(array).value

    def knows(self, array: torch.Tensor) -> bool:
        """Whether an array depends on what is recorded."""
        return self._values.knows(array)

    def has(self, values: Iterable[int]) -> bool:
        """Whether all of these are kept that can be: numbers in the code need not be."""
        numbers = self.graph.values
        return all(one in self.tensors or numbers[one].number is not None for one in values)

    def clear(self) -> None:
        """Let go of everything, which the nodes of autograd's keep alive through their hooks."""
        for expansion in self.expansions:
            expansion.starts, expansion.results = [], []
        vars(self).clear()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        opened = func.decompose if is_composite(func) else BLOCKS.get(func) if self._draws else None
        if opened is not None:
            with self:
                return opened(*args, **(kwargs or {}))
        arguments = bound(func, args, kwargs or {})
        if self._draws and torch.Tag.nondeterministic_seeded in func.tags:
            self.seeds.append(seed(arguments))
        self._gradients.resolve()
        given = tensors_in(list(arguments.values()))
        written = written_in(func, arguments)
        name = func.overloadpacket.__name__
        # Of these no more than the shape counts.
        shaped = func.namespace == "aten" and (name.startswith("new_") or name.endswith("_like"))
        if shaped or not any(map(self.knows, given)):
            self._kept.protect(written)
            result = func(*args, **(kwargs or {}))
            if self._draws and torch.Tag.nondeterministic_seeded in func.tags:
                self._drawn(func, written or tensors_in(result), bool(written))
            self._constants.made(func, arguments, result)
            return result
        record = self._record(func, arguments)
        returned = func._schema.returns
        in_place = bool(written) and (not returned or returned[0].alias_info is not None)
        before = given[0].grad_fn if written else None
        # What it is given may be gone when it has run.
        found = self._understood(record, written, given) if in_place else None
        self._kept.protect(written)
        result = func(*args, **(kwargs or {}))
        results = written if in_place else tensors_in(result)
        if not results:
            if result is not None:
                self.read_out("item" if name == "_local_scalar_dense" else name, *given)
            return result
        if func is torch.ops.aten.clone.default and (given[0].is_conj() or given[0].is_neg()):
            self._values.written_out[id(result)] = (result, given[0])
        found = found or self._understood(record, results, given)
        self._note(record, found, results, before, in_place)
        return result

    def _record(self, func: Any, arguments: dict[str, Any]) -> Record:
        operands: list[Operand] = []

        def stand_in(tensor: torch.Tensor) -> Operand:
            detached = func is torch.ops.aten.detach.default
            operands.append(self._values.operand(tensor, detached))
            return operands[-1]

        stands = {
            name: replaced(torch.Tensor, stand_in, value) for name, value in arguments.items()
        }
        name = func.overloadpacket.__name__
        name = name.removesuffix("_") if func._schema.is_mutable else name
        return Record(func, name, stands, tuple(operands))

    def _drawn(self, func: Any, arrays: list[torch.Tensor], written: bool) -> None:
        """Random numbers, which are others in the next run."""
        values = [self._values.new(one) for one in arrays]
        name = func.overloadpacket.__name__.strip("_")
        word = f"{func.namespace}.{name}"
        self.graph.node("random", (), values, type=word, place=self._values.place())
        for array, value in zip(arrays, values, strict=True):
            self._values.register(array, value, written=written)

    def read_out(self, word: str, *arrays: torch.Tensor) -> None:
        """Numbers leave PyTorch for Python, which may do anything with them."""
        values = [self.value_of(one) for one in arrays if self.knows(one)]
        taken = self.graph.value((), DType.BOOLEAN)
        self.graph.node("read_out", values, [taken], type=word, place=self._values.place())
        self.taken.append(taken)

    def _understood(
        self, record: Record, results: list[torch.Tensor], given: list[torch.Tensor]
    ) -> Found:
        """What an operation on given arrays computes, which are kept if it is to be looked into."""
        record.shapes, record.dtype = [tuple(one.shape) for one in results], results[0].dtype
        found = primitive_of(record)
        if self._expand is not None and torch.is_grad_enabled() and record.active:
            record.parts = self._expand(record, found)
        if record.parts is not None:
            for operand, array in zip(record.operands, given, strict=True):
                self._kept.keep(operand.value, array)
        return found

    def _note(
        self,
        record: Record,
        found: Found,
        results: list[torch.Tensor],
        before: Node,
        in_place: bool,
    ) -> None:
        """Append what was run."""
        primitive, operands, attributes = found
        graph, values, family = self.graph, self._values, PRIMITIVES[primitive].family
        numbers = [one.value if isinstance(one, Operand) else graph.number(one) for one in operands]
        # Others of a function's are what autograd keeps for itself.
        single = family in (Family.POINTWISE, Family.COMPOSITE)
        shown = [values.new(one) for one in (results[:1] if single else results)]
        foreign = record.func.namespace not in ("aten", "prims")
        node = graph.node(
            primitive,
            numbers,
            shown,
            attributes,
            type=record.type(primitive, results[0]),
            place=values.place(),
            native=record,
            replayable=not (primitive == "random" or (foreign and record.func._schema.is_mutable)),
        )
        record.results = node.results
        differentiable = family not in (Family.TEST, Family.FIND) and primitive != "stop_gradient"
        if differentiable and record.active:
            values.flowing.update(one for one in shown if graph.values[one].dtype.differentiable)
        if not torch.is_grad_enabled():
            values.ungraded.update(shown)
        elif record.active:
            self._gradients.expect(record, results[0], before)
        for array, value in zip(results, shown, strict=False):
            values.register(array, value, written=in_place)
        for array in results[len(shown) :]:
            values.register(array, values.new(array), written=in_place)

    def _run_parts(
        self, node: GraphNode, record: Record, parts: Parts
    ) -> tuple[list[torch.Tensor], list[torch.Tensor | None], list[int | None]]:
        """Run an operation once more as what it consists of."""
        starts: list[torch.Tensor] = []
        operands: dict[int, torch.Tensor] = {}
        for operand in record.operands:
            if operand.value in operands:
                continue
            tensor = self.tensors[operand.value]
            if operand.active:
                starts.append(tensor.detach().requires_grad_())
                self._gradients.begin(starts[-1])
                tensor = starts[-1].view_as(starts[-1])
                self._values.register(tensor, operand.value)
            operands[operand.value] = tensor
        place, self._values.place = self._values.place, lambda: node.place
        try:
            with torch.enable_grad(), self:
                results = parts(record.given(operands), False)
            return starts, results, [None if one is None else self.value_of(one) for one in results]
        finally:
            self._values.place = place


def seed(arguments: Mapping[str, Any]) -> object:
    """The state of the generator that an operation draws from; something new where it is not known."""
    tensors = tensors_in(list(arguments.values()))
    device = torch.device(arguments.get("device") or (tensors[0].device if tensors else "cpu"))
    generator = arguments.get("generator")
    if generator is None and device.type != "cpu":
        return object()
    state: torch.Tensor = (generator or torch.default_generator).get_state()
    return state.cpu().numpy().tobytes()


@cache
def is_composite(func: Any) -> bool:
    """Whether PyTorch itself computes an operation by others. It does so before a mode sees it, but for
    arrays that were made in inference mode."""
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    own = (has(func.name(), key) for key in BACKENDS)
    return has(func.name(), "CompositeImplicitAutograd") and not any(own)
