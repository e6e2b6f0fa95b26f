"""The weights of linear operations, with what is folded into them."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from backlight.errors import CoverageError
from backlight.graph.graph import Graph
from backlight.graph.unit import Linear, Step, Unit
from backlight_jax.capture.graph import equations
from backlight_jax.capture.program import run

SHIFTS = ("shift", "reversed shift")


def linear_of(unit: Unit) -> Linear:
    if unit.linear is None:
        raise CoverageError(
            f"{unit.described.type} is a {unit.kind}, which has no weights to change."
        )
    return unit.linear


def has_bias(unit: Unit) -> bool:
    return any(step.effect in SHIFTS for step in linear_of(unit).steps)


def constant(graph: Graph, step: Step, known: Mapping[int, Any], rank: int, dtype: Any) -> Any:
    """The constant of a step, with length 1 along the axes on which it does not differ."""
    assert step.constant is not None
    written: Any = graph.values[step.constant].number
    value = known[step.constant] if step.constant in known else jnp.asarray(written, dtype)
    value = value.reshape((1,) * (rank - value.ndim) + value.shape)
    index = tuple(slice(None) if axis in step.varies else slice(0, 1) for axis in range(rank))
    return value[index]


def scale_and_shift(graph: Graph, unit: Unit, known: Mapping[int, Any]) -> tuple[Any, Any]:
    """a and b of the steps' a z + b, z transposed as they do; None where they have none."""
    linear = linear_of(unit)
    rank = len(linear.axes)
    dtype = known[linear.weight].dtype
    scale: Any = None
    shift: Any = None

    def scaled(by: Any) -> None:
        nonlocal scale, shift
        scale = by if scale is None else scale * by
        shift = None if shift is None else shift * by

    for step in linear.steps:
        if step.moves is not None:
            rank = len(step.moves)
            scale = None if scale is None else along(scale, step.moves)
            shift = None if shift is None else along(shift, step.moves)
            continue
        if step.effect in ("negation", "reversed shift"):
            scaled(jnp.full((1,) * rank, -1, dtype))
        if step.effect == "negation":
            continue
        c = constant(graph, step, known, rank, dtype)
        if step.effect in SHIFTS:
            (node,) = equations(graph, [step.position])
            c = -c if node.primitive == "sub" and step.effect == "shift" else c
            shift = c if shift is None else shift + c
        else:
            scaled(1 / c if step.effect == "quotient" else c)
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
            axes = tuple(None if axis is None else axes[axis] for axis in step.moves)
    return axes


def weight(graph: Graph, unit: Unit, known: Mapping[int, Any]) -> Any:
    """The weights times the scale, laid out as the linear equation wants them."""
    held = known[linear_of(unit).weight]
    scale, _ = scale_and_shift(graph, unit, known)
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


def bias(graph: Graph, unit: Unit, known: Mapping[int, Any]) -> Any:
    """What is added; it broadcasts against the output."""
    return scale_and_shift(graph, unit, known)[1]


def applied(
    graph: Graph, unit: Unit, known: Mapping[int, Any], x: Any, params: Mapping[str, Any]
) -> Any:
    """The linear operation with other weights; without a bias where none is given."""
    linear = linear_of(unit)
    (node,) = equations(graph, [linear.position])
    values = {**known, unit.inputs[0]: x, linear.weight: params["weight"]}
    run([node], values)
    z = values[node.outputs[0]]
    for step in linear.steps:
        if step.moves is not None:
            (node,) = equations(graph, [step.position])
            values = {node.values[0]: z}
            run([node], values)
            z = values[node.outputs[0]]
    z = z.astype(known[unit.output].dtype)
    return z + params["bias"] if params.get("bias") is not None else z
