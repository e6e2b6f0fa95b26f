"""An operation of PyTorch's as the table reads it, and what the table makes of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch

from backlight.graph.graph import DType
from backlight_torch.capture.records import Operand, Record


@final
@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """An operation with the shapes of its results."""

    record: Record
    shapes: Sequence[tuple[int, ...]]
    dtype: torch.dtype

    def __getitem__(self, argument: str) -> Any:
        return self.record.arguments.get(argument)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def operands(self) -> Sequence[Operand]:
        """All tensors among the arguments."""
        return self.record.operands

    @property
    def arguments(self) -> list[Any]:
        """The arguments in order."""
        return list(self.record.arguments.values())

    @property
    def x(self) -> Any:
        """The first argument."""
        return next(iter(self.record.arguments.values()))

    @property
    def rank(self) -> int:
        return len(self.x.shape)

    @property
    def shape(self) -> tuple[int, ...]:
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


Found: TypeAlias = tuple[str, Sequence[Any], Mapping[str, Any]]
"""The primitive, its operands (`Operand`s and numbers) and attributes."""
Row: TypeAlias = Callable[[Call], Found]


def dtype_of(dtype: torch.dtype) -> DType:
    if dtype.is_complex:
        return DType.COMPLEX
    if dtype.is_floating_point:
        return DType.FLOAT
    return DType.BOOLEAN if dtype is torch.bool else DType.INTEGER


def plain(primitive: str, **attributes: Any) -> Row:
    """Of the first argument alone."""
    return lambda c: (primitive, [c.x], attributes)


def binary(primitive: str) -> Row:
    """Of the first two arguments."""
    return lambda c: (primitive, c.arguments[:2], {})


def whole(primitive: str) -> Row:
    """Of all tensors."""
    return lambda c: (primitive, c.operands, {})


def numbered(primitive: str, **arguments: str) -> Row:
    """Of the first argument, with numbers: for each attribute the argument that says it."""
    return lambda c: (
        primitive,
        [c.x],
        {name: float(c[argument]) for name, argument in arguments.items()},
    )


def along(primitive: str, **attributes: Any) -> Row:
    """Along one axis."""
    return lambda c: (primitive, [c.x], {"axis": c.axis(), **attributes})


def reduced(primitive: str) -> Row:
    """Over the axes that are named."""
    return lambda c: (primitive, [c.x], {"axes": c.axes(), "keepdims": bool(c["keepdim"])})


def each(row: Callable[[str], Row], names: str) -> dict[str, Row]:
    """Rows for operations that have the primitive's name."""
    return {name: row(name) for name in names.split()}


def all_of(row: Row, names: str) -> dict[str, Row]:
    """One row for several operations."""
    return dict.fromkeys(names.split(), row)
