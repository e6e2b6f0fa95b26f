"""Which LRP rule acts at which layer, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias, final

from backlight.errors import require
from backlight.rules.operations import LINEAR, Kind, Operation
from backlight.rules.rules import Rule
from backlight_methods.lrp.rules import (
    AlphaBeta,
    Epsilon,
    Flat,
    Gamma,
    InputRule,
    WSquare,
    ZBox,
)

EPSILON = Epsilon()


@final
@dataclass(frozen=True, kw_only=True)
class Composite:
    """Rules for the linear operations of a net: the first line that fits decides.

    Attributes:
        named: pairs of a pattern, with `*` and `?` as in file names, and the rule for operations of
            such a name (`backlight check` shows the names).
        first: the rule for linear operations that the input reaches without meeting another one.
        last: the rule for those from which the score is reached without another one.
        dense: the rule for matrix products.
        convolution: the rule for convolutions.
    """

    named: tuple[tuple[str, Rule], ...] = ()
    first: Rule | None = None
    last: Rule | None = None
    dense: Rule = EPSILON
    convolution: Rule = EPSILON

    def __post_init__(self) -> None:
        for field in ("first", "last", "dense", "convolution"):
            rule = getattr(self, field)
            optional = field in ("first", "last")
            fits = isinstance(rule, Rule) or (optional and rule is None)
            wanted = "a rule, such as Epsilon()" + (", or None" if optional else "")
            require(fits, self, field, wanted)
        pairs = isinstance(self.named, tuple) and all(map(is_named_rule, self.named))
        require(pairs, self, "named", "a tuple of pairs of a pattern and a rule")

    def unused(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        """The patterns of `named` that fit the name of no linear operation."""
        names = [one.name for one in operations if one.kind in LINEAR]
        return tuple(
            pattern
            for pattern, _ in self.named
            if not any(fnmatchcase(name, pattern) for name in names)
        )

    def choose(self, operation: Operation) -> Rule | None:
        """The rule for a linear operation; None for any other."""
        if operation.kind not in LINEAR:
            return None
        for pattern, rule in self.named:
            if fnmatchcase(operation.name, pattern):
                return rule
        if operation.first and self.first is not None:
            return self.first
        if operation.last and self.last is not None:
            return self.last
        return self.dense if operation.kind is Kind.DENSE else self.convolution

    def reaches_input(self, operation: Operation) -> bool:
        """Whether relevance itself, not a multiplier, comes out of it."""
        return isinstance(self.choose(operation), InputRule)


def is_named_rule(pair: object) -> bool:
    """Whether it is a pattern and a rule."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        return False
    pattern, rule = pair
    return isinstance(pattern, str) and isinstance(rule, Rule)


CompositeName: TypeAlias = Literal[
    "epsilon",
    "gamma",
    "z_plus",
    "alpha2_beta1",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_plus_box",
    "epsilon_gamma_box",
    "epsilon_w_square",
    "epsilon_alpha2_beta1",
    "epsilon_alpha2_beta1_flat",
]

COMPOSITES: Mapping[CompositeName, Composite] = {
    "epsilon": Composite(),
    "gamma": Composite(dense=Gamma(), convolution=Gamma()),
    "z_plus": Composite(dense=AlphaBeta(), convolution=AlphaBeta()),
    "alpha2_beta1": Composite(dense=AlphaBeta(2.0, 1.0), convolution=AlphaBeta(2.0, 1.0)),
    "epsilon_plus": Composite(convolution=AlphaBeta()),
    "epsilon_plus_flat": Composite(first=Flat(), convolution=AlphaBeta()),
    "epsilon_plus_box": Composite(first=ZBox(), convolution=AlphaBeta()),
    "epsilon_gamma_box": Composite(first=ZBox(), convolution=Gamma()),
    "epsilon_w_square": Composite(first=WSquare()),
    "epsilon_alpha2_beta1": Composite(convolution=AlphaBeta(2.0, 1.0)),
    "epsilon_alpha2_beta1_flat": Composite(first=Flat(), convolution=AlphaBeta(2.0, 1.0)),
}
"""By name. epsilon_plus is the overview paper's advice for convolutional nets without a rule of its own
for pixels; with one, it is the flat or the box variant. epsilon suits transformers."""
