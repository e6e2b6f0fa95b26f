"""Operations as they were recorded, with what they were called with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, TypeAlias, final

import torch

from backlight.graph.dependence.connection import FLAT
from backlight.graph.graph import DType, Value
from backlight.graph.graph import Node as GraphNode

Node: TypeAlias = Any
"""A node of autograd's graph."""

Edge: TypeAlias = tuple[Node, int]
"""One of the results of a node of autograd's."""

Located: TypeAlias = tuple[int, Edge | None]
"""The value of an array, and where derivatives lead back from it."""

Parts: TypeAlias = Callable[[dict[str, Any], bool], list[torch.Tensor | None]]
"""The results of an operation from its arguments by name, computed in others: with what a
normalisation divides by held constant, where that is asked for."""


BACKENDS = ("CPU", "CUDA", "MPS", "XPU", "CompositeExplicitAutograd")
"""Where an operation may be computed by a kernel of its own."""


@final
class Signature:
    """An ATen operation, whatever it is called with. PyTorch makes its schema anew when it is asked.

    Attributes:
        name: of it, with the underscore of those that write in place.
        defaults: its arguments by name.
        writes: the names of those that it writes into.
        in_place: whether what it gives is what it has written into.
        shaped: whether no more than the shape of what it is given counts.
        random: whether it draws random numbers.
        composite: whether PyTorch itself computes it by others. It does so before a mode sees it, but
            for arrays that were made in inference mode.
    """

    def __init__(self, func: Any) -> None:
        schema = func._schema
        own = func.namespace == "aten"
        name = func.overloadpacket.__name__
        self.name = name
        self.defaults = {one.name: one.default_value for one in schema.arguments}
        self.writes = [
            one.name for one in schema.arguments if one.alias_info and one.alias_info.is_write
        ]
        returned = schema.returns
        in_place = not returned or returned[0].alias_info is not None
        self.in_place = bool(self.writes) and in_place
        self.shaped = own and (name.startswith("new_") or name.endswith("_like"))
        self.random = torch.Tag.nondeterministic_seeded in func.tags
        has = torch._C._dispatch_has_kernel_for_dispatch_key
        kernels = (has(func.name(), key) for key in BACKENDS)
        self.composite = has(func.name(), "CompositeImplicitAutograd") and not any(kernels)

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """All arguments by name."""
        return {**self.defaults, **dict(zip(self.defaults, args, strict=False)), **kwargs}

    def written(self, arguments: Mapping[str, Any]) -> list[torch.Tensor]:
        """The arrays that it writes into."""
        return tensors_in([arguments[name] for name in self.writes])


signature = cache(Signature)


@final
@dataclass(frozen=True, eq=False, slots=True)
class Operand:
    """A tensor among the arguments of an operation.

    Attributes:
        value: its number in the graph.
        shape, dtype: its own.
        active: whether derivatives flow from it to a start.
    """

    value: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    active: bool = False


@final
@dataclass(frozen=True)
class View:
    """A part of an array: size, strides and offset of both, the offset counted from the array's."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    whole_size: tuple[int, ...]
    whole_strides: tuple[int, ...]

    @classmethod
    def of(cls, part: torch.Tensor, whole: torch.Tensor) -> "View":
        offset = int(part.storage_offset() - whole.storage_offset())
        shapes = tuple(part.shape), tuple(part.stride()), offset
        return cls(*shapes, tuple(whole.shape), tuple(whole.stride()))

    def part(self, whole: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A copy of an array shaped like the whole, and the part of it."""
        own = torch.empty_strided(
            self.whole_size, self.whole_strides, dtype=whole.dtype, device=whole.device
        )
        own.copy_(whole)
        return own, own.as_strided(self.size, self.strides, self.offset)


@final
@dataclass(frozen=True, eq=False)
class Expanded:
    """What a compound operation consists of.

    Attributes:
        first: the number of the first value that was made for it.
        values: all that were.
        nodes: of the graph, in its place.
        constants: what is made of constants for them, each with whether the numbers of that count.
    """

    first: int
    values: Sequence[Value]
    nodes: Sequence[GraphNode]
    constants: Sequence[tuple[GraphNode, bool]]


