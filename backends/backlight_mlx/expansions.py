"""Pools, which MLX computes from windows that are laid out first."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import mlx.core as mx

from backlight.graph.graph import Graph, Node
from backlight_mlx.table import Run, Shape

POOLS = {"max": "max_pool", "min": "min_pool", "sum": "avg_pool"}


def pooled(
    graph: Graph, node: Node, producers: Mapping[int, Node], value: Callable[[Shape], int]
) -> list[Node]:
    """The pool that a reduction is, and what brings its result into shape; else the node as it is.

    Args:
        graph: that the node is in.
        node: of the graph.
        producers: the node that gives each value.
        value: makes a value of a shape.
    """
    moved = producers.get(node.operands[0]) if node.primitive in POOLS else None
    laid = producers.get(moved.operands[0]) if moved and moved.primitive == "transpose" else None
    if laid is None or moved is None:
        return [node]
    x = graph.shape(laid.operands[0])
    windows = windows_of(x, laid, graph.shape(moved.result))
    if windows is None or tuple(node.attributes["axes"]) != tuple(
        range(len(x) - 1, 2 * len(x) - 3)
    ):
        return [node]
    window, strides, dilation = ((1, *lengths, 1) for lengths in windows)
    runs = [cast(Run, one.native) for one in (laid, moved, node)]
    wide = graph.shape(node.result)
    shape = (*wide[: len(x) - 1], wide[-1])

    def run(x: Any) -> Any:
        for one in runs:
            x = one(x)
        return mx.reshape(x, shape)

    result = value(shape)
    attributes = {
        "window": window,
        "strides": strides,
        "padding": ((0, 0),) * len(x),
        "dilation": dilation,
        "count_padding": True,
        "summed": node.primitive == "sum",
    }
    pool = replace(
        node,
        primitive=POOLS[node.primitive],
        operands=laid.operands,
        results=(result,),
        attributes=attributes,
        native=run,
    )
    back = replace(
        node,
        primitive="reshape",
        operands=(result,),
        attributes={"shape": wide},
        type="reshape",
        native=lambda x: mx.reshape(x, wide),
    )
    return [pool, back]


def windows_of(
    x: tuple[int, ...], laid: Node, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], ...] | None:
    """Lengths, strides and dilation of windows over the places of an array with its channels last, that
    lie beside one another (N, starts, windows, channels); None for what is none.

    Args:
        x: the shape of the array.
        laid: what laid the windows out.
        shape: that they have in the end.
    """
    if laid.primitive == "windows":
        return tuple(tuple(laid.attributes[name]) for name in ("window", "strides", "dilation"))
    places = len(x) - 2
    if laid.primitive != "reshape" or places < 1 or len(shape) != len(x) + places:
        return None
    starts, window = shape[1 : 1 + places], shape[1 + places : -1]
    split = (length for pair in zip(starts, window, strict=True) for length in pair)
    if laid.attributes["shape"] != (x[0], *split, x[-1]):
        return None
    return window, window, (1,) * places
