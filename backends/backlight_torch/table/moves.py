"""What moves, copies, drops, repeats or replaces numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch._decomp import get_decompositions

from backlight.graph.graph import DType
from backlight_torch.capture.records import Operand, Record, dtype_of
from backlight_torch.table.reading import Found, Row

BLOCKS: Mapping[Any, Callable[..., Any]] = get_decompositions(
    [torch.ops.aten.pixel_shuffle, torch.ops.aten.pixel_unshuffle, torch.ops.aten.channel_shuffle]
)
"""By which simpler moves blocks of places go to channels and back, and channels among groups."""


def converted(c: Record) -> Found:
    kind = dtype_of(c.dtype)
    if kind is dtype_of(c.x.dtype):
        return "identity", [c.x], {}
    return "convert", [c.x], {"to": kind}


def broadcast(operand: Any, shape: Sequence[int]) -> Found:
    """Numbers put into an array of another shape."""
    own = operand.shape if isinstance(operand, Operand) else ()
    if tuple(own) == tuple(shape):
        return "identity", [operand], {}
    axes = tuple(range(len(shape) - len(own), len(shape)))
    return "broadcast", [operand], {"shape": tuple(shape), "axes": axes}


def copied(c: Record) -> Found:
    """Numbers written over others."""
    source = c["src"] if c["src"] is not None else c["value"]
    if isinstance(source, Operand) and dtype_of(source.dtype) is not dtype_of(c.dtype):
        return "convert", [source], {"to": dtype_of(c.dtype)}
    return broadcast(0 if source is None else source, c.shape)


def reshaped(c: Record) -> Found:
    """Of a view as another dtype nothing is known."""
    if c.dtype != c.x.dtype:
        return "other", [c.x], {}
    return "reshape", [c.x], {"shape": c.shape}


def permuted(c: Record) -> Found:
    order = list(range(c.rank))
    if c["dims"] is not None:
        order = [axis % c.rank for axis in c["dims"]]
    elif c.name == "t":
        order.reverse()
    elif c.rank:
        one, other = c.axis("dim0"), c.axis("dim1")
        order[one], order[other] = order[other], order[one]
    return "transpose", [c.x], {"permutation": tuple(order)}


def sliced(c: Record) -> Found:
    axis, step = c.axis(), c["step"]
    starts, limits, strides = [0] * c.rank, list(c.x.shape), [1] * c.rank
    starts[axis], strides[axis] = first(c), step
    limits[axis] = min(first(c) + c.shape[axis] * step, c.x.shape[axis])
    attributes = {"starts": tuple(starts), "limits": tuple(limits), "strides": tuple(strides)}
    return "slice", [c.x], attributes


def first(c: Record) -> int:
    """Where a slice starts, within the array."""
    start, length = int(c["start"] or 0), int(c.x.shape[c.axis()])
    return min(max(start + length if start < 0 else start, 0), length)


def joined(primitive: str) -> Row:
    def row(c: Record) -> Found:
        parts = [one for one in c["tensors"] if one.shape != (0,) or primitive == "stack"]
        return primitive, parts, {"axis": int(c["dim"]) % len(c.shape)}

    return row


def rolled(c: Record) -> Found:
    if not c["dims"]:
        return "gather", [c.x], {}
    shifts, axes = tuple(c["shifts"]), tuple(axis % c.rank for axis in c["dims"])
    return "roll", [c.x], {"shifts": shifts, "axes": axes}


def tiled(c: Record) -> Found:
    repeats = tuple(c["repeats"])
    if len(repeats) > c.rank:
        return "gather", [c.x], {}
    return "tile", [c.x], {"repeats": repeats}


def indexed(c: Record) -> Found:
    """By arrays of places: one along one axis, or several, or masks."""
    given = [(axis, one) for axis, one in enumerate(c["indices"]) if one is not None]
    if len(given) == 1 and dtype_of(given[0][1].dtype) is DType.INTEGER:
        return "take", [c.x, given[0][1]], {"axis": given[0][0]}
    return "gather", [c.x, *(one for _, one in given)], {}


def packed(c: Record) -> Found:
    """Sequences of several lengths, and how many of them are as long as each: by the lengths alone."""
    return "gather", [c.x, c["lengths"]], {"dependences": (frozenset({0, 1}), frozenset({1}))}


def padded(mode: str) -> Row:
    def row(c: Record) -> Found:
        sizes = list(c["pad"] if c["pad"] is not None else c["padding"])
        low, high = [0] * c.rank, [0] * c.rank
        for number in range(len(sizes) // 2):
            low[-1 - number], high[-1 - number] = sizes[2 * number], sizes[2 * number + 1]
        attributes = {"low": tuple(low), "high": tuple(high), "mode": mode}
        return "pad", [c.x, c["value"] or 0.0] if mode == "constant" else [c.x], attributes

    return row


def starts(c: Record) -> tuple[int, ...] | None:
    """Where in an array a part is put, if it is known."""
    found = [0] * c.rank
    found[c.axis()] = first(c)
    return tuple(found) if c["step"] == 1 else None


def scattered(places: str, part: str) -> Row:
    def row(c: Record) -> Found:
        where = c[places]
        several = [one for one in where if one is not None] if isinstance(where, list) else [where]
        filling = 0.0 if c[part] is None else c[part]
        if c["accumulate"] or c["reduce"] == "add":
            return "scatter_add", [c.x, *several, filling], {}
        if c["reduce"] is not None:
            return "other", c.operands, {}
        # A mask says of each number whether it is chosen.
        masked = several[0].dtype is torch.bool and several[0].shape == c.x.shape
        if masked and len(several) == 1 and not getattr(filling, "shape", ()):
            return "select", [several[0], filling, c.x], {}
        return "scatter", [c.x, *several, filling], {}

    return row


def added_by_places(c: Record) -> Found:
    source = c["src"] if c["src"] is not None else c["source"]
    if c["reduce"] not in (None, "sum", "mean"):
        return "other", c.operands, {}
    return "scatter_add", [c["self"], c["index"], source], {}
