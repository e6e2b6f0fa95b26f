"""Which places along each axis of each value can tell the targets: after the last attention of a net that
reads a class token, for one, only that token does."""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import prod
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.graph.axes.atoms import blocks
from backlight.graph.axes.axes import GraphAxes
from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import Node
from backlight.graph.primitives import Family, family

Mask: TypeAlias = NDArray[np.bool_]
"""Of the places along one axis: whether the targets can depend on any number there."""
Masks: TypeAlias = tuple[Mask, ...]
"""Of each axis of a value."""


@final
class Mattering:
    """See the module. Each axis is looked at by itself.

    Attributes:
        values: the masks of each value that the targets depend on.
        edges: the same as one node reads it, by the position of the node and the operand's place.
    """

    def __init__(self, axes: GraphAxes, flow: Dependence) -> None:
        self.axes = axes
        self.values: dict[int, Masks] = {
            value: everything(axes.lengths(value)) for value in axes.graph.targets
        }
        self.edges: dict[tuple[int, int], Masks] = {}
        for position in sorted(flow.needed, reverse=True):
            node = axes.graph.nodes[position]
            for place, value in enumerate(node.operands):
                if flow.is_constant(value):
                    continue
                masks = self._read(node, place)
                self.edges[position, place] = masks
                known = self.values.get(value)
                self.values[value] = masks if known is None else either(known, masks)

    def _read(self, node: Node, place: int) -> Masks:
        lengths = self.axes.lengths(node.operands[place])
        results = [self.values.get(value) for value in node.results]
        rule = RULES.get(node.primitive)
        if rule is None and is_pointwise(node):
            rule = pointwise
        if rule is None or all(masks is None for masks in results):
            return everything(lengths)
        shapes = [self.axes.lengths(value) for value in node.results]
        known = [
            nothing(shape) if masks is None else masks
            for masks, shape in zip(results, shapes, strict=True)
        ]
        operands = [self.axes.lengths(value) for value in node.operands]
        found = rule(Reading(node.attributes, place, operands, known))
        if found is None or tuple(map(len, found)) != lengths:
            return everything(lengths)
        return found


def is_pointwise(node: Node) -> bool:
    """Whether each number of the result is made of those at the same place, in a function kept whole
    too: what is broadcast in there is no more than numbers."""
    if node.primitive != "call":
        return family(node) in (Family.POINTWISE, Family.TEST)
    body = node.attributes["body"]
    return all(
        is_pointwise(inner)
        or inner.primitive in ("identity", "convert", "stop_gradient")
        or (inner.primitive == "broadcast" and not body.shape(inner.operands[0]))
        for inner in body.nodes
    )


@final
class Reading:
    """One operand of a node, and what matters of its results."""

    def __init__(
        self,
        attributes: Mapping[str, Any],
        place: int,
        operands: Sequence[tuple[int, ...]],
        results: Sequence[Masks],
    ) -> None:
        self.attributes = attributes
        self.place = place
        self.operands = operands
        self.lengths = operands[place]
        self.results = results
        self.result = results[0]

    def all_along(self, masks: Masks, axes: Sequence[int]) -> Masks:
        """The masks with everything along some axes."""
        return tuple(
            np.ones(len(mask), bool) if axis in axes else mask for axis, mask in enumerate(masks)
        )


Rule: TypeAlias = Callable[[Reading], Masks | None]
"""What matters of an operand; None for all of it."""


def everything(lengths: Sequence[int]) -> Masks:
    return tuple(np.ones(length, bool) for length in lengths)


def nothing(lengths: Sequence[int]) -> Masks:
    return tuple(np.zeros(length, bool) for length in lengths)


def either(one: Masks, other: Masks) -> Masks:
    return tuple(a | b for a, b in zip(one, other, strict=True))


def pointwise(read: Reading) -> Masks | None:
    aligned = read.result[len(read.result) - len(read.lengths) :]
    return tuple(
        mask if len(mask) == length else np.array([mask.any()])
        for mask, length in zip(aligned, read.lengths, strict=True)
    )


def along(read: Reading) -> Masks | None:
    attributes = read.attributes
    axes = attributes["axes"] if "axes" in attributes else (attributes["axis"],)
    return read.all_along(read.result, axes) if read.place == 0 else None


