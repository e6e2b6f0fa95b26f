"""The one call that judges techniques."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError, is_whole, reason, shown
from backlight.evaluating.controls import controls
from backlight.evaluating.evaluation import Cell, Comparison, Evaluation, compared, joined
from backlight.evaluating.explainers import Judged, explainers, numbered
from backlight.evaluating.intervals import mean_interval
from backlight.evaluating.metric import Metric, Outcome
from backlight.evaluating.places import Places, places_of
from backlight.evaluating.registry import METRICS
from backlight.evaluating.replacement import Replacement
from backlight.evaluating.subject import Explainer, Map, Subject
from backlight.explaining.explanation import Explanation, prepare
from backlight.explaining.objective import Objective
from backlight.explaining.targets import Target
from backlight.interrupts import interruptible
from backlight.values.arrays import AnyArray
from backlight.values.inputs import Extra
from backlight.values.tree import leaves, map_leaves

Metrics: TypeAlias = str | Metric | Sequence[str | Metric] | Mapping[str, str | Metric]

DEFAULT_METRICS = ("srg", "decision_flip")


@interruptible
def evaluate(
    model: object,
    x: object,
    methods: Judged | Sequence[Judged] | Mapping[str, Judged],
    metrics: Metrics = DEFAULT_METRICS,
    target: Target = None,
    *,
    baseline: Replacement = 0.0,
    masks: NDArray[Any] | AnyArray | None = None,
    at: str | None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    seed: int = 0,
) -> Evaluation:
    """Say how far the maps of techniques are to be believed, beside controls that know nothing.

    Args:
        model, x, target, at, batch_size, extra: as of a technique's call, see `Method.__call__`. The
            places that metrics remove are those of the input, or of the value at the site `at`.
        methods: techniques by name or with their hyper-parameters, functions that are called like one,
            or maps that are there already, as attributions or arrays (N, ...); one, a list, or a
            mapping from the names that the table gives them.
        metrics: by name or with their hyper-parameters; likewise.
        baseline: what stands for "nothing there", where a metric does not say it itself: as for
            techniques.
        masks: true where the object is, one truth for each place of the input, (N, *places), for
            metrics that ask for them. An example whose mask is empty has no value.
        seed: for all that is drawn; a draw belongs to an example's row, not to its block.

    Returns: the table. A technique or a metric that fails is in it with the reason.

    Raises:
        BacklightError: a subclass that says what was wrong and what is accepted.
    """
    if not is_whole(seed) or seed < 0:
        raise HyperParameterError(
            f"evaluate: seed must be a whole number from 0, got {shown(seed)}."
        )
    chosen = metrics_of(metrics)
    (explanation,) = prepare(model, x, target, at=at, batch_size=batch_size, extra=extra)
    objective, first = explanation.objective, explanation.first
    places = places_of(first)
    first.references(baseline)  # what does not fit is said before anything is explained
    found = masks_of(masks, chosen, places, objective.count)
    judged = explainers(methods, objective.count)
    beside = controls(first, seed)
    for name in beside:
        if name in judged:
            raise HyperParameterError(f"{name!r} is the name of a control; give the map another.")
    table = Table(chosen, {**judged, **beside}, frozenset(beside))
    ranges = ranges_of(objective)
    for rows in explanation.blocks:
        table.judge(
            objective.take(rows), baseline, ranges, None if found is None else found[rows], seed
        )
    return table.finished(explanation, shown(baseline), seed)


def metrics_of(given: Metrics) -> dict[str, Metric]:
    """Metrics by the names that the table gives them."""
    if isinstance(given, Mapping):
        return {str(name): METRICS.make(one, {}) for name, one in given.items()}
    several = list(given) if isinstance(given, (list, tuple)) else [cast(str | Metric, given)]
    if not several:
        raise HyperParameterError("evaluate: metrics must name one at least, got none.")
    names = [one if isinstance(one, str) else type(one).__name__ for one in several]
    made = [METRICS.make(one, {}) for one in several]
    return dict(zip(numbered(names), made, strict=True))


def masks_of(
    given: NDArray[Any] | AnyArray | None,
    metrics: Mapping[str, Metric],
    places: Places,
    count: int,
) -> NDArray[np.bool_] | None:
    """The masks as truths (N, places).

    Raises:
        InputError: a metric asks for masks, and there are none, or they do not fit the examples.
    """
    if given is None:
        asking = [name for name, metric in metrics.items() if metric.needs_masks]
        if asking:
            raise InputError(
                f"{', '.join(asking)} ask where the object is: give masks=, true at the places of the "
                "object, one array of the input's places for each example."
            )
        return None
    masks = np.asarray(given)
    wanted = {(count, places.count), *((count, *part.grid) for part in places.parts[:1])}
    if masks.shape not in wanted or masks.size != count * places.count:
        raise InputError(
            f"Masks must have one truth for each place, shape {max(wanted, key=len)}; got "
            f"{masks.shape}."
        )
    if masks.dtype.kind not in "biu" or not np.isin(masks, (0, 1)).all():
        raise InputError(f"Masks must hold truths, or 0 and 1; got {shown(masks)}.")
    return masks.reshape(count, places.count).astype(bool)


def ranges_of(objective: Objective) -> tuple[float, ...]:
    """The largest minus the least number of each input, over all examples."""
    arrays, model = objective.arrays, objective.model
    found = []
    for leaf in leaves(objective.inputs.attributed):
        ends = (
            model.to_numpy(end).astype(np.float64) for end in (arrays.min(leaf), arrays.max(leaf))
        )
        least, largest = map(float, ends)
        found.append(largest - least)
    return tuple(found)


@final
@dataclass(eq=False)
class Table:
    """What has been found so far, block by block."""

    metrics: Mapping[str, Metric]
    explainers: Mapping[str, Explainer]
    controls: frozenset[str]

    def __post_init__(self) -> None:
        self.outcomes: dict[tuple[str, str], list[Outcome]] = {}
        self.refusals: dict[tuple[str, str], str] = {}
        self.errors: dict[str, str] = {}
        self.warnings: dict[str, tuple[str, ...]] = {}
        self.scores: list[NDArray[np.float64]] = []

    def judge(
        self,
        objective: Objective,
        baseline: Replacement,
        ranges: tuple[float, ...],
        masks: NDArray[np.bool_] | None,
        seed: int,
    ) -> None:
        """One block of examples."""
        places, model = places_of(objective), objective.model
        self.scores.append(model.to_numpy(objective.score()).astype(np.float64))
        maps: dict[str, Map] = {}
        by_place: dict[str, NDArray[np.float64]] = {}
        for name, explain in self.explainers.items():
            if name in self.errors:
                continue
            try:
                found = explain(objective, 0)
                by_place[name], maps[name] = places.summed(found.values), found
                told = (*self.warnings.get(name, ()), *found.warnings)
                self.warnings[name] = tuple(dict.fromkeys(told))
            except (Exception, SystemExit) as error:  # of a foreign technique; the others go on
                self.errors[name] = reason(error)
        for name, one in maps.items():
            finite = finite_rows(one, objective.count)
            others = {
                other: found
                for other, found in by_place.items()
                if other != name and other not in self.controls
            }
            subject = Subject(
                objective,
                Map(map_leaves(whole, one.values), one.gap),
                self.explainers[name],
                baseline,
                ranges,
                masks,
                others,
                seed,
            )
            for metric_name, metric in self.metrics.items():
                self._judge(name, metric_name, metric, subject, finite)

    def _judge(
        self,
        name: str,
        metric_name: str,
        metric: Metric,
        subject: Subject,
        finite: NDArray[np.bool_],
    ) -> None:
        key = name, metric_name
        if key in self.refusals:
            return
        try:
            found = checked(metric, metric.evaluate(subject), subject.count)
        except (Exception, SystemExit) as error:  # of a foreign metric; the others go on
            self.refusals[key] = reason(error)
            return
        there = finite & np.isfinite(found.values)
        values = np.where(there, found.values, np.nan)
        self.outcomes.setdefault(key, []).append(Outcome(values, found.details, found.notes))

    def finished(self, explanation: Explanation, baseline: str, seed: int) -> Evaluation:
        """The table of all blocks, with intervals and comparisons."""
        objective = explanation.objective
        judged = [name for name in self.explainers if name not in self.controls]
        values = {
            key: np.concatenate([part.values for part in parts])
            for key, parts in self.outcomes.items()
            if key not in self.refusals and key[0] not in self.errors
        }
        cells: dict[tuple[str, str], Cell] = {}
        for name in self.explainers:
            for metric_name, metric in self.metrics.items():
                key = name, metric_name
                if key not in values:
                    why = self.errors.get(name) or self.refusals.get(key, "no maps")
                    cells[key] = Cell(np.full(objective.count, np.nan), error=why)
                    continue
                beside = {
                    one: values[one, metric_name]
                    for one in self.explainers
                    if one in self.controls and (one, metric_name) in values
                }
                own = values[key]
                comparison: Comparison | None = None
                if name not in self.controls and metric.beside_controls:
                    comparison = compared(own, beside, metric.direction, seed)
                parts = self.outcomes[key]
                details = joined([part.details for part in parts])
                notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
                interval = mean_interval(own[~np.isnan(own)], seed)
                cells[key] = Cell(own, details, interval, comparison, notes=notes)
        return Evaluation(
            self.metrics,
            tuple(judged),
            tuple(name for name in self.explainers if name in self.controls),
            cells,
            self.errors,
            {name: notes for name, notes in self.warnings.items() if notes},
            np.concatenate(self.scores),
            repr(objective.target),
            baseline,
            seed,
            objective.model.framework,
            objective.model.version,
        )


def checked(metric: Metric, found: Outcome, count: int) -> Outcome:
    """What a metric gave, if it is one number for each example."""
    values = np.asarray(found.values, dtype=np.float64)
    sizes = {name: np.shape(detail)[:1] for name, detail in found.details.items()}
    if values.shape != (count,) or any(size != (count,) for size in sizes.values()):
        raise InputError(
            f"{type(metric).__name__} must give one number for each of {count} examples, and details "
            f"with the examples on axis 0; it gave shape {values.shape} and details of {sizes}."
        )
    details = {name: np.asarray(one) for name, one in found.details.items()}
    return Outcome(values, details, tuple(found.notes))


def whole(leaf: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers, with 0 where they are not finite: what is found for these examples is not kept."""
    return np.where(np.isfinite(leaf), leaf, 0.0)


def finite_rows(found: Map, count: int) -> NDArray[np.bool_]:
    """Of which examples all values are finite, (n,)."""
    each = [np.isfinite(leaf).reshape(count, -1).all(axis=1) for leaf in leaves(found.values)]
    return np.asarray(np.all(each, axis=0))
