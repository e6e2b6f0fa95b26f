"""The errors a user can meet: each says what was seen, what is accepted and what to do next."""

import difflib
from collections.abc import Iterable
from math import isfinite
from numbers import Integral, Real

from backlight.by_value import shown


class BacklightError(Exception):
    """Base of all errors that Backlight raises on purpose."""


class UnknownNameError(BacklightError, LookupError):
    """A name (method, site, class, output path ...) that is not among the known ones."""

    def __init__(self, what: str, name: object, known: Iterable[str], advice: str = "") -> None:
        names = list(known)
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
        nearest = f" Nearest: {', '.join(near)}." if near else ""
        listed = ", ".join(names[:40]) + (f" ... ({len(names)} in all)" if len(names) > 40 else "")
        message = f"Unknown {what} {name!r}.{nearest} Known: {listed or 'none'}."
        super().__init__(f"{message} {advice}".rstrip())


class NoBackendError(BacklightError, TypeError):
    """No installed backend knows how to differentiate this object."""


class InputError(BacklightError, ValueError):
    """Inputs that the model or the technique cannot use."""


class InputTypeError(BacklightError, TypeError):
    """Inputs of a type or framework that the model cannot use."""


class TargetError(BacklightError, ValueError):
    """A target that this model's output does not have."""


class HyperParameterError(BacklightError, ValueError):
    """A hyper-parameter outside of its range."""


class SiteError(BacklightError, ValueError):
    """An inner site that cannot be used for what was asked."""


class CoverageError(BacklightError, ValueError):
    """A technique whose rules do not cover this model: its result would be meaningless."""


class NoGradientError(BacklightError, ValueError):
    """No gradient of the score reaches what is explained: every value would be 0."""


class EvidenceError(BacklightError, TypeError):
    """A technique returned what cannot be a result for the examples that it was given."""


class NonFiniteError(BacklightError, ArithmeticError):
    """An attribution came out as NaN or infinite."""


class ModelError(BacklightError, RuntimeError):
    """The model raised an error when it was called, or is in a state in which it cannot be explained."""


class BacklightWarning(UserWarning):
    """A result that is valid but deserves a second look; also stored in `Attribution.warnings`."""


def is_whole(number: object) -> bool:
    """Whether it is an integer, NumPy's included, and not a truth value."""
    return not isinstance(number, bool) and isinstance(number, Integral)


def is_real(number: object) -> bool:
    """Whether it is a finite number, NumPy's included, and not a truth value."""
    return not isinstance(number, bool) and isinstance(number, Real) and isfinite(number)


def is_one_of(name: object, names: Iterable[str]) -> bool:
    """Whether it is a string among these."""
    return isinstance(name, str) and name in set(names)


def require(condition: bool, owner: object, field: str, rule: str) -> None:
    """Raise `HyperParameterError` unless `condition` holds for `owner.field`.

    >>> require(False, IntegratedGradients(steps=0), "steps", "at least 1")
    HyperParameterError: IntegratedGradients.steps must be at least 1, got 0.
    """
    if not condition:
        seen = getattr(owner, field)
        raise HyperParameterError(
            f"{type(owner).__name__}.{field} must be {rule}, got {shown(seen)}."
        )
