"""What a place is replaced by, where a metric says it: a baseline as techniques have them."""

from typing import TypeAlias

from backlight.errors import require
from backlight.values.baselines import ACCEPTED, Baseline, is_baseline

Replacement: TypeAlias = Baseline


def require_replacement(owner: object, field: str = "baseline") -> None:
    """Raise `HyperParameterError` unless the field is a baseline, or None."""
    given = getattr(owner, field)
    fits = given is None or is_baseline(given)
    require(fits, owner, field, f"{ACCEPTED}, or Several of them")
