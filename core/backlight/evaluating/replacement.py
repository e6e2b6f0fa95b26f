"""What a place is replaced by, where a metric says it: a baseline as techniques have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from backlight.errors import require
from backlight.explaining.objective import Objective
from backlight.values.baselines import ACCEPTED, Baseline, is_baseline
from backlight.values.tree import Tree

Replacement: TypeAlias = Baseline


@final
@dataclass(frozen=True, eq=False)
class NativeReplacement:
    """What takes the places' values of some examples, in the model's own arrays already.

    Attributes:
        trees: see `replacements`.
    """

    trees: Sequence[Tree]


def require_replacement(owner: object, field: str = "baseline") -> None:
    """Raise `HyperParameterError` unless the field is a baseline, or None."""
    given = getattr(owner, field)
    fits = given is None or is_baseline(given)
    require(fits, owner, field, f"{ACCEPTED}, or Several of them")


def replacements(given: Replacement | NativeReplacement, objective: Objective) -> list[Tree]:
    """What takes the places' values: native trees, whose axis 0 has the examples or length 1.

    Raises:
        InputError: it does not fit the value.
    """
    if isinstance(given, NativeReplacement):
        return list(given.trees)
    return objective.references(given)
