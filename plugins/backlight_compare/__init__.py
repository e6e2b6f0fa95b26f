"""Two models on the same examples: before and after a change, or the same net in two frameworks."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backlight_compare.comparing import Agreement, ModelComparison, compare
    from backlight_compare.sites import SitePair

HOMES = {
    "Agreement": "backlight_compare.comparing",
    "ModelComparison": "backlight_compare.comparing",
    "SitePair": "backlight_compare.sites",
    "compare": "backlight_compare.comparing",
}
"""Where each name is: plugins are found by importing this package, which takes no time so."""


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


__all__ = ["Agreement", "ModelComparison", "SitePair", "compare"]
