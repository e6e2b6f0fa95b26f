"""From what the user said for a baseline to native arrays that stand for "nothing there"."""

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError
from backlight.model.model import Model
from backlight.values.arrays import Array, shape_of, widened
from backlight.values.layout import Layout
from backlight.values.made_baselines import MADE, MadeBaseline, made_baseline
from backlight.values.tree import Tree, leaves, rebuild


def reference_of(
    baseline: object,
    value: Tree,
    model: Model,
    rows: NDArray[np.int64],
    total: int,
    layout_of: Callable[[Array], Layout | None],
) -> Tree:
    """One baseline for a value, with axis 0 of length 1 where all examples share it.

    Args:
        baseline: a number, an array or one for each example, or the name of what is made of the example
            itself; one for all arrays of the value, or as they are nested.
        value: what is explained, shape (N, ...).
        model: whose arrays these are.
        rows: where these examples are in the user's batch.
        total: how many examples that has.
        layout_of: where an array of the value has its places.

    Raises:
        InputError: it is no number and no array, or of another shape or structure.
    """

    def leaf_of(part: object, leaf: Array) -> Array:
        if isinstance(part, str):
            return made(part, leaf, model, layout_of(leaf))
        array = native(part, leaf, model)
        shape, wanted = shape_of(array), shape_of(leaf)
        shared = (1, *wanted[1:])
        if array.ndim == 0:
            return model.arrays.broadcast_to(array, shared)
        if shape == (total, *wanted[1:]) and (shape[0] != 1):
            return model.arrays.take(array, model.asarray(rows), axis=0)
        if shape == wanted[1:]:
            return model.arrays.expand_dims(array, axis=0)
        if shape != shared:
            raise InputError(
                f"A baseline must be a number, or an array of shape {wanted[1:]}, {shared} "
                f"or {(total, *wanted[1:])}; got shape {shape}. "
                "For several baselines per example use Several([...])."
            )
        return array

    parts = baseline_parts(baseline, value)
    return rebuild(value, list(map(leaf_of, parts, leaves(value))))


def made(name: str, leaf: Array, model: Model, layout: Layout | None) -> Array:
    """The baseline of this name, a row for each example."""
    if name not in MADE:
        raise HyperParameterError(f"A baseline by name is 'blur' or 'mean', got {name!r}.")
    if not model.is_floating(leaf):
        raise InputError(f"{name!r} needs floating-point numbers; say a number, or an array.")
    host = model.to_numpy(leaf).astype(np.float64)
    return model.asarray(made_baseline(cast(MadeBaseline, name), host, layout), like=leaf)


def native(baseline: object, leaf: Array, model: Model) -> Array:
    """A baseline for one array of the value, in a dtype that goes with it."""
    if model.owns(baseline) and not isinstance(baseline, np.ndarray):
        array = widened(model.detached(baseline), model.arrays)  # type: ignore[arg-type]
    else:
        host = np.asarray(baseline)
        if host.dtype.kind not in "fiub" and not holds_any(leaf):
            raise InputError(f"A baseline must be a number or an array, got {baseline!r}.")
        # Whole numbers are as good as any where the value is not of integers itself.
        host = host.astype(np.float64) if model.is_floating(leaf) else host
        array = model.asarray(host, like=leaf)
    return array if model.is_floating(leaf) or holds_any(leaf) else whole(array, leaf, model)


def holds_any(leaf: object) -> bool:
    """Whether the value is a table of columns of any kind, as an array of Python's objects."""
    return isinstance(leaf, np.ndarray) and leaf.dtype == np.object_


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
