"""A study as finders see it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight_findings import Studied
from backlight_study.explaining import read_ids
from backlight_study.judged_cases import mapping
from backlight_study.metadata import Columns
from backlight_study.result import Study

MOST_NUMBERS = 2**26
"""How many numbers of maps finders get at most: larger maps are handed over smaller."""


def studied(study: Study, masks: NDArray[np.bool_] | None) -> Studied:
    """The study of a classifier as finders see it.

    Args:
        masks: of the cases, (cases, H, W).
    """
    found, source = study.predictions, study.cases.source
    maps = maps_of(study)
    every = None
    if masks is not None and maps:
        height, width = next(iter(maps.values())).shape[1:]
        # It takes room only where it is written.
        every = np.zeros((len(found.ids), height, width), dtype=np.bool_)
        every[study.rows] = block_means(masks.astype(np.float64), stride_of(study)) >= 0.5
    names = source.names(0, len(source))

    def read(rows: Sequence[int]) -> NDArray[Any]:
        return read_ids(source, found.ids[np.asarray(rows, dtype=np.int64)])

    return Studied(
        found.labels,
        found.probabilities,
        found.classes,
        study.classes,
        [names[id] for id in found.ids.tolist()],
        {**columns_of(study), **study.metadata},
        read if study.cases.kind == "picture" else None,
        study.rows.tolist(),
        maps,
        every,
        study.selection.choice.seed,
    )


def columns_of(study: Study) -> Columns:
    """The columns of a table, (N,) each, by name: mistakes may go with one."""
    source = study.cases.source
    if study.cases.kind != "table" or not source.features:
        return {}
    cells = read_ids(source, study.task.ids)
    return dict(zip(source.features, map(column_of, cells.T), strict=True))


def column_of(cells: NDArray[Any]) -> NDArray[Any]:
    """Numbers, or texts where some cells are words."""
    if not cells.dtype.hasobject:
        return cells
    words = any(isinstance(one, str) for one in cells)
    return cells.astype(str) if words else cells.astype(np.float64)


def maps_of(study: Study) -> dict[tuple[str, str], NDArray[np.float64]]:
    """The maps of each technique that has any, by its name and the question, (cases, H, W); none of
    examples that are no pictures."""
    if not len(study.rows) or study.cases.kind != "picture":
        return {}
    stride, question = stride_of(study), study.task.question
    return {
        (name, question): block_means(study.maps(name, question), stride) for name in mapping(study)
    }


def stride_of(study: Study) -> int:
    """How many places along each side finders see as one."""
    height, width = study.grid
    numbers = len(study.rows) * height * width * len(study.cases.techniques)
    return max(1, int(np.ceil(np.sqrt(numbers / MOST_NUMBERS))))


def block_means(maps: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """Maps (n, H, W) of means over squares of so many by so many places; places left over are cut off."""
    count, height, width = maps.shape
    rows, columns = max(1, height // stride), max(1, width // stride)
    cut = maps[:, : rows * min(stride, height), : columns * min(stride, width)]
    return np.asarray(cut.reshape(count, rows, -1, columns, cut.shape[2] // columns).mean((2, 4)))
