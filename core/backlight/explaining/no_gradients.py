"""Models that can only be run: which techniques explain them."""

from typing import TYPE_CHECKING

from backlight.model.model import Model

if TYPE_CHECKING:
    from backlight.explaining.method import Method


def no_gradients(method: "Method", model: Model) -> str | None:
    """Why a technique cannot explain this model, with those that can: it takes gradients, and there are
    none. None where it can."""
    if model.differentiable or not method.differentiates:
        return None
    return (
        f"{type(method).__name__} takes gradients, and this {model.framework} model has none: it can "
        f"only be run. {advice()}"
    )


def advice() -> str:
    """Which techniques there are for such a model, as a sentence."""
    return f"Techniques that need none: {', '.join(without_gradients()) or 'none is installed'}."


def without_gradients() -> list[str]:
    """The installed techniques that take no gradients, by name."""
    from backlight.explaining.registry import (
        ready,  # which lists techniques, and so knows what one is
    )

    return [name for name, method in ready().items() if not method.differentiates]
