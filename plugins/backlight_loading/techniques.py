"""The techniques of a report: from what the user wrote to methods ready to run."""

import ast
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final, get_args

from backlight import BacklightError, Method, Model, methods
from backlight.errors import HyperParameterError, InputError
from backlight.explaining.no_gradients import no_gradients
from backlight.explaining.registry import make_method

DEFAULT = ("integrated_gradients", "grad_cam", "occlusion")


@final
@dataclass(frozen=True)
class Technique:
    """A method, the name that the report gives it, and the inner site it explains, if one was said."""

    name: str
    method: Method
    at: str | None = None


def technique(said: str | Method, seed: int | None = None) -> Technique:
    """From `NAME` or `NAME:key=value,key=value`, or from a method.

    Values are Python literals, with true, false and none in any case; anything else is text. A value
    for a technique inside a technique is its name. `at` is not a hyper-parameter but the inner site to
    explain. A seed goes to techniques that have one and are not told another, the inner ones too.

    >>> technique("smooth:inner=input_x_gradient,samples=20")

    Raises:
        UnknownNameError, HyperParameterError: as of `backlight.explain`.
        InputError: a key is said twice.
    """
    if isinstance(said, Method):
        return Technique(type(said).__name__, said)
    name, _, rest = said.partition(":")
    name = name.strip().lower().replace("-", "_")
    texts = pairs(rest, said)
    at = texts.pop("at", None)
    accepted = parameters_of(name)
    given: dict[str, object] = {}
    for key, text in texts.items():
        annotation = accepted[key].annotation if key in accepted else None
        value = value_of(text, annotation)
        inner = annotation is Method and isinstance(value, str)
        given[key] = made(str(value), {}, seed) if inner else value
    return Technique(name, made(name, given, seed), None if at is None else site(at))


def pairs(text: str, said: str) -> dict[str, str]:
    """The keys of `key=value,key=value` with their values, as they were written."""
    found: dict[str, str] = {}
    for part in split(text):
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or not key.isidentifier():
            raise HyperParameterError(
                f"Hyper-parameters are written NAME:key=value,key=value; got {part!r} in {said!r}."
            )
        if key in found:
            raise InputError(f"{key} is said twice in {said!r}; say it once.")
        found[key] = value
    return found


def parameters_of(name: str) -> Mapping[str, inspect.Parameter]:
    """What a technique can be told; nothing where there is no such technique."""
    make = methods().get(name.strip().lower().replace("-", "_"))
    return inspect.signature(make).parameters if make else {}


def made(name: str, given: Mapping[str, object], seed: int | None) -> Method:
    """A technique; whatever its constructor refuses is an error that names it."""
    seeded = {} if seed is None or "seed" not in parameters_of(name) else {"seed": seed}
    try:
        return make_method(name, {**seeded, **given})
    except BacklightError:
        raise
    except (TypeError, ValueError) as error:
        raise HyperParameterError(
            f"{name} cannot be made like this: {type(error).__name__}: {error}"
        ) from error


def techniques(said: Sequence[str | Method], seed: int | None = None) -> list[Technique]:
    """Every technique asked for, each under a name of its own."""
    found: list[Technique] = []
    for one in said or DEFAULT:
        new = technique(one, seed)
        same = sum(other.name.partition(" ")[0] == new.name for other in found)
        found.append(Technique(f"{new.name} {same + 1}", new.method, new.at) if same else new)
    return found


def usable(chosen: Sequence[Technique], model: Model) -> list[Technique]:
    """Those of the techniques that can explain this model: all, unless it has no gradients."""
    return [one for one in chosen if no_gradients(one.method, model) is None]


def split(text: str) -> list[str]:
    """Parts between commas that stand outside of brackets: `size=(3, 3),stride=2` has two."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


WORDS = {"true": True, "false": False, "none": None}
"""Spelled in any case: who types a command does not think of Python."""


def value_of(text: str, annotation: object) -> object:
    """What a text means for a hyper-parameter: "none" is a text where texts like that are taken."""
    if annotation is str or text in choices(annotation):
        return unquoted(text)
    return WORDS.get(text.lower(), literal(text))


def choices(annotation: object) -> list[object]:
    """What a `Literal` lists, inside of unions too."""
    parts = get_args(annotation)
    return [one for part in parts for one in (choices(part) if get_args(part) else [part])]


def site(text: str) -> str | None:
    """An inner site's name as it was written: a layer called 0.10 is not layer 0.1."""
    return None if text.lower() == "none" else unquoted(text)


def unquoted(text: str) -> str:
    value = literal(text)
    return value if isinstance(value, str) else text


def literal(text: str) -> object:
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    return value


def sentence(method: Method) -> str:
    """The first line of a method's documentation."""
    return (inspect.getdoc(method) or "").partition("\n")[0]
