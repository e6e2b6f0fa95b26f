"""The table of all blocks, with intervals and comparisons: all that needs every example at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backlight.evaluating.block import BlockOutcome, Judging
from backlight.evaluating.evaluation import Cell, Comparison, Evaluation
from backlight.evaluating.intervals import mean_interval
from backlight.evaluating.metric import Direction
from backlight.model.model import Model
from backlight.scores.scores import Score


def assembled(
    judging: Judging, parts: Sequence[BlockOutcome], model: Model, target: Score, baseline: str
) -> Evaluation:
    """The evaluation of all blocks, in their order. What failed in one of them has no cell.

    Args:
        target: the score of all examples.
        baseline: as it was said.
    """
    controls = [name for name in judging.explainers if name in judging.controls]
    errors: dict[str, str] = {}
    refusals: dict[tuple[str, str], str] = {}
    warnings: dict[str, tuple[str, ...]] = {}
    for part in parts:
        errors = {**part.errors, **errors}
        refusals = {**part.refusals, **refusals}
        for name, told in part.warnings.items():
            warnings[name] = tuple(dict.fromkeys((*warnings.get(name, ()), *told)))
    score = np.concatenate([part.score for part in parts])
    values = {
        (name, metric): np.concatenate([part.outcomes[name, metric].values for part in parts])
        for name in judging.explainers
        for metric in judging.metrics
        if name not in errors and (name, metric) not in refusals
    }
    cells: dict[tuple[str, str], Cell] = {}
    for name in judging.explainers:
        for metric_name, metric in judging.metrics.items():
            key = name, metric_name
            if key not in values:
                cells[key] = Cell(
                    np.full(len(score), np.nan), error=errors.get(name) or refusals[key]
                )
                continue
            cells[key] = cell(values[key], parts, key, judging.seed)
            if name not in controls and metric.beside_controls:
                beside = {
                    one: values[one, metric_name]
                    for one in controls
                    if (one, metric_name) in values
                }
                comparison = compared(values[key], beside, metric.direction, judging.seed)
                cells[key] = replace(cells[key], comparison=comparison)
    return Evaluation(
        judging.metrics,
        tuple(name for name in judging.explainers if name not in controls),
        tuple(controls),
        cells,
        errors,
        warnings,
        score,
        repr(target),
        baseline,
        judging.seed,
        model.framework,
        model.version,
    )


def cell(
    values: NDArray[np.float64],
    parts: Sequence[BlockOutcome],
    key: tuple[str, str],
    seed: int,
) -> Cell:
    """What a metric says of a technique, not yet compared."""
    found = [part.outcomes[key] for part in parts]
    details = joined([one.details for one in found])
    notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
    return Cell(values, details, mean_interval(values[~np.isnan(values)], seed), notes=notes)


def compared(
    values: NDArray[np.float64],
    controls: Mapping[str, NDArray[np.float64]],
    direction: Direction | None,
    seed: int,
) -> Comparison | None:
    """A technique's values beside those of the best of the controls, example by example."""
    sign = {"higher": 1.0, "lower": -1.0, None: 0.0}[direction]
    means = {
        name: sign * float(np.nanmean(found))
        for name, found in controls.items()
        if not np.isnan(found).all()
    }
    if not sign or not means:
        return None
    best = max(means, key=means.__getitem__)
    differences = sign * (values - controls[best])
    differences = differences[~np.isnan(differences)]
    if not len(differences):
        return None
    low, high = mean_interval(differences, seed)
    return Comparison(best, float(differences.mean()), low, high, len(differences))


def joined(
    parts: Sequence[Mapping[str, NDArray[np.generic]]],
) -> Mapping[str, NDArray[np.generic]]:
    """Details of blocks, one after the other; those that all of them have."""
    names = [name for name in parts[0] if all(name in part for part in parts)] if parts else []
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
