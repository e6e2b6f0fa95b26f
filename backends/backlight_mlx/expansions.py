"""Pools, which MLX computes from windows that are laid out first."""

from typing import Any, cast

import mlx.core as mx

from backlight_mlx.table import Given, Run, Shape, Term, lying, windows_of

POOLS = {"max": "max_pool", "min": "min_pool", "sum": "avg_pool"}


def expanded(given: Given, found: list[Term]) -> list[Term]:
    """The pool that a reduction of windows is, and what brings its result into shape; else what was
    found."""
    term = found[-1]
    moved = given.producer(given.operands[0]) if term.primitive in POOLS else None
    laid = given.producer(moved.operands[0]) if moved and moved.primitive == "transpose" else None
    if laid is None or moved is None:
        return found
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
        return found
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
