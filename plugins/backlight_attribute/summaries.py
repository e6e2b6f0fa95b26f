"""What a technique looks at over a whole data set: mean sizes of values, of all examples and by class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError
from backlight.plugins.extras import extra
from backlight.values.examples import Labels, is_of_classes
from backlight.values.layout import Layout
from backlight_attribute.results import Attributions
from backlight_datasets import Block
from backlight_findings import Finding, Studied, find, finders
from backlight_findings.maps import downsized
from backlight_pictures.maps import to_maps
from backlight_pictures.scale import scale_of
from backlight_plots.labels import class_name
from backlight_study.predictions import class_probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

By: TypeAlias = Literal["predicted", "labels"]
"""By which classes examples are put together."""

SIDE = 16
"""Finders look at maps on a grid of at most so many by so many places."""

FINDERS = ("clusters", "mean_maps")
"""Those that look at nothing but maps and predictions."""

MOST_DRAWN = 10


@final
@dataclass(frozen=True, eq=False)
class MeanSizes:
    """The mean sizes of a technique's values.

    Attributes:
        all: over all examples, float64, shaped like the values of one.
        count: how many examples these are.
        by_class: the same for each class that occurs, by its number.
        counts: how many examples each class has.
    """

    all: NDArray[np.float64]
    count: int
    by_class: Mapping[int, NDArray[np.float64]]
    counts: Mapping[int, int]


def mean_sizes(
    found: Attributions, technique: str, target: str = "predicted", by: By = "predicted"
) -> MeanSizes:
    """The mean of |value| at each place, one block in memory at a time. Examples for which the technique
    failed are left out.

    Args:
        technique, target: names of the store.
        by: "predicted" classes, or the "labels".

    Raises:
        InputError: values were not kept; or no example has any.
        UnknownNameError: no such technique or target.
    """
    if by not in ("predicted", "labels"):
        raise HyperParameterError(f"by must be 'predicted' or 'labels', got {by!r}.")
    name = f"{found.checked(technique, target)}/values"
    sums: dict[int, NDArray[np.float64]] = {}
    counts: dict[int, int] = {}
    for block in blocks_with(found, name):
        sizes = np.abs(block.arrays[name].astype(np.float64))
        sound = np.isfinite(sizes.reshape(len(sizes), -1)).all(axis=1)
        classes = checked_classes(block.arrays[by])
        for k in np.unique(classes[sound]).tolist():
            chosen = sizes[sound & (classes == k)]
            sums[k] = sums.get(k, 0.0) + chosen.sum(axis=0)
            counts[k] = counts.get(k, 0) + len(chosen)
    if not sums:
        raise no_values(found, technique, target)
    total = sum(counts.values())
    return MeanSizes(
        np.sum(list(sums.values()), axis=0) / total,
        total,
        {k: sums[k] / counts[k] for k in sorted(sums)},
        dict(sorted(counts.items())),
    )


def checked_classes(labels: Labels) -> Labels:
    """The same, if they are a class of each example, or not known.

    Raises:
        InputError: they are several labels of each, or numbers.
    """
    if not is_of_classes(labels):
        raise InputError(
            f"Labels of {labels.dtype}, (N{''.join(f', {n}' for n in labels.shape[1:])}), are no classes "
            "by which examples are put together; predicted classes are."
        )
    return labels


def no_values(found: Attributions, technique: str, target: str) -> InputError:
    return InputError(
        f"The store has no values by {technique} for {target!r}: it keeps "
        f"{found.store.plan.options['keep']}."
    )


def commonest(sizes: MeanSizes) -> list[int]:
    """The classes with the most examples, the first first."""
    return sorted(sizes.counts, key=lambda k: -sizes.counts[k])[:MOST_DRAWN]


def groups(
    found: Attributions, sizes: MeanSizes, classes: Sequence[int]
) -> list[tuple[str, NDArray[np.float64]]]:
    """Of all examples, and of these classes, with what they are called and their number."""
    of_classes = (
        (f"{class_name(k, found.classes)} {sizes.counts[k]:,}", sizes.by_class[k]) for k in classes
    )
    return [(f"all {sizes.count:,}", sizes.all), *of_classes]


def mean_sizes_figure(
    found: Attributions, target: str = "predicted", by: By = "predicted"
) -> "Figure":
    """A picture of the mean sizes: a row with a scale of its own for each technique, all examples and the
    classes with the most.

    Raises:
        PluginError: matplotlib is not installed.
        InputError: the values are no maps; or as of `mean_sizes`.
    """
    extra("matplotlib", "plot", "Pictures need matplotlib")
    from matplotlib.figure import Figure

    from backlight_plots.axes import colour_map, norm

    every = {name: mean_sizes(found, name, target, by) for name in found.techniques}
    classes = commonest(next(iter(every.values())))
    rows = {name: groups(found, sizes, classes) for name, sizes in every.items()}
    titles = [title for title, _ in next(iter(rows.values()))]
    size = 1.7 * len(titles) + 0.8, 1.9 * len(rows) + 0.4
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for line, (technique, means) in zip(axes, rows.items(), strict=True):
        layout = picture_layout(found, technique, target)
        maps = to_maps(np.stack([one for _, one in means]), layout)
        scale = scale_of([maps], percentile=100)
        for axis, one in zip(line, maps, strict=True):
            drawn = axis.imshow(one, colour_map(signed=False), norm(scale))
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].set_ylabel(technique)
        figure.colorbar(drawn, ax=line, label="mean |value|")
    figure.suptitle(f"target: {target}", fontsize=9)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=8)
    return figure


def findings(found: Attributions, seed: int = 0) -> list[Finding]:
    """What the mistakes of a whole data set have in common, by their maps: clusters, and cells of the
    confusion matrix that are decided at the same places.

    Raises:
        InputError: the examples have no labels of classes, or the values are no maps.
    """
    there = {name: finder for name, finder in finders().items() if name in FINDERS}
    result, failures = find(studied(found, seed), there)
    if failures:
        raise InputError("; ".join(failures))
    return result


def studied(found: Attributions, seed: int = 0) -> Studied:
    """The store as finders see it: all examples, their maps on a coarse grid."""
    ids, outputs = found.column("outputs")
    _, labels = found.column("labels")
    _, predicted = found.column("predicted")
    _, names = found.column("names")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError("Mistakes are looked for among examples with a class each.")
    odds = class_probabilities(outputs, str(found.store.plan.options["outputs"]))
    maps = {
        (technique, target): coarse_maps(found, technique, target, len(ids))
        for technique in found.techniques
        for target in found.targets
        if target in ("contrast", "predicted")
    }
    return Studied(
        labels,
        odds,
        predicted,
        [class_name(k, found.classes) for k in range(odds.shape[1])],
        [name.decode(errors="replace") for name in names.tolist()],
        {},
        no_pictures,
        np.arange(len(ids)).tolist(),
        maps,
        None,
        seed,
    )


def coarse_maps(
    found: Attributions, technique: str, target: str, count: int
) -> NDArray[np.float64]:
    """Maps of all examples, (N, H, W) of at most `SIDE` places each way; NaN where there is none."""
    name = f"{found.checked(technique, target)}/values"
    layout = picture_layout(found, technique, target)
    height, width = (min(SIDE, side) for side in layout.grid)
    result, done = np.full((count, height, width), np.nan), 0
    for number in range(found.store.plan.blocks):
        block = found.store.read(number)
        if name in block.arrays:
            maps = to_maps(block.arrays[name], layout)
            cells = downsized(maps, SIDE, size=False).reshape(len(maps), height, width)
            result[done : done + len(maps)] = cells
        done += len(block.ids)
    return result


def picture_layout(found: Attributions, technique: str, target: str) -> Layout:
    """The layout of values that are maps of pictures.

    Raises:
        InputError: they are none.
    """
    layout = found.layout(technique, target)
    if layout is None or len(layout.grid) != 2:
        raise InputError(f"The values of {technique} lie at no places of a picture.")
    return layout


def blocks_with(found: Attributions, name: str) -> Iterator[Block]:
    """The blocks that are done and have this column."""
    missing = set(found.store.missing(quick=True))
    for number in range(found.store.plan.blocks):
        if number not in missing:
            block = found.store.read(number)
            if name in block.arrays:
                yield block


def no_pictures(rows: object) -> NDArray[Any]:
    raise InputError("A store holds no pictures.")
