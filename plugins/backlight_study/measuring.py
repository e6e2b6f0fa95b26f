"""Metrics of a study's maps, block by block, written down as they come, so that a killed study goes on.

No metric needs all cases at once. What does is taken before, the range of the data, or after: intervals,
and which control is the best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Evaluation, Metric
from backlight.by_value import arrays_of
from backlight.evaluating.assembling import assembled
from backlight.evaluating.block import Block, BlockOutcome, Foreseen, Judging
from backlight.evaluating.controls import controls
from backlight.evaluating.evaluate import masks_of, metrics_of
from backlight.evaluating.metric import Outcome
from backlight.evaluating.perturbed import Advance
from backlight.evaluating.places import places_of
from backlight.evaluating.replacement import NativeReplacement, replacements
from backlight.evaluating.subject import Explainer
from backlight.progress import Progress, silent
from backlight.values.arrays import shape_of
from backlight.values.tree import leaves
from backlight_datasets import BlockStore, Plan, digest_of_arrays
from backlight_study.explaining import Forecast, block_length
from backlight_study.judged_cases import (
    absent,
    baseline_of,
    given,
    mapping,
    maps_of,
    objective_of,
    ranges_of,
    target_of,
    unasked,
)
from backlight_study.passes import Passes
from backlight_study.result import Study
from backlight_study.stores import begin_store


@final
@dataclass(frozen=True, eq=False)
class Measuring:
    """Metrics of some cases' maps, and where they are written down.

    Attributes:
        study: whose cases these are.
        cases: which of them, by their place among the study's.
        names: of the techniques whose maps are judged.
        masks: where the object is, (cases, places); or None.
        judging: the metrics, and what they judge.
        store: what is known.
    """

    study: Study
    cases: NDArray[np.int64]
    names: tuple[str, ...]
    masks: NDArray[np.bool_] | None
    judging: Judging
    store: BlockStore

    def block(self, number: int) -> Block:
        """A block of cases with their maps."""
        start, stop = self.store.plan.rows(number)
        places = self.cases[start:stop]
        alone = objective_of(self.study, places)
        gone = NativeReplacement(replacements(baseline_of(self.study, places), alone))
        # What is drawn belongs to a case's place among all of them, whatever block it is in.
        objective = replace(alone, rows=np.arange(start, stop), total=len(self.cases))
        maps = maps_of(self.study, self.names, places, shape_of(leaves(alone.value)[0])[1:])
        explainers = {
            name: given(maps[name]) if name in maps else control
            for name, control in self.judging.explainers.items()
        }
        masks = None if self.masks is None else self.masks[start:stop]
        return replace(self.judging, explainers=explainers).block(objective, gone, masks)

    def columns(
        self, number: int, advance: Advance
    ) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
        """A block's cases and what the metrics say of them, as arrays of the store."""
        start, stop = self.store.plan.rows(number)
        part, count = self.block(number).judged(advance), stop - start

        def repeated(text: str) -> NDArray[Any]:
            return np.array([text] * count, dtype=str)

        columns: dict[str, NDArray[Any]] = {"score": part.score}
        for key, name in self._keys().items():
            if name[0] in part.errors or name in part.refusals:
                columns[f"{key}/refusal"] = repeated(
                    part.errors.get(name[0]) or part.refusals[name]
                )
                continue
            outcome = part.outcomes[name]
            columns[f"{key}/value"] = outcome.values
            columns[f"{key}/notes"] = repeated("\n".join(outcome.notes))
            columns |= {f"{key}/detail/{one}": found for one, found in outcome.details.items()}
        return np.arange(start, stop), columns

    def outcome(self, number: int) -> BlockOutcome:
        """What was written down of a block."""
        arrays = self.store.read(number).arrays
        outcomes: dict[tuple[str, str], Outcome] = {}
        refusals: dict[tuple[str, str], str] = {}
        for key, name in self._keys().items():
            if f"{key}/refusal" in arrays:
                refusals[name] = str(arrays[f"{key}/refusal"][0])
                continue
            detail, notes = f"{key}/detail/", str(arrays[f"{key}/notes"][0])
            details = {
                one.removeprefix(detail): found
                for one, found in arrays.items()
                if one.startswith(detail)
            }
            told = tuple(notes.split("\n")) if notes else ()
            outcomes[name] = Outcome(arrays[f"{key}/value"], details, told)
        return BlockOutcome(arrays["score"], outcomes, refusals)

    def _keys(self) -> dict[str, tuple[str, str]]:
        """What the arrays of a technique (or control) and a metric begin with."""
        return {
            f"{row}/{column}": (name, metric)
            for row, name in enumerate(self.judging.explainers)
            for column, metric in enumerate(self.judging.metrics)
        }


