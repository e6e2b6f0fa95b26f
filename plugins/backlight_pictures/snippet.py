"""An attribution as a piece of HTML: maps for values with places, bars for values without."""

from collections.abc import Sequence
from html import escape
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution
from backlight.values.arrays import Channels
from backlight.values.layout import Layout
from backlight.values.tree import Tree, leaves, names
from backlight_pictures.colour_bar import colour_bar
from backlight_pictures.colours import heat
from backlight_pictures.maps import to_maps
from backlight_pictures.png import data_uri, enlarged, png
from backlight_pictures.scale import Scale, number, scale_of

SHOWN = 6
"""How many examples are drawn."""

FEATURES = 12
"""How many features of an example are listed, the largest first."""

SIDE = 150


def snippet(attribution: Attribution) -> str | None:
    """Self-contained HTML, or None if the values are neither maps nor rows of features."""
    values = cast(Tree, attribution.numpy())
    arrays = [np.asarray(leaf) for leaf in leaves(values)]
    places = attribution.layouts or (None,) * len(arrays)
    if not all(map(drawable, arrays, places)):
        return None
    parts = [
        drawn(array, attribution, layout) for array, layout in zip(arrays, places, strict=True)
    ]
    if len(parts) > 1:
        titled = zip(names(values), parts, strict=True)
        parts = [f"<h4>{escape(name)}</h4>{part}" for name, part in titled]
    return (
        f'<div style="font:14px system-ui,sans-serif">{heading(attribution)}{"".join(parts)}</div>'
    )


def drawable(array: NDArray[Any], layout: Layout | None = None) -> bool:
    """Whether there is a drawing for it; what is not a number is never drawn."""
    volume = array.ndim == 4 and layout is not None and layout.channel_axis is None
    kinds = array.ndim in (2, 3, 4) and array.dtype.kind in "fiu" and array.size > 0 and not volume
    return kinds and bool(np.isfinite(array).all())


def heading(attribution: Attribution) -> str:
    at = f" at <code>{escape(attribution.at)}</code>" if attribution.at else ""
    versions = f"{attribution.framework} {attribution.framework_version}"
    lines = [
        f"<div><b>{escape(attribution.method)}</b> of <b>{escape(attribution.target)}</b>{at}, "
        f"{escape(versions)}</div>"
    ]
    lines += [f"<div>Warning: {escape(note)}</div>" for note in attribution.warnings]
    return "".join(lines)


def caption(attribution: Attribution, row: int) -> str:
    """What the numbers say of one example."""
    parts = [f"score {number(float(attribution.score[row]))}"]
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


def class_named(k: int, names: Sequence[str] | None) -> str:
    return str(k) if names is None else f"{k} ({names[k]})"


def drawn(array: NDArray[Any], attribution: Attribution, layout: Layout | None) -> str:
    """The first examples of one array, all on one scale, and how many there are."""
    scale, total = scale_of([array[:SHOWN]]), len(array)
    if array.ndim == 2:
        figures = [bars(row, scale) for row in array[:SHOWN].astype(np.float64)]
    else:
        side: Channels = "first" if attribution.framework == "torch" else "last"  # if not known
        maps = to_maps(array[:SHOWN], layout or side)
        scale = scale_of([maps])
        figures = [image(one, scale) for one in maps]
    shown = "".join(
        f'<figure style="margin:0"><div>{figure}</div><figcaption>{caption(attribution, row)}'
        "</figcaption></figure>"
        for row, figure in enumerate(figures)
    )
    bar = data_uri(png(colour_bar(scale)))
    low, high = map(number, scale.ends)
    more = f"<div>The first {SHOWN} of {total} examples.</div>" if total > SHOWN else ""
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:12px;margin:8px 0">{shown}</div>'
        f'<img src="{bar}" alt="One scale for all: {low} to {high}">{more}'
    )


def image(values: NDArray[np.float64], scale: Scale) -> str:
    pixels = enlarged(heat(values, scale), SIDE)
    alt = f"Heat map, values {number(float(values.min()))} to {number(float(values.max()))}"
    return (
        f'<img src="{data_uri(png(pixels))}" alt="{alt}" '
        f'style="height:{SIDE}px;image-rendering:pixelated">'
    )


def bars(row: NDArray[np.float64], scale: Scale) -> str:
    """The largest features of one example as bars to both sides of zero."""
    order = np.argsort(-np.abs(row), kind="stable")[:FEATURES]
    lines = []
    for feature in order.tolist():
        share = float(scale.shares(row[feature : feature + 1])[0])
        colour = "#{:02x}{:02x}{:02x}".format(*heat(row[feature], scale))
        left = 50 * min(share, 0) + 50 if scale.signed else 0
        width = abs(share) * (50 if scale.signed else 100)
        lines.append(
            f'<tr><td>{feature}</td><td style="width:120px"><div style="margin-left:{left:.1f}%;'
            f'width:{width:.1f}%;height:10px;background:{colour}"></div></td>'
            f'<td style="text-align:right">{number(float(row[feature]))}</td></tr>'
        )
    left_out = len(row) - len(order)
    note = f"<tr><td colspan=3>and {left_out} smaller</td></tr>" if left_out else ""
    return f"<table><tr><th>feature</th><th></th><th>value</th></tr>{''.join(lines)}{note}</table>"
