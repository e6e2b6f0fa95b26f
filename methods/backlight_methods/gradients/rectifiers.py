"""What techniques share that change how gradients go back through rectifiers."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from backlight import Method, Objective, Result
from backlight.errors import require
from backlight.rules.operations import (
    AFFINE,
    PIECEWISE_LINEAR,
    SMOOTH_RECTIFIERS,
    UNARY,
    Kind,
    Operation,
)
from backlight.rules.rules import (
    AppliedOperation,
    OutputGradientRule,
    Rule,
    Rules,
    Treatment,
    places,
)
from backlight.values.arrays import Array
from backlight_methods.signs import positive

RECTIFIERS = frozenset({Kind.RELU, Kind.RELU6})
"""What the papers' rules are defined for: max(x, 0), and the same cut off above."""

OTHERS = (PIECEWISE_LINEAR | SMOOTH_RECTIFIERS) - RECTIFIERS
"""Activations in a rectifier's place."""

ARITHMETIC = {Kind.EXP, Kind.LOG, Kind.SQRT, Kind.RSQRT, Kind.POW, Kind.ABS, Kind.ERF}
ACTIVATIONS = UNARY - RECTIFIERS - ARITHMETIC | {Kind.OTHER}
"""What may act as an activation; where it met no rule, users are told."""

EXACT = AFFINE | {Kind.MAX_POOL, Kind.MAX, Kind.MIN}
"""What the papers leave to the derivative: linear layers and max-pooling's switches."""


@final
@dataclass(frozen=True)
class PositiveGradients(OutputGradientRule):
    """Positive gradients go on, by the activation's own derivative: Springenberg et al. (2014),
    section 3.4, R_in = 1[x > 0] 1[R_out > 0] R_out for a rectifier."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def output_gradient(self, op: AppliedOperation, grad: Array) -> Array:
        return positive(grad, op.arrays)


@final
@dataclass(frozen=True)
class RectifiedGradients(Rule):
    """The rectifier is applied to the gradient instead of to the value: Zeiler and Fergus (2013),
    section 2.1, R_in = 1[R_out > 0] R_out."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return (positive(grad, op.arrays),)


@dataclass(frozen=True)
class RectifierRules(Rules):
    """One rule at all rectifiers.

    Attributes:
        technique: its name, for messages.
        all_rectifiers: whether the rule also acts where the paper defines nothing.
    """

    technique: str
    all_rectifiers: bool

    @property
    @abstractmethod
    def rule(self) -> Rule: ...

    @property
    def kinds(self) -> frozenset[Kind]:
        return RECTIFIERS | OTHERS if self.all_rectifiers else RECTIFIERS

    def choose(self, operation: Operation) -> Rule | None:
        return self.rule if operation.kind in self.kinds else None

    def treatment(self, operation: Operation) -> Treatment:
        if operation.kind in self.kinds:
            return Treatment.RULE
        return Treatment.EXACT if operation.kind in EXACT else Treatment.FALLBACK

    def objection(self, operations: Sequence[Operation]) -> str | None:
        if any(one.kind in self.kinds for one in operations):
            return None
        others = [one for one in operations if one.kind in OTHERS]
        if others:
            return (
                f"{self.technique} is defined for rectifiers (relu, relu6), and this model has none "
                f"between here and the score: the result would be the plain gradient. It has "
                f"{places(others)}. all_rectifiers=True applies the rule to these as well."
            )
        found = [one for one in operations if one.kind not in AFFINE]
        return (
            f"{self.technique} is defined for rectifiers (relu, relu6), and this model has none "
            "between here and the score: the result would be the plain gradient. "
            f"What it has that is not linear: {places(found) or 'nothing'}. Use method 'gradient' "
            "for the plain gradient."
        )

    def notes(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        left = [one for one in operations if one.kind in ACTIVATIONS - self.kinds]
        if not left:
            return ()
        return (
            f"{self.technique} has no rule for {places(left, 1)}: the plain gradient is used there.",
        )


@final
@dataclass(frozen=True)
class GuidedRules(RectifierRules):
    """Guided backprop's."""

    @property
    def rule(self) -> Rule:
        return PositiveGradients()


@final
@dataclass(frozen=True)
class DeconvnetRules(RectifierRules):
    """Deconvnet's."""

    @property
    def rule(self) -> Rule:
        return RectifiedGradients()


@dataclass(frozen=True, kw_only=True)
class RectifierTechnique(Method):
    """The gradient by one rule at all rectifiers; each technique brings its `rules`.

    Args:
        all_rectifiers: whether the rule also acts where the paper defines nothing.
    """

    all_rectifiers: bool = False

    def __post_init__(self) -> None:
        known = isinstance(self.all_rectifiers, bool)
        require(known, self, "all_rectifiers", "True or False")

    @property
    @abstractmethod
    def rules(self) -> RectifierRules: ...

    def attribute(self, objective: Objective) -> Result:
        rules = self.rules
        found = objective.ruled(rules)
        return Result(found.gradient, found.score, warnings=rules.notes(found.operations))
