"""What each primitive does to what its operands' axes stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from backlight.graph.axes.alignment import apart, crossed, settled, together, without
from backlight.graph.axes.atoms import (
    Axes,
    Axis,
    Role,
    fused,
    has,
    joined,
    length_of,
    lost,
    only,
    other,
    regrouped,
)
from backlight.graph.axes.node_axes import NodeAxes, Rule, examples, pointwise, unknown
from backlight.graph.axes.placing import (
    cut,
    padded,
    put,
    resized,
    rolled,
    turned,
    widened,
    windowed,
)
from backlight.graph.graph import Node
from backlight.graph.primitives import Family, family


def same(given: NodeAxes) -> Sequence[Axes]:
    return [given.first]


def reduced(given: NodeAxes) -> Sequence[Axes]:
    """Axes are summed over."""
    attributes: Mapping[str, Any] = given.attributes
    gone = attributes["axes"] if "axes" in attributes else attributes.get("axis")
    if gone is None:
        gone = range(len(given.first))
    gone = (gone,) if isinstance(gone, int) else tuple(gone)
    given.along(gone)
    return [without(given.first, gone, bool(attributes.get("keepdims")))]


def looking_along(given: NodeAxes) -> Sequence[Axes]:
    """Each number looks at others along axes, and stays where it is."""
    attributes: Mapping[str, Any] = given.attributes
    given.along(attributes["axes"] if "axes" in attributes else (attributes["axis"],))
    return [given.first]


def sorted_(given: NodeAxes) -> Sequence[Axes]:
    axis: Any = given.attributes["axis"]
    given.along((axis,))
    lengths = (given.lengths(number)[axis] for number in range(len(given.node.results)))
    return [put(given.first, axis, lost(length)) for length in lengths]


def reshaped(given: NodeAxes) -> Sequence[Axes]:
    sizes: Any = given.attributes["shape"]
    whole = prod(map(length_of, given.first))
    said = prod(size for size in sizes if size > 0)
    unknown_sizes = [size for size in sizes if size < 0]
    if len(unknown_sizes) > 1 or (unknown_sizes and whole % said):
        return unknown(given)
    sizes = [whole // said if size < 0 else size for size in sizes]
    if prod(sizes) != whole:
        return unknown(given)
    return [regrouped(given.first, sizes)]


def transposed(given: NodeAxes) -> Sequence[Axes]:
    order: Any = given.attributes["permutation"]
    return [tuple(given.first[axis] for axis in order)]


def broadcast(given: NodeAxes) -> Sequence[Axes]:
    places: Any = given.attributes["axes"]
    found: list[Axis] = [other(length) for length in given.lengths()]
    for axis, place in zip(given.first, places, strict=True):
        if axis:
            found[place] = axis
    return [tuple(found)]


def sliced(given: NodeAxes) -> Sequence[Axes]:
    axes = given.first
    ranges: Any = (given.attributes[name] for name in ("starts", "limits", "strides"))
    for place, (start, limit, step) in enumerate(zip(*ranges, strict=True)):
        length = length_of(axes[place])
        if step < 0:
            axes = put(axes, place, turned(axes[place]))
            start, limit, step = length - 1 - start, length - 1 - limit, -step
            given.along((place,))
        limit = length if limit < 0 else min(limit, length)
        kept = max(0, -(-(limit - start) // step))
        if kept != length:
            given.pick(place, start, kept)
        axes = cut(axes, place, start, kept, step)
    return [axes]


def indexed(given: NodeAxes) -> Sequence[Axes]:
    axis: Any = given.attributes["axis"]
    at: Any = given.attributes["at"]
    return [one_of(given, axis, at % length_of(given.first[axis]))]


def one_of(given: NodeAxes, axis: int, at: int, result: int = 0) -> Axes:
    """One place along an axis, which goes."""
    given.pick(axis, at, 1, result)
    found = cut(given.first, axis, at, 1)
    return (*found[:axis], *found[axis + 1 :])


def split(given: NodeAxes) -> Sequence[Axes]:
    axis: Any = given.attributes["axis"]
    sizes: Any = given.attributes["sizes"]
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    for number, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        given.pick(axis, start, size, number)
    return [cut(given.first, axis, start, size) for start, size in zip(starts, sizes, strict=True)]


def unstacked(given: NodeAxes) -> Sequence[Axes]:
    axis: Any = given.attributes["axis"]
    return [one_of(given, axis, at, at) for at in range(len(given.node.results))]


def padded_(given: NodeAxes) -> Sequence[Axes]:
    axes = given.first
    lows: Any = given.attributes["low"]
    highs: Any = given.attributes["high"]
    between: Any = given.attributes.get("interior") or (0,) * len(axes)
    for place, amounts in enumerate(zip(lows, highs, between, strict=True)):
        axes = padded(axes, place, *amounts)
    return [axes]


def concatenated(given: NodeAxes) -> Sequence[Axes]:
    """Parts one after the other; their other axes together are where all of them are."""
    axis: Any = given.attributes["axis"]
    found, _ = together([put(axes, axis, ()) for axes in given.operands])
    parts = [axes[axis] for axes in given.operands]
    rows = None if any(parts) else given.gathered()
    found[axis] = rows or joined(parts)
    return [settled(found)]


def stacked(given: NodeAxes) -> Sequence[Axes]:
    axis: Any = given.attributes["axis"]
    found, origins = together(given.operands)
    axes = apart(found, origins)
    new = given.gathered() or other(len(given.operands))
    return [(*axes[:axis], new, *axes[axis:])]


def flipped(given: NodeAxes) -> Sequence[Axes]:
    axes, gone = given.first, given.attributes["axes"]
    given.along(gone)  # type: ignore[arg-type]
    for place in gone:  # type: ignore[attr-defined]
        axes = put(axes, place, turned(axes[place]))
    return [axes]


def rolled_(given: NodeAxes) -> Sequence[Axes]:
    axes = given.first
    shifts: Any = given.attributes["shifts"]
    along: Any = given.attributes["axes"]
    given.along(along)
    for shift, place in zip(shifts, along, strict=True):
        axes = rolled(axes, place, shift)
    return [axes]


def tiled(given: NodeAxes) -> Sequence[Axes]:
    repeats: Any = given.attributes["repeats"]
    wide = ((),) * (len(repeats) - len(given.first)) + given.first
    return [tuple(fused((*other(count), *axis)) for count, axis in zip(repeats, wide, strict=True))]


def repeated(given: NodeAxes) -> Sequence[Axes]:
    """Each place several times over: as resampling to the nearest does it."""
    axis: Any = given.attributes["axis"]
    count: Any = given.attributes["count"]
    here = given.first[axis]
    atom = only(here)
    if atom is not None and atom.role is Role.PLACES:
        return [resized(given.first, axis, length_of(here) * count)]
    return [put(given.first, axis, fused((*here, *other(count))))]


def taken(given: NodeAxes) -> Sequence[Axes]:
    """Places along an axis, by number: all of them in their order are the axis as it is."""
    axis: Any = given.attributes["axis"]
    table, places = given.operands
    at = given.known(1)
    if at is not None and at.ndim == 1 and [*at.flat] == [*range(length_of(table[axis]))]:
        return [table]
    if at is not None and at.size == 1 and table[axis] == examples(given.count):
        given.pick(axis, int(at.flat[0]) % given.count, 1)
    else:
        given.along((axis,))
    if any(has((factor,), Role.PLACES) for factor in table[axis]):
        places = tuple(lost(length_of(one)) if not _varied(one) else one for one in places)
    rest = without(table, (axis,))
    return [(*rest[:axis], *places, *rest[axis:])]


def _varied(axis: Axis) -> bool:
    return has(axis, Role.EXAMPLES) or has(axis, Role.PLACES)


def written(given: NodeAxes) -> Sequence[Axes]:
    """A part written into an array: of places, as they would be padded."""
    starts: Any = given.attributes.get("starts")
    whole, part = given.operands[:2]
    if starts is None or len(whole) != len(part):
        return unknown(given)
    return _put(given, whole, part, given.rows[1], starts)


def scattered(given: NodeAxes) -> Sequence[Axes]:
    """Parts written into an array, or added to it, by their places: one of them, as is written there."""
    axis: Any = given.attributes.get("axis")
    at = None if axis is None else given.known(1)
    whole, part = given.operands[0], given.operands[-1]
    if at is None or at.size != 1:
        if at is not None and [*at.flat] != [*range(len(at.flat))]:
            given.along(range(len(part)), -1)
        return unknown(given)
    if len(part) < len(whole):
        part = (*part[:axis], (), *part[axis:])
    starts = [0] * len(whole)
    starts[axis] = int(at.flat[0]) % length_of(whole[axis])
    return _put(given, whole, part, given.rows[-1], starts)


def _put(
    given: NodeAxes, whole: Axes, part: Axes, row: int | None, starts: Sequence[int]
) -> Sequence[Axes]:
    axes = part
    for place, start in enumerate(starts):
        after = length_of(whole[place]) - start - length_of(part[place])
        axes = padded(axes, place, start, after)
    found, origins = together([whole, axes])
    along = None if row is None else _place_of_row(given, whole, part, row, starts)
    if along is not None:
        found[along], given.put = examples(given.count), row
    return [apart(found, origins)]


def _place_of_row(
    given: NodeAxes, whole: Axes, part: Axes, row: int, starts: Sequence[int]
) -> int | None:
    """The axis of the examples, where what is made of one row is written into the place of that row."""
    own = examples(given.count)
    fitting = [
        place
        for place, axis in enumerate(whole)
        if axis == own
        or (length_of(axis) == given.count and own not in whole and not _varied(axis))
    ]
    if not fitting or given.rows[0] is not None:
        return None
    place = fitting[0]
    return place if starts[place] == row and not part[place] else None


def product(given: NodeAxes) -> Sequence[Axes]:
    """Contracted axes go, kept ones keep what they stand for."""
    equation: Any = given.attributes["equation"]
    left, _, result = equation.partition("->")
    operands: list[Axes] = []
    for number, (term, axes) in enumerate(zip(left.split(","), given.operands, strict=False)):
        if len(set(term)) < len(term) or len(term) != len(axes):
            return unknown(given)
        gone = [place for place, letter in enumerate(term) if letter not in result]
        given.along(gone, number)
        kept = dict(zip(term, without(axes, gone, keep=True), strict=True))
        operands.append(tuple(kept.get(letter, ()) for letter in result))
    found, origins = together(operands)
    given.mixes |= crossed(found, origins)
    return [settled(apart(found, origins))]


def convolved(given: NodeAxes) -> Sequence[Axes]:
    attributes: Mapping[str, Any] = given.attributes
    weight = given.within.lengths(given.node.operands[1])
    rows, channels, *places = attributes["x_axes"]
    groups = attributes.get("groups", 1)
    axes = given.first
    transposed = attributes.get("transposed", False)
    bases = attributes.get("base_dilation") or (1,) * len(places)
    lengths = given.lengths()
    windows = [weight[axis] for axis in attributes["weight_axes"][2:]]
    results = attributes["result_axes"]
    given.along(places)
    for number, (place, window, base) in enumerate(zip(places, windows, bases, strict=True)):
        axes = padded(axes, place, 0, 0, base - 1)
        change = widened if transposed else windowed
        axes = change(
            axes,
            place,
            lengths[results[2 + number]],
            window=window,
            stride=attributes["strides"][number],
            padding=attributes["padding"][number][0],
            dilation=attributes["dilation"][number],
        )
    grouped, inner = _grouped(axes[channels], groups)
    given.mixes |= has(inner, Role.EXAMPLES)
    axes = without((*axes, inner), (len(axes),))
    width = lengths[results[1]]
    found: dict[int, Axis] = {
        results[0]: axes[rows],
        results[1]: fused((*grouped, *other(width // length_of(grouped))))
        if width % length_of(grouped) == 0
        else lost(width),
    }
    found |= {results[2 + number]: axes[place] for number, place in enumerate(places)}
    return [settled(found[place] for place in range(len(found)))]


def _grouped(channels: Axis, groups: int) -> tuple[Axis, Axis]:
    """What of the channels stays, group by group, and what each group sums over."""
    if groups == 1:
        return (), channels
    outer, inner = regrouped((channels,), (groups, length_of(channels) // groups))
    return outer, inner


def pooled(given: NodeAxes) -> Sequence[Axes]:
    attributes: Mapping[str, Any] = given.attributes
    axes, lengths = given.first, given.lengths()
    for place, window in enumerate(attributes["window"]):
        stride, padding = attributes["strides"][place], attributes["padding"][place]
        if window > 1 or stride > 1:
            given.along((place,))
        axes = windowed(
            axes,
            place,
            lengths[place],
            window=window,
            stride=stride,
            padding=padding[0],
            dilation=(attributes.get("dilation") or (1,) * len(axes))[place],
        )
    return [axes]


def resampled(given: NodeAxes) -> Sequence[Axes]:
    axes, lengths = given.first, given.lengths()
    along: Any = given.attributes["axes"]
    given.along(along)
    for place in along:
        axes = resized(axes, place, lengths[place], bool(given.attributes.get("aligned")))
    return [axes] * len(given.node.results)


def windows(given: NodeAxes) -> Sequence[Axes]:
    """Patches: where they start, then what is in them."""
    attributes: Mapping[str, Any] = given.attributes
    axes, along, layout = given.first, attributes["axes"], attributes.get("layout")
    given.along(along)
    starts, taps = axes, []
    for number, place in enumerate(along):
        window, stride = attributes["window"][number], attributes["strides"][number]
        low, high = attributes["padding"][number]
        dilation = attributes["dilation"][number]
        whole = length_of(axes[place]) + low + high - (window - 1) * dilation
        starts = windowed(starts, place, -(-whole // stride), window=1, stride=stride, padding=low)
        atom = only(axes[place])
        tap = other(window)
        if window > 1 and atom is not None and atom.role is Role.PLACES:
            step = atom.stride * dilation
            tap = (replace(atom, length=window, stride=step, offset=0.0),)
        taps.append(tap)
    others = [place for place in range(1, len(axes)) if place not in along]
    middle = [factor for place in others for factor in axes[place]]
    inside = [factor for tap in taps for factor in tap]
    match layout:
        case "channels and taps, then starts":
            outside = [factor for place in along for factor in starts[place]]
            return [(axes[0], fused((*middle, *inside)), fused(outside))]
        case "places, taps, channels":
            kept = (starts[place] for place in along)
            return [(axes[0], *kept, fused((*inside, *middle)))]
        case "starts in place, taps last":
            return [(*starts, *taps)]
    return unknown(given)


def attended(given: NodeAxes) -> Sequence[Axes]:
    """Queries keep their places; keys and values are summed over."""
    query, key, value = given.operands[:3]
    given.along((len(key) - 2,), 1)
    return [put(query, len(query) - 1, value[-1])]


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("identity", "stop_gradient", "convert", "batch_norm"), same),
    **dict.fromkeys(("sum", "mean", "max", "min", "prod", "any", "all", "var", "std"), reduced),
    **dict.fromkeys(("norm", "logsumexp", "argmax", "argmin"), reduced),
    **dict.fromkeys(("softmax", "log_softmax", "normalize", "cumsum"), looking_along),
    **dict.fromkeys(("sort", "top_k"), sorted_),
    **dict.fromkeys(("max_pool", "avg_pool"), pooled),
    **dict.fromkeys(("adaptive_max_pool", "adaptive_avg_pool", "resize"), resampled),
    "reshape": reshaped,
    "transpose": transposed,
    "broadcast": broadcast,
    "slice": sliced,
    "index": indexed,
    "split": split,
    "unstack": unstacked,
    "pad": padded_,
    "concat": concatenated,
    "stack": stacked,
    "flip": flipped,
    "roll": rolled_,
    "tile": tiled,
    "repeat": repeated,
    "take": taken,
    "update": written,
    **dict.fromkeys(("scatter", "scatter_add"), scattered),
    "dot": product,
    "conv": convolved,
    "windows": windows,
    "attention": attended,
}
"""Pointwise functions and tests have one of their own; of what is in neither, nothing is known."""


def rule_for(node: Node) -> Rule:
    """What gives the axes of a node's results."""
    if node.primitive in RULES:
        return RULES[node.primitive]
    return pointwise if family(node) in (Family.POINTWISE, Family.TEST) else unknown
