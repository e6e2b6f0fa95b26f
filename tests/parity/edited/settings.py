"""What nets read from another module than their own."""

from collections.abc import Callable
from typing import Any

SCALE = 1.0
activation: Callable[[Any], Any]


def reset() -> None:
    global SCALE
    SCALE = 1.0
