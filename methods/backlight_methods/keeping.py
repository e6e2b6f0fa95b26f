"""Whether a technique keeps what its values are the mean of."""

from typing import Literal, TypeAlias

from backlight import Method
from backlight.errors import is_one_of, require

Keep: TypeAlias = Literal["mean", "each"]
"""Of baselines or samples: their mean alone, or each of them as well, as `Attribution.each`."""


def require_keep(method: Method) -> None:
    """Raise `HyperParameterError` unless `method.keep` is one of these, and "mean" with a tolerance."""
    keep, tolerance = getattr(method, "keep"), getattr(method, "tolerance", None)  # noqa: B009
    require(is_one_of(keep, ("mean", "each")), method, "keep", "'mean' or 'each'")
    rule = "'mean' with a tolerance, which takes another number of samples for each example"
    require(keep == "mean" or tolerance is None, method, "keep", rule)
