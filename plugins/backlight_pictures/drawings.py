"""The drawings of an attribution: one for each array of its values, by the kind of input they are of."""

from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution
from backlight.attribution.described import DescribedInput
from backlight.attribution.words import joined
from backlight.values.arrays import Channels
from backlight.values.layout import COLOURS, Layout
from backlight.values.tree import Tree, leaves, names
from backlight_pictures.drawing import SHOWN, Drawing
from backlight_pictures.fragments.picture import coloured, image, strip
from backlight_pictures.fragments.series import line
from backlight_pictures.fragments.table import bars
from backlight_pictures.fragments.text import strongest, tokens
from backlight_pictures.fragments.volume import slices
from backlight_pictures.maps import to_maps
from backlight_pictures.scale import PERCENTILE, Scale
from backlight_pictures.stored import shown

Values: TypeAlias = NDArray[Any]

UNKNOWN = DescribedInput("other")
"""What values are of that are an inner site's own."""


def drawings(attribution: Attribution[Any]) -> tuple[Drawing, ...] | None:
    """None where one of the arrays cannot be drawn: it has other axes, or holds NaN or infinity."""
    tree = cast(Tree, attribution.numpy())
    arrays = [np.asarray(leaf) for leaf in leaves(tree)]
    titles = names(tree) if len(arrays) > 1 else [""]
    layouts = attribution.layouts or (None,) * len(arrays)
    inputs = attribution.inputs or (UNKNOWN,) * len(arrays)
    side: Channels = "first" if attribution.framework == "torch" else "last"  # if not known
    found = [
        drawing(array, layout, input, side, title)
        for array, layout, input, title in zip(arrays, layouts, inputs, titles, strict=True)
    ]
    made = tuple(one for one in found if one is not None)
    return made if len(made) == len(found) else None


def drawing(
    values: Values, layout: Layout | None, input: DescribedInput, side: Channels, name: str
) -> Drawing | None:
    """The drawing of one array; None where there is none for such values.

    Args:
        values: (N, ...).
        layout: of the values.
        input: that they are of.
        side: where their channels are, if the layout does not say it.
        name: of the input.
    """
    if values.dtype.kind not in "fiu" or not values.size or not np.isfinite(values).all():
        return None
    first = values[:SHOWN]
    if values.ndim == 2 and input.kind == "text":
        return of_text(first, input, name)
    if values.ndim == 2 and layout is None:
        return of_table(first, input, name)
    axes = 2 if layout is None or layout.tokens else len(layout.grid)
    if layout is not None and axes == 1:
        return of_series(channels_first(first, layout), input, name)
    if layout is not None and axes == 3:
        return of_volume(channels_first(first, layout).sum(axis=1), input, name)
    if axes == 2 and values.ndim in (3, 4):
        return of_pictures(to_maps(first, layout or side), input, name)
    return None


def of_text(values: Values, input: DescribedInput, name: str) -> Drawing:
    """Where nobody gave the tokens' texts, their ids stand for them."""
    ids = given(input, values, input.layout)
    numbers = [range(values.shape[1]) if row is None else row.tolist() for row in ids]
    texts = input.tokens or [tuple(map(str, row)) for row in numbers]
    words = input.words or [()] * len(values)
    found = [joined(*each) for each in zip(values, texts, words, strict=False)]

    def draw(row: int, scale: Scale) -> str:
        return tokens(values[row], texts[row], words[row], scale) + strongest(found[row])

    return Drawing([np.array([word.value for word in row]) for row in found], draw, name=name)


def of_table(values: Values, input: DescribedInput, name: str) -> Drawing:
    rows = given(input, values, None)
    columns = input.names if len(input.names) == values.shape[1] else ()
    what = "column" if input.kind == "table" else "feature"

    def draw(row: int, scale: Scale) -> str:
        return bars(values[row], columns, rows[row], scale, what)

    return Drawing(list(values), draw, name=name)


def of_series(values: Values, input: DescribedInput, name: str) -> Drawing:
    """Of values (n, C, L)."""
    rows = given(input, values, input.layout)

    def draw(row: int, scale: Scale) -> str:
        return line(values[row], rows[row], input.names, scale)

    return Drawing(list(values), draw, PERCENTILE, name=name)


def of_volume(values: Values, input: DescribedInput, name: str) -> Drawing:
    """Of values (n, D, H, W)."""
    rows = given(input, values, input.layout)

    def draw(row: int, scale: Scale) -> str:
        own = rows[row]
        return slices(values[row], None if own is None else own.mean(axis=0), scale)

    beneath = any(row is not None for row in rows)
    return Drawing(list(values), draw, PERCENTILE, partial(strip, overlaid=beneath), name=name)


def of_pictures(values: Values, input: DescribedInput, name: str) -> Drawing:
    """Of values (n, H, W)."""
    rows = given(input, values, input.layout) if input.kind == "picture" else [None] * len(values)
    known = [row for row in rows if row is not None]
    every = np.concatenate([np.ravel(row) for row in known]) if known else np.zeros(1)
    ends = float(every.min()), float(every.max())
    pictures = [None if row is None else picture(row, ends) for row in rows]

    def draw(row: int, scale: Scale) -> str:
        return coloured(values[row], pictures[row], scale)

    beside = tuple("" if one is None else image(one, "The input") for one in pictures)
    return Drawing(
        list(values),
        draw,
        PERCENTILE,
        partial(strip, overlaid=bool(known)),
        beside if known else (),
        name,
    )


def picture(row: Values, ends: tuple[float, float]) -> NDArray[np.uint8]:
    """An input (C, H, W) as a picture: in colours where it has so many channels, else their mean."""
    if row.shape[0] not in COLOURS:
        return shown(row.mean(axis=0), "first", ends)
    return shown(np.moveaxis(row, 0, -1), "last", ends)


def channels_first(array: Values, layout: Layout) -> Values:
    """(n, C, *grid) of an array that has its channels anywhere, or none, or its places in a row."""
    if layout.tokens:
        array = array[:, layout.prefix :].reshape(len(array), *layout.grid, -1)
        return np.moveaxis(array, -1, 1)
    if layout.channel_axis is None:
        return array[:, None]
    return np.moveaxis(array, layout.channel_axis, 1)


def given(input: DescribedInput, values: Values, layout: Layout | None) -> list[Values | None]:
    """The input of each example of the values, its channels first where it has places; None where it is
    not kept, or has places without a finite number."""
    kept = input.given
    if kept is None or kept.dtype.kind not in "fiub":
        return [None] * len(values)
    rows = kept[: len(values)]
    rows = rows if layout is None else channels_first(rows, layout)
    own = [row if layout is None or np.isfinite(row).all() else None for row in rows]
    return own + [None] * (len(values) - len(own))
