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
            f"{method!r} cannot be differentiated: it has rules for the backward pass, leaves the "
            "framework's arrays, or adds samples until a tolerance is met. Techniques that can be: "
            f"{', '.join(others) or 'none is installed'}; without tolerance=."
        )
    return model.attach()
