"""Operations on complex numbers: rules are for real ones, but for sums and products.

A complex number counts as two real ones. What is linear in these needs no rule, and what holds of
a product of real factors holds of a complex one; all else is opened, or shown as `OTHER`.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch

Parts: TypeAlias = Callable[[dict[str, Any], bool], list[torch.Tensor | None]]
"""The results from arguments by name, with divisors held constant where that is asked for."""


def squared_magnitude(z: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(z.resolve_conj()).square().sum(-1)


def magnitude(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    """Of complex numbers, a function of two real ones."""
    return [squared_magnitude(given["self"]).sqrt()]


def polar(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    size, angle = given["abs"], given["angle"]
    return [torch.complex(size * angle.cos(), size * angle.sin())]


def quotient(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    upper, lower = given["self"], given["other"]
    if not lower.is_complex():
        return [upper * lower.reciprocal()]
    return [upper * lower.conj() * squared_magnitude(lower).reciprocal()]


def reciprocal(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    z = given["self"]
    return [z.conj() * squared_magnitude(z).reciprocal()]


def square(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [given["self"] * given["self"]]


COMPLEX_PARTS: Mapping[str, Parts] = {
    "abs": magnitude,
    "polar": polar,
    "div": quotient,
    "reciprocal": reciprocal,
    "pow": square,
}
"""What they consist of where a number is complex."""
