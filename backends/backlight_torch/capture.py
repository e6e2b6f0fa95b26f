"""The core's graph of one run, from what a mode below autograd sees and the nodes that autograd makes.

Every operation is recorded that depends on what the graph starts from in any way: through masks,
indices and detached values too. What arrays share memory is followed, so that an array that was
written into by way of another is known for what it is now. Where the nodes of autograd lead otherwise
than the operations, the nodes count: a function with a backward of its own is `other`, and where a node
is missing that derivatives would pass, the gradient is stopped.
"""

import sys
import weakref
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backlight.graph.connection import FLAT
from backlight.graph.graph import UNIFORM, DType, Graph, uniform
from backlight.graph.graph import Node as GraphNode
from backlight.graph.primitives import PRIMITIVES, Family, family
from backlight_torch.memory import (
    Geometry,
    Known,
    Memory,
    address,
    apart,
    geometry,
    holding,
    same_numbers,
    start_of,
)
from backlight_torch.records import Node, Operand, Parts, Record, View, tensors_in
from backlight_torch.table import primitive_of
from backlight_torch.table.reading import Call, Found, dtype_of


def named(names: str) -> frozenset[str]:
    return frozenset(names.split())


UNDIFFERENTIABLE = frozenset({Family.TEST, Family.FIND})

SHAPED = named(
    "empty_like zeros_like ones_like full_like rand_like randn_like randint_like new_empty "
    "new_empty_strided new_zeros new_ones new_full"
)
"""Operations that take no more than its shape from an array."""

MADE_BY_AUTOGRAD = named(
    "CloneBackward0 AliasBackward0 AsStridedBackward0 ViewBackward0 TransposeBackward0 TBackward0 "
    "PermuteBackward0 ExpandBackward0 SliceBackward0 SelectBackward0 SqueezeBackward0 "
    "SqueezeBackward1 SqueezeBackward2 UnsqueezeBackward0 SplitBackward0 SplitWithSizesBackward0 "
    "UnbindBackward0 UnfoldBackward0 DiagonalBackward0 ReshapeAliasBackward0 UnsafeViewBackward0 "
    "CopyBackwards CopySlices AccumulateGrad ToCopyBackward0 ConjBackward0 ViewAsRealBackward0 "
    "ViewAsComplexBackward0 NegViewBackward0"
)
"""Nodes that only move numbers, which autograd may make by itself for views that were written into."""


@final
@dataclass(eq=False)
class Pending:
    """An operation whose node autograd has not made yet."""

    record: Record
    result: torch.Tensor
    before: Node
    tries: int = 0


@final
@dataclass(eq=False)
class Expansion:
    """An operation that was run once more as the arithmetic it consists of.

    Attributes:
        record: the operation.
        starts: its active operands, as the start of a graph of their own.
        results: of the arithmetic.
        first, last: the positions of its nodes in the graph, the last one excluded.
    """

    record: Record
    starts: list[torch.Tensor]
    results: list[torch.Tensor | None]
    first: int
    last: int


Expand: TypeAlias = Callable[[Call, Found], Parts | None]
"""How to compute an operation from the arithmetic that it consists of, if rules are to see that."""


EVERYTHING = range(sys.maxsize)
"""The numbers of all values."""


