"""Recognised operations run again, by their equations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jax import lax

from backlight.graph.graph import Graph
from backlight.graph.unit import Unit
from backlight_jax.capture.graph import equations
from backlight_jax.capture.program import Operand, run


def results(
    graph: Graph,
    unit: Unit,
    known: Mapping[int, Any],
    inputs: Sequence[Any],
    frozen: bool = False,
) -> tuple[Any, ...]:
    """The results of a unit for other inputs, all else as known.

    Args:
        graph: that the unit is in.
        unit: the operation.
        known: the values of a pass.
        inputs: one for each of the unit's.
        frozen: whether what a normalisation divides by is held constant.
    """
    nodes = equations(graph, unit.positions)
    values = dict(known)
    if len(set(unit.inputs)) < len(unit.inputs):  # x * x, of which each x may be another
        (node,) = nodes
        places = [at for at, operand in enumerate(node.inputs) if operand in unit.inputs]
        operands: list[Operand] = list(node.inputs)
        for at, place in enumerate(places):
            operands[place] = -1 - at
            values[-1 - at] = inputs[at]
        nodes = [replace(node, inputs=tuple(operands))]
    else:
        values.update(zip(unit.inputs, inputs, strict=True))
    for node in nodes:
        run([node], values)
        for size in set(unit.sizes).intersection(node.outputs) if frozen else ():
            values[size] = lax.stop_gradient(values[size])
    return tuple(values[value] for value in unit.outputs)
