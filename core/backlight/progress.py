"""How far long work is."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is told what is being done, how much is done and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody is told of."""