def reduced(read: Reading) -> Masks | None:
    attributes = read.attributes
    gone = attributes["axes"] if "axes" in attributes else attributes.get("axis")
    if gone is None:
        return None
    gone = (gone,) if isinstance(gone, int) else gone
    if attributes.get("keepdims"):
        return resampled(read)
    left = iter(read.result)
    return tuple(
        np.ones(length, bool) if axis in gone else next(left)
        for axis, length in enumerate(read.lengths)
    )


def reshaped(read: Reading) -> Masks | None:
    wanted = [len(mask) for mask in read.result]
    if prod(wanted) != prod(read.lengths) or 0 in wanted:
        return None
    found: list[Mask] = []
    for before, after in blocks(read.lengths, wanted):
        masks = read.result[after]
        shape = read.lengths[before]
        if all(mask.all() for mask in masks):
            found += everything(shape)
            continue
        grid = np.ones((), bool)
        for mask in masks:
            grid = np.multiply.outer(grid, mask)
        grid = grid.reshape(shape)
        for axis in range(len(shape)):
            rest = tuple(other for other in range(len(shape)) if other != axis)
            found.append(np.asarray(grid.any(axis=rest)))
    return tuple(found)


def transposed(read: Reading) -> Masks | None:
    order = read.attributes["permutation"]
    return tuple(read.result[order.index(axis)] for axis in range(len(order)))


def broadcast(read: Reading) -> Masks | None:
    return tuple(
        read.result[place] if len(read.result[place]) == length else np.ones(length, bool)
        for place, length in zip(read.attributes["axes"], read.lengths, strict=True)
    )


def sliced(read: Reading) -> Masks | None:
    """Every so many-th place stands for those up to the next: a sample is no part."""
    found = nothing(read.lengths)
    ranges = zip(*(read.attributes[name] for name in ("starts", "limits", "strides")), strict=True)
    for mask, part, one in zip(found, read.result, ranges, strict=True):
        places = np.arange(len(mask))[slice(*one)][part]
        for place in places:
            mask[place : place + abs(one[2])] = True
    return found


def indexed(read: Reading) -> Masks | None:
    axis, at = read.attributes["axis"], read.attributes["at"]
    here = np.zeros(read.lengths[axis], bool)
    here[at] = True
    return (*read.result[:axis], here, *read.result[axis:])


def padded(read: Reading) -> Masks | None:
    if read.place or read.attributes.get("mode", "constant") != "constant":
        return None
    interior = read.attributes.get("interior") or (0,) * len(read.lengths)
    found = []
    for mask, length, low, between in zip(
        read.result, read.lengths, read.attributes["low"], interior, strict=True
    ):
        at = low + np.arange(length) * (between + 1)
        inside = (at >= 0) & (at < len(mask))
        found.append(inside & mask[np.clip(at, 0, len(mask) - 1)])
    return tuple(found)


def concatenated(read: Reading) -> Masks | None:
    axis = read.attributes["axis"]
    start = sum(lengths[axis] for lengths in read.operands[: read.place])
    part = read.result[axis][start : start + read.lengths[axis]]
    return _along(read, axis, part)


def _along(read: Reading, axis: int, part: Mask) -> Masks:
    """The result's masks, but along one axis; nothing matters where that part does not."""
    if not part.any():
        return nothing(read.lengths)
    return (*read.result[:axis], part, *read.result[axis + 1 :])


def stacked(read: Reading) -> Masks | None:
    axis = read.attributes["axis"]
    if not read.result[axis][read.place]:
        return nothing(read.lengths)
    return (*read.result[:axis], *read.result[axis + 1 :])


def split(read: Reading) -> Masks | None:
    axis = read.attributes["axis"]
    found = nothing(read.lengths)
    starts = [0, *accumulate(read.attributes["sizes"])]
    for masks, start in zip(read.results, starts, strict=False):
        whole = np.zeros(read.lengths[axis], bool)
        whole[start : start + len(masks[axis])] = masks[axis]
        found = either(found, (*masks[:axis], whole, *masks[axis + 1 :]))
    return found


