"""What the table makes of an operation, and rows that say most of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from backlight_torch.capture.records import Record

Found: TypeAlias = tuple[str, Sequence[Any], Mapping[str, Any]]
"""The primitive, its operands (`Operand`s and numbers) and attributes."""
Row: TypeAlias = Callable[["Record"], Found]

BATCH_NORMS = (
    "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training "
    "cudnn_batch_norm miopen_batch_norm _batch_norm_with_update _batch_norm_no_update"
)
ATTENTIONS = (
    "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention "
    "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention "
    "_scaled_dot_product_fused_attention_overrideable"
)


def row(primitive: str, *operands: str | float, **attributes: Any) -> Row:
    """A row that says everything.

    Args:
        primitive: see the core's.
        operands: arguments by name, those that are None left out, and numbers; by default the first
            argument.
        attributes: by name, those that are functions of the operation are asked.
    """

    def found(c: "Record") -> Found:
        given = [c[one] if isinstance(one, str) else one for one in operands] or [c.x]
        said = {name: one(c) if callable(one) else one for name, one in attributes.items()}
        return primitive, [one for one in given if one is not None], said

    return found


def binary(primitive: str) -> Row:
    """Of the first two arguments."""
    return lambda c: (primitive, c.first(2), {})


def whole(primitive: str) -> Row:
    """Of all tensors."""
    return lambda c: (primitive, c.operands, {})


def reduced(primitive: str, **attributes: Any) -> Row:
    """Over the axes that are named."""
    return row(primitive, axes=lambda c: c.axes(), keepdims=flag("keepdim"), **attributes)


def flag(argument: str) -> Callable[["Record"], bool]:
    return lambda c: bool(c[argument])


def number(argument: str, default: float = 0.0) -> Callable[["Record"], float]:
    return lambda c: default if c[argument] is None else float(c[argument])


def each(row: Callable[[str], Row], names: str) -> dict[str, Row]:
    """Rows for operations that have the primitive's name."""
    return {name: row(name) for name in names.split()}


def all_of(row: Row, names: str) -> dict[str, Row]:
    """One row for several operations."""
    return dict.fromkeys(names.split(), row)
