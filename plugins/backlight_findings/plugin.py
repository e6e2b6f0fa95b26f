"""What this plugin offers: the finders of this package, by name."""

from collections.abc import Mapping

from backlight import hookimpl
from backlight_findings.finding import Finder

backlight_api = 1


@hookimpl
def backlight_findings() -> Mapping[str, Finder]:
    from backlight_findings import FINDERS

    return FINDERS
