"""Attributions that can be differentiated: which techniques give them, of which models."""

from typing import TYPE_CHECKING

from backlight.errors import CoverageError
from backlight.model.model import Model

if TYPE_CHECKING:
    from backlight.explaining.method import Method


def attached(method: "Method", model: Model) -> Model:
    """The model to explain so that the attribution can be differentiated.

    Raises:
        CoverageError: the technique's values cannot be, or the model's.
    """
    from backlight.explaining.registry import (
        ready,  # which lists techniques, and so knows what one is
    )

    if not method.differentiable:
        others = [name for name, one in ready().items() if one.differentiable]
        raise CoverageError(
            f"{method!r} cannot be differentiated, as {hindrance(method)}. Techniques that can be: "
            f"{', '.join(others) or 'none is installed'}."
        )
    return model.attach()


def hindrance(method: "Method") -> str:
    """Why a technique's values cannot be differentiated, as a clause."""
    if method.rules is not None:
        return "its backward pass obeys rules, whose derivative is not taken"
    if not method.differentiates or method.linear:
        return "it computes with numbers outside of the framework"
    return "numbers decide how much it computes: leave out tolerance="