@final
class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations that depend on a start. It changes nothing of what is computed.

    Attributes:
        graph: filled as the net runs.
        tensors: values by number: those in `keep`, and all constants.
        expansions: the operations that were run once more as what they consist of.
        taken: what stands for numbers that left PyTorch.
    """

    def __init__(
        self,
        place: Callable[[], str],
        numbers: Iterable[torch.Tensor] = (),
        keep: Collection[int] = (),
        expand: Expand | None = None,
        draws: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = Graph()
        self.tensors: dict[int, torch.Tensor] = {}
        self.expansions: list[Expansion] = []
        self.taken: list[int] = []
        self.starts: set[Node] = set()
        self._place = place
        self._blind = False
        self._numbers = numbers
        self._stored: dict[int, str] | None = None
        self._keep = keep
        self._expand = expand
        self._draws = draws
        self._known: dict[int, Known] = {}
        self._memories: dict[int, Memory] = {}
        self._constants: dict[int, tuple[torch.Tensor, int, int]] = {}
        self._filled: dict[int, tuple[weakref.ref[torch.Tensor], int, float]] = {}
        """By id: arrays that were made of one number, with their version."""
        self._kept: dict[int, list[int]] = {}
        """By memory: the values whose tensors are there."""
        self._flowing: set[int] = set()
        """Values that derivatives lead back from, unless autograd says otherwise."""
        self._ungraded: set[int] = set()
        """Values that were computed with gradients off."""
        self._by_edge: dict[tuple[Node, int], int] = {}
        self._compound: dict[int, tuple[Record, Parts]] = {}
        """By id: the nodes that are seen as what they consist of."""
        self.functions: set[Node] = set()
        """Nodes of autograd's that no operation was seen for."""
        self._own: set[Node] = set()
        """Those of operations."""
        self._leaves: dict[int, tuple[torch.Tensor, Node]] = {}
        """By id: what derivatives lead back to, with its node, which cannot be asked for meanwhile."""
        self._active: dict[Node, bool] = {}
        self._pending: list[Pending] = []
        self._written_out: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        """By id: a copy in place of a lazy conjugate or negative, which autograd never sees; of what."""

    # What the graph starts from, and ends at.

    def source(self, leaf: torch.Tensor, copy: torch.Tensor | None = None) -> None:
        """From now on, what depends on this leaf, or on a copy of it, is recorded."""
        value = self._begun(leaf, copy)
        self.graph.sources = (*self.graph.sources, value)
        if leaf.requires_grad:
            self._begin_at(leaf)

    def _begin_at(self, leaf: torch.Tensor) -> None:
        self._blind = True  # it is asked for by an operation on it
        node = torch.autograd.graph.get_gradient_edge(leaf).node
        self._blind = False
        self.starts.add(node)
        self._leaves[id(leaf)] = leaf, node

    def row(self, array: torch.Tensor) -> None:
        """What depends on this array differs from example to example, and is recorded."""
        self.graph.rows = self.graph.rows | {self._begun(array, None)}

    def _begun(self, array: torch.Tensor, copy: torch.Tensor | None) -> int:
        value = self._value(array)
        for one in (array,) if copy is None else (array, copy):
            self._register(one, value)
        if array.requires_grad:
            self._flowing.add(value)
        return value

    def finish(self, results: Iterable[torch.Tensor]) -> None:
        """To be called when the run is over: with what is explained of it."""
        self._resolve()
        self.graph.targets = tuple(self._operand(one).value for one in results)
        nodes, self.graph.nodes = self.graph.nodes, []
        for node in nodes:
            self._unfold(node)
        self._resolve()

    def value_of(self, array: torch.Tensor) -> int:
        """Which value an array is."""
        return self._operand(array).value

    def knows(self, array: torch.Tensor) -> bool:
        """Whether an array depends on what is recorded."""
        return self._is_touched(array)

    def has(self, values: Iterable[int]) -> bool:
        """Whether all of these are kept that can be: numbers in the code need not be."""
        numbers = self.graph.values
        return all(one in self.tensors or numbers[one].number is not None for one in values)

    def clear(self) -> None:
        """Let go of all values, which the graph's nodes keep alive through their hooks."""
        self.graph = Graph()
        for expansion in self.expansions:
            expansion.starts, expansion.results = [], []
        for kept in (
            self.tensors,
            self.starts,
            self._known,
            self._memories,
            self._constants,
            self._leaves,
        ):
            kept.clear()
        for more in (self._kept, self._by_edge, self._active, self._written_out, self._filled):
            more.clear()
        self.functions.clear()
        self._own.clear()
        self.expansions, self._pending = [], []

    def is_active(self, node: Node) -> bool:
        """Whether derivatives lead from a node of autograd's to a start."""
        if node is None:
            return False
        known = self._active.get(node)
        if known is not None:
            return known
        waiting = [node]
        while waiting:
            top = waiting[-1]
            if top in self.starts:
                self._active[top] = True
            elif top not in self._active:
                below = [child for child, _ in top.next_functions if child is not None]
                unknown = [child for child in below if child not in self._active]
                if unknown:
                    waiting += unknown
                    continue
                self._active[top] = any(self._active[child] for child in below)
            waiting.pop()
        return self._active[node]

    # Operations.

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self._blind:
            return func(*args, **kwargs)
        self._resolve()
        mutable = func._schema.is_mutable
        given = tensors_in(args) + (tensors_in(list(kwargs.values())) if kwargs else [])
        shaped = func.overloadpacket.__name__ in SHAPED
        if shaped or not any(self._is_touched(one) for one in given):
            written = written_by(func, args, kwargs) if mutable else []
            if mutable:
                self._protect(written)
            result = func(*args, **kwargs)
            if self._draws and torch.Tag.nondeterministic_seeded in func.tags:
                self._drawn(func, written or tensors_in(result), bool(written))
            filling = filling_of(func, args)
            if filling is not None:
                self._filled[id(result)] = weakref.ref(result), result._version, filling
            return result
        detached = func is torch.ops.aten.detach.default
        operands: list[Operand] = []
        stands = tuple(self._stand_in(value, operands, detached) for value in args)
        named = {name: self._stand_in(value, operands, detached) for name, value in kwargs.items()}
        name = func.overloadpacket.__name__
        if mutable and name.endswith("_"):
            name = name[:-1]
        record = Record(func, name, stands, named, tuple(operands))
        returned = func._schema.returns
        in_place = mutable and (not returned or returned[0].alias_info is not None)
        before: Node = None
        written = []
        if mutable:
            before = args[0].grad_fn if args and is_tensor(args[0]) else None
            written = written_by(func, args, kwargs)
            if in_place:
                found, parts = self._understood(record, written, given)
            self._protect(written)
            result = func(*args, **kwargs)
            results = written if in_place else tensors_in(result)
        else:
            result = func(*args, **kwargs)
            results = tensors_in(result)
        if not results:
            self._read_out(record)
            return result
        if not in_place:
            found, parts = self._understood(record, results, given)
        if func is torch.ops.aten.clone.default and (args[0].is_conj() or args[0].is_neg()):
            self._written_out[id(result)] = (result, args[0])
        self._note(record, found, parts, results, before, in_place)
        return result

    def _drawn(self, func: Any, arrays: list[torch.Tensor], written: bool) -> None:
        """Random numbers, which are others in the next run."""
        values = [self._value(one) for one in arrays]
        name = func.overloadpacket.__name__.strip("_")
        self.graph.node("random", (), values, type=f"{func.namespace}.{name}", place=self._place())
        for array, value in zip(arrays, values, strict=True):
            self._register(array, value, written=written)

    def _read_out(self, record: Record) -> None:
        """Numbers leave PyTorch for Python, which may do anything with them."""
        values = [one.value for one in record.operands]
        name = "item" if record.name == "_local_scalar_dense" else record.name
        taken = self.graph.value((), DType.BOOLEAN)
        self.graph.node("convert", values[:1], [taken], type=name, place=self._place())
        self.taken.append(taken)

    def _understood(
        self, record: Record, results: list[torch.Tensor], given: list[torch.Tensor]
    ) -> tuple[Found, Parts | None]:
        """What an operation on given arrays computes, and from which arithmetic, if it is run as that:
        then what it is given is kept."""
        shapes = tuple(tuple(one.shape) for one in results)
        dtype = results[0].dtype if results else torch.float32
        call = Call(record.func, record.name, record.given(), shapes, dtype)
        found = primitive_of(call)
        if self._expand is None or not (torch.is_grad_enabled() and record.active):
            return found, None
        parts = self._expand(call, found)
        if parts is not None:
            for operand, array in zip(record.operands, given, strict=True):
                self._keep_tensor(operand.value, array, always=True)
        return found, parts

    def _note(
        self,
        record: Record,
        found: Found,
        parts: Parts | None,
        results: list[torch.Tensor],
        before: Node,
        in_place: bool,
    ) -> None:
        """Append what was run."""
        node = self._appended(record, found, results)
        record.results = node.results
        if parts is not None:
            self._compound[id(node)] = record, parts
        if torch.is_grad_enabled() and record.active:
            self._pending.append(Pending(record, results[0], before))
        for number, array in enumerate(results):
            value = node.results[number] if number < len(node.results) else self._value(array)
            self._register(array, value, written=in_place)

    def _appended(self, record: Record, found: Found, results: list[torch.Tensor]) -> GraphNode:
        primitive, operands, attributes = found
        graph = self.graph
        numbers = [one.value if isinstance(one, Operand) else graph.number(one) for one in operands]
        if PRIMITIVES[primitive].family in (Family.POINTWISE, Family.COMPOSITE):
            results = results[:1]  # others are what autograd keeps for itself
        values = [graph.value(one.shape, dtype_of(one.dtype), bits=bits(one)) for one in results]
        foreign = record.func.namespace not in ("aten", "prims")
        node = graph.node(
            primitive,
            numbers,
            values,
            attributes,
            type=type_of(record, primitive, results[0]),
            place=self._place(),
            native=record,
            replayable=not (primitive == "random" or (foreign and record.func._schema.is_mutable)),
        )
        differentiable = family(node) not in UNDIFFERENTIABLE and primitive != "stop_gradient"
        if not torch.is_grad_enabled():
            self._ungraded.update(values)
        if differentiable and record.active:
            self._flowing.update(
                value for value in values if graph.values[value].dtype.differentiable
            )
        return node

    def _unfold(self, node: GraphNode) -> None:
        """Append a node, or what it consists of if that is to be seen."""
        nodes = self.graph.nodes
        record, parts = self._compound.pop(id(node), (None, None))
        if record is None or parts is None:
            nodes.append(node)
            return
        starts: list[torch.Tensor] = []
        values: dict[int, torch.Tensor] = {}
        for operand in record.operands:
            if operand.value in values:
                continue
            tensor = self.tensors[operand.value]
            if operand.active:
                starts.append(tensor.detach().requires_grad_())
                self._begin_at(starts[-1])
                tensor = starts[-1].view_as(starts[-1])
                self._register(tensor, operand.value)
            values[operand.value] = tensor
        self.graph.nodes, place, self._place = [], self._place, lambda: node.place
        try:
            with torch.enable_grad(), self:
                results = parts(record.given(values), False)
            ends = [None if one is None else self._operand(one).value for one in results]
        except NotImplementedError:
            nodes.append(node)
            return
        finally:
            inner, self.graph.nodes, self._place = self.graph.nodes, nodes, place
        first = len(nodes)
        for one in inner:
            self._unfold(one)
        for end, value in zip(ends, node.results, strict=False):
            if end is not None:
                self.graph.node("identity", [end], [value], place=node.place)
        self.expansions.append(Expansion(record, starts, results, first, len(nodes)))

    # Values.

    def _stand_in(self, value: Any, operands: list[Operand], detached: bool) -> Any:
        if isinstance(value, torch.Tensor):
            operand = self._operand(value, detached)
            operands.append(operand)
            return operand
        if isinstance(value, (list, tuple)) and any(is_tensor(item) for item in value):
            return [self._stand_in(item, operands, detached) for item in value]
        return value

    def _is_touched(self, array: torch.Tensor) -> bool:
        known = self._known.get(id(array))
        if known is not None and known.array() is array:
            return True
        if id(array) in self._written_out or address(array) in self._memories:
            return True
        return array.grad_fn is not None and self.is_active(array.grad_fn)

    def _operand(self, array: torch.Tensor, detached: bool = False) -> Operand:
        shape, dtype = tuple(array.shape), array.dtype
        if not self._is_touched(array):
            return Operand(self._constant(array), shape, dtype)
        _, seen = self._written_out.get(id(array), (array, array))
        seen = array if array.grad_fn is not None else seen
        value = self._current(seen)
        if detached:  # autograd detaches views in the middle of what it does
            return Operand(value, shape, dtype)
        node = seen.grad_fn
        if node is None and id(seen) in self._leaves:
            _, node = self._leaves[id(seen)]
        if not self.is_active(node):
            if value in self._flowing:
                value = self._stopped(value, seen)
            return Operand(value, shape, dtype)
        edge = (node, int(seen.output_nr))
        if is_function(node) and node not in self.functions and node not in self._own:
            self._function(node)
        if node in self.functions:
            value = self._by_edge[edge]
            self._register(seen, value)
        self._by_edge.setdefault(edge, value)
        return Operand(value, shape, dtype, edge)

    def _current(self, array: torch.Tensor) -> int:
        """The value that an array is now, whatever was written into its memory."""
        known = self._known.get(id(array))
        if known is not None and known.array() is array:
            if known.seen == len(known.memory.writes):
                return known.value
            value = self._updated(known.value, geometry(array), known.missed)
        else:
            value = self._unseen(array)
        self._register(array, value)
        return value

    def _unseen(self, array: torch.Tensor) -> int:
        """An array that no operation made: in the memory of others, or a result of a function's."""
        edge = (array.grad_fn, int(array.output_nr))
        if edge in self._by_edge:
            return self._by_edge[edge]
        memory = self._memories.get(address(array))
        if memory is None:
            return self._function_result(*edge)
        own = geometry(array)
        if memory.whole is None:
            value = self._value(array)
        else:
            value, other = memory.whole
            if own != other:
                shaped = same_numbers(own, other)
                primitive = "reshape" if shaped else "gather"
                value = self._made(primitive, [value], array, {"shape": own[0]} if shaped else {})
        return self._updated(value, own, memory.writes)

    def _updated(self, value: int, own: Geometry, writes: list[tuple[int, Geometry]]) -> int:
        for part, place in writes:
            if apart(place, own):
                continue
            if place == own:
                value = part
            elif same_numbers(place, own):
                value = self._derived("reshape", [part], part, own[0], {"shape": own[0]})
            else:
                starts = start_of(place, own)
                value = self._derived("update", [value, part], value, own[0], {"starts": starts})
        return value

    def _made(
        self, primitive: str, operands: list[int], like: torch.Tensor, attributes: dict[str, Any]
    ) -> int:
        value = self._value(like)
        self._append(primitive, operands, [value], attributes)
        return value

    def _derived(
        self,
        primitive: str,
        operands: list[int],
        like: int,
        shape: tuple[int, ...],
        attributes: dict[str, Any],
    ) -> int:
        model = self.graph.values[like]
        value = self.graph.value(shape, model.dtype, bits=model.bits)
        self._append(primitive, operands, [value], attributes)
        return value

    def _append(
        self, primitive: str, operands: list[int], results: list[int], attributes: dict[str, Any]
    ) -> None:
        """A node that autograd makes by itself, or that follows from what shares memory."""
        if self._flowing.intersection(operands):
            self._flowing.update(results)
        self.graph.node(
            primitive, operands, results, attributes, place=self._place(), replayable=False
        )

    def _stopped(self, value: int, array: torch.Tensor) -> int:
        """A value that derivatives do not lead back from, though they would from what made it."""
        found = self._value(array)
        label = "torch.no_grad" if value in self._ungraded else "detach"
        self.graph.node(
            "stop_gradient",
            [value],
            [found],
            {"word": label},
            type=label,
            place=self._place(),
            replayable=False,
        )
        self._register(array, found)
        return found

    def _function(self, node: Node) -> None:
        """A function with a backward of its own, or another node that no operation was seen for."""
        edges = node.next_functions
        places = [at for at, edge in enumerate(edges) if self.is_active(edge[0])]
        operands = [
            Operand(value, self.graph.shape(value), torch.float32, edges[at])
            for at in places
            for value in (self._function_result(*edges[at]),)
        ]
        results = []
        for number, held in enumerate(node._input_metadata):
            value = self.graph.value(
                tuple(int(length) for length in held.shape), dtype_of(held.dtype)
            )
            self._by_edge[node, number] = value
            results.append(value)
        name = node.name()
        moves = name.rpartition("::")[2] in MADE_BY_AUTOGRAD
        self.graph.node(
            "gather" if moves else "other",
            [one.value for one in operands],
            results,
            {},
            type=f"autograd.{name}",
            place=self._place(),
            native=Record(None, name, operands=tuple(operands), results=tuple(results), node=node),
            replayable=False,
        )
        self.functions.add(node)
        self._flowing.update(results)

    def _function_result(self, node: Node, number: int) -> int:
        if (node, number) not in self._by_edge:
            self._function(node)
        return self._by_edge[node, number]

    def _value(self, like: torch.Tensor, **more: Any) -> int:
        return self.graph.value(tuple(like.shape), dtype_of(like.dtype), bits=bits(like), **more)

    def _constant(self, array: torch.Tensor) -> int:
        held = self._constants.get(id(array))
        if held is not None and held[1] == array._version:
            return held[2]
        stored = self._is_stored(array)
        learned = array.requires_grad or isinstance(array, torch.nn.Parameter) or stored == "weight"
        value = self._value(array, learned=learned)
        if not learned and (stored is None or array.numel() == 1):
            self.graph.values[value].number = self._uniform(array)
        self._constants[id(array)] = (array, array._version, value)
        self.tensors[value] = array.detach()
        self._kept.setdefault(address(array), []).append(value)
        return value

    def _uniform(self, array: torch.Tensor) -> Any:
        """The one number that an array is throughout, if it is small or known to be made of one."""
        made, version, filling = self._filled.get(id(array), (None, 0, 0.0))
        if made is not None and made() is array and array._version == version:
            return filling
        if array.layout is not torch.strided:
            return None
        for axis, stride in enumerate(array.stride()):
            if stride == 0:
                array = array.narrow(axis, 0, min(1, array.shape[axis]))
        return uniform(in_numpy(array)) if array.numel() <= UNIFORM else None

    def _is_stored(self, array: torch.Tensor) -> str | None:
        """Whether an array is in the memory of the net's weights, or of its buffers."""
        if self._stored is None:
            self._stored = {
                address(one): "weight" if isinstance(one, torch.nn.Parameter) else "buffer"
                for one in self._numbers
            }
        return self._stored.get(address(array))

    def _register(self, array: torch.Tensor, value: int, *, written: bool = False) -> None:
        self._keep_tensor(value, array)
        place = address(array)
        memory = self._memories.get(place)
        if memory is None:
            whole = None if written else (value, geometry(array))
            memory = self._memories[place] = Memory(holding(array), whole)
        if written:
            memory.writes.append((value, geometry(array)))
        self._known[id(array)] = Known(weakref.ref(array), value, memory, len(memory.writes))

    # What is kept of the values.

    def _keep_tensor(self, value: int, array: torch.Tensor, always: bool = False) -> None:
        if (always or value in self._keep) and value not in self.tensors:
            self.tensors[value] = array.detach()
            self._kept.setdefault(address(array), []).append(value)

    def _protect(self, arrays: Iterable[torch.Tensor]) -> None:
        """Copy kept values that an operation is about to write into."""
        for array in arrays:
            for value in self._kept.pop(address(array), ()):
                self.tensors[value] = self.tensors[value].clone()

    # The nodes of autograd's.

    def _resolve(self) -> None:
        """Nodes of the operations before: autograd makes them when this mode has returned."""
        if not self._pending:
            return
        left: list[Pending] = []
        for pending in self._pending:
            record, result = pending.record, pending.result
            node = result.grad_fn
            if node is None or node is pending.before:
                # Not made yet; a result without gradients never gets one.
                pending.tries += 1
                if pending.tries < 4:
                    left.append(pending)
                continue
            base = result._base
            whole = None if base is None or not record.func._schema.is_mutable else base.grad_fn
            if base is not None and whole is not None and whole.name().endswith("CopySlices"):
                node = whole
                record.view = View(
                    tuple(result.shape),
                    tuple(result.stride()),
                    int(result.storage_offset() - base.storage_offset()),
                    tuple(base.shape),
                    tuple(base.stride()),
                )
            record.node = node
            self._own.add(node)
        self._pending = left


