"""Numbers that stand for "nothing there" as native arrays that go with a value."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, is_real, shown
from backlight.model.model import Model
from backlight.values.arrays import Array, shape_of, widened
from backlight.values.tree import Tree, leaves


def native(baseline: object, leaf: Array, model: Model) -> Array:
    """A baseline for one array of the value, in a dtype that goes with it."""
    if model.owns(baseline) and not isinstance(baseline, np.ndarray):
        array = widened(model.detached(baseline), model.arrays)  # type: ignore[arg-type]
    else:
        host = np.asarray(baseline)
        if host.dtype.kind not in "fiub" and not holds_any(leaf):
            raise InputError(f"A baseline must be a number or an array, got {baseline!r}.")
        if holds_any(leaf):
            require_words(host, leaf)
        # Whole numbers are as good as any where the value is not of integers itself.
        host = host.astype(np.float64) if model.is_floating(leaf) else host
        array = model.asarray(host, like=leaf)
    return array if model.is_floating(leaf) or holds_any(leaf) else whole(array, leaf, model)


def holds_any(leaf: object) -> bool:
    """Whether the value is a table of columns of any kind, as an array of Python's objects."""
    return isinstance(leaf, np.ndarray) and leaf.dtype == np.object_


def require_words(baseline: NDArray[Any], leaf: object) -> None:
    """Raise InputError where a number stands for a word: what is absent there is another word."""
    rows = cast("NDArray[Any]", leaf)
    if rows.ndim != 2 or baseline.shape[-1:] not in ((), (1,), rows.shape[1:]):
        return  # no table, or no row of it: said elsewhere
    words = [any(isinstance(cell, str) for cell in column) for column in rows.T]
    cells = np.broadcast_to(baseline, (*baseline.shape[:-1], rows.shape[1])).reshape(-1, len(words))
    odd = [k for k, column in enumerate(cells.T) if words[k] and any(map(is_real, column))]
    if odd:
        (word, *_) = (cell for cell in rows[:, odd[0]] if isinstance(cell, str))
        raise InputError(
            f"Column {odd[0]} of the table holds words, such as {shown(word)}, and no number stands for "
            "one that is absent: say another row of the table as the baseline, or rows to draw from, "
            "baseline=backlight.Drawn(rows). Rows of a data frame are frame.to_numpy()."
        )


def whole(baseline: Array, leaf: Array, model: Model) -> Array:
    """A baseline in the dtype of a value of integers, which it must fit without being changed."""
    host = model.to_numpy(baseline)
    with np.errstate(invalid="ignore"):
        numbers = host.astype(model.to_numpy(leaf[:1, ...]).dtype)
    if not np.array_equal(numbers, host):
        raise InputError(
            f"The value to explain holds integers, {numbers.dtype}, such as token ids or raw "
            f"pictures: its baseline must be of whole numbers that {numbers.dtype} has, got "
            f"{host.flat[np.flatnonzero(numbers != host)[0]]}. For token ids say the id of the "
            "padding or mask token, baseline=0 for example."
        )
    return model.asarray(numbers, like=leaf)


def like_the_value(baseline: object, leaf: Array, model: Model, name: str) -> Array:
    """A baseline that was made, as a native array, if it is shaped like the value and finite."""
    array = native(baseline, leaf, model)
    if shape_of(array) != shape_of(leaf):
        raise InputError(
            f"{name} gave shape {shape_of(array)} for a value of shape {shape_of(leaf)}: it must "
            "give each example a baseline shaped like it."
        )
    if model.is_floating(array) and not np.isfinite(model.to_numpy(array)).all():
        raise InputError(f"{name} gave numbers that are NaN or infinite; a baseline is finite.")
    return array


def baseline_parts(baseline: object, value: Tree) -> list[object]:
    """One baseline for each leaf of the value, from one for all or a structure like the value's."""
    if isinstance(value, dict) and isinstance(baseline, dict):
        if set(value) != set(baseline):
            raise InputError(f"Baselines for {sorted(baseline)}, but inputs {sorted(value)}.")
        return [baseline[name] for name in value]
    if isinstance(value, tuple) and isinstance(baseline, tuple):
        if len(value) != len(baseline):
            raise InputError(f"{len(baseline)} baselines for {len(value)} inputs.")
        return list(baseline)
    if len(leaves(value)) > 1 and np.ndim(baseline) != 0:  # type: ignore[arg-type]
        raise InputError(
            "Several inputs need a number, or a baseline for each in the inputs' own structure; "
            f"got a {type(baseline).__name__}."
        )
    return [baseline] * len(leaves(value))