def unstacked(read: Reading) -> Masks | None:
    axis = read.attributes["axis"]
    found = nothing(read.lengths)
    for at, masks in enumerate(read.results):
        here = np.zeros(read.lengths[axis], bool)
        here[at] = not masks or all(mask.any() for mask in masks)
        found = either(found, (*masks[:axis], here, *masks[axis:]))
    return found


def flipped(read: Reading) -> Masks | None:
    axes = read.attributes["axes"]
    return tuple(mask[::-1] if axis in axes else mask for axis, mask in enumerate(read.result))


def rolled(read: Reading) -> Masks | None:
    found = [*read.result]
    for shift, axis in zip(read.attributes["shifts"], read.attributes["axes"], strict=True):
        found[axis] = np.roll(found[axis], -shift)
    return tuple(found)


def taken(read: Reading) -> Masks | None:
    axis, places = read.attributes["axis"], len(read.operands[1])
    if read.place:
        return read.result[axis : axis + places]
    every = np.ones(read.lengths[axis], bool)
    return (*read.result[:axis], every, *read.result[axis + places :])


def written(read: Reading) -> Masks | None:
    starts = read.attributes.get("starts")
    if starts is None or read.place > 1:
        return None
    if read.place == 0:
        return read.result
    return tuple(
        mask[start : start + length]
        for mask, start, length in zip(read.result, starts, read.lengths, strict=True)
    )


def product(read: Reading) -> Masks | None:
    terms, _, result = read.attributes["equation"].partition("->")
    letters = terms.split(",")
    if read.place >= len(letters):
        return pointwise(read)
    masks = dict(zip(result, read.result, strict=True))
    return tuple(
        masks[letter] if letter in masks else np.ones(length, bool)
        for letter, length in zip(letters[read.place], read.lengths, strict=True)
    )


def windowed(read: Reading) -> Masks | None:
    """Of convolutions: rows by themselves, and places where a window sees but one."""
    if read.place:
        return None
    axes, results = read.attributes["x_axes"], read.attributes["result_axes"]
    found = [*everything(read.lengths)]
    found[axes[0]] = read.result[results[0]]
    kernel = read.operands[1]
    for number, (axis, result) in enumerate(zip(axes[2:], results[2:], strict=True)):
        window = kernel[read.attributes["weight_axes"][2 + number]]
        if window == 1 and len(read.result[result]) == read.lengths[axis]:
            found[axis] = read.result[result]
    return tuple(found)


def resampled(read: Reading) -> Masks | None:
    return tuple(
        mask if len(mask) == length else np.ones(length, bool)
        for mask, length in zip(read.result, read.lengths, strict=True)
    )


def pooled(read: Reading) -> Masks | None:
    single = [axis for axis, size in enumerate(read.attributes["window"]) if size == 1]
    found = [*everything(read.lengths)]
    for axis in single:
        if len(read.result[axis]) == read.lengths[axis]:
            found[axis] = read.result[axis]
    return tuple(found)


def attended(read: Reading) -> Masks | None:
    if read.place:
        return None
    return read.all_along(read.result, (len(read.lengths) - 1,))


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("identity", "stop_gradient", "convert", "batch_norm"), pointwise),
    **dict.fromkeys(("softmax", "log_softmax", "normalize", "cumsum"), along),
    **dict.fromkeys(("sum", "mean", "max", "min", "prod", "any", "all"), reduced),
    **dict.fromkeys(("var", "std", "norm", "logsumexp", "argmax", "argmin"), reduced),
    **dict.fromkeys(("adaptive_max_pool", "adaptive_avg_pool", "resize"), resampled),
    **dict.fromkeys(("max_pool", "avg_pool"), pooled),
    "reshape": reshaped,
    "transpose": transposed,
    "broadcast": broadcast,
    "slice": sliced,
    "index": indexed,
    "pad": padded,
    "concat": concatenated,
    "stack": stacked,
    "split": split,
    "unstack": unstacked,
    "flip": flipped,
    "roll": rolled,
    "take": taken,
    "update": written,
    "dot": product,
    "conv": windowed,
    "attention": attended,
}
"""Of what is not here, all of each operand matters."""
