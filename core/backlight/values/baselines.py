"""Baselines: the inputs that stand for "nothing there"."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import ByValue, is_array, on_host, short_repr
from backlight.errors import HyperParameterError, is_one_of, is_real, require
from backlight.values.arrays import AnyArray
from backlight.values.made_baselines import NAMED, MadeBaseline
from backlight.values.token_baseline import TokenBaseline

BaselineFunction: TypeAlias = Callable[[Any], Any]
"""Gives the baseline of each example from the value that is explained, in the framework's own arrays and
nested as the inputs are; shaped like it. It is shown any of the examples, block by block, each once or
more often, so that the baseline of each must come from itself alone."""

OneBaseline: TypeAlias = (
    float
    | NDArray[np.generic]
    | AnyArray
    | Literal["blur", "mean", "neighbours"]
    | MadeBaseline
    | TokenBaseline
    | BaselineFunction
    | tuple[object, ...]
    | dict[str, object]
)
"""A number; an array shaped like one example, like (1, ...), or like the batch (one each); what is
made of the example itself: "blur", "mean", a `MadeBaseline` such as `Drawn(data)`, or a function; a
`TokenBaseline`, of texts; or, for several inputs, a tuple or dict with one of these each.

"neighbours" fills in what is hidden from what is around it, so that only techniques that hide features
have it."""

NEIGHBOURS = "neighbours"


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
    "a finite number, an array of such, 'blur' or 'mean', a made one such as Drawn(data), a function of "
    "the inputs, or a tuple or dict of these for several inputs"
)
"""An array of Python's objects is accepted too, for tables with columns of words: a value that is not
one refuses it."""


def is_one_baseline(baseline: object) -> bool:
    """Whether it may be a baseline: finite numbers, whatever their shape, a table's cells, a name, or
    what makes one."""
    if isinstance(baseline, dict):
        return bool(baseline) and all(map(is_one_baseline, baseline.values()))
    if isinstance(baseline, tuple):
        return bool(baseline) and all(map(is_one_baseline, baseline))
    if is_array(baseline) or isinstance(baseline, np.generic):
        host = on_host(baseline)
        if host.dtype == np.object_:
            return host.ndim > 0
        return host.dtype.kind not in "OSUMmcb" and bool(np.isfinite(host).all())
    if isinstance(baseline, (MadeBaseline, TokenBaseline)) or is_function(baseline):
        return True
    return is_real(baseline) or is_one_of(baseline, (*NAMED, NEIGHBOURS))


def is_function(baseline: object) -> bool:
    """Whether it is a function of the inputs; a class is none."""
    return callable(baseline) and not isinstance(baseline, (type, MadeBaseline))


def is_baseline(baseline: object) -> bool:
    """Whether it may be one baseline or several, whatever is hidden."""
    return (isinstance(baseline, Several) or is_one_baseline(baseline)) and not fills_in(baseline)


def fills_in(baseline: object) -> bool:
    """Whether some of it depends on what is hidden: "neighbours"."""
    if isinstance(baseline, Several):
        return not is_array(baseline.values) and any(map(fills_in, baseline.values))
    if isinstance(baseline, (tuple, dict)):
        return any(map(fills_in, baseline.values() if isinstance(baseline, dict) else baseline))
    return is_one_of(baseline, (NEIGHBOURS,))


def require_baseline(owner: object, hides: bool = False) -> None:
    """Raise `HyperParameterError` unless `owner.baseline` is a baseline.

    Args:
        hides: whether the owner hides parts of the input, so that "neighbours" may be one.
    """
    baseline = getattr(owner, "baseline")  # noqa: B009
    if fills_in(baseline):
        if hides:
            return
        raise HyperParameterError(
            f"{type(owner).__name__}.baseline cannot be 'neighbours', which fills in what is hidden from "
            "what is left, as only techniques can have it that hide features entirely: FeatureAblation, "
            "ShapleyValues, KernelSHAP, LIME and Occlusion. Here say 'blur' or 'mean', for example."
        )
    require(is_baseline(baseline), owner, "baseline", f"{ACCEPTED}, or Several of them")
