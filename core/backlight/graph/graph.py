"""A net's operations and the values between them, in terms that every framework can be put in."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[Any]

UNIFORM = 4096
"""How large a constant may be that is looked at for being one number throughout."""

FEW = 64
"""How many whole numbers of a constant are kept."""


@final
class DType(StrEnum):
    """What the numbers of a value are."""

    FLOAT = "float"
    COMPLEX = "complex"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    OTHER = "other"
    """No numbers: keys of random generators, lists, handles."""

    @property
    def differentiable(self) -> bool:
        return self in (DType.FLOAT, DType.COMPLEX)


@final
@dataclass(eq=False, slots=True)
class Value:
    """What an operation reads or gives.

    Attributes:
        shape: of the array; -1 for a length that the backend does not know.
        dtype: what its numbers are.
        bits: how wide each number is.
        number: the one number that it is throughout, where the backend or folding knows it.
        places: the numbers of a constant of few whole numbers, by which others may be picked.
        told: what tells the rows of a constant that was looked at from others, many alike as one.
        constant: the backend's own handle of a value that nothing computes; None for none.
        learned: whether it is a weight, or computed from weights alone, rather than made in the code.
    """

    shape: tuple[int, ...]
    dtype: DType = DType.FLOAT
    bits: int = 32
    number: float | int | bool | complex | None = None
    places: tuple[int, ...] | None = None
    told: int | None = None
    constant: object = None
    learned: bool = False


@final
@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One operation.

    Attributes:
        primitive: what it computes, a key of `backlight.graph.primitives.PRIMITIVES`.
        operands: the values that it reads, by number, in the order that the primitive says.
        results: the values that it gives, by number.
        attributes: what else it computes by, under the names that the primitive says.
        type: the framework's own word for it.
        place: where in the model it is, as a user would say it; empty where nothing is known.
        native: the backend's own handle.
        replayable: whether it can be run again at other values.
    """

    primitive: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    type: str = ""
    place: str = ""
    native: object = None
    replayable: bool = True

    @property
    def result(self) -> int:
        return self.results[0]

    def hanging_on(self, values: Container[int]) -> list[int]:
        """The results that depend on any of these values."""
        said = self.attributes.get("dependences")
        all_of_them = range(len(self.operands))
        return [
            value
            for at, value in enumerate(self.results)
            if any(self.operands[one] in values for one in (said[at] if said else all_of_them))
        ]


@final
@dataclass(eq=False)
class Graph:
    """Operations in the order in which they run, and what is explained of them.

    Attributes:
        values: by number.
        nodes: the operations. Some may lead nowhere: numbers are made by them.
        sources: the values that are explained: what derivatives are taken by. A source may be the
            result of an operation (an inner site): it then counts as given, and nothing before it as
            depending on it.
        targets: the values that are explained: the score, or the outputs where none was asked for.
        rows: values that differ from example to example without depending on the sources.
        kept: values that are looked at from outside, beside the targets: what the score reads. No
            region may hide them.
        sites: the values that can be asked for, by name, as `at=` takes it. A value may have several
            names, the friendliest first.
    """

    values: list[Value] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    sources: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()
    rows: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()
    sites: dict[str, int] = field(default_factory=dict)

    def value(
        self,
        shape: Sequence[int],
        dtype: DType = DType.FLOAT,
        *,
        bits: int = 32,
        constant: object = None,
        learned: bool = False,
    ) -> int:
        """A new value, by its number."""
        held = Value(tuple(shape), dtype, bits, constant=constant, learned=learned)
        self.values.append(held)
        return len(self.values) - 1

    def number(self, number: float | int | bool | complex, like: DType = DType.FLOAT) -> int:
        """A new value that is one number, without axes."""
        self.values.append(Value((), like, number=number))
        return len(self.values) - 1

    def array(
        self, array: Numbers, *, constant: object = None, learned: bool = False, bits: int = 32
    ) -> int:
        """A new constant whose numbers are known."""
        found = self.value(
            array.shape, dtype_of(array.dtype), bits=bits, constant=constant, learned=learned
        )
        self.look(found, array)
        return found

    def look(self, value: int, array: Numbers) -> None:
        """Notes what is known of the numbers of a constant."""
        held = self.values[value]
        held.number = uniform(array)
        alike = array.ndim > 0 and bool((array == array[:1]).all())
        held.told = hash((array[:1] if alike else array).tobytes())
        if array.dtype.kind in "iu" and array.size <= FEW:
            held.places = tuple(array.ravel().tolist())

    def node(
        self,
        primitive: str,
        operands: Iterable[int],
        results: Iterable[int],
        attributes: Mapping[str, Any] | None = None,
        *,
        type: str = "",
        place: str = "",
        native: object = None,
        replayable: bool = True,
    ) -> Node:
        """Append an operation."""
        found = Node(
            primitive,
            tuple(operands),
            tuple(results),
            attributes or {},
            type or primitive,
            place,
            native,
            replayable,
        )
        self.nodes.append(found)
        return found

    def shape(self, value: int) -> tuple[int, ...]:
        return self.values[value].shape

    @property
    def begin(self) -> int:
        """How many of the nodes come before all sources are known."""
        sources = frozenset(self.sources)
        ends = (at for at, node in enumerate(self.nodes, 1) if sources.intersection(node.results))
        return max(ends, default=0)

    def needed(self, values: Iterable[int]) -> list[int]:
        """The positions of the nodes that values depend on, in order."""
        wanted, found = set(values), []
        for position in reversed(range(len(self.nodes))):
            if not wanted.isdisjoint(self.nodes[position].results):
                found.append(position)
                wanted.update(self.nodes[position].operands)
        return found[::-1]


def uniform(array: Numbers) -> float | int | bool | complex | None:
    """The one number that an array is throughout; None for arrays of several, large and empty ones."""
    if array.dtype.kind == "V" and dtype_of(array.dtype) is DType.FLOAT:  # bfloat16
        array = array.astype(np.float32)
    if not 0 < array.size <= UNIFORM or array.dtype.kind not in "biufc":
        return None
    first = array.flat[0]
    same = bool((array == first).all())
    return first.item() if same else None


def dtype_of(dtype: np.dtype[Any]) -> DType:
    """What the numbers of a NumPy dtype are; those of extension dtypes (bfloat16) are floats."""
    kinds = {"b": DType.BOOLEAN, "i": DType.INTEGER, "u": DType.INTEGER, "c": DType.COMPLEX}
    if dtype.kind in kinds:
        return kinds[dtype.kind]
    floating = dtype.kind == "f" or (dtype.kind == "V" and "float" in dtype.name)
    return DType.FLOAT if floating else DType.OTHER
