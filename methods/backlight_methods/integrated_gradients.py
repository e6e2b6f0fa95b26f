"""Integrated gradients: (x - x') * integral over a in [0, 1] of d score(x' + a (x - x')) / d x.

Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks" (2017), equation 1; several
baselines x' are averaged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight import Evidence, Method, Objective
from backlight.arrays import Array
from backlight.baselines import Baseline
from backlight.errors import is_real, is_whole, require
from backlight.tree import Tree, map_leaves, sum_per_example

Rule: TypeAlias = Literal["gauss_legendre", "midpoint", "trapezoid", "left", "right"]
Numbers: TypeAlias = NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(Method):
    """The gradient averaged over the straight path from a baseline, times the way.

    Args:
        steps: gradients per example (and baseline), at least 1; 2 for the trapezoid. The paper finds
            20 to 300 enough.
        rule: how the integral is approximated; "gauss_legendre" where nothing is said. With
            `tolerance` it must be one whose steps can be reused, and is "trapezoid" by default.
        baseline: a number, an array, one for each example, or `Several`.
        tolerance: adds steps, for the examples that need them, until the relative gap
            |sum - (score - baseline score)| / |score - baseline score| of each is at most this.
        maximum_steps: where `tolerance` gives up, with a warning.

    Law: the values of an example sum to score - baseline score, up to the gap that is reported
        (completeness, the paper's proposition 1).
    Cost: `steps` forward and backward passes per baseline, and a forward pass for each end. A
        tolerance doubles the steps (triples, with "midpoint"), computing only the new ones.
    """

    steps: int = 50
    rule: Rule | None = None
    baseline: Baseline = 0.0
    tolerance: float | None = None
    maximum_steps: int = 3200

    def __post_init__(self) -> None:
        require(self.rule in (None, *NODES), self, "rule", f"one of {', '.join(map(repr, NODES))}")
        least = 2 if self.used_rule == "trapezoid" else 1
        whole = is_whole(self.steps) and self.steps >= least
        require(whole, self, "steps", f"at least {least}")
        require(is_whole(self.maximum_steps), self, "maximum_steps", "a whole number")
        if self.tolerance is not None:
            positive = is_real(self.tolerance) and self.tolerance > 0
            require(positive, self, "tolerance", "greater than 0")
            nested = self.rule != "gauss_legendre"
            require(nested, self, "rule", "other than 'gauss_legendre' with a tolerance")
            most = self.maximum_steps >= self.steps
            require(most, self, "maximum_steps", f"at least steps, {self.steps}")

    @property
    def used_rule(self) -> Rule:
        return self.rule or ("gauss_legendre" if self.tolerance is None else "trapezoid")

    def attribute(self, objective: Objective) -> Evidence:
        baselines = objective.baselines(self.baseline)
        score = objective.score()
        starts = [score_at(objective, baseline) for baseline in baselines]
        start = mean(starts)
        allowed = None
        if self.tolerance is not None:
            change = objective.model.to_numpy(score - start).astype(np.float64)
            allowed = self.tolerance * np.abs(change)
        found = [
            self._path(objective, baseline, score - start, allowed)
            for baseline, start in zip(baselines, starts, strict=True)
        ]
        values = map_leaves(lambda *shares: mean(list(shares)), *(value for value, _ in found))
        unfinished = sorted({row for _, rows in found for row in rows})
        warnings: tuple[str, ...] = ()
        if unfinished:
            warnings = (
                f"{self.maximum_steps} steps did not bring the relative gap of example"
                f"{'s' if len(unfinished) > 1 else ''} {', '.join(map(str, unfinished[:10]))} to "
                f"{self.tolerance:g}; raise maximum_steps, or see relative_gap for what was reached.",
            )
        return Evidence(values, score, start, warnings=warnings)

    def _path(
        self, objective: Objective, baseline: Tree, change: Array, allowed: Numbers | None
    ) -> tuple[Tree, list[int]]:
        """Values for one baseline, and which examples of the batch stayed above what is allowed."""
        way = map_leaves(lambda x, b: x - b, objective.value, baseline)
        average = average_gradient(objective, baseline, way, *NODES[self.used_rule](self.steps))
        values = map_leaves(lambda w, g: w * g, way, average)
        if allowed is None:
            return values, []
        intervals = self.steps - 1 if self.used_rule == "trapezoid" else self.steps
        target = objective.model.to_numpy(change).astype(np.float64)
        while True:
            total = sum_per_example(values, objective.arrays)
            gaps = np.abs(objective.model.to_numpy(total).astype(np.float64) - target)
            pending = np.flatnonzero(gaps > allowed)
            nodes, kept, finer = refined(self.used_rule, intervals)
            if not len(pending) or finer > self.maximum_steps:
                return values, objective.rows[pending].tolist()
            part = objective.take(pending)
            chosen = chooser(objective, pending)
            more = average_gradient(
                part,
                map_leaves(chosen, baseline),
                map_leaves(chosen, way),
                nodes,
                np.full(len(nodes), 1 / len(nodes)),
            )
            better = map_leaves(
                lambda old, new, w: kept * old + (1 - kept) * (w * new),  # noqa: B023
                map_leaves(chosen, values),
                more,
                map_leaves(chosen, way),
            )
            values = replace_rows(objective, values, better, pending)
            intervals = finer


def average_gradient(
    objective: Objective, baseline: Tree, way: Tree, nodes: Numbers, weights: Numbers
) -> Tree:
    """sum_i weights_i * gradient(baseline + nodes_i * way), shaped like the value (N, ...)."""
    arrays = objective.arrays

    def part(chunk: range) -> Tree:
        at, share = nodes[chunk.start : chunk.stop], weights[chunk.start : chunk.stop]
        points = map_leaves(
            lambda b, w: b[None, ...] + objective.column(at, like=b) * w[None, ...], baseline, way
        )
        gradient = objective.gradient(points).gradient
        return map_leaves(
            lambda g: arrays.sum(objective.column(share, like=g[0, ...]) * g, axis=0), gradient
        )

    return objective.summed(len(nodes), part)


def score_at(objective: Objective, value: Tree) -> Array:
    """The score at one point per example, shape (N,)."""
    return objective.score(map_leaves(lambda leaf: leaf[None, ...], value))[0, ...]


def mean(arrays: list[Array]) -> Array:
    total = arrays[0]
    for more in arrays[1:]:
        total = total + more
    return total / len(arrays) if len(arrays) > 1 else total


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


def chooser(objective: Objective, rows: NDArray[np.int64]) -> Callable[[Array], Array]:
    """A function that picks these rows of an array."""
    index = objective.model.asarray(rows)
    return lambda leaf: objective.arrays.take(leaf, index, axis=0)


def replace_rows(objective: Objective, old: Tree, new: Tree, rows: NDArray[np.int64]) -> Tree:
    """`old` with its `rows` taken from `new`, without writing into either."""
    index = np.arange(objective.count)
    index[rows] = objective.count + np.arange(len(rows))
    choose = chooser(objective, index)
    joined = map_leaves(lambda a, b: objective.arrays.concat([a, b], axis=0), old, new)
    return map_leaves(choose, joined)


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


NODES: dict[str, Callable[[int], tuple[Numbers, Numbers]]] = {
    "gauss_legendre": gauss_legendre,
    "midpoint": midpoint,
    "trapezoid": trapezoid,
    "left": left,
    "right": right,
}
"""Nodes in [0, 1] and weights that sum to 1, by rule."""
