"""Where in a circuit functions of each number by itself are."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from backlight.operations import Kind
from backlight_jax import pointwise
from backlight_jax.activations import Activation, is_prelu, recognised
from backlight_jax.flow import Flow
from backlight_jax.program import called
from backlight_jax.structure import LAYOUT
from backlight_jax.units import Unit

LONGEST = 24
"""How many values apart the ends of an activation may be."""


def activations(flow: Flow, taken: Collection[int]) -> Iterator[Unit]:
    """Known functions of each number by itself, the widest first."""
    done: set[int] = set()
    for position in sorted(flow.needed, reverse=True):
        node = flow.nodes[position]
        if position in taken or position in done or len(node.outputs) != 1:
            continue
        if (
            node.primitive in LAYOUT
            or node.outputs[0] not in flow.active
            or not pointwise.is_pointwise(node.equation)
        ):
            continue
        found = activation(flow, position, {*taken, *done})
        if found is not None:
            done.update(found.positions)
            yield found


def activation(flow: Flow, position: int, taken: set[int]) -> Unit | None:
    """The widest known function that ends here; or, of a choice by comparison, some function."""
    sink = flow.nodes[position].outputs[0]
    widest: Unit | None = None
    entry = flow.dominators.get(sink)
    steps = 0
    while entry is not None and steps < LONGEST:
        steps += 1
        inside = flow.region(entry, sink, most=64)
        if inside is None:
            entry = flow.dominators.get(entry)
            continue
        if not all(suitable(flow, at, sink, entry) and at not in taken for at in inside):
            break
        if entry in flow.active:
            known = probed(flow, inside, entry, sink)
            choice = widest is None and flow.nodes[position].primitive == "select_n"
            if known is None and choice and flow.activity(flow.nodes[position]):
                varied = flow.varies(flow.nodes[position].inputs[0])
                known = Activation(Kind.ELEMENTWISE) if varied else None
            if known is not None and (known.kind is not Kind.ELEMENTWISE or widest is None):
                widest = Unit(
                    known.kind,
                    tuple(flow.nodes[at] for at in inside),
                    (entry,),
                    (entry,),
                    (sink,),
                    tuple(inside),
                    word(flow, sink),
                    activation=known,
                )
        entry = flow.dominators.get(entry)
    return widest


def suitable(flow: Flow, position: int, sink: int, entry: int) -> bool:
    node = flow.nodes[position]
    return (
        len(node.outputs) == 1
        and flow.shape(node.outputs[0]) == flow.shape(entry) == flow.shape(sink)
        and pointwise.is_pointwise(node.equation)
    )


def word(flow: Flow, value: int) -> str:
    """What the framework calls the computation of a value: a function, or a primitive."""
    for call in flow.circuit.program.calls:
        if call.outputs == (value,) and call.name.isidentifier() and call.name[0] != "_":
            return call.name
    node = flow.producer(value)
    assert node is not None
    return called(node.equation) or node.primitive


def probed(flow: Flow, positions: list[int], entry: int, sink: int) -> Activation | None:
    """The known function between two values."""
    nodes = [flow.nodes[position] for position in positions]
    unknown: set[int] = set()
    own = {value for node in nodes for value in node.outputs} | {entry}
    for node in nodes:
        for operand in node.inputs:
            if isinstance(operand, int) and operand not in own and flow.number(operand) is None:
                root = flow.behind_layout(operand)
                unknown.add(root if isinstance(root, int) else operand)

    def evaluated(x: Any, other: float = 0.0) -> Any:
        values = {entry: x}

        def read(operand: Any) -> Any:
            if isinstance(operand, int) and operand in values:
                return values[operand]
            known = flow.number(operand)
            return np.asarray(other) if known is None else known

        for node in nodes:
            operands = [read(operand) for operand in node.inputs]
            values[node.outputs[0]] = pointwise.evaluated(node.equation, operands)
        return values[sink]

    if not unknown:
        coarse = flow.avals[sink].dtype.itemsize <= 2
        return recognised(evaluated, coarse)
    if len(unknown) == 1 and len(nodes) > 1 and is_prelu(evaluated):
        return Activation(Kind.PRELU)
    return None
