"""What nets read from another module than their own."""

from collections.abc import Callable
from typing import Any

SCALE = 1.0
FACTOR = 1.0
"""For score functions alone."""
activation: Callable[[Any], Any]


def reset() -> None:
    global SCALE, FACTOR
    SCALE = FACTOR = 1.0
