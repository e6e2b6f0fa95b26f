"""What the table makes of an operation, and rows that say most of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch

from backlight.graph.graph import DType
from backlight_torch.capture.records import Record

Found: TypeAlias = tuple[str, Sequence[Any], Mapping[str, Any]]
"""The primitive, its operands (`Operand`s and numbers) and attributes."""
Row: TypeAlias = Callable[[Record], Found]


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
    return lambda c: (primitive, c.first(2), {})


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
