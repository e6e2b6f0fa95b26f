"""Rules for integrals over [0, 1]: nodes and weights, their refinement, and how far off they are."""

from collections.abc import Callable
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Rule: TypeAlias = Literal["gauss_legendre", "midpoint", "trapezoid", "left", "right"]
Numbers: TypeAlias = NDArray[np.float64]

CLOSED = ("trapezoid", "left", "right")
"""Rules with a node at an end of the path."""

ORDERS = (1, 2, 4, 8, 16)
"""Of the differences by which jumps are told from slopes."""


@cache
def gauss_legendre(steps: int) -> tuple[Numbers, Numbers]:
    """Nodes at the roots of the Legendre polynomial P of degree `steps`, found by Newton's method.

    The weights are 2 / ((1 - x^2) P'(x)^2) (Abramowitz, Stegun, 25.4.29). NumPy's own function takes
    the eigenvalues of a matrix, which for 2,000 steps costs more than the gradients do.
    """
    x = np.cos(np.pi * (np.arange(steps, 0, -1) - 0.25) / (steps + 0.5))
    slope = np.ones_like(x)
    for _ in range(6):  # quadratic convergence from a guess that is off by about 1 / steps^2
        before, value = np.ones_like(x), x
        for degree in range(2, steps + 1):
            before, value = value, ((2 * degree - 1) * x * value - (degree - 1) * before) / degree
        slope = steps * (x * value - before) / (x * x - 1)
        x = x - value / slope
    return (x + 1) / 2, 1 / ((1 - x * x) * slope * slope)


def midpoint(steps: int) -> tuple[Numbers, Numbers]:
    return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)


def trapezoid(steps: int) -> tuple[Numbers, Numbers]:
    weights = np.full(steps, 1 / (steps - 1))
    weights[[0, -1]] /= 2
    return np.linspace(0, 1, steps), weights


def left(steps: int) -> tuple[Numbers, Numbers]:
    return np.arange(steps) / steps, np.full(steps, 1 / steps)


def right(steps: int) -> tuple[Numbers, Numbers]:
    return np.arange(1, steps + 1) / steps, np.full(steps, 1 / steps)


NODES: dict[Rule, Callable[[int], tuple[Numbers, Numbers]]] = {
    "gauss_legendre": gauss_legendre,
    "midpoint": midpoint,
    "trapezoid": trapezoid,
    "left": left,
    "right": right,
}
"""Nodes in [0, 1] and weights that sum to 1, by rule."""


def refined(rule: Rule, intervals: int) -> tuple[Numbers, float, int]:
    """The nodes that refine a rule, the weight its old result keeps, and the new interval count.

    Halving the intervals of the trapezoid, left or right rule adds their midpoints; thirding those of
    the midpoint rule adds the midpoints of the outer thirds.
    """
    first = np.arange(intervals)
    if rule == "midpoint":
        nodes = np.sort(np.concatenate([first + 1 / 6, first + 5 / 6])) / intervals
        return nodes, 1 / 3, 3 * intervals
    return (first + 0.5) / intervals, 1 / 2, 2 * intervals


def error_weights(rule: Rule, nodes: Numbers, intervals: int) -> Numbers:
    """Weights (1 + orders, nodes) by which gradients at the nodes tell the size of the rule's error; of
    one node, none (0, 1).

    Row 0 is the error for a gradient that changes smoothly, by Euler and Maclaurin.

    The others are for jumps, as of a rectifier that switches on the way. A jump at s between two nodes
    puts the sum off by the jump times what lies between s and the middle of the gap: evenly spread
    over the gap's width h, so that the error of every rule falls like h. Where s is cannot be known;
    but differences of neighbours, times h / sqrt(12) each and with signs drawn by lot, add up to a
    number that is distributed as the error is. Differences of each of the `ORDERS` are scaled to be as
    large for jumps; for what is smooth between the nodes, they fall from order to order.

    Args:
        rule: whose error.
        nodes: where gradients are known; some of the rule's nodes are enough.
        intervals: how many the rule has.
    """
    gaps = np.diff(nodes)
    spacing = gaps if rule == "gauss_legendre" else np.full(len(gaps), 1 / intervals)
    if not len(gaps):
        return np.zeros((0, 1))
    rows = [smooth_error(rule, nodes, 1 / intervals)]
    rows += [
        jumps(nodes, spacing, order) for order in ORDERS if order == 1 or 2 * order <= len(nodes)
    ]
    return np.stack(rows)


def smooth_error(rule: Rule, nodes: Numbers, spacing: float) -> Numbers:
    """Weights of the leading term: spacing / 2 times the gradient's change over the path for the left
    and right rules; for the midpoint and trapezoid rules spacing^2 / 24 or / 12 times its slope's."""
    weights = np.zeros(len(nodes))
    if rule == "gauss_legendre":
        return weights
    if rule in ("left", "right"):
        weights[[0, -1]] = np.array([-1, 1]) * spacing / 2 / (nodes[-1] - nodes[0])
        return weights
    share = spacing**2 / (24 if rule == "midpoint" else 12)
    for end, inner in ((0, 1), (-1, -2)):
        slope = share / abs(nodes[end] - nodes[inner])
        weights[end] += slope
        weights[inner] -= slope
    return weights


def jumps(nodes: Numbers, spacing: Numbers, order: int) -> Numbers:
    """Weights of a sum, signs drawn by lot, of all differences of this order (see `error_weights`)."""
    windows = sliding_window_view(nodes, order + 1)
    apart = windows[:, :, None] - windows[:, None, :] + np.eye(order + 1)
    differences = 1 / np.prod(apart / apart.max(axis=(1, 2), keepdims=True), axis=2)
    differences -= differences.mean(axis=1, keepdims=True)  # rounding: they sum to 0
    # What a jump of 1 in each gap of a window adds, squared, is 1 over all windows that see the gap.
    seen = np.cumsum(differences, axis=1)[:, :-1]
    scale = sliding_window_view(spacing, order).mean(axis=1) / np.sqrt(
        12 * (seen * seen).sum(axis=1)
    )
    scale *= np.sqrt(len(spacing) / len(scale))
    signs = np.random.default_rng(order).choice([-1.0, 1.0], len(scale))
    weights = np.zeros(len(nodes))
    for place in range(order + 1):
        weights[place : place + len(scale)] += signs * scale * differences[:, place]
    return weights


def estimated(norms: Numbers) -> Numbers:
    """The error from the sizes (1 + orders, N) of the sums by `error_weights`, shape (N,); infinite
    where there are none.

    Where differences of a higher order are well below those of the first, the gradient is smooth
    between nodes and the smallest are what jumps are left; else it jumps, and the first say by how much.
    """
    if not len(norms):
        return np.full(norms.shape[1], np.inf)
    smooth, first, smallest = norms[0], norms[1], norms[1:].min(axis=0)
    jumping = np.where(smallest < first / 8, smallest, first)
    return np.asarray(np.hypot(smooth, jumping), dtype=np.float64)
