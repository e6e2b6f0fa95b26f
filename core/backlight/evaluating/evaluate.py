"""The one call that judges techniques."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError, is_whole, shown
from backlight.evaluating.assembling import assembled
from backlight.evaluating.block import BlockOutcome, Judging
from backlight.evaluating.controls import controls
from backlight.evaluating.evaluation import Evaluation
from backlight.evaluating.explainers import Judged, explainers, numbered
from backlight.evaluating.metric import Metric
from backlight.evaluating.places import Places, places_of
from backlight.evaluating.registry import METRICS
from backlight.evaluating.replacement import Replacement
from backlight.explaining.objective import Objective
from backlight.explaining.preparing import prepare
from backlight.explaining.targets import Target
from backlight.interrupts import interruptible
from backlight.model.wrapping import wrap_for
from backlight.progress import Progress, silent
from backlight.values.arrays import AnyArray
from backlight.values.given import taken_in
from backlight.values.inputs import Extra
from backlight.values.tree import leaves

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
    progress: Progress = silent,
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
        progress: called with what is being done, how many examples went through the model for metrics,
            and how many will: as the block at hand foretells.

    Returns: the table. A technique or a metric that fails is in it with the reason.

    Raises:
        BacklightError: a subclass that says what was wrong and what is accepted.
    """
    if not is_whole(seed) or seed < 0:
        raise HyperParameterError(
            f"evaluate: seed must be a whole number from 0, got {shown(seed)}."
        )
    chosen = metrics_of(metrics)
    given = taken_in(x)
    model, x = wrap_for(model, given), given.x
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
    judging = Judging(chosen, {**judged, **beside}, frozenset(beside), ranges_of(objective), seed)
    parts: list[BlockOutcome] = []
    for rows in explanation.blocks:
        found_here = None if found is None else found[rows]
        parts.append(
            judged_block(judging, objective.take(rows), baseline, found_here, parts, progress)
        )
    return assembled(judging, parts, objective.model, objective.target, shown(baseline))


def judged_block(
    judging: Judging,
    objective: Objective,
    baseline: Replacement,
    masks: NDArray[np.bool_] | None,
    before: Sequence[BlockOutcome],
    progress: Progress,
) -> BlockOutcome:
    """One block more; what failed in those before it is not tried again. The passes of this one foretell
    those of all."""
    failed = frozenset(name for part in before for name in part.errors)
    refused = frozenset(key for part in before for key in part.refusals)
    block = judging.block(objective, baseline, masks, failed)
    foreseen = block.foreseen(refused)
    each = foreseen.passes / objective.count
    done = round(each * sum(len(part.score) for part in before))
    total = round(each * objective.total)

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        progress(foreseen.what, min(done, total), total)

    progress(foreseen.what, done, total)
    return block.judged(advance, refused)


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
    """The largest minus the least number of each input, over all examples; NaN of words."""
    ends = map(ends_of, map(objective.model.to_numpy, leaves(objective.inputs.attributed)))
    return tuple(largest - least for least, largest in ends)


def ends_of(numbers: NDArray[Any]) -> tuple[float, float]:
    """The least and the largest number; NaN of words."""
    if numbers.dtype.kind not in "fiub":
        return float("nan"), float("nan")
    return float(numbers.min()), float(numbers.max())
