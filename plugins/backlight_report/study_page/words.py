"""Numbers and names in the page's words."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from backlight_loading.names import short as short
from backlight_pictures.scale import number

SPACE = "\N{NO-BREAK SPACE}"


def percent(share: float | None) -> str:
    """A share in per cent, with as many digits as matter: 98.2 %, < 0.1 %, 412 %."""
    if share is None or not isfinite(share):
        return "\N{EN DASH}"
    if 0 < share < 0.001:
        return f"< 0.1{SPACE}%"
    if 0.999 < share < 1:
        return f"> 99.9{SPACE}%"
    return f"{100 * share:.{0 if share in (0, 1) or share > 1 else 1}f}{SPACE}%"


def known(value: float | None) -> str:
    """Three significant digits, a dash where there is no number."""
    return "\N{EN DASH}" if value is None or not isfinite(value) else number(value)


def signed(value: float | None) -> str:
    """With its sign, above 0 too."""
    return f"+{known(value)}" if value is not None and value > 0 else known(value)


def counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def between(estimate: Mapping[str, float | None], share: bool = True) -> str:
    """An interval: 91.2 to 93.0 %."""
    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None:
        return ""
    if share:
        return f"{100 * low:.1f} to {100 * high:.1f}{SPACE}%"
    return f"{known(low)} to {known(high)}"


def shortened(text: str, longest: int) -> str:
    """A text, cut where it is too long."""
    return text if len(text) <= longest else f"{text[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


def evidence(value: Any, depth: int = 0) -> str:
    """A finding's number, text, list or table of numbers in a line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if value is None or isinstance(value, float):
        return known(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        inside = [
            f"{key.replace('_', ' ')} {evidence(one, depth + 1)}" for key, one in value.items()
        ]
        return ("; " if depth == 0 else ", ").join(inside) or "\N{EN DASH}"
    shown = [evidence(one, depth + 1) for one in value[:8]]
    more = f" and {len(value) - 8:,} more" if len(value) > 8 else ""
    return (", ".join(shown) or "none") + more
