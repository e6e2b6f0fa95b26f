"""Functions along axes, and what libraries fuse: normalisations, attention, products with a shift."""

from typing import Any

import torch

from backlight_torch.capture.records import Record
from backlight_torch.table.reading import Found, Row, reduced


def find(primitive: str) -> Row:
    def row(c: Record) -> Found:
        axis = None if c["dim"] is None else c.axis()
        return primitive, [c.x], {"axis": axis, "keepdims": bool(c["keepdim"])}

    return row


def spread(primitive: str) -> Row:
    def row(c: Record) -> Found:
        correction = 1.0 if c["correction"] is None else float(c["correction"])
        _, operands, attributes = reduced(primitive)(c)
        return primitive, operands, {**attributes, "correction": correction}

    return row


def sized(c: Record) -> Found:
    order = c["p"] if c["ord"] is None else c["ord"]
    _, operands, attributes = reduced("norm")(c)
    return "norm", operands, {**attributes, "order": 2.0 if order is None else float(order)}


def sorted_along(c: Record) -> Found:
    return "sort", [c.x], {"axis": c.axis(), "descending": bool(c["descending"])}


def top_k(c: Record) -> Found:
    return "top_k", [c.x], {"axis": c.axis(), "count": int(c["k"])}


def product(equation: str, *arguments: str) -> Row:
    return lambda c: ("dot", [c[name] for name in arguments], {"equation": equation})


def batch_norm(c: Record) -> Found:
    epsilon = float(c["eps"] if c["eps"] is not None else c["epsilon"])
    if c["running_mean"] is None or c["training"]:
        axes = tuple(axis for axis in range(c.rank) if axis != 1)
        return normalised(c, axes, epsilon, channel_axis=1)
    scale = 1.0 if c["weight"] is None else c["weight"]
    offset = 0.0 if c["bias"] is None else c["bias"]
    operands = [c.x, scale, offset, c["running_mean"], c["running_var"]]
    return "batch_norm", operands, {"axis": 1, "epsilon": epsilon}


def normalised(c: Record, axes: tuple[int, ...], epsilon: float, **more: Any) -> Found:
    operands, scale, offset = [c.x], c["weight"], c["bias"]
    if scale is not None or offset is not None:
        operands.append(1.0 if scale is None else scale)
    if offset is not None:
        operands.append(offset)
    centred = c.name != "_fused_rms_norm"
    return "normalize", operands, {"axes": axes, "epsilon": epsilon, "centred": centred, **more}


def layer_norm(c: Record) -> Found:
    axes = tuple(range(c.rank - len(c["normalized_shape"]), c.rank))
    return normalised(c, axes, torch.finfo(c.dtype).eps if c["eps"] is None else float(c["eps"]))


def group_norm(c: Record) -> Found:
    axes, groups = tuple(range(1, c.rank)), int(c["group"])
    return normalised(c, axes, float(c["eps"]), groups=groups, channel_axis=1)


def attention(c: Record) -> Found:
    mask = c["attn_mask"] if c["attn_mask"] is not None else c["attn_bias"]
    operands = [c["query"], c["key"], c["value"]]
    causal = bool(c["is_causal"])
    return "attention", operands if mask is None else [*operands, mask], {"causal": causal}


def dropout(c: Record) -> Found:
    return "identity" if c["train"] is False else "random", [c.x], {}


def linear_map(c: Record) -> Found:
    """Linear in each operand: of one that counts, the others being constant."""
    active = [one for one in c.operands if one.active]
    if len(active) != 1:
        return "other", c.operands, {}
    return "linear_map", [*active, *(one for one in c.operands if one is not active[0])], {}