@final
@dataclass(eq=False)
class Record:
    """One operation that depends on what the graph starts from.

    Attributes:
        func: the ATen operation; None for a node of autograd's that no operation was seen for.
        name: of it, without the underscore of those that write in place.
        arguments: what it was called with, by name, with an `Operand` for each tensor.
        operands: all of these.
        edges: for each of them which result of autograd's it is, if derivatives flow from it.
        shapes: of its results.
        dtype: of the first of them.
        parts: how to compute it from what it consists of, where that is to be seen in its place.
        expanded: what these were in the run before.
        results: its results, by number.
        node: its node in autograd's graph.
        view: the part of a larger array that it wrote into, if it did; its node then is one of the
            whole array.
    """

    func: Any
    name: str
    arguments: Mapping[str, Any]
    operands: tuple[Operand, ...]
    edges: tuple[Edge | None, ...]
    results: tuple[int, ...] = ()
    shapes: Sequence[tuple[int, ...]] = ()
    dtype: torch.dtype = torch.float32
    parts: Parts | None = None
    expanded: Expanded | None = None
    node: Node = None
    view: View | None = None

    @property
    def active(self) -> bool:
        """Whether derivatives flow from any operand."""
        return any(one.active for one in self.operands)

    def __getitem__(self, argument: str) -> Any:
        """An argument; None where it has none of this name."""
        return self.arguments.get(argument)

    def first(self, count: int) -> list[Any]:
        """The first arguments."""
        return list(self.arguments.values())[:count]

    @property
    def x(self) -> Any:
        """The first argument."""
        return next(iter(self.arguments.values()))

    @property
    def rank(self) -> int:
        """How many axes the first argument has."""
        return len(self.x.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the first result."""
        return self.shapes[0]

    @property
    def places(self) -> int:
        """How many axes a window moves along, which the name says: 2 in `avg_pool2d`."""
        return next(count for count in (1, 2, 3) if f"{count}d" in self.name)

    def axis(self, argument: str = "dim") -> int:
        return int(self[argument]) % max(self.rank, 1)

    def axes(self, argument: str = "dim") -> tuple[int, ...]:
        """The axes that are named; all where none is."""
        named = self[argument]
        named = [named] if isinstance(named, int) else named
        chosen = sorted(int(axis) % max(self.rank, 1) for axis in named or ())
        return tuple(chosen) or tuple(range(self.rank))

    def listed(self, argument: str, count: int) -> tuple[int, ...]:
        """One number for each of the axes that a window moves along."""
        numbers = tuple(self[argument])
        return numbers * count if len(numbers) == 1 else numbers

    def type(self, primitive: str, result: torch.Tensor) -> str:
        """The framework's word for it: of one that lets no derivative pass, what it decides."""
        namespace = self.func.namespace
        whole = f"{namespace}.{self.name}"
        name = self.name if namespace == "aten" else whole
        if result.is_floating_point() or result.is_complex():
            return name if primitive in FLAT else whole
        casts = self.name in ("_to_copy", "copy", "to") or self.name.startswith("quantize")
        return f"cast to {str(result.dtype).removeprefix('torch.')}" if casts else name

    def given(self, values: Mapping[int, Any]) -> dict[str, Any]:
        """Its arguments by name, in place of operands their values."""
        return self._filled(lambda operand: values[operand.value])

    def run(self, values: Mapping[int, torch.Tensor]) -> list[torch.Tensor]:
        """The results for other values of its operands."""
        given = self.given(values)
        if self.func._schema.is_mutable:
            written = next(iter(given))
            given[written] = given[written].clone()
        return tensors_in(self.func(**given))

    def reading(self, other: Callable[[Operand], Operand]) -> "Record":
        """The same operation of other operands."""
        return replace(self, arguments=self._filled(other))

    def _filled(self, read: Callable[[Operand], Any]) -> dict[str, Any]:
        return {name: replaced(Operand, read, value) for name, value in self.arguments.items()}


def record_of(
    func: Any,
    arguments: Mapping[str, Any],
    given: Sequence[torch.Tensor],
    located: Sequence[Located],
) -> Record:
    """What an operation is called with."""
    operands = tuple(
        Operand(value, tuple(one.shape), one.dtype, edge is not None)
        for one, (value, edge) in zip(given, located, strict=True)
    )
    stands = iter(operands)
    own = signature(func)
    return Record(
        func,
        own.name.removesuffix("_") if own.writes else own.name,
        {name: replaced(torch.Tensor, lambda _: next(stands), x) for name, x in arguments.items()},
        operands,
        tuple(edge for _, edge in located),
    )


def replaced(kind: type, replacement: Callable[[Any], Any], argument: Any) -> Any:
    """An argument with others in the place of things of this kind, in lists or not."""
    if isinstance(argument, kind):
        return replacement(argument)
    if isinstance(argument, (list, tuple)):
        return list(map(partial(replaced, kind, replacement), argument))
    return argument


def tensors_in(given: Any) -> list[torch.Tensor]:
    """The tensors among results or arguments, in lists or not."""
    if isinstance(given, torch.Tensor):
        return [given]
    found: list[torch.Tensor] = []
    for one in given if isinstance(given, (list, tuple)) else ():
        if isinstance(one, torch.Tensor):
            found.append(one)
        elif isinstance(one, (list, tuple)):
            found += tensors_in(one)
    return found


def dtype_of(dtype: torch.dtype) -> DType:
    if dtype.is_complex:
        return DType.COMPLEX
    if dtype.is_floating_point:
        return DType.FLOAT
    return DType.BOOLEAN if dtype is torch.bool else DType.INTEGER
