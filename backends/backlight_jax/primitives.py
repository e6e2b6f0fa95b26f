"""What single equations compute."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

from backlight.operations import Kind
from backlight_jax.flow import Flow
from backlight_jax.opening import repeatable
from backlight_jax.pointwise import UNARY, is_pointwise
from backlight_jax.products import product
from backlight_jax.program import Node, called
from backlight_jax.units import Unit

MOVEMENTS = {
    "all_gather", "all_to_all", "broadcast_in_dim", "concatenate", "convert_element_type", "copy",
    "copy_p", "dynamic_slice", "dynamic_update_slice", "expand_dims", "name",
    "optimization_barrier", "pad", "pbroadcast", "ppermute", "pvary", "real", "imag", "reduce_precision",
    "reshape", "reshard", "rev", "sharding_constraint", "slice", "split", "squeeze", "tile",
    "transpose", "mesh_cast", "device_put", "complex", "bitcast_convert_type",
}  # fmt: skip
"""Equations that only move, copy, drop or repeat numbers."""

SUMS = {
    "cumsum", "fft", "psum", "reduce_sum", "reduce_window_sum", "scatter-add", "scatter_add",
    "psum_invariant", "conj",
}  # fmt: skip
"""Fixed linear maps."""

FUNCTIONS = {
    "abs": Kind.ABS,
    "erf": Kind.ERF,
    "exp": Kind.EXP,
    "log": Kind.LOG,
    "logistic": Kind.SIGMOID,
    "rsqrt": Kind.RSQRT,
    "sqrt": Kind.SQRT,
    "square": Kind.POW,
    "integer_pow": Kind.POW,
    "tanh": Kind.TANH,
    **dict.fromkeys(UNARY, Kind.ELEMENTWISE),
}

SINGLE = {
    "reduce_max": Kind.MAX,
    "reduce_min": Kind.MIN,
    "reduce_window_max": Kind.MAX_POOL,
    "reduce_window_min": Kind.MIN,
}

PAIRS = {
    "add": (Kind.SHIFT, Kind.ADD),
    "add_any": (Kind.SHIFT, Kind.ADD),
    "sub": (Kind.SHIFT, Kind.ADD),
    "mul": (Kind.SCALE, Kind.MUL),
    "max": (Kind.MAX, Kind.MAX),
    "min": (Kind.MIN, Kind.MIN),
}
"""What an equation with one active operand is, and with two."""

INDEXED = {"gather": 1, "dynamic_slice": 1, "dynamic_update_slice": 2}
"""Movements, and the first of their operands that say where to."""

ENDLESS = {"max", "min"}
"""With the largest number there is as their bound these bound nothing."""


def plain(flow: Flow, position: int) -> Iterator[Unit]:
    """The operation that an equation with active operands is; none for those that only move."""
    node = flow.nodes[position]
    outputs = tuple(value for value in node.outputs if value in flow.active)
    active = flow.activity(node)
    if not outputs or moves(flow, node, active):
        return
    kind = kind_of(flow, node, active)
    if kind is Kind.DENSE:
        found = product(flow, position)
        if found is not None:
            yield found
            return
        kind = Kind.OTHER
    yield single(flow, position, kind, outputs)


def single(flow: Flow, position: int, kind: Kind, outputs: tuple[int, ...]) -> Unit:
    """A unit of one equation. Its operands get numbers of their own: both may be the same value."""
    node = flow.nodes[position]
    active = flow.activity(node)
    inputs = tuple(value for at in active if isinstance(value := node.inputs[at], int))
    arguments = inputs
    if len(set(inputs)) < len(inputs):
        arguments = tuple(flow.circuit.program.fresh(flow.avals[value]) for value in inputs)
        operands = list(node.inputs)
        for at, argument in zip(active, arguments, strict=True):
            operands[at] = argument
        node = Node(node.path, node.equation, tuple(operands), node.outputs, node.scope)
    return Unit(
        kind,
        (node,),
        arguments,
        inputs,
        outputs,
        (position,),
        called(node.equation) or node.primitive,
        replayable=kind is not Kind.OTHER or repeatable(node.equation),
    )


def moves(flow: Flow, node: Node, active: list[int]) -> bool:
    name = node.primitive
    if name == "scatter":
        return not flow.varies(node.inputs[1])
    if name in INDEXED:
        return not any(map(flow.varies, node.inputs[INDEXED[name] :]))
    if name in ENDLESS and len(active) == 1:
        bound = flow.number(node.inputs[1 - active[0]])
        if bound is None:
            return False
        info: Any = jnp.finfo
        limit = float(info(flow.avals[node.outputs[0]].dtype).max)
        return bool(bound >= limit if name == "min" else bound <= -limit)
    if name.startswith("reduce_") and node.params.get("axes") == ():
        return True
    if name == "select_n":
        return not flow.varies(node.inputs[0])
    return name in MOVEMENTS


def kind_of(flow: Flow, node: Node, active: list[int]) -> Kind:
    name = node.primitive
    if name in ("dot_general", "conv_general_dilated"):
        return Kind.DENSE if len(active) == 1 else Kind.MATMUL if name[0] == "d" else Kind.OTHER
    if name in PAIRS:
        return PAIRS[name][len(active) - 1]
    if name == "neg":
        return Kind.SCALE
    if name == "div":
        return Kind.DIV if len(active) == 2 else Kind.SCALE if active == [0] else Kind.POW
    if name == "pow":
        return Kind.POW if active == [0] else Kind.ELEMENTWISE if active == [1] else Kind.OTHER
    if name in SUMS:
        return Kind.SUM if not any(map(flow.varies, node.inputs[1:2])) else Kind.OTHER
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if name in SINGLE:
        return SINGLE[name]
    if len(active) == 1 and name != "select_n" and is_pointwise(node.equation):
        shape = flow.shape(node.outputs[0])
        operand: Any = node.inputs[active[0]]
        if shape == flow.shape(operand):
            return Kind.ELEMENTWISE
    return Kind.OTHER
