"""Two models on the same examples: before and after a change, or the same net in two frameworks."""

from typing import TYPE_CHECKING

from backlight.plugins.lazy import lazily

if TYPE_CHECKING:
    from backlight_compare.comparing import Agreement, ModelComparison, compare
    from backlight_compare.sites import SitePair

__getattr__ = lazily(
    __name__,
    {
        "Agreement": "backlight_compare.comparing",
        "ModelComparison": "backlight_compare.comparing",
        "SitePair": "backlight_compare.sites",
        "compare": "backlight_compare.comparing",
    },
)

__all__ = ["Agreement", "ModelComparison", "SitePair", "compare"]
