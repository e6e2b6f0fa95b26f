"""Two models on the same examples: before and after a change, or the same net in two frameworks."""

from backlight_compare.comparing import Agreement, ModelComparison, compare
from backlight_compare.sites import SitePair

__all__ = ["Agreement", "ModelComparison", "SitePair", "compare"]
