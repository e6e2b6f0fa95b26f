"""What drawings say of an attribution, and of each of its examples."""

from collections.abc import Sequence
from html import escape
from typing import Any

from backlight import Attribution
from backlight_pictures.scale import number


def heading(attribution: Attribution[Any]) -> str:
    at = f" at <code>{escape(attribution.at)}</code>" if attribution.at else ""
    versions = f"{attribution.framework} {attribution.framework_version}"
    name, bracket, fields = map(escape, attribution.method.partition("("))
    warned = "".join(f"<div>Warning: {escape(note)}</div>" for note in attribution.warnings)
    return (
        f'<div><b>{name}</b><span class="soft">{bracket}{fields}</span> of '
        f"<b>{escape(attribution.target)}</b>{at}, {escape(versions)}</div>{warned}"
    )


def caption(attribution: Attribution[Any], row: int) -> str:
    """What the numbers say of one example."""
    parts = [f"score {number(float(attribution.score[row]))} {attribution.unit}".strip()]
    if attribution.classes is not None:
        names = attribution.class_names
        held = () if attribution.rivals is None else (attribution.rivals[row],)
        told = [class_named(int(k), names) for k in (attribution.classes[row], *held)]
        parts.insert(0, f"class {' rather than '.join(told)}")
    relative = attribution.relative_gap
    if attribution.gap is not None and relative is not None:
        parts.append(f"gap {number(float(attribution.gap[row]))} ({relative[row]:.1%})")
    if attribution.error is not None:
        parts.append(f"estimated error {attribution.error[row]:.1%}")
    if attribution.standard_error_of_sum is not None:
        parts.append(f"standard error {number(float(attribution.standard_error_of_sum[row]))}")
    return escape(f"{row}: {', '.join(parts)}")


def left_out(count: int, total: int) -> str:
    """That not all examples are drawn; nothing where they are."""
    return (
        f'<div class="soft">The first {count} of {total} examples.</div>' if total > count else ""
    )


def class_named(k: int, names: Sequence[str] | None) -> str:
    return str(k) if names is None else f"{k} ({names[k]})"


def unit_of_values(attribution: Attribution[Any]) -> str:
    """That of the score where values sum to a change of it, up to a gap that is known; else none."""
    return "" if attribution.gap is None else attribution.unit
