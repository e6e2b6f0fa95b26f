"""Windows and pools: MLX computes them from views of arrays."""

from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import Any, cast

import mlx.core as mx

from backlight_mlx.table import Given, Run, Shape, Term, transposed

POOLS = {"max": "max_pool", "min": "min_pool", "sum": "avg_pool"}


def expanded(given: Given, found: list[Term]) -> list[Term]:
    """Windows, where a view shows some; a pool, where windows are reduced; else what was found."""
    if "offset" in found[-1].attributes:
        return windows(given, found[-1])
    return pooled(given, found[-1]) if found[-1].primitive in POOLS else found


def lying(shape: Shape) -> Shape:
    """How many numbers lie between neighbours along each axis of an array."""
    return tuple(accumulate(shape[:0:-1], mul, initial=1))[::-1]


def windows_of(x: Shape, shape: Shape, strides: Sequence[int]) -> tuple[Shape, Shape, Shape] | None:
    """Lengths, strides and dilation of windows over the places of an array with its channels last: of
    those that a view of it shows, by shape and strides, as (N, starts, windows, channels); None for a
    view that is none."""
    own, count = lying(x), len(x) - 2
    if count < 1 or len(shape) != len(x) + count:
        return None
    ends = [(shape[at], strides[at], x[at], own[at]) for at in (0, -1)]
    within = [*own[1:-1]] * 2
    if any((one, step) != (two, like) for one, step, two, like in ends) or any(
        step % one for step, one in zip(strides[1:-1], within, strict=True)
    ):
        return None
    steps = tuple(step // one for step, one in zip(strides[1:-1], within, strict=True))
    window, starts, taps = shape[count + 1 : -1], steps[:count], steps[count:]
    return window, starts, taps


def windows(given: Given, term: Term) -> list[Term]:
    """The windows over the places of an array that a view of it shows, and what brings them in order."""
    shape, run = term.attributes["shape"], cast(Run, term.run)
    operands = term.operands or given.operands
    x = given.graph.shape(operands[0])
    found = windows_of(x, shape, term.attributes["strides"])
    if found is None or term.attributes["offset"]:
        return [term]
    window, steps, taps = found
    count = len(window)
    ends = zip(shape[1:], steps, window, taps, x[1:], strict=False)
    attributes = {
        "window": window,
        "strides": steps,
        # What the last windows do not reach is left out.
        "padding": tuple(
            (0, (n - 1) * step + (k - 1) * tap + 1 - m) for n, step, k, tap, m in ends
        ),
        "dilation": taps,
        "axes": tuple(range(1, count + 1)),
        "layout": "starts in place, taps last",
    }
    order = (*range(count + 1), len(shape) - 1, *range(count + 1, len(shape) - 1))
    laid = tuple(shape[axis] for axis in order)
    return [
        Term("windows", lambda x: mx.transpose(run(x), order), attributes, "", laid, operands),
        transposed([order.index(axis) for axis in range(len(shape))]),
    ]


def pooled(given: Given, term: Term) -> list[Term]:
    """The pool that a reduction of windows is, and what brings its result into shape."""
    moved = given.producer(given.operands[0])
    laid = given.producer(moved.operands[0]) if moved and moved.primitive == "transpose" else None
    if laid is None or moved is None:
        return [term]
    (source,), shape = laid.operands[:1], given.graph.shape
    x, wide = shape(source), given.results[0]
    windows: tuple[Shape, ...] | None = None
    if laid.primitive == "windows":
        windows = tuple(laid.attributes[name] for name in ("window", "strides", "dilation"))
    elif laid.primitive == "reshape":
        steps = lying(laid.attributes["shape"])
        turned = [steps[axis] for axis in moved.attributes["permutation"]]
        windows = windows_of(x, shape(moved.result), turned)
    if windows is None or term.attributes["axes"] != tuple(range(len(x) - 1, len(wide) - 1)):
        return [term]
    window, strides, dilation = ((1, *lengths, 1) for lengths in windows)
    attributes = {
        "window": window,
        "strides": strides,
        "padding": ((0, 0),) * len(x),
        "dilation": dilation,
        "count_padding": True,
        "summed": term.primitive == "sum",
    }
    pool, runs = (*wide[: len(x) - 1], wide[-1]), (laid.native, moved.native, term.run)

    def run(x: Any) -> Any:
        for one in cast(tuple[Run, ...], runs):
            x = one(x)
        return mx.reshape(x, pool)

    return [
        Term(POOLS[term.primitive], run, attributes, term.type, pool, (source,)),
        Term("reshape", lambda x: mx.reshape(x, wide), {"shape": wide}, "reshape"),
    ]
