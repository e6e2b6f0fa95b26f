"""The techniques of a report: from what the user wrote to methods ready to run."""

import ast
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from backlight import Method, methods
from backlight.errors import HyperParameterError
from backlight.registry import make_method

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

    Values are Python literals; anything else is text. A value for a technique inside a technique is
    its name. `at` is not a hyper-parameter but the inner site to explain. A seed goes to techniques
    that have one and are not told another.

    >>> technique("smooth:inner=input_x_gradient,samples=20")

    Raises:
        UnknownNameError, HyperParameterError: as of `backlight.explain`.
    """
    if isinstance(said, Method):
        return Technique(type(said).__name__, said)
    name, _, rest = said.partition(":")
    name = name.strip().lower().replace("-", "_")
    given: dict[str, object] = {}
    for part in split(rest):
        key, sign, value = part.partition("=")
        if not sign or not key.strip().isidentifier():
            raise HyperParameterError(
                f"Hyper-parameters are written NAME:key=value,key=value; got {part!r} in {said!r}."
            )
        given[key.strip()] = literal(value.strip())
    at = given.pop("at", None)
    make = methods().get(name)
    accepted = inspect.signature(make).parameters if make else {}
    for key, text in given.items():
        if key in accepted and accepted[key].annotation is Method and isinstance(text, str):
            given[key] = make_method(text, {})
    if seed is not None and "seed" in accepted:
        given.setdefault("seed", seed)
    return Technique(name, make_method(name, given), None if at is None else str(at))


def techniques(said: Sequence[str | Method], seed: int | None = None) -> list[Technique]:
    """Every technique asked for, each under a name of its own."""
    found: list[Technique] = []
    for one in said or DEFAULT:
        made = technique(one, seed)
        same = sum(other.name.partition(" ")[0] == made.name for other in found)
        found.append(Technique(f"{made.name} {same + 1}", made.method, made.at) if same else made)
    return found


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


def literal(text: str) -> object:
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value


def sentence(method: Method) -> str:
    """The first line of a method's documentation."""
    return (inspect.getdoc(method) or "").partition("\n")[0]
