"""What windows and moves along one axis of a value do to what its axes stand for."""

from dataclasses import replace

from backlight.graph.axes.alignment import moved, settled
from backlight.graph.axes.atoms import (
    Axes,
    Axis,
    Factor,
    Joined,
    Role,
    fused,
    joined,
    length_of,
    lost,
    only,
    other,
)


def windowed(
    axes: Axes,
    place: int,
    length: int,
    *,
    window: int,
    stride: float = 1,
    padding: float = 0,
    dilation: int = 1,
) -> Axes:
    """What windows that slide along an axis give, `length` of them, the first one beginning
    `padding` places before it."""
    if length == length_of(axes[place]) and (window, stride, padding) == (1, 1, 0):
        return axes
    return stretched(axes, place, length, stride, (window - 1) * dilation / 2 - padding)


def widened(
    axes: Axes,
    place: int,
    length: int,
    *,
    window: int,
    stride: int = 1,
    padding: float = 0,
    dilation: int = 1,
) -> Axes:
    """What the transpose of such windows gives."""
    if length == length_of(axes[place]) and (window, stride, padding) == (1, 1, 0):
        return axes
    start = (padding - (window - 1) * dilation / 2) / stride
    return stretched(axes, place, length, 1 / stride, start)


def resized(axes: Axes, place: int, length: int, aligned: bool = False) -> Axes:
    """An axis resampled to another length, corners on corners or edges on edges."""
    before = length_of(axes[place])
    if length == before:
        return axes
    if aligned and length > 1:
        return stretched(axes, place, length, (before - 1) / (length - 1), 0.0)
    ratio = before / length
    return stretched(axes, place, length, ratio, (ratio - 1) / 2)


def stretched(axes: Axes, place: int, length: int, stride: float, start: float) -> Axes:
    """`length` points of an axis, this many steps of it apart, the first one at `start` steps."""
    atom = only(axes[place])
    if length == 1:
        rest = put(axes, place, ())
        if atom is None or atom.role is not Role.PLACES:
            return settled(rest)
        offset = atom.offset + atom.stride * start
        return settled(moved(rest, replace(atom, length=1, offset=offset)))
    if not axes[place] or (atom is not None and atom.role is Role.OTHER):
        return put(axes, place, other(length))
    if atom is None or atom.role is not Role.PLACES:
        return put(axes, place, lost(length))
    offset = atom.offset + atom.stride * start
    found = replace(atom, length=length, stride=atom.stride * stride, offset=offset)
    return put(axes, place, (found,))


def put(axes: Axes, place: int, axis: Axis) -> Axes:
    return (*axes[:place], axis, *axes[place + 1 :])


def cut(axes: Axes, place: int, start: int, length: int, step: int = 1) -> Axes:
    """Every step-th place of an axis, from one on."""
    axis = axes[place]
    if (start, length, step) == (0, length_of(axis), 1):
        return axes
    if len(axis) == 1 and isinstance(axis[0], Joined) and step == 1:
        return put(axes, place, _parts(axis[0], start, length))
    inner = length_of(axis[1:])
    rows = step == 1 and start % inner == 0 and length % inner == 0
    if len(axis) > 1 and rows:  # whole rows of the outer factor
        (outer,) = cut((axis[:1],), 0, start // inner, length // inner)
        return put(axes, place, fused((*outer, *axis[1:])))
    return stretched(axes, place, length, step, start)


def _parts(whole: Joined, start: int, length: int) -> Axis:
    """A range of places, which may begin and end within parts."""
    found: list[Axis] = []
    at = 0
    for part in whole.parts:
        size = length_of(part)
        first, last = max(start - at, 0), min(start + length - at, size)
        if first < last:
            found += cut((part,), 0, first, last - first)
        at += size
    return joined(found)


def padded(axes: Axes, place: int, low: int, high: int, interior: int = 0) -> Axes:
    """An axis with places added at its ends and between them; taken away where negative."""
    length = length_of(axes[place])
    if interior:
        whole = (length - 1) * (interior + 1) + 1
        axes = stretched(axes, place, whole, 1 / (interior + 1), 0.0)
        return padded(axes, place, low, high)
    if low < 0 or high < 0:
        left = length + min(low, 0) + min(high, 0)
        return padded(cut(axes, place, max(-low, 0), left), place, max(low, 0), max(high, 0))
    atom = only(axes[place])
    if atom is not None and atom.role is not Role.EXAMPLES:
        return stretched(axes, place, low + length + high, 1, -low)
    ends = [(other(low),) if low else (), (other(high),) if high else ()]
    return put(axes, place, joined((*ends[0], axes[place], *ends[1])))


def rolled(axes: Axes, place: int, shift: int) -> Axes:
    """An axis turned round by some places, the fewer way; where it begins again it is taken to go on."""
    length = length_of(axes[place])
    shift = (shift + (length - 1) // 2) % length - (length - 1) // 2
    return stretched(axes, place, length, 1, -shift) if shift else axes


def turned(axis: Axis) -> Axis:
    """An axis from its end to its start."""
    found: list[Factor] = []
    for factor in axis:
        if isinstance(factor, Joined):
            found.append(Joined(tuple(turned(part) for part in reversed(factor.parts))))
        elif factor.role is Role.PLACES:
            last = factor.offset + factor.stride * (factor.length - 1)
            found.append(replace(factor, stride=-factor.stride, offset=last))
        else:
            found.append(factor)
    return tuple(found)
