"""Finders by name."""

from collections.abc import Mapping

from backlight.errors import shown
from backlight.plugins.catalogue import Listing
from backlight_findings.finding import Finder


def fault(finder: object) -> str | None:
    """Why something is no finder."""
    if isinstance(finder, type) or not callable(finder):
        return f"{shown(finder)}, not a function of what was studied"
    return None


LISTING: Listing[Finder] = Listing("backlight_findings", "finder", fault)


def finders() -> Mapping[str, Finder]:
    """Every installed finder by name, alphabetical; see `Listing.all`."""
    return LISTING.all()
