"""Axes of several values brought together, and what stays of a value's axes when some of them go."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from backlight.graph.axes.atoms import (
    Atom,
    Axes,
    Axis,
    InputAxis,
    Joined,
    Role,
    atoms_in,
    has,
    length_of,
    mapped,
)

Structure = tuple[tuple[int, int, float], ...]
"""Where a value has places of one input axis: axis, length and stride of each atom."""


def without(axes: Axes, gone: Collection[int], keep: bool = False) -> Axes:
    """The axes of a value that some are summed over: what is left lies at the middle of what goes."""
    rest = [axis for place, axis in enumerate(axes) if place not in gone]
    for atom in atoms_in(axes[place] for place in gone):
        if atom.role is Role.PLACES:
            rest = moved(rest, atom)
    if keep:
        left = iter(rest)
        rest = [() if place in gone else next(left) for place in range(len(axes))]
    return settled(rest)


def moved(axes: Iterable[Axis], gone: Atom) -> list[Axis]:
    """The axes with their places moved by the middle of an atom of the same coordinate that goes."""
    found = list(axes)
    present = {atom.way for atom in atoms_in(found) if atom.axis == gone.axis and _places(atom)}
    for way in present if gone.way == 0 else present & {gone.way}:
        if way == 0 and len(present) > 1:
            continue  # the other ways have it already
        for place, axis in enumerate(found):
            changed = shifted(axis, gone.axis, way, gone.middle)
            if changed is not None:
                found[place] = changed
                break
    return found


def shifted(axis: Axis, along: InputAxis, way: int, by: float) -> Axis | None:
    """The axis with the first atom of a coordinate moved; None where it has none."""
    for place, factor in enumerate(axis):
        if isinstance(factor, Joined):
            parts = [shifted(part, along, way, by) for part in factor.parts]
            if all(part is None for part in parts):
                continue
            pairs = zip(parts, factor.parts, strict=True)
            changed = Joined(tuple(old if new is None else new for new, old in pairs))
            return (*axis[:place], changed, *axis[place + 1 :])
        if _places(factor) and (factor.axis, factor.way) == (along, way):
            atom = replace(factor, offset=factor.offset + by)
            return (*axis[:place], atom, *axis[place + 1 :])
    return None


def settled(axes: Iterable[Axis]) -> Axes:
    """The axes with each coordinate that is left alone of its input axis no longer told from others."""
    found = tuple(axes)
    ways: dict[InputAxis, set[int]] = {}
    for atom in atoms_in(found):
        if _places(atom) and atom.way:
            ways.setdefault(atom.axis, set()).add(atom.way)
    alone = {axis for axis, seen in ways.items() if len(seen) == 1}
    if not alone:
        return found
    return tuple(
        mapped(axis, lambda atom: replace(atom, way=0) if atom.axis in alone else atom)
        for axis in found
    )


def apart(axes: Sequence[Axis], origins: Sequence[frozenset[int]]) -> Axes:
    """The axes of a value that several made, each with which of them it is from: places of one input
    axis that come from different ones are different coordinates."""
    from_: dict[InputAxis, list[frozenset[int]]] = {}
    for axis, origin in zip(axes, origins, strict=True):
        for key in {atom.axis for atom in atoms_in((axis,)) if _places(atom)}:
            from_.setdefault(key, []).append(origin)
    double = {
        key for key, seen in from_.items() if any(not (one & two) for one in seen for two in seen)
    }
    if not double:
        return tuple(axes)
    found = []
    for axis, origin in zip(axes, origins, strict=True):
        way = 1 + min(origin) if len(origin) == 1 else 0
        found.append(
            mapped(
                axis,
                lambda atom, way=way: (  # type: ignore[misc]
                    replace(atom, way=way) if _places(atom) and atom.axis in double else atom
                ),
            )
        )
    return tuple(found)


def crossed(axes: Sequence[Axis], origins: Sequence[frozenset[int]]) -> bool:
    """Whether examples of different operands stand on different axes: each row sees all."""
    seen = [origin for axis, origin in zip(axes, origins, strict=True) if has(axis, Role.EXAMPLES)]
    return any(not (one & two) for one in seen for two in seen)


def together(operands: Sequence[Axes]) -> tuple[list[Axis], list[frozenset[int]]]:
    """The axes of values that broadcast against one another, and which values each is from.

    An axis is that of the operand that knows most of it: places beat others and what is lost, so that
    a sum with what was added to it keeps its places; where several have the same places at different
    offsets, the result is at their mean.
    """
    count = max((len(axes) for axes in operands), default=0)
    wide = [((),) * (count - len(axes)) + axes for axes in operands]
    found: list[Axis] = []
    origins: list[frozenset[int]] = []
    for place in range(count):
        length = max(length_of(axes[place]) for axes in wide)
        asked = [number for number, axes in enumerate(wide) if length_of(axes[place]) == length > 1]
        if not asked:
            found.append(())
            origins.append(frozenset(range(len(operands))))
            continue
        best = max(_rank(wide[number][place]) for number in asked)
        chosen = [number for number in asked if _rank(wide[number][place]) == best]
        found.append(_mean(wide, chosen, place))
        origins.append(frozenset(chosen))
    return found, origins


def _mean(values: Sequence[Axes], chosen: Sequence[int], place: int) -> Axis:
    """An axis of some values, its places at the mean of those that have the same; of those that lead
    if others have fewer places of that coordinate."""
    axis = values[chosen[0]][place]
    for key in {atom.axis for atom in atoms_in((axis,)) if _places(atom)}:
        lead = max(chosen, key=lambda number: len(_structure(values[number], key)))
        axis = values[lead][place]
        same = _structure(values[lead], key)
        alike = [number for number in chosen if _structure(values[number], key) == same]
        offsets = [
            sum(atom.offset for atom in atoms_in((values[number][place],)) if atom.axis == key)
            for number in alike
        ]
        by = sum(offsets) / len(offsets) - offsets[alike.index(lead)]
        changed = by and shifted(axis, key, 0, by)
        axis = changed or axis
    return axis


def _structure(axes: Axes, key: InputAxis) -> Structure:
    return tuple(
        (place, atom.length, atom.stride)
        for place, axis in enumerate(axes)
        for atom in atoms_in((axis,))
        if _places(atom) and atom.axis == key
    )


def _rank(axis: Axis) -> int:
    roles = {atom.role for atom in atoms_in((axis,))}
    order = (Role.EXAMPLES, Role.PLACES, Role.LOST)
    return next((len(order) - place for place, role in enumerate(order) if role in roles), 0)


def _places(factor: Atom) -> bool:
    return factor.role is Role.PLACES
