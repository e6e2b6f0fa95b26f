"""Normalisations, told by their properties: odd but for a bias, the same at any scale, proportional to
x or to x minus its mean over what its size is computed from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from backlight.graph.evaluation import Region
from backlight.graph.graph import Node, Numbers

ROOTS = frozenset({"sqrt", "rsqrt", "std", "norm"})

SUMMING = frozenset({"sum", "mean", "var", "std", "norm"})

SCALE = 1e4
"""How large the numbers are made for which an epsilon below the root is nothing."""


def normalization_sizes(region: Region) -> tuple[int, ...]:
    """The places among a region's nodes of those that give the size that x is divided by, or its
    reciprocal, which may be computed more than once; none if the region is no normalisation."""
    nodes = region.nodes
    roots = [place for place, node in enumerate(nodes) if is_root(region, node)]
    constants = region.constants
    if not all(map(is_harmless(region), nodes)):
        return ()
    if not roots or any(not region.flow.is_constant(value) for value in constants):
        return ()
    if SUMMING.isdisjoint(node.primitive for node in nodes):
        return ()
    for x in region.sample(0, every_axis(region)):
        given = region.stand_ins(x, 1)
        trial = Trial(region, given)
        first = trial.at(x)
        if first is None:
            continue
        second = trial.at(np.random.default_rng(2).normal(size=x.shape))
        if second is None or not is_normalization(region, first, second):
            return ()
        for last in reversed(roots):
            sizes = tuple(at for at in roots if is_same(first.values, nodes[at], nodes[last]))
            if is_linear(trial, [nodes[at] for at in sizes], first, second):
                return sizes
        return ()
    return ()


def is_same(values: Mapping[int, Numbers], one: Node, other: Node) -> bool:
    """Whether two nodes give the same numbers."""
    return one is other or np.array_equal(values[one.result], values[other.result])


def is_harmless(region: Region) -> Callable[[Node], bool]:
    """Whether no derivative is stopped but one that is zero: by the mean that a variance is around."""
    flow = region.flow

    def harmless(node: Node) -> bool:
        if node.primitive != "stop_gradient":
            return True
        mean = flow.producer(node.operands[0])
        users = [flow.nodes[at] for at in flow.users.get(node.result, ())]
        return (
            mean is not None
            and mean.primitive == "mean"
            and all(
                user.primitive == "squared_difference" and mean.operands[0] in user.operands
                for user in users
            )
        )

    return harmless


def is_root(region: Region, node: Node) -> bool:
    if node.primitive in ROOTS:
        return True
    exponent = region.flow.number(node.operands[1]) if node.primitive == "pow" else None
    return exponent is not None and abs(float(exponent)) == 0.5


def every_axis(region: Region) -> tuple[int, ...]:
    """The axes of the entry along which something inside is summed up, or laid out otherwise."""
    rank = len(region.flow.shape(region.entry))
    found: set[int] = set()
    for node in region.nodes:
        same = bool(node.operands) and len(region.flow.shape(node.operands[0])) == rank
        if node.primitive in SUMMING and same:
            found.update(node.attributes["axes"])
    return tuple(sorted(found))


@final
@dataclass(frozen=True, eq=False)
class Sides:
    """What a region makes of large numbers x and -x.

    Attributes:
        x: the numbers.
        odd: the part of the result that changes sign with x.
        even: the part that does not: the bias.
        values: everything inside, at x.
    """

    x: Numbers
    odd: Numbers
    even: Numbers
    values: dict[int, Numbers]


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """A region with numbers for its constants."""

    region: Region
    given: dict[int, Numbers]

    def at(
        self, x: Numbers, scale: float = SCALE, held: dict[int, Any] | None = None
    ) -> Sides | None:
        plus, minus = (self.region.run(sign * scale * x, self.given, held) for sign in (1.0, -1.0))
        if plus is None or minus is None:
            return None
        one, other = plus[self.region.sink], minus[self.region.sink]
        if one.dtype.kind != "f" or not np.isfinite(one).all() or one.size != x.size:
            return None
        return Sides(scale * x, (one - other) / 2, (one + other) / 2, plus)


def is_normalization(region: Region, first: Sides, second: Sides) -> bool:
    trial_scale = np.abs(first.odd).max()
    if not trial_scale or not close(first.even, second.even, trial_scale):
        return False
    return any(
        proportional(region, first, second, frame, axes, centred)
        for frame, axes in groups(region, first)
        for centred in (False, True)
    )


def groups(region: Region, sides: Sides) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The layouts of the entry in which something is summed up, and the axes that it is summed over."""
    for node in region.nodes:
        if node.primitive in SUMMING and node.operands[0] in sides.values:
            frame = sides.values[node.operands[0]].shape
            if np.prod(frame) == sides.x.size:
                yield frame, tuple(node.attributes["axes"])


def proportional(
    region: Region,
    first: Sides,
    second: Sides,
    frame: tuple[int, ...],
    axes: tuple[int, ...],
    centred: bool,
) -> bool:
    """Whether each group's part is x, or x minus its mean, times a weight and over one size that grows
    with x: the weight cancels in the ratio of two results."""

    def part(sides: Sides) -> Numbers:
        laid = sides.x.reshape(frame)
        centre = laid.mean(axis=axes, keepdims=True) if centred else 0.0
        return np.asarray(laid - centre)

    one, other = part(first), part(second)
    usable = (np.abs(one) > 1e-2 * SCALE) & (np.abs(other) > 1e-2 * SCALE)
    if not usable.any():
        return False
    with np.errstate(all="ignore"):
        ratio = (first.odd.reshape(frame) / one) / (second.odd.reshape(frame) / other)
    ratio = np.where(usable, ratio, np.nan)
    count = np.maximum(usable.sum(axis=axes, keepdims=True), 1)
    mean = np.nansum(ratio, axis=axes, keepdims=True) / count
    spread = np.abs(np.where(usable, ratio - mean, 0.0))
    return bool(np.isfinite(mean).all() and (spread <= 1e-6 * np.abs(mean)).all())


def is_linear(trial: Trial, sizes: Sequence[Node], first: Sides, second: Sides) -> bool:
    """Whether the result is linear in x, but for the bias, once its sizes are held, and the same at any
    scale where it is not."""
    twice = trial.at(first.x / SCALE, 2 * SCALE)
    scale = np.abs(first.odd).max()
    if twice is None or not close(twice.odd, first.odd, scale):
        return False
    held = {node.result: first.values[node.result] for node in sizes}
    one, other = (trial.at(sides.x / SCALE, SCALE, held) for sides in (first, second))
    both = trial.at((first.x + second.x) / SCALE, SCALE, held)
    if one is None or other is None or both is None:
        return False
    scale = max(np.abs(one.odd).max(), np.abs(other.odd).max())
    return close(both.odd, one.odd + other.odd, scale) and close(one.even, first.even, scale)


def close(one: Numbers, other: Numbers, scale: float) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() <= 1e-6 * scale)