def evaluation(
    study: Study,
    metrics: Sequence[str | Metric],
    masks: NDArray[np.bool_] | None = None,
    progress: Progress = silent,
) -> tuple[Evaluation | None, Passes, Forecast]:
    """Metrics of the maps for the question that mistakes ask, over the cases that are mistakes; and of
    what the store lacked of them, the passes that it took and what was foreseen.

    Args:
        masks: of the cases, (cases, H, W).

    Raises:
        BacklightError: of metrics or masks.
        StoreError: a block could not be written.
    """
    wrong = np.flatnonzero(study.wrong)
    names = mapping(study) if metrics and len(wrong) else []
    if not names:
        return None, Passes(), Forecast()
    measuring = begin(study, wrong, names, metrics_of([*metrics]), masks)
    passes, forecast = measure(measuring, progress)
    parts = [measuring.outcome(block) for block in range(measuring.store.plan.blocks)]
    target = target_of(study, wrong)
    told = study.cases.baseline or str(absent(study.cases))
    return assembled(measuring.judging, parts, study.cases.model, target, told), passes, forecast


def begin(
    study: Study,
    wrong: NDArray[np.int64],
    names: Sequence[str],
    metrics: Mapping[str, Metric],
    masks: NDArray[np.bool_] | None,
) -> Measuring:
    """Metrics of the cases at these places, and the store of what was measured before.

    Args:
        wrong: the places of the cases among the study's.
        names: of the techniques whose maps are judged.
        masks: of all cases, (cases, H, W).
    """
    cases, seed = study.cases, study.selection.choice.seed
    objective = objective_of(study, wrong[: block_length(len(wrong))])
    places = places_of(objective)
    found = masks_of(None if masks is None else masks[wrong], metrics, places, len(wrong))
    beside = controls(objective, seed)
    plan = Plan(
        count=len(wrong),
        block_length=min(block_length(len(wrong)), objective.batch_size),
        techniques=(*names, *beside),
        targets=tuple(f"{name}: {metric!r}" for name, metric in metrics.items()),
        data=study.store.plan.digest,
        model=study.store.plan.model,
        options={
            "cases": wrong.tolist(),
            "question": study.task.question,
            "baseline": cases.baseline or str(absent(cases)),
            "batch_size": cases.batch_size,
            "seed": seed,
            "arrays": digest_of_arrays(
                (f"{name} {place}", one)
                for name, metric in metrics.items()
                for place, one in enumerate(arrays_of(metric))
            ),
            "masks": None if found is None else digest_of_arrays([("masks", found)]),
        },
        versions=study.store.plan.versions,
    )
    store = begin_store(Path(study.store.folder.place).parent, "metrics", plan)
    explainers: dict[str, Explainer] = dict.fromkeys(names, unasked)
    judging = Judging(
        metrics, {**explainers, **beside}, frozenset(beside), ranges_of(study, wrong), seed
    )
    return Measuring(study, wrong, tuple(names), found, judging, store)


def measure(measuring: Measuring, progress: Progress) -> tuple[Passes, Forecast]:
    """Compute what the store lacks; the passes that it took, and what was foreseen."""
    missing, foreseen = measuring.store.missing(), Foreseen()
    for turn, block in enumerate(missing):
        progress("Looking at maps", turn, len(missing))
        foreseen += measuring.block(block).foreseen()
    model, seconds = measuring.study.cases.model, 0.0
    before, started = model.passes.copy(), perf_counter()

    def advance(rows: int) -> None:
        done = (model.passes - before).forward
        progress(foreseen.what, min(done, foreseen.passes), foreseen.passes)

    for block in missing:
        advance(0)
        measuring.store.write(block, *measuring.columns(block, advance))
        if not seconds and (done := (model.passes - before).forward):
            seconds = (perf_counter() - started) * foreseen.passes / done
    if missing:
        progress(foreseen.what, foreseen.passes, foreseen.passes)
    unknown = tuple(sorted(foreseen.unknown))
    return model.passes - before, Forecast(Passes(foreseen.passes), seconds, unknown)
