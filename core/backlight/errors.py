"""The errors a user can meet: each says what was seen, what is accepted and what to do next."""

import difflib
import re
from collections.abc import Iterable
from math import isfinite
from numbers import Integral, Real
from typing import Any, cast

from backlight.by_value import short_repr


class BacklightError(Exception):
    """Base of all errors that Backlight raises on purpose.

    Copies and pickles keep the message and the attributes, whatever a subclass is made from.
    """

    def __reduce__(self) -> tuple[object, ...]:
        kind, arguments, *state = cast(tuple[object, ...], super().__reduce__())
        return remade, (kind, arguments), *state


def remade(kind: type[BacklightError], arguments: tuple[object, ...]) -> BacklightError:
    """An error with these arguments, without its own constructor, which may take others."""
    error = kind.__new__(kind, *arguments)
    builtin: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    builtin.__init__(error, *arguments)
    return error


class UnknownNameError(BacklightError, LookupError):
    """A name (method, site, class, output path ...) that is not among the known ones."""

    def __init__(self, what: str, name: object, known: Iterable[str], advice: str = "") -> None:
        names = list(known)
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
        nearest = f" Nearest: {', '.join(near)}." if near else ""
        listed = ", ".join(names[:40]) + (f" ... ({len(names)} in all)" if len(names) > 40 else "")
        message = f"Unknown {what} {shown(name)}.{nearest} Known: {listed or 'none'}."
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


class ResultError(BacklightError, TypeError):
    """A technique returned what cannot be a result for the examples that it was given."""


class NonFiniteError(BacklightError, ArithmeticError):
    """An attribution came out as NaN or infinite."""


class ModelError(BacklightError, RuntimeError):
    """The model raised an error when it was called, or is in a state in which it cannot be explained."""


class PluginError(BacklightError, RuntimeError):
    """A plugin cannot give what was asked of it: it fails, or another offers the same."""


class BacklightWarning(UserWarning):
    """What deserves a second look: a valid result (in `Attribution.warnings` too), a failing plugin."""


COLOURS = re.compile("\x1b\\[[0-9;]*m")
CALLS = re.compile(r'^\s*File "[^"\n]*", line \d+.*\n(?:[ \t]+(?!File ").*\n)?', re.MULTILINE)
"""The calls that led to an error, with the line of code of each, as frameworks write them into it."""
AROUND = re.compile(
    r"^\s*(?:in user code:|Graph execution error:|Detected at node .*:|<stack traces unavailable>)\s*$",
    re.MULTILINE,
)
"""What they write before those."""
BEHIND = re.compile(r"^\s*(?:(?:Call a|A)rguments received by .*:|-{10,})\s*$", re.MULTILINE)
"""What they end with: what the call was given, which is told elsewhere, and advice of their own."""
ITS_TYPE = re.compile(r"^\w+(?:Error|Exception): ")


def message_of(error: BaseException) -> str:
    """What an error says, in one line: without the calls that led to it, and all else that frameworks
    write around the sentence that matters. "" of one that says nothing."""
    try:
        text = COLOURS.sub("", str(error))
    except Exception:  # a foreign error may be unable to say anything
        return ""
    inside = AROUND.sub("", CALLS.sub("", BEHIND.split(text)[0])).strip()
    return " ".join((ITS_TYPE.sub("", inside) if inside != text.strip() else text).split())


def reason(error: BaseException) -> str:
    """What an error says, see `message_of`; with its type where it was not raised on purpose."""
    text = message_of(error).removesuffix(".")
    if isinstance(error, BacklightError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shown(value: object, most: int = 120) -> str:
    """Its repr on one line, arrays in short, cut in the middle beyond `most` characters."""
    text = re.sub(r"\s*\n\s*", " ", short_repr(value))
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} ... {text[-half:]}"


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
