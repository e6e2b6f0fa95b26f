"""LRP, layer-wise relevance propagation: the score is dealt out, operation by operation, to the inputs.

Bach, Binder, Montavon, Klauschen, Müller, Samek, "On Pixel-Wise Explanations for Non-Linear Classifier
Decisions by Layer-Wise Relevance Propagation" (2015); the rules and their sources are in `lrp_rules`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from backlight import Method, Objective, Result
from backlight.errors import HyperParameterError, is_one_of, require
from backlight.rules.for_operation import (
    ForOperation,
    custom_rule,
    require_custom_rules,
    without_operation,
)
from backlight.rules.operations import AFFINE, LINEAR, UNARY, Kind, Operation
from backlight.rules.rules import Rule, Rules, Treatment, places
from backlight.values.tree import map_leaves
from backlight_methods.lrp.composites import COMPOSITES, Composite, CompositeName
from backlight_methods.lrp.rules import (
    FrozenSize,
    Half,
    HalfEpsilon,
    InputRule,
    Numerator,
    Offset,
    Ratio,
    Unchanged,
)

SCALES = frozenset({Kind.SCALE, Kind.SHIFT, Kind.BATCH_NORM})
"""What may be between the input and a rule for the input."""

NATIVE = frozenset({Kind.RELU, Kind.MAX_POOL, Kind.MAX, Kind.MIN, Kind.SOFTMAX, Kind.LOG_SOFTMAX})
"""Where a rule's result is the derivative, in multiplier form: rectifiers, winners, and the softmax's
first-order Taylor rule (AttnLRP, proposition 3.1), which is that of its logarithm too."""

OFFSET = frozenset(
    {Kind.SIGMOID, Kind.HARD_SIGMOID, Kind.SOFTPLUS, Kind.LOG_SIGMOID, Kind.EXP, Kind.ELEMENTWISE}
)
"""Functions of each number by itself that may give something for 0."""

BETWEEN: dict[Kind, Rule] = {
    Kind.MUL: Half(),
    Kind.MATMUL: HalfEpsilon(),
    Kind.DIV: Numerator(),
    Kind.NORMALIZATION: FrozenSize(),
}


@final
@dataclass(frozen=True)
class LRPRules(Rules):
    """A composite at the linear operations, and what goes with it at all others.

    Attributes:
        composite: which rule acts at which linear operation.
        technique: its name, for messages.
        custom: rules of the user's own, which come first.
    """

    composite: Composite
    technique: str = "LRP"
    custom: tuple[ForOperation, ...] = ()

    @property
    def folds_scales(self) -> bool:
        return True

    @property
    def kinds(self) -> frozenset[Kind]:
        other = set() if self.custom else {Kind.OTHER}
        return frozenset(Kind) - {Kind.NEURON, Kind.SUM, Kind.ADD} - other

    def choose(self, operation: Operation) -> Rule | None:
        own = custom_rule(self.custom, operation)
        if own is not None:
            return own
        if operation.undone:  # the derivatives of the two undo each other as well
            return None
        if operation.kind in LINEAR:
            return self.composite.choose(operation)
        if operation.kind in SCALES:
            first = operation.first and isinstance(self.composite.first, InputRule)
            return Unchanged() if first else None
        if operation.kind in UNARY and operation.kind is not Kind.RELU:
            return Offset() if operation.kind in OFFSET else Ratio()
        if operation.reciprocal is not None:
            return Numerator(operation.reciprocal)
        return BETWEEN.get(operation.kind)

    def treatment(self, operation: Operation) -> Treatment:
        if self.choose(operation) is not None:
            return Treatment.RULE
        exact = operation.undone or operation.kind in AFFINE | NATIVE
        return Treatment.EXACT if exact else Treatment.FALLBACK

    def bridges(self, type: str, name: str) -> bool:
        return any(one.fits(type, name) for one in self.custom)

    def objection(self, operations: Sequence[Operation]) -> str | None:
        inner = [one for one in operations if not one.first and self.composite.reaches_input(one)]
        if inner:
            return (
                "Flat, WSquare and ZBox are for the first linear operations only: they give relevance "
                f"to inputs of 0, which inner values cannot hand on. Named for {places(inner)}."
            )
        if not isinstance(self.composite.first, InputRule):
            return None
        before = [one for one in operations if one.first and one.kind not in LINEAR | SCALES]
        if not before:
            return None
        return (
            f"{type(self.composite.first).__name__} at the first layer needs each way from the input "
            "to meet a linear operation before anything else but scales and shifts; this model has "
            f"{places(before)} there. Use a composite without a rule for the first layer, such as "
            "'epsilon_plus'."
        )

    def notes(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        left = [one for one in operations if self.treatment(one) is Treatment.FALLBACK]
        unused = self.composite.unused(operations)
        found = [*without_operation(self.custom, operations)]
        if left:
            found.append(
                f"{self.technique} has no rule for {places(left)}: the plain gradient is used there."
            )
        if unused:
            linear = dict.fromkeys(one.name for one in operations if one.kind in LINEAR)
            found.append(
                f"No linear operation has a name that fits {', '.join(map(repr, unused))} of "
                f"Composite.named; there are {', '.join(list(linear)[:10]) or 'none'}"
                f"{' ...' if len(linear) > 10 else ''}."
            )
        return tuple(found)


@final
@dataclass(frozen=True, kw_only=True)
class LRP(Method):
    """Relevance: what each input adds to the score, by rules that differ from layer to layer.

    Batch normalisation is part of the linear operation before it. Rectifiers and maxima hand on the
    relevance that reaches them; so do other functions of each number by itself, but for the share of
    what they give for 0. Products share it equally, divisors and normalisations count as constant
    scales, attention follows AttnLRP.

    Args:
        composite: which rule acts where: a name (`epsilon`, `gamma`, `z_plus`, `alpha2_beta1`,
            `epsilon_plus`, `epsilon_plus_flat`, `epsilon_plus_box`, `epsilon_gamma_box`,
            `epsilon_w_square`, `epsilon_alpha2_beta1`, `epsilon_alpha2_beta1_flat`), or a
            `Composite`. "epsilon_plus" has z-plus at convolutions and epsilon at dense layers.
        custom_rules: rules of your own, for functions that have none or cannot be looked into, in
            multiplier form (relevance over value): `(ForOperation("cube", Ratio()),)`; of several that
            fit the first acts.
        multipliers: leave out the factor x, where there is one. Nothing is summed up to then.

    Law: without biases, the values of an example sum to its score (conservation), but for what epsilon
        takes and what neurons keep that have nothing of the sign that a rule shares by. What is kept,
        by biases too, shows in `gap`.
    Cost: a forward and a backward pass with "epsilon"; z-plus repeats each linear operation four
        times, gamma eight times.

    Some other code bases for LRP name patents on it in their licences; whether any concerns what you
    do is yours to decide.
    """

    composite: CompositeName | Composite = "epsilon_plus"
    custom_rules: tuple[ForOperation, ...] = ()
    multipliers: bool = False

    def __post_init__(self) -> None:
        require(isinstance(self.multipliers, bool), self, "multipliers", "True or False")
        require_custom_rules(self, self.custom_rules)
        known = isinstance(self.composite, Composite) or is_one_of(self.composite, COMPOSITES)
        listed = ", ".join(map(repr, COMPOSITES))
        require(known, self, "composite", f"a Composite or one of {listed}")

    @property
    def rules(self) -> LRPRules:
        said = self.composite
        composite = said if isinstance(said, Composite) else COMPOSITES[said]
        return LRPRules(composite, custom=self.custom_rules)

    @property
    def linear(self) -> bool:
        return True

    def attribute(self, objective: Objective) -> Result:
        rules = self.rules
        found = objective.ruled(rules)
        values = found.gradient
        reached = any(rules.composite.reaches_input(one) for one in found.operations)
        if reached and self.multipliers:
            raise HyperParameterError(
                "LRP has no multipliers where a rule deals relevance out to the inputs themselves, as "
                "flat, w-squared and box rules at the first layer do; use another composite, such as "
                "'epsilon' or 'epsilon_plus'."
            )
        if not reached and not self.multipliers:
            values = map_leaves(lambda x, m: x * m, found.value, found.gradient)
        nothing = None if self.multipliers else objective.arrays.zeros_like(found.score)
        return Result(
            values,
            found.score,
            nothing,
            advice=None,  # what biases keep is no fault: `gap` says how much
            warnings=rules.notes(found.operations),
        )
