"""Two models on the same examples: before and after a change, or the same net in two frameworks."""

from typing import TYPE_CHECKING

from backlight.plugins.lazy import lazily

if TYPE_CHECKING:
    from backlight_compare.result import Agreement, ModelComparison
    from backlight_compare.run import compare
    from backlight_compare.sites import SitePair

__getattr__ = lazily(
    __name__,
    {
        "Agreement": "backlight_compare.result",
        "ModelComparison": "backlight_compare.result",
        "SitePair": "backlight_compare.sites",
        "compare": "backlight_compare.run",
    },
)

__all__ = ["Agreement", "ModelComparison", "SitePair", "compare"]