def filling_of(func: Any, args: tuple[Any, ...]) -> float | None:
    """The number that an operation fills a new array with; None for others."""
    name = func.overloadpacket.__name__
    if name in ("zeros", "zeros_like", "new_zeros"):
        return 0.0
    if name in ("ones", "ones_like", "new_ones"):
        return 1.0
    if name in ("full", "full_like", "new_full"):
        number = args[2 if name == "new_full" else 1]
        return number if isinstance(number, (int, float)) else None
    return None


def written_by(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The arrays that an operation writes into."""
    found: list[torch.Tensor] = []
    for number, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found += tensors_in(args[number] if number < len(args) else kwargs.get(argument.name))
    return found


def type_of(record: Record, primitive: str, result: torch.Tensor) -> str:
    """The framework's word for an operation: of one that lets no derivative pass, what it decides."""
    name = (
        record.name if record.func.namespace == "aten" else f"{record.func.namespace}.{record.name}"
    )
    if result.is_floating_point() or result.is_complex():
        return name if primitive in FLAT else f"{record.func.namespace}.{record.name}"
    casts = record.name in ("_to_copy", "copy", "to") or record.name.startswith("quantize")
    return f"cast to {str(result.dtype).removeprefix('torch.')}" if casts else name


def bits(array: torch.Tensor) -> int:
    return 8 * array.element_size()


def in_numpy(array: torch.Tensor) -> Any:
    own = array.detach().cpu().resolve_conj().resolve_neg()
    return (own.double() if own.is_floating_point() else own).numpy()


def is_function(node: Node) -> bool:
    """Whether it has a backward of its own: in Python, or in C++ as operations on quantised weights."""
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return True
    return type(node).__name__ == "CppFunction" and node.name() != "CopySlices"


def is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)
