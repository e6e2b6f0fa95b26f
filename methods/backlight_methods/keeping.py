"""Whether a technique keeps what its values are the mean of."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from backlight import Method
from backlight.errors import is_one_of, require
from backlight.values.arrays import Array, Arrays
from backlight.values.tree import Tree, map_leaves, stack

Keep: TypeAlias = Literal["mean", "each"]
"""Of baselines or samples: their mean alone, or each of them as well, as `Attribution.each`."""


def require_keep(method: Method) -> None:
    """Raise `HyperParameterError` unless `method.keep` is one of these, and "mean" with a tolerance."""
    keep, tolerance = getattr(method, "keep"), getattr(method, "tolerance", None)  # noqa: B009
    require(is_one_of(keep, ("mean", "each")), method, "keep", "'mean' or 'each'")
    rule = "'mean' with a tolerance, which takes another number of samples for each example"
    require(keep == "mean" or tolerance is None, method, "keep", rule)


def averaged(each: Sequence[Tree], keep: Keep, arrays: Arrays) -> tuple[Tree, Tree | None]:
    """The mean of the values for each baseline; and these, (baselines, N, ...), where they are kept."""
    values = map_leaves(lambda *ones: mean(ones), *each)
    return values, stack(each, arrays) if keep == "each" else None


def mean(arrays: Sequence[Array]) -> Array:
    """The mean, added up in halves, so that of a thousand arrays no digits are lost."""

    def total(ones: Sequence[Array]) -> Array:
        half = len(ones) // 2
        return total(ones[:half]) + total(ones[half:]) if half else ones[0]

    return total(arrays) / len(arrays) if len(arrays) > 1 else arrays[0]
