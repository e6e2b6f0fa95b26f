"""The weights of linear operations, with what is folded into them."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from backlight.errors import CoverageError
from backlight_jax.products import SHIFTS, moved
from backlight_jax.program import run
from backlight_jax.units import Affine, Linear, Unit


def linear_of(unit: Unit) -> Linear:
    if unit.linear is None:
        raise CoverageError(f"{unit.type} is a {unit.kind}, which has no weights to change.")
    return unit.linear


def has_bias(unit: Unit) -> bool:
    return any(step.node.primitive in SHIFTS for step in linear_of(unit).steps)


def constant(step: Affine, known: Mapping[int, Any], rank: int) -> Any:
    """The constant of a step, with length 1 along the axes on which it does not differ."""
    operand = step.node.inputs[1 - step.place]
    value = jnp.asarray(known[operand] if isinstance(operand, int) else operand.val)
    if value.ndim == 0:
        return value.reshape((1,) * rank)
    index = tuple(slice(None) if axis in step.varies else slice(0, 1) for axis in range(value.ndim))
    return value[index]


def scale_and_shift(unit: Unit, known: Mapping[int, Any]) -> tuple[Any, Any]:
    """a and b of the steps' a z + b, z transposed as they do; None where they have none."""
    linear = linear_of(unit)
    rank = len(linear.axes)
    scale: Any = None
    shift: Any = None
    for step in linear.steps:
        name = step.node.primitive
        if step.moves is not None:
            rank = len(step.moves)
            scale = None if scale is None else along(scale, step.moves)
            shift = None if shift is None else along(shift, step.moves)
        elif name == "neg":
            scale = -1.0 if scale is None else -scale
            shift = None if shift is None else -shift
            scale = jnp.reshape(jnp.asarray(scale), (1,) * rank) if jnp.ndim(scale) == 0 else scale
        elif name in SHIFTS:
            c = constant(step, known, rank)
            if name == "sub" and step.place == 1:
                scale = jnp.full((1,) * rank, -1, c.dtype) if scale is None else -scale
                shift = c if shift is None else c - shift
            else:
                c = -c if name == "sub" else c
                shift = c if shift is None else shift + c
        else:
            c = constant(step, known, rank)
            c = 1 / c if name == "div" else c
            scale = c if scale is None else scale * c
            shift = None if shift is None else shift * c
    return scale, shift


def along(array: Any, moves: tuple[int | None, ...]) -> Any:
    """An array moved like the result; what is dropped has length 1."""
    kept = [axis for axis in moves if axis is not None]
    dropped = [axis for axis in range(array.ndim) if axis not in kept]
    shape = [1 if axis is None else array.shape[axis] for axis in moves]
    return jnp.transpose(array, (*kept, *dropped)).reshape(shape)


def final_axes(unit: Unit) -> tuple[int | None, ...]:
    """For each axis of the result behind the steps, its axis of the weight."""
    axes = linear_of(unit).axes
    for step in linear_of(unit).steps:
        if step.moves is not None:
            axes = moved(axes, step.moves)
    return axes


def weight(unit: Unit, known: Mapping[int, Any]) -> Any:
    """The weights times the scale, laid out as the linear equation wants them."""
    linear = linear_of(unit)
    operand = linear.node.inputs[linear.weight]
    assert isinstance(operand, int)
    held = known[operand]
    scale, _ = scale_and_shift(unit, known)
    if scale is None:
        return held
    axes = final_axes(unit)
    order = sorted(
        (at for at, axis in enumerate(axes) if axis is not None), key=lambda at: axes[at] or 0
    )
    rest = [at for at in range(len(axes)) if at not in order]
    shape = [1] * held.ndim
    for at in order:
        shape[axes[at] or 0] = scale.shape[at]
    return held * jnp.transpose(scale, (*rest, *order)).reshape(shape).astype(held.dtype)


def bias(unit: Unit, known: Mapping[int, Any]) -> Any:
    """What is added; it broadcasts against the output."""
    return scale_and_shift(unit, known)[1]


def applied(unit: Unit, known: Mapping[int, Any], x: Any, params: Mapping[str, Any]) -> Any:
    """The linear operation with other weights; without a bias where none is given."""
    linear = linear_of(unit)
    operand = linear.node.inputs[linear.weight]
    assert isinstance(operand, int)
    values = {value: known[value] for value in linear.node.values if value in known}
    values[unit.arguments[0]] = x
    values[operand] = params["weight"]
    run([linear.node], values)
    z = values[linear.node.outputs[0]]
    for step in linear.steps:
        if step.moves is not None:
            (source,), (result,) = step.node.values, step.node.outputs
            values = {source: z}
            run([step.node], values)
            z = values[result]
    z = z.astype(known[unit.output].dtype)
    return z + params["bias"] if params.get("bias") is not None else z
