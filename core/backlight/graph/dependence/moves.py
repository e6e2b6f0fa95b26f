"""How values move with another one before them, as far as shifts and factors tell.

What is taken away from numbers before an exponential, and goes again in a quotient or is added behind
the logarithm, moves nothing in the end: it only keeps numbers safe.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias, final

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import Node
from backlight.graph.primitives import Family, family


@final
class How(StrEnum):
    """What is done to numbers."""

    SHIFT = "shift"
    FACTOR = "factor"
    OTHER = "other"


@final
@dataclass(frozen=True)
class Move:
    """How a value moves if what is before it moves by t.

    Attributes:
        how: a shift by degree * t, a factor exp(degree * t), or in another way.
        degree: of the shift, or in the factor.
        axes: where the axes are along which t differs, counted from the last: -1, -2, ...
    """

    how: How
    degree: float = 1.0
    axes: tuple[int, ...] = ()


OTHER = Move(How.OTHER)
Moves: TypeAlias = Mapping[int, Move]
"""By value, or by place in a list of results; what is not there stays as it is."""
Given: TypeAlias = Sequence[Move | None]
Axes: TypeAlias = Mapping[int, int]
"""Which axis of a result an axis of an operand is; those that are missing are lost."""

ENDLESS = 1e4
"""From where on a bound only keeps numbers away from infinity."""

SAME = frozenset({"identity", "stop_gradient", "convert"})
POWERS = {"square": 2.0, "sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1.0, "abs": 1.0}
SUMS = frozenset({"sum", "mean", "cumsum"})
EXTREMA = frozenset({"max", "min"})
INVARIANT = frozenset({"softmax", "log_softmax"})
TOGETHER = frozenset({"concat", "stack", "logaddexp"})
"""Whose results move as their operands do, if all do alike."""


def start(flow: Dependence, value: int) -> dict[int, Move]:
    """Of a value that moves by itself; what is only moved about, or reduced to its largest, moves as
    that does."""
    while True:
        user = flow.sole_user(value)
        node = None if user is None else flow.nodes[user]
        if node is None or node.primitive not in SAME | EXTREMA or len(node.results) > 1:
            return {value: Move(How.SHIFT, 1.0, varying(flow, value))}
        value = node.result


def varying(flow: Dependence, value: int) -> tuple[int, ...]:
    """The axes along which the numbers of a value may differ."""
    shape, node = flow.shape(value), flow.producer(value)
    if node is not None and value not in flow.sources:
        if node.primitive in SAME:
            return varying(flow, node.operands[0])
        if node.primitive in ("broadcast", "transpose", "reshape"):
            before = node.operands[0]
            known = axes_after(flow, node)
            own = [axis + len(flow.shape(before)) for axis in varying(flow, before)]
            if all(axis in known for axis in own):
                return tuple(sorted(known[axis] - len(shape) for axis in own))
    return tuple(axis - len(shape) for axis, length in enumerate(shape) if length != 1)


def moves_behind(flow: Dependence, moves: Moves, held: Collection[int] = ()) -> dict[int, Move]:
    """How values move if some do, but for what the nodes at the positions `held` give."""
    found = dict(moves)
    for position in sorted(flow.needed):
        node = flow.nodes[position]
        if position in held or found.keys().isdisjoint(node.operands):
            continue
        if not flow.sources.isdisjoint(node.results):
            continue
        given = [found.get(value) for value in node.operands]
        for value, move in zip(node.results, results_of(flow, node, given), strict=True):
            if move is not None and move.degree != 0 and value not in moves:
                found[value] = move
    return found


def at_targets(flow: Dependence, moves: Moves) -> dict[int, Move]:
    """By the places of the targets."""
    targets = enumerate(flow.graph.targets)
    return {at: moves[value] for at, value in targets if value in moves}


def results_of(flow: Dependence, node: Node, given: Given) -> list[Move | None]:
    if not any(flow.values[value].dtype.differentiable for value in node.results):
        return [None] * len(node.results)  # comparisons have no derivative by anything
    if node.primitive == "call":
        body = Dependence(node.attributes["body"])
        pairs = zip(body.graph.sources, given, strict=True)
        behind = moves_behind(body, {value: move for value, move in pairs if move is not None})
        inside = at_targets(body, behind)
        return [inside.get(at) for at in range(len(node.results))]
    return [result_of(flow, node, given)] * len(node.results)


def result_of(flow: Dependence, node: Node, given: Given) -> Move | None:
    moved = [move for move in given if move is not None]
    name, first = node.primitive, given[0]
    if len({move.axes for move in moved}) > 1 or OTHER in moved:
        return OTHER
    if name in SAME or name in ("maximum", "minimum", "clamp", "select"):
        return guarded(flow, node, given)
    if name in ("add", "sub", "neg"):
        return added(flow, node, given)
    if name in ("mul", "div"):
        return multiplied(flow, node, given)
    if name == "dot":
        return contracted(flow, node, given)
    numbers = zip(node.operands, given, strict=True)
    real = [move for value, move in numbers if flow.values[value].dtype.differentiable]
    alike = len(real) == 1 or (name in TOGETHER and len(set(real)) == 1) or name == "pow"
    if first is None or not alike:
        return OTHER
    if name in ("exp", "exp2"):
        degree = first.degree * (math.log(2) if name == "exp2" else 1)
        return replace(first, how=How.FACTOR, degree=degree) if is_shift(first) else OTHER
    if name == "sign":
        return OTHER if is_shift(first) else None
    if name == "log":
        return OTHER if is_shift(first) else replace(first, how=How.SHIFT)
    if name in POWERS or name == "pow":
        power = POWERS.get(name) or number(flow, node.operands[1])
        if is_shift(first) or power is None:
            return OTHER
        return replace(first, degree=first.degree * power)
    if name == "logaddexp":
        return first if is_shift(first) else OTHER
    if name in INVARIANT or name == "logsumexp":
        free = is_shift(first) and relocated(flow, node, first) is not OTHER
        return OTHER if not free else None if name in INVARIANT else relocated(flow, node, first)
    if name in SUMS and (is_shift(first) and name != "mean"):
        return OTHER
    moves = family(node) is Family.MOVE and name != "pad"
    if moves or name in SUMS or name in EXTREMA:
        return relocated(flow, node, first)
    return OTHER


def is_shift(move: Move) -> bool:
    return move.how is How.SHIFT


def number(flow: Dependence, value: int) -> float | None:
    known = flow.number(value)
    return None if known is None else float(known.real)


def is_bound(flow: Dependence, value: int) -> bool:
    known = number(flow, value)
    return known is not None and abs(known) >= ENDLESS


def guarded(flow: Dependence, node: Node, given: Given) -> Move | None:
    """What is chosen between alike, or bounded far off."""
    choices = list(zip(node.operands, given, strict=True))[node.primitive == "select" :]
    finite = node.primitive == "select" and asks_finite(flow, node.operands[0])
    kept = {
        move
        for value, move in choices
        if move is not None or not (finite or is_bound(flow, value) or is_zero(flow, value, given))
    }
    return kept.pop() if len(kept) == 1 else OTHER


def asks_finite(flow: Dependence, value: int) -> bool:
    node = flow.producer(value)
    if node is not None and node.primitive in ("not", "identity", "broadcast", "reshape"):
        return asks_finite(flow, node.operands[0])
    if node is not None and node.primitive == "eq":
        return any(is_bound(flow, one) for one in node.operands)
    return node is not None and node.primitive in ("isfinite", "isinf", "isnan")


def is_zero(flow: Dependence, value: int, given: Given) -> bool:
    """Whether a number is 0, which stays 0 times any factor."""
    factors = all(move is None or not is_shift(move) for move in given)
    return factors and number(flow, value) == 0


def added(flow: Dependence, node: Node, given: Given) -> Move | None:
    moved = [move for move in given if move is not None]
    if all(map(is_shift, moved)):
        signs = [-1 if node.primitive == "neg" or (node.primitive == "sub" and at) else 1
                 for at in range(len(given))]  # fmt: skip
        pairs = zip(signs, given, strict=True)
        degree = sum(sign * move.degree for sign, move in pairs if move is not None)
        return replace(moved[0], degree=degree)
    rest = [value for value, move in zip(node.operands, given, strict=True) if move is None]
    alike = len(set(moved)) == 1 and all(is_zero(flow, value, given) for value in rest)
    return moved[0] if alike else OTHER


def multiplied(flow: Dependence, node: Node, given: Given) -> Move | None:
    one, other = given
    sign = -1.0 if node.primitive == "div" else 1.0
    moved = [move for move in given if move is not None]
    if any(map(is_shift, moved)):
        times = number(flow, node.operands[1 if other is None else 0])
        if len(moved) > 1 or times is None or (sign < 0 and other is not None) or times == 0:
            return OTHER
        return replace(moved[0], degree=moved[0].degree * times**sign)
    degree = (one.degree if one else 0.0) + sign * (other.degree if other else 0.0)
    return replace(moved[0], degree=degree)


def contracted(flow: Dependence, node: Node, given: Given) -> Move | None:
    """Factors stay factors where they are the same along what is summed."""
    operands, result = node.attributes["equation"].split("->")
    places = []
    degree = 0.0
    for letters, move in zip(operands.split(","), given[:2], strict=True):
        if move is None:
            continue
        named = [letters[axis] for axis in move.axes]
        if is_shift(move) or not set(named) <= set(result):
            return OTHER
        places.append(tuple(result.index(letter) - len(result) for letter in named))
        degree += move.degree
    if len(set(places)) != 1 or len(given) > 2:
        return OTHER
    return Move(How.FACTOR, degree, places[0])


def relocated(flow: Dependence, node: Node, move: Move) -> Move:
    """The same with its axes where a move or a reduction leaves them."""
    rank, after = len(flow.shape(node.operands[0])), len(flow.shape(node.result))
    known = axes_after(flow, node)
    own = [axis + rank for axis in move.axes]
    if not all(axis in known for axis in own):
        return OTHER
    return replace(move, axes=tuple(known[axis] - after for axis in own))


def axes_after(flow: Dependence, node: Node) -> Axes:
    shape, result = flow.shape(node.operands[0]), flow.shape(node.result)
    axes = range(len(shape))
    attributes = node.attributes
    find: Callable[[], Axes] | None = {
        "transpose": lambda: {old: new for new, old in enumerate(attributes["permutation"])},
        "broadcast": lambda: dict(enumerate(attributes["axes"])),
        "reshape": lambda: regrouped(shape, result),
        "slice": lambda: {axis: axis for axis in axes if shape[axis] == result[axis]},
        "stack": lambda: {axis: axis + (axis >= attributes["axis"]) for axis in axes},
    }.get(node.primitive)
    if find is not None:
        return find()
    taken = attributes.get("axes", attributes.get("axis", ()))
    gone = {taken} if isinstance(taken, int) else set(taken or ())
    left = [axis for axis in axes if axis not in gone]
    if len(result) == len(shape):
        return {axis: axis for axis in left}
    return {axis: at for at, axis in enumerate(left)} if len(left) == len(result) else {}


def regrouped(shape: Sequence[int], result: Sequence[int]) -> Axes:
    """The axes that have the same numbers before them, and are as long."""
    new = [(math.prod(result[:at]), length, at) for at, length in enumerate(result) if length != 1]
    old = [(math.prod(shape[:at]), length, at) for at, length in enumerate(shape) if length != 1]
    return {
        at: other
        for before, length, at in old
        for ahead, same, other in new
        if (before, length) == (ahead, same)
    }
