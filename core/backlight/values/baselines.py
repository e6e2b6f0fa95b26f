"""Baselines: the inputs that stand for "nothing there"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import ByValue, is_array, on_host, short_repr
from backlight.errors import HyperParameterError, is_one_of, is_real, require
from backlight.values.arrays import AnyArray
from backlight.values.made_baselines import MADE, MadeBaseline

OneBaseline: TypeAlias = (
    float | NDArray[np.generic] | AnyArray | MadeBaseline | tuple[object, ...] | dict[str, object]
)
"""A number; an array shaped like one example, like (1, ...), or like the batch (one each); what is
made of the example itself, "blur" or "mean"; or, for several inputs, a tuple or dict with one of these
each."""


@final
@dataclass(frozen=True)
class Several(ByValue):
    """Several baselines for every example: the technique's result is the mean over them.

    Args:
        values: a list or tuple of baselines, or an array with one in each row.

    Raises:
        HyperParameterError: none at all, or one that is no baseline.
    """

    values: Sequence[OneBaseline]

    def __post_init__(self) -> None:
        rows = is_array(self.values) and bool(self.values.ndim)  # type: ignore[attr-defined]
        known = isinstance(self.values, (list, tuple)) or rows
        require(known, self, "values", "a list of baselines, or an array with one in each row")
        if not len(self.values):
            raise HyperParameterError("Several needs at least one baseline, got none.")
        for one in (self.values,) if rows else self.values:
            if not is_one_baseline(one):
                raise HyperParameterError(
                    f"Each of Several must be {ACCEPTED}; got {short_repr(one)}."
                )


Baseline: TypeAlias = OneBaseline | Several

ACCEPTED = (
    "a finite number, an array of such, 'blur' or 'mean', or a tuple or dict of these for several "
    "inputs"
)
"""An array of Python's objects is accepted too, for tables with columns of words: a value that is not
one refuses it."""


def is_one_baseline(baseline: object) -> bool:
    """Whether it may be a baseline: finite numbers, whatever their shape, a table's cells, or a name."""
    if isinstance(baseline, dict):
        return bool(baseline) and all(map(is_one_baseline, baseline.values()))
    if isinstance(baseline, tuple):
        return bool(baseline) and all(map(is_one_baseline, baseline))
    if is_array(baseline) or isinstance(baseline, np.generic):
        host = on_host(baseline)
        if host.dtype == np.object_:
            return host.ndim > 0
        return host.dtype.kind not in "OSUMmcb" and bool(np.isfinite(host).all())
    return is_real(baseline) or is_one_of(baseline, MADE)


def is_baseline(baseline: object) -> bool:
    """Whether it may be one baseline or several."""
    return isinstance(baseline, Several) or is_one_baseline(baseline)


def require_baseline(owner: object) -> None:
    """Raise `HyperParameterError` unless `owner.baseline` is a baseline."""
    baseline = getattr(owner, "baseline")  # noqa: B009
    require(is_baseline(baseline), owner, "baseline", f"{ACCEPTED}, or Several of them")
