"""Several scores of the same examples, explained together: what one pass gives is not computed twice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backlight.errors import ResultError
from backlight.explaining.finite import check_finite
from backlight.explaining.measured import Measured, measure
from backlight.explaining.objective import Objective
from backlight.explaining.result import Result, check_result
from backlight.explaining.zeros import numbers
from backlight.model.model import Model
from backlight.scores.scores import Score
from backlight.scores.several import differences
from backlight.values.arrays import Array
from backlight.values.tree import Tree, map_leaves, sum_per_example


class Technique(Protocol):
    """What is asked of a technique here; see `Method`."""

    @property
    def linear(self) -> bool: ...

    @property
    def joins_sites(self) -> bool: ...

    def attribute_each(
        self, objective: Objective, targets: Sequence[Score]
    ) -> Sequence[Result]: ...


def explained(technique: Technique, objectives: Sequence[Objective]) -> list[Measured]:
    """What a technique finds for one block of examples, several scores and, of each, its sites; checked,
    with its numbers on the host and its completeness measured.

    A score that is the difference of two others is not explained by itself where the technique is linear
    in the score.
    """
    apart = differences([one.target for one in objectives]) if technique.linear else {}
    at = [one.sites for one in objectives]
    apart = {k: pair for k, pair in apart.items() if {at[one] for one in pair} == {at[k]}}
    found: dict[int, list[tuple[Result, Array]]] = {}
    for sites in dict.fromkeys(at):
        asked = [k for k, one in enumerate(objectives) if one.sites == sites and k not in apart]
        results = at_sites(technique, [objectives[k] for k in asked])
        found.update(zip(asked, results, strict=True))
    for k, (minuend, subtrahend) in apart.items():
        found[k] = [
            difference(one, other, objectives[k].model)
            for one, other in zip(found[minuend], found[subtrahend], strict=True)
        ]
    return [
        measure(part, *one)
        for position, objective in enumerate(objectives)
        for part, one in zip(objective.apart(), found[position], strict=True)
    ]


def taken(objectives: Sequence[Objective], rows: NDArray[np.int64]) -> list[Objective]:
    """Objectives of the same inputs for some of the examples, whose inputs they share."""
    first = objectives[0].take(rows)
    return [
        replace(first, target=one.target.take(rows), at=one.at, beside=one.beside, whole=one.whole)
        for one in objectives
    ]


def at_sites(
    technique: Technique, objectives: Sequence[Objective]
) -> list[list[tuple[Result, Array]]]:
    """Results for objectives that differ in the score alone: for each, one at each of its sites."""
    if technique.joins_sites:
        found, count = answers(technique, objectives), len(objectives[0].sites)
        return [found[first : first + count] for first in range(0, len(found), count)]
    each = zip(*(one.apart() for one in objectives), strict=True)
    of_sites = [answers(technique, parts) for parts in each]
    return [list(one) for one in zip(*of_sites, strict=True)]


def answers(technique: Technique, objectives: Sequence[Objective]) -> list[tuple[Result, Array]]:
    """Results for objectives that differ in the score alone, each with its score, checked."""
    first = objectives[0]
    results = list(technique.attribute_each(first, [one.target for one in objectives]))
    each = [part for one in objectives for part in one.apart()]
    if len(results) != len(each):
        at_each = f" at each of {len(first.sites)} sites" if first.beside else ""
        raise ResultError(
            f"{type(technique).__name__}.attribute_each must return a result for each of "
            f"{len(objectives)} scores{at_each}; got {len(results)}."
        )
    for objective, result in zip(each, results, strict=True):
        check_result(technique, objective, result)
    untold = [position for position, one in enumerate(results) if one.score is None]
    asked = first.scores([each[position].target for position in untold])
    computed = dict(zip(untold, asked, strict=True))
    scores = [
        computed[position] if one.score is None else one.score
        for position, one in enumerate(results)
    ]
    for result, score in zip(results, scores, strict=True) if not first.model.attached else ():
        check_finite(technique, first, result.values, numbers(first.model, score))
    return list(zip(results, scores, strict=True))


def difference(
    one: tuple[Result, Array], other: tuple[Result, Array], model: Model
) -> tuple[Result, Array]:
    """The result for the difference of two scores, with that score, by a technique that is linear in it.

    Errors are the most that they can be, those of both together.
    """
    (plus, score), (minus, less) = one, other
    values = map_leaves(lambda a, b: a - b, plus.values, minus.values)
    start = None
    if plus.baseline_score is not None and minus.baseline_score is not None:
        start = plus.baseline_score - minus.baseline_score
    error = None
    if plus.error is not None and minus.error is not None:
        off = plus.error * size(plus.values, model) + minus.error * size(minus.values, model)
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.where(off == 0, 0.0, off / size(values, model))
    spread = of_sum = of_gap = each = None
    if plus.standard_error is not None and minus.standard_error is not None:
        spread = map_leaves(lambda a, b: a + b, plus.standard_error, minus.standard_error)
    if plus.standard_error_of_sum is not None and minus.standard_error_of_sum is not None:
        of_sum = plus.standard_error_of_sum + minus.standard_error_of_sum
    if plus.standard_error_of_gap is not None and minus.standard_error_of_gap is not None:
        of_gap = plus.standard_error_of_gap + minus.standard_error_of_gap
    if plus.each is not None and minus.each is not None:
        each = map_leaves(lambda a, b: a - b, plus.each, minus.each)
    notes = tuple(dict.fromkeys((*plus.warnings, *minus.warnings)))
    found = Result(
        values,
        score - less,
        start,
        error,
        spread,
        of_sum,
        of_gap,
        each=each,
        advice=plus.advice,
        warnings=notes,
    )
    return found, score - less


def size(values: Tree, model: Model) -> NDArray[np.float64]:
    """Sum of |values| of each example."""
    absolute = map_leaves(model.arrays.abs, values)
    return numbers(model, sum_per_example(absolute, model.arrays))
