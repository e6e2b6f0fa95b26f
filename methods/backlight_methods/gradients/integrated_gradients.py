"""Integrated gradients: (x - x') * integral over a in [0, 1] of d score(x' + a (x - x')) / d x.

Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks" (2017), equation 1; several
baselines x' are averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from backlight import JointMethod, Objective, Result, Score
from backlight.errors import is_one_of, is_real, is_whole, require
from backlight.explaining.zeros import numbers
from backlight.values.arrays import SINGLE, Array, shape_of
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.tree import Tree, leaves, map_leaves, rebuild, sum_per_example
from backlight_methods.gradients.paths import Paths
from backlight_methods.gradients.quadrature import (
    CLOSED,
    NODES,
    Numbers,
    Rule,
    error_weights,
    estimated,
    refined,
)
from backlight_methods.keeping import Keep, averaged, require_keep
from backlight_methods.multipliers import Terms, require_multipliers, terms_of
from backlight_methods.per_example import chooser, named, norms, relative, replace_rows

BEYOND = 10.0
"""By how many times the values' estimated error a gap is not the integral's."""

JUMPS = (
    "More steps would not help, as the gap is much larger than the integral's error: the score jumps on "
    "the way, or part of it lets no gradient pass. Compare with another baseline, or with occlusion."
)

COARSE = (
    "The net computes in 16 bits, whose rounding no number of steps takes away: raise tolerance, or "
    "explain a copy of the net in float32."
)


@final
@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(JointMethod):
    """The gradient averaged over the straight path from a baseline, times the way.

    Args:
        steps: gradients per example (and baseline), at least 1; 2 for the trapezoid. The paper finds
            20 to 300 enough.
        rule: how the integral is approximated; "gauss_legendre" where nothing is said. With
            `tolerance` it must be one whose steps can be reused, and is "trapezoid" by default. Where
            the gradient is not finite at an end of the path (a square root of 0), rules with a node
            there give way to "midpoint", with a warning.
        baseline: a number, an array, one for each example, a function, `Drawn(data)` ...; the mean over
            `Several`. See docs/baselines.md.
        tolerance: adds steps, for the examples that need them, until of each the estimated `error` and
            the relative gap, |sum - (score - baseline score)| / |score - baseline score|, are both at
            most this.
        maximum_steps: where `tolerance` gives up, with a warning.
        multipliers: leave out the factor x - x': the mean gradient on the way, as is wanted for letters
            that a one-hot input does not have. Nothing is summed up to then.
        hypothetical: of one-hot inputs, what each letter would count for in its place, also those that
            are not there; times the input, these sum to score - baseline score.
        keep: "each" keeps the values for each of several baselines as well, as `Attribution.each`.

    Law: the values of an example sum to score - baseline score, up to the gap that is reported
        (completeness, the paper's proposition 1). A small gap is not accuracy: what is too much at one
        input may be too little at another. `error` estimates that, from the same gradients: on nets
        with rectifiers it falls like 1 / steps whatever the rule. On smooth nets Gauss-Legendre may be
        much better than it says.
    Cost: `steps` forward and backward passes per baseline, and a forward pass for each end. A
        tolerance doubles the steps (triples, with "midpoint"), computing only the new ones.
    """

    steps: int = 50
    rule: Rule | None = None
    baseline: Baseline = 0.0
    tolerance: float | None = None
    maximum_steps: int = 3200
    multipliers: bool = False
    hypothetical: bool = False
    keep: Keep = "mean"

    def __post_init__(self) -> None:
        known = self.rule is None or is_one_of(self.rule, NODES)
        require(known, self, "rule", f"one of {', '.join(map(repr, NODES))}")
        least = 2 if self.used_rule == "trapezoid" else 1
        whole = is_whole(self.steps) and self.steps >= least
        require(whole, self, "steps", f"at least {least}")
        limit = is_whole(self.maximum_steps) and self.maximum_steps >= 1
        require(limit, self, "maximum_steps", "at least 1")
        require_baseline(self)
        require_multipliers(self)
        require_keep(self)
        if self.tolerance is not None:
            for field in ("multipliers", "hypothetical"):
                summing = not getattr(self, field)
                require(summing, self, field, "False with a tolerance, which asks for sums")
            positive = is_real(self.tolerance) and self.tolerance > 0
            require(positive, self, "tolerance", "greater than 0")
            nested = self.rule != "gauss_legendre"
            require(nested, self, "rule", "other than 'gauss_legendre' with a tolerance")
            most = self.maximum_steps >= self.steps
            require(most, self, "maximum_steps", f"at least steps, {self.steps}")

    @property
    def used_rule(self) -> Rule:
        return self.rule or ("gauss_legendre" if self.tolerance is None else "trapezoid")

    @property
    def linear(self) -> bool:
        return self.tolerance is None  # whose steps depend on the score

    @property
    def differentiable(self) -> bool:
        return self.tolerance is None

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        references, rule = objective.references(self.baseline), self.used_rule
        share = np.full(len(references), 1 / len(references))
        scores = objective.scores(targets)
        starts = mean_scores(objective, targets, references, share)
        sums = self._first(objective, targets, rule)
        return [
            self._result(objective.with_target(target), score, start, first)
            for target, score, start, first in zip(targets, scores, starts, sums, strict=True)
        ]

    def _result(self, objective: Objective, score: Array, start: Array, first: "Sums") -> Result:
        change = numbers(objective.model, score - start)
        found = self._integral(objective, change, self.used_rule, first)
        if self.multipliers or self.hypothetical:
            error = found.error if self.steps > 1 else None
            return Result(
                found.values, score, error=error, each=found.each, warnings=found.warnings
            )
        known = self.steps > 1 or self.tolerance is not None
        gap = absolute_gap(objective, found.values, change)
        with np.errstate(invalid="ignore"):  # an infinite error of values that are 0
            off = found.error * norms(objective, found.values)
        jumps = known and bool((gap > BEYOND * off).any())
        more = "steps, or name a tolerance=" if self.tolerance is None else "maximum_steps"
        return Result(
            found.values,
            score,
            start,
            error=found.error if known else None,
            each=found.each,
            advice=JUMPS if jumps else f"Raise {more}, or compare with another baseline.",
            warnings=found.warnings,
        )

    def _first(self, objective: Objective, targets: Sequence[Score], rule: Rule) -> "list[Sums]":
        """What the steps asked for give, before any are added."""
        return self._sums(objective, targets, rule, self._intervals(rule), *NODES[rule](self.steps))

    def _intervals(self, rule: Rule) -> int:
        return self.steps - 1 if rule == "trapezoid" else self.steps

    def _integral(
        self, objective: Objective, change: Numbers, rule: Rule, first: "Sums"
    ) -> "Integral":
        """The values by this rule, to the tolerance if there is one, from what its first steps gave."""
        intervals = self._intervals(rule)
        values, each, size = first.values, first.each, norms(objective, first.values)
        error, notes = relative(first.spread, size, objective), list[str]()
        seen = rule in CLOSED and objective.model.has_numbers(leaves(values)[0])
        ends = np.flatnonzero(~np.isfinite(size)) if seen else np.arange(0)
        if len(ends):
            notes.append(
                f"The gradient is not finite at an end of the path of {named(objective, ends)}, where "
                f"the {rule} rule has a node: midpoints are used instead."
            )
            part = objective.take(ends)
            (inner_first,) = self._first(part, (part.target,), "midpoint")
            inner = self._integral(part, change[ends], "midpoint", inner_first)
            values = replace_rows(objective, values, inner.values, ends)
            if each is not None and inner.each is not None:
                each = replace_rows(objective, each, inner.each, ends, axis=1)
            error[ends] = inner.error
            notes += inner.warnings
        while self.tolerance is not None:
            gap = relative_gap(objective, values, change)
            met = (gap <= self.tolerance) & (error <= self.tolerance)  # NaN is not
            far = ~met
            pending = np.setdiff1d(np.flatnonzero(far), ends)
            nodes, kept, finer = refined(rule, intervals)
            if not len(pending):
                break
            if finer > self.maximum_steps:
                notes.append(
                    f"{self.maximum_steps} steps did not bring relative_gap and error of "
                    f"{named(objective, pending)} to {self.tolerance:g}: the relative gap is up to "
                    f"{gap[pending].max():.2g}, the estimated error of the values up to "
                    f"{error[pending].max():.2g}. "
                    + (
                        COARSE
                        if objective.precision > SINGLE
                        else "Raise maximum_steps or tolerance."
                    )
                )
                break
            part, chosen = objective.take(pending), chooser(objective, pending)
            even = np.full(len(nodes), 1 / len(nodes))
            (more,) = self._sums(part, (part.target,), rule, finer, nodes, even)
            better = map_leaves(
                lambda old, new: kept * old + (1 - kept) * new,  # noqa: B023
                map_leaves(chosen, values),
                more.values,
            )
            spread = more.spread
            if rule in CLOSED:
                # The new nodes are inner ones: what the nodes at the ends do, whose share halves with the
                # intervals, shows in how far the values moved.
                moved = map_leaves(lambda old, new: new - old, map_leaves(chosen, values), better)
                spread = np.maximum(spread, norms(part, moved))
            values = replace_rows(objective, values, better, pending)
            error[pending] = relative(spread, norms(part, better), part)
            intervals = finer
        return Integral(values, error, each, tuple(notes))

    def _sums(
        self,
        objective: Objective,
        targets: Sequence[Score],
        rule: Rule,
        intervals: int,
        nodes: Numbers,
        weights: Numbers,
    ) -> "list[Sums]":
        """For each target what these nodes give."""
        rows = np.vstack([weights, error_weights(rule, nodes, intervals)])
        references = objective.references(self.baseline)
        apart = [[one] for one in references] if self.keep == "each" else [references]

        def read(*groups: Tree) -> Sums:
            """From the sums over groups of baselines."""

            def row(number: int) -> tuple[Tree, Tree | None]:
                parts = [map_leaves(lambda leaf: leaf[number, ...], sums) for sums in groups]
                return averaged(parts, self.keep, objective.arrays)

            values, each = row(0)
            sizes = [norms(objective, row(number)[0]) for number in range(1, len(rows))]
            return Sums(values, estimated(np.reshape(sizes, (-1, objective.count))), each)

        terms = terms_of(objective, self.multipliers, self.hypothetical)
        sums = [path_sums(objective, targets, group, nodes, rows, terms) for group in apart]
        return list(map(read, *sums))


@final
@dataclass(frozen=True)
class Sums:
    """Values (N, ...) by the nodes of a rule, the size (N,) of its error, and the values for each
    baseline, (baselines, N, ...), where they are kept."""

    values: Tree
    spread: Numbers
    each: Tree | None


@final
@dataclass(frozen=True)
class Integral:
    """Values (N, ...), their estimated relative error (N,), those for each baseline (see `Sums`), and
    what to tell the user."""

    values: Tree
    error: Numbers
    each: Tree | None
    warnings: tuple[str, ...]


def path_sums(
    objective: Objective,
    targets: Sequence[Score],
    references: Sequence[Tree],
    nodes: Numbers,
    weights: Numbers,
    terms: Terms,
) -> list[Tree]:
    """For each target and row of weights (rows, nodes): sum_i weight_i term(x - b, gradient(b + node_i
    (x - b))), the mean over the references b, shape (rows, N, ...). Row 0 is summed in full precision."""
    arrays, steps, paths = objective.arrays, len(nodes), Paths(objective, references)
    shares = weights / len(references)

    def part(chunk: range) -> Tree:
        step = np.array(chunk) % steps
        points, way = paths.points([sample // steps for sample in chunk], nodes[step])

        def weighted(term: Array) -> Array:
            column = objective.column(shares[0, step], like=term[0, ...])
            first = arrays.sum(column * term, axis=0)
            # The others in one product: where a device rounds its operands, it does not matter to them.
            others = objective.model.asarray(shares[1:, step], like=term)
            sums = others @ arrays.reshape(term, (len(chunk), -1))
            more = arrays.reshape(sums, (len(shares) - 1, *shape_of(first)))
            return arrays.concat([first[None, ...], more], axis=0)

        found = objective.gradients(targets, points)
        return tuple(weighted(term) for one in found for term in leaves(terms(way, one.gradient)))

    sums, width = (
        leaves(objective.summed(len(references) * steps, part)),
        len(leaves(objective.value)),
    )
    parts = [sums[first : first + width] for first in range(0, len(sums), width)]
    return [rebuild(objective.value, one) for one in parts]


def mean_scores(
    objective: Objective, targets: Sequence[Score], references: Sequence[Tree], shares: Numbers
) -> list[Array]:
    """The scores of the references, each times its share, summed: shape (N,), for each target."""
    arrays = objective.arrays

    def part(chunk: range) -> Tree:
        starts = objective.stacked([references[number] for number in chunk])
        points = map_leaves(
            lambda b, x: arrays.broadcast_to(b, (len(chunk), *shape_of(x))), starts, objective.value
        )
        share = shares[chunk.start : chunk.stop]
        return tuple(
            arrays.sum(objective.column(share, like=scores[0, ...]) * scores, axis=0)
            for scores in objective.scores(targets, points)
        )

    return leaves(objective.summed(len(references), part))


def absolute_gap(objective: Objective, values: Tree, change: Numbers) -> Numbers:
    """|sum of values - change| of each example."""
    total = numbers(objective.model, sum_per_example(values, objective.arrays))
    with np.errstate(invalid="ignore"):  # a score may be infinite at the baseline
        return np.asarray(np.abs(total - change))


def relative_gap(objective: Objective, values: Tree, change: Numbers) -> Numbers:
    """|sum of values - change| / |change| of each example; 0 where both are 0."""
    gap, size = absolute_gap(objective, values, change), np.abs(change)
    with np.errstate(invalid="ignore"):
        return np.divide(gap, size, out=np.where(gap > 0, np.inf, 0.0), where=size > 0)
