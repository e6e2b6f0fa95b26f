"""DeepLIFT: multipliers of differences from a baseline, m with sum(m * (x - x')) = score - score(x').

Shrikumar, Greenside, Kundaje, "Learning Important Features Through Propagating Activation Differences"
(2017). The mean over several baselines is DeepSHAP: Lundberg, Lee, "A Unified Approach to Interpreting
Model Predictions" (2017), section 4.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from backlight import Gradient, Method, Objective, Result
from backlight.errors import is_one_of, require
from backlight.rules.for_operation import (
    ForOperation,
    custom_rule,
    require_custom_rules,
    without_operation,
)
from backlight.rules.operations import AFFINE, UNARY, Kind, Operation
from backlight.rules.rules import Rule, Rules, places
from backlight.values.arrays import Array, shape_of
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.tree import Tree, concat, leaves, map_leaves, rebuild
from backlight_methods.deep_lift.reveal_cancel import RevealCancel
from backlight_methods.deep_lift.rules import RULES, Rescale, SquareRescale
from backlight_methods.keeping import Keep, require_keep
from backlight_methods.multipliers import require_multipliers, terms_of

FINE = 1e-12
"""A step between neighbouring numbers below which rounding makes no gap that is worth a word."""


@final
@dataclass(frozen=True)
class DeepLIFTRules(Rules):
    """A multiplier for every operation that is not affine.

    Attributes:
        reveal_cancel: whether a unary function behind a linear operation gets that rule.
        allow_gradient: whether an operation that cannot be run again may have its plain gradient.
        custom: rules of the user's own, which come first.
    """

    reveal_cancel: bool
    allow_gradient: bool
    custom: tuple[ForOperation, ...] = ()

    @property
    def folds_scales(self) -> bool:
        # What is behind batch norm is a neuron's, too. Multipliers of affine operations do not change.
        return self.reveal_cancel

    @property
    def kinds(self) -> frozenset[Kind]:
        return (UNARY | set(RULES)) | ({Kind.NEURON} if self.reveal_cancel else set())

    def choose(self, operation: Operation) -> Rule | None:
        own = custom_rule(self.custom, operation)
        if own is not None:
            return own
        if operation.kind is Kind.NEURON:
            return RevealCancel() if self.reveal_cancel else None
        if not operation.replayable:
            return None
        if operation.kind is Kind.POW and operation.power == 2:
            return SquareRescale()
        known = RULES.get(operation.kind)
        return Rescale() if known is None and operation.kind in UNARY else known

    def bridges(self, type: str, name: str) -> bool:
        return any(one.fits(type, name) for one in self.custom)

    def objection(self, operations: Sequence[Operation]) -> str | None:
        closed = [one for one in self._closed(operations) if not one.chosen]
        chosen = [one for one in operations if one.chosen and one.kind is Kind.SHIFT]
        stopped = [one for one in operations if one.chosen and one.kind is not Kind.SHIFT]
        gates = (
            f"what the value meets in {places(stopped)} is chosen by the input, past any gradient"
        )
        reasons = [
            *([f"{places(closed)} cannot be run again at other values"] if closed else ()),
            *([f"what is added by {places(chosen)} is chosen by the input"] if chosen else ()),
            *([gates] if stopped else ()),
        ]
        if not reasons or self.allow_gradient:
            return None
        advice = (
            "allow_gradient=True uses the plain gradient there, and the gap shows by how much the sum "
            "is then off."
        )
        if closed:
            advice += (
                f" custom_rules=(ForOperation({closed[0].type!r}, Secant()),) is complete at a function "
                "of each number by itself."
            )
        if stopped:
            advice += " A net that stops the gradient there itself may let it pass to be explained."
        return f"DeepLIFT cannot be complete here: {', and '.join(reasons)}. {advice}"

    def notes(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        closed = self._closed(operations)
        averaged = [one for one in self._inexact(operations) if one not in closed]
        found = [*without_operation(self.custom, operations)]
        if closed:
            found.append(f"DeepLIFT uses the plain gradient at {places(closed)}.")
        if averaged:
            found.append(
                f"DeepLIFT has no closed form for {places(averaged)}: the gradient is averaged over "
                "the way from the baseline there, and the gap shows how far the sum is off."
            )
        return tuple(found)

    def advice(self, operations: Sequence[Operation], step: float = 1.0) -> str:
        """What to do about a large gap, in a dtype in which 1 and the next number are a step apart."""
        inexact = self._inexact(operations)
        if not inexact and step < FINE:
            return (
                "Rounding does not explain that in float64: look for numbers that the code draws anew "
                "in each run, and for gradients that it cuts or replaces by its own."
            )
        if not inexact:
            return "Compare with another baseline, or compute in float64."
        return f"What has no closed form is {places(inexact)}; another baseline may close the gap."

    def _inexact(self, operations: Sequence[Operation]) -> list[Operation]:
        """Those without a closed form."""
        other = [
            one
            for one in operations
            if one.kind is Kind.OTHER and custom_rule(self.custom, one) is None
        ]
        return other + [one for one in self._closed(operations) if one not in other]

    def _closed(self, operations: Sequence[Operation]) -> list[Operation]:
        """Those without a multiplier: they would have to be run again, and cannot be."""
        return [one for one in operations if one.kind not in AFFINE and self.choose(one) is None]


@final
@dataclass(frozen=True, kw_only=True)
class DeepLIFT(Method):
    """Differences of the score from a baseline's, dealt out to the inputs.

    Args:
        baseline: a number, an array, one for each example, a function, `Drawn(data)` ...; the results
            for `Several` are averaged (DeepSHAP). See docs/baselines.md.
        rule: "rescale", or "reveal_cancel", which treats what raises and what lowers a neuron
            apart; where no linear operation is right before a unary function, it is the same as
            "rescale".
        allow_gradient: use the plain gradient at operations that cannot be run again, instead of
            raising an error.
        custom_rules: rules of your own, for functions that have none or cannot be looked into:
            `(ForOperation("autograd.CubeBackward", Secant()),)`; of several that fit the first acts.
            `Secant` is in `backlight_methods.deep_lift.rules`; docs/rules.md shows how to write one.
        multipliers: leave out the factor x - x': what a change of each input would count for, also of
            letters that a one-hot input does not have. Nothing is summed up to then.
        hypothetical: of one-hot inputs, what each letter would count for in its place, also those that
            are not there; times the input, these sum to score - baseline score.
        keep: "each" keeps the values for each of several baselines as well, as `Attribution.each`.

    Law: the values of an example sum to score - baseline score, whatever the operations
        (proposition 2, "summation to delta").
    Cost: per baseline a forward and a backward pass, and a forward pass over the baseline: one row,
        if all examples share it. RevealCancel repeats each linear operation eight times.
    """

    baseline: Baseline = 0.0
    rule: Literal["rescale", "reveal_cancel"] = "rescale"
    allow_gradient: bool = False
    custom_rules: tuple[ForOperation, ...] = ()
    multipliers: bool = False
    hypothetical: bool = False
    keep: Keep = "mean"

    def __post_init__(self) -> None:
        known = is_one_of(self.rule, ("rescale", "reveal_cancel"))
        require(known, self, "rule", "'rescale' or 'reveal_cancel'")
        require(isinstance(self.allow_gradient, bool), self, "allow_gradient", "True or False")
        require_multipliers(self)
        require_custom_rules(self, self.custom_rules)
        require_baseline(self)
        require_keep(self)

    @property
    def rules(self) -> DeepLIFTRules:
        cancels = self.rule == "reveal_cancel"
        return DeepLIFTRules(cancels, self.allow_gradient, self.custom_rules)

    @property
    def linear(self) -> bool:
        return True

    def attribute(self, objective: Objective) -> Result:
        rules, arrays = self.rules, objective.arrays
        references = objective.references(self.baseline)
        terms = terms_of(objective, self.multipliers, self.hypothetical)
        passes: list[Gradient] = []
        kept: list[Tree] = []

        def part(chunk: range) -> Tree:
            starts = objective.stacked([references[number] for number in chunk])
            found = objective.repeated(len(chunk)).ruled(
                rules, rows_of(starts, objective, len(chunk))
            )
            passes[:] = [found]

            def fold(leaf: Array) -> Array:
                return arrays.reshape(leaf, (len(chunk), objective.count, *shape_of(leaf)[1:]))

            ways = map_leaves(lambda x, b: fold(x) - b, found.value, starts)
            shares = terms(ways, map_leaves(fold, found.gradient))
            if self.keep == "each":
                kept.append(shares)
            if found.reference_score is None:
                raise AssertionError("unreachable: a reference was given")
            parts = *leaves(shares), fold(found.reference_score)
            return tuple(arrays.sum(one, axis=0) for one in parts)

        *shares, start = leaves(objective.summed(len(references), part))
        (found,) = passes
        values = rebuild(found.value, [share / len(references) for share in shares])
        return Result(
            values,
            found.score[: objective.count],
            None if self.multipliers or self.hypothetical else start / len(references),
            each=concat(kept, arrays) if kept else None,
            advice=rules.advice(found.operations, objective.precision),
            warnings=rules.notes(found.operations),
        )


def rows_of(starts: Tree, objective: Objective, samples: int) -> Tree:
    """References (samples, 1 or N, ...) as a pass takes them: (1, ...) or (samples x N, ...)."""
    if samples == 1:
        return map_leaves(lambda leaf: leaf[0, ...], starts)
    rows = (samples, objective.count)

    def flat(leaf: Array) -> Array:
        row = shape_of(leaf)[2:]
        spread = objective.arrays.broadcast_to(leaf, (*rows, *row))
        return objective.arrays.reshape(spread, (samples * objective.count, *row))

    return map_leaves(flat, starts)
