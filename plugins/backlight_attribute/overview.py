"""What techniques say of a whole data set, drawn as what it is of: maps, columns, moments or words."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from backlight.attribution.words import Word, joined
from backlight.errors import InputError
from backlight.plugins.extras import extra
from backlight_attribute.results import Attributions, text
from backlight_attribute.summaries import (
    By,
    MeanSizes,
    blocks_with,
    checked_classes,
    commonest,
    groups,
    mean_sizes,
    mean_sizes_figure,
    no_values,
)
from backlight_plots.labels import class_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS, MOST_WORDS, MOST_CLASSES = 20, 20, 3
"""How many columns are drawn, and words, and these of how many classes."""


def overview_figure(
    found: Attributions, target: str = "predicted", by: By = "predicted"
) -> "Figure":
    """Of pictures, tables and series the mean sizes of values, of all examples and of the classes with
    the most: maps, a number for each column, a line along the moments. Of texts, by class, the words that
    speak most for the target and against it. Each technique has a scale of its own.

    Raises:
        PluginError: matplotlib is not installed.
        InputError: the values are of nothing that is drawn; or as of `mean_sizes`.
    """
    extra("matplotlib", "plot", "Pictures need matplotlib")
    from matplotlib.figure import Figure

    kind = found.store.plan.options.get("kind", "picture")
    if kind not in ("text", "table", "series"):
        return mean_sizes_figure(found, target, by)
    classes = classes_of(found, by) if kind == "text" else []
    height = {"text": 6.0, "table": 4.0, "series": 2.6}[kind]
    size = 7.2 if kind != "text" else 5.0 * len(classes), height * len(found.techniques) + 0.4
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(found.techniques), max(len(classes), 1), squeeze=False)
    for row, technique in zip(grid, found.techniques, strict=True):
        if kind == "text":
            for ax, k in zip(row, classes, strict=True):
                draw_words(ax, found, stored_words(found, technique, target, by, k), k)
        elif kind == "table":
            draw_columns(row[0], found, mean_sizes(found, technique, target, by))
        else:
            sizes = mean_sizes(found, technique, target, by)
            draw_moments(row[0], found, sizes, channel_axis(found, technique, target))
        row[0].set_ylabel(technique)
    figure.suptitle(f"target: {target}", fontsize=9)
    return figure


def classes_of(found: Attributions, by: By) -> list[int]:
    """The classes with the most examples, the first first."""
    _, classes = found.column(by)
    known, counts = np.unique(checked_classes(classes), return_counts=True)
    return list(known[np.argsort(-counts, kind="stable")][:MOST_CLASSES].tolist())


def draw_columns(ax: "Axes", found: Attributions, sizes: MeanSizes) -> None:
    """The columns with the largest mean |value| over all examples, from the top down."""
    from backlight_pictures.scale import number, scale_of
    from backlight_plots.axes import colour_map, norm, text_on

    if sizes.all.ndim != 1:
        raise InputError(f"Values of shape {sizes.all.shape} are not those of a table's columns.")
    titles, values = zip(*groups(found, sizes, commonest(sizes)), strict=True)
    order = np.argsort(-sizes.all, kind="stable")[:MOST_COLUMNS]
    cells = np.stack(values, axis=1)[order]
    names = cast("list[str]", found.store.plan.options["features"]) or [
        f"column {place}" for place in range(len(sizes.all))
    ]
    scale = scale_of([cells], percentile=100)
    colours, limits = colour_map(signed=False), norm(scale)
    ax.imshow(cells, colours, limits, aspect="auto")
    ax.set_yticks(range(len(order)), [names[k] for k in order])
    ax.set_xticks(range(len(titles)), titles)
    for (row, column), value in np.ndenumerate(cells):
        ink = text_on(np.asarray(colours(limits(value))[:3]))
        ax.text(column, row, number(value), ha="center", va="center", color=ink, fontsize=8)
    ax.set_title("mean |value|", fontsize=8)


def draw_moments(ax: "Axes", found: Attributions, sizes: MeanSizes, channels: int | None) -> None:
    """Lines along the moments, of all channels together."""
    for title, values in groups(found, sizes, commonest(sizes)):
        line = values if channels is None else values.sum(axis=channels)
        ax.plot(line, label=title, color="black" if values is sizes.all else None)
    ax.set_xlabel("moment")
    ax.set_title("mean |value|", fontsize=8)
    ax.legend(fontsize=8)


def channel_axis(found: Attributions, technique: str, target: str) -> int | None:
    """Where the values of one example have their channels; None where they have none.

    Raises:
        InputError: they lie along no moments.
    """
    layout = found.layout(technique, target)
    if layout is None or len(layout.grid) != 1:
        raise InputError(f"The values of {technique} lie along no moments of a series.")
    return None if layout.channel_axis is None else layout.channel_axis - 1


def draw_words(ax: "Axes", found: Attributions, texts: Iterable[Sequence[Word]], k: int) -> None:
    """The words that speak most for the target in texts of a class, and most against it, with the number
    of each."""
    from backlight_plots.words import draw_sums, strongest, sums_of

    draw_sums(ax, strongest(sums_of(texts), MOST_WORDS))
    ax.set_title(f"{class_name(k, found.classes)}: sum of values (occurrences)", fontsize=8)


def stored_words(
    found: Attributions, technique: str, target: str, by: By, k: int
) -> Iterator[Sequence[Word]]:
    """The words of each text of a class, one block in memory at a time. Those for which the technique
    failed are left out.

    Raises:
        InputError: the values were not kept.
    """
    name = f"{found.checked(technique, target)}/values"
    kept = False
    for block in blocks_with(found, name):
        kept, arrays = True, block.arrays
        for row in np.flatnonzero(arrays[by] == k).tolist():
            values = arrays[name][row]
            if np.isfinite(values).all():
                tokens = json.loads(text(arrays["tokens"][row]))
                yield joined(values, tokens, arrays["words"][row].tolist())
    if not kept:
        raise no_values(found, technique, target)
