"""Score functions that read what changes between two calls, in words that each framework has."""

from collections.abc import Callable
from typing import Any

from tests.parity.edited import settings


class Weighting:
    """A score with numbers of its own."""

    def __init__(self) -> None:
        self.factor = 1.0

    def __call__(self, outputs: Any, arrays: Any) -> Any:
        return outputs[:, 1] * self.factor


def changing_scores() -> dict[str, tuple[Any, Callable[[], object]]]:
    """By what they read: a score, and the edit that makes it another one."""
    factor, weighting, held = 1.0, Weighting(), {"classes": [1]}

    def set_factor() -> None:
        nonlocal factor
        factor = -2.0

    return {
        "closure": (lambda outputs, arrays: outputs[:, 1] * factor, set_factor),
        "global": (
            lambda outputs, arrays: outputs[:, 1] * settings.FACTOR,
            lambda: setattr(settings, "FACTOR", -2.0),
        ),
        "attribute": (weighting, lambda: setattr(weighting, "factor", -2.0)),
        "list": (
            lambda outputs, arrays: outputs[:, held["classes"][0]],
            lambda: held.update(classes=[2]),
        ),
    }
