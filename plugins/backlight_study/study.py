"""A study in one call: what a classifier gets wrong, what it looked at, and which maps to believe."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import perf_counter
from typing import TYPE_CHECKING, Any, final
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from backlight import Examples, Method, Model, wrap
from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight.values.outputs import Path as OutputPath
from backlight.values.outputs import array_at
from backlight_datasets import BlockStore, Plan, Source, open_source, versions
from backlight_loading.preparation import Colour, Size, preparation
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import techniques
from backlight_pictures.maps import reduction_of, resized, to_maps
from backlight_study.answers import Answers
from backlight_study.baselines import PictureBaseline, check_baseline, ends_of
from backlight_study.cells import Said, cells, class_numbers
from backlight_study.evaluation import check, check_shape, class_names, told_of_pictures, trial
from backlight_study.explaining import Cases, Forecast, block_length, explain_cases, stored_answers
from backlight_study.metadata import Columns, MetadataGiven, columns_of, fitting
from backlight_study.neighbours import Neighbour, log_odds_space, nearest
from backlight_study.passes import CountedModel, Passes
from backlight_study.performance import Performance, performance
from backlight_study.predictions import Predictions, Progress, answered, class_scores, predict
from backlight_study.questions import Question
from backlight_study.selection import Choice, Only, Order, Selection, rule_of, select

if TYPE_CHECKING:
    from pandas import DataFrame

BLOCK = 64
"""How many examples the model is asked about at a time, where nothing is said."""


@final
@dataclass(frozen=True, eq=False)
class Study:
    """What was found.

    Attributes:
        cases: the examples explained and all that explaining took: model, source, predictions, rows and
            techniques.
        selection: which examples these are, and by which rule.
        classes: the names of the model's classes, in their order.
        store: the answers of the techniques, on disk.
        passes: examples that went through the model to explain, forward and backward, in this run.
        foreseen: what was forecast for all cases.
        seconds: how long the study took.
        metadata: columns of all examples, (N,) each, by name.
    """

    cases: Cases
    selection: Selection
    classes: tuple[str, ...]
    store: BlockStore
    passes: Passes
    foreseen: Forecast
    seconds: float
    metadata: Columns = field(default_factory=dict)
    kept: "TemporaryFolder | None" = field(default=None, repr=False)

    @property
    def predictions(self) -> Predictions:
        """What the model says of all examples."""
        return self.cases.predictions

    @property
    def rows(self) -> NDArray[np.int64]:
        """The examples explained, by their place among the predictions: those chosen, then the right
        ones beside them."""
        return self.cases.rows

    @property
    def rule(self) -> str:
        """How the examples were chosen, as a sentence."""
        return rule_of(self.selection, self.classes)

    @cached_property
    def performance(self) -> Performance:
        """How well the model does on all examples, with intervals."""
        found = self.predictions
        independent = found.kind == "sigmoid" and not found.single
        return performance(
            found.labels,
            found.probabilities,
            independent=independent,
            seed=self.selection.choice.seed,
        )

    @cached_property
    def neighbours(self) -> list[tuple[Neighbour, ...]]:
        """For each case the right examples whose outputs are nearest."""
        space = log_odds_space(self.predictions.probabilities)
        return nearest(space, self.rows, ~self.predictions.wrong)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the examples explained are called."""
        ids = self.predictions.ids[self.rows].tolist()
        return tuple(self.cases.source.names(id, id + 1)[0] for id in ids)

    def values(self, technique: str, question: Question = "contrast") -> NDArray[Any]:
        """What a technique says, (cases, ...) as the model's inputs are; NaN where it failed.

        Raises:
            UnknownNameError: no such technique.
            InputError: it explained no case, or no such question was asked.
        """
        number = self.number(technique)
        try:
            places, found = self.store.column(f"{number}/{question}/values")
        except UnknownNameError as error:
            raise InputError(f"{technique} has no values for the question {question!r}.") from error
        values = np.full((len(self.rows), *found.shape[1:]), np.nan, dtype=found.dtype)
        values[places] = found
        return values

    def maps(self, technique: str, question: Question = "contrast") -> NDArray[np.float64]:
        """The same as maps over the pictures, (cases, H, W): channels are summed, or, where each
        holds the same map, taken once."""
        channels = self.cases.model.channels
        values = self.values(technique, question)
        sound = values[np.isfinite(values.reshape(len(values), -1)).all(axis=1)]
        return resized(to_maps(values, channels, reduction_of(sound, channels)), self.grid)

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Height and width of the pictures as the model takes them."""
        like = self.cases.prepared(self.cases.stored(np.arange(1)))
        height, width = to_maps(np.zeros(like.shape), self.cases.model.channels).shape[1:]
        return int(height), int(width)

    def errors(self) -> dict[str, dict[int, str]]:
        """What techniques could not do: by technique and case."""
        found: dict[str, dict[int, str]] = {}
        for number, technique in enumerate(self.cases.techniques if len(self.rows) else ()):
            places, errors = self.store.column(f"{number}/error")
            told = {int(place): str(one) for place, one in zip(places, errors, strict=True) if one}
            if told:
                found[technique.name] = told
        return found

    def each_answer(self) -> Iterator[tuple[int, int, Answers]]:
        """All answers, one by one: a case's place, a technique's number, and what it says of that case
        alone."""
        return stored_answers(self.store, len(self.cases.techniques))

    def to_pandas(self) -> "DataFrame":
        """A row for each case: classes, probabilities, metadata, each technique's score, gap and error
        for the contrast. pandas must be installed."""
        from pandas import DataFrame

        found, rows = self.predictions, self.rows
        odds = found.probabilities[rows]
        true, predicted = found.labels[rows], found.classes[rows]
        columns: dict[str, Any] = {
            "name": self.names,
            "true": [self.classes[k] for k in true],
            "predicted": [self.classes[k] for k in predicted],
            "wrong": found.wrong[rows],
            "p_true": odds[np.arange(len(rows)), true],
            "p_predicted": odds[np.arange(len(rows)), predicted],
            **{name: column[rows] for name, column in self.metadata.items()},
        }
        asked: Question = "predicted" if found.single else "contrast"
        for place, number, answers in self.each_answer():
            if asked in answers.questions:
                numbers = answers.questions[asked].numbers
                for name in ("score", "gap", "error"):
                    column = f"{self.cases.techniques[number].name} {name}"
                    columns.setdefault(column, np.full(len(rows), np.nan))[place] = numbers[name][0]
        return DataFrame(columns, index=rows)

    def number(self, technique: str) -> int:
        names = [one.name for one in self.cases.techniques]
        if technique not in names:
            raise UnknownNameError("technique of the study", technique, names)
        return names.index(technique)

    def __repr__(self) -> str:
        found = self.predictions
        share = found.correct / len(found.labels)
        listed = ", ".join(one.name for one in self.cases.techniques)
        return (
            f"Study({found.correct:,} of {len(found.labels):,} right ({share:.1%}); "
            f"{len(self.rows)} cases by {listed})"
        )


def study(
    model: object,
    data: str | os.PathLike[str] | Examples | Source,
    *,
    methods: Sequence[str | Method] = (),
    cell: str | Sequence[str] = (),
    only: Only | None = None,
    true: Said = None,
    predicted: Said = None,
    ids: Sequence[str | int] | None = None,
    order: Order = "confidence",
    limit: int = 24,
    right: int = 0,
    metadata: MetadataGiven | None = None,
    where: Sequence[str] = (),
    baseline: PictureBaseline | None = None,
    store: str | os.PathLike[str] | None = None,
    framework: str | None = None,
    scores: OutputPath = None,
    preprocessing: Preprocessing | None = None,
    size: Size | None = None,
    colour: Colour | None = None,
    classes: Sequence[str] = (),
    seed: int | None = None,
    batch_size: int | None = None,
    options: Sequence[str] = (),
    progress: Progress = lambda what, done, total: None,
) -> Study:
    """Judge a classifier on labelled examples, and explain those that are chosen.

    Examples are read, judged and explained block by block: memory does not grow with their number. All
    of it is written down as it comes, so that the same call goes on where one was killed.

    Args:
        model: of any installed framework, from examples to (N, classes); or to (N,) or (N, 1), one
            number that is for class 1 of two.
        data: `backlight.Examples`, a folder of class folders of pictures, an `.npz` file with x and y, or
            a `backlight_datasets.Source`.
        methods: techniques, or their names as `NAME:key=value`; by default integrated gradients,
            Grad-CAM and occlusion.
        cell: cells of the confusion matrix, `TRUE:PREDICTED` with classes by name or number, `*` for any
            other class; several are joined.
        only: "misclassified" (where nothing else is asked for), "correct" or "all".
        true, predicted: of one of these true and of one of these predicted classes.
        ids: these examples, by name or number.
        order: which come first: "confidence", "loss", "margin", "borderline" or "random".
        limit: explain at most so many.
        right: explain so many beside them that the model gets right, for comparison.
        metadata: what else is known of the examples: columns by name, as long as the data, or a CSV file
            whose rows name examples.
        where: only examples with these, `COLUMN=VALUE` of the metadata.
        baseline: "black", "white", "grey", "mean" or "blur": of techniques that have a baseline and were
            not told another, in the picture's own terms.
        store: a folder that keeps predictions and answers, where a killed study is gone on with; a
            temporary one where none is named.
        framework: of a model that is a plain function.
        scores: which of several outputs holds the class scores.
        preprocessing: from the examples to the model's input; bytes are divided by 255 by default.
        size, colour: of pictures in files.
        classes: class names in the model's order, where the data's own have another.
        seed: for techniques with noise, and for what is drawn; 0 for the latter where none is said.
        batch_size: most rows in one pass.
        options: those that the user gave and that only pictures in files can follow.
        progress: called with what is being done, how much is done and how much there is.

    Raises:
        BacklightError: what is wrong with the model, the data or the arguments.
    """
    started = perf_counter()
    chosen = techniques(methods, seed)  # a mistyped name is said before anything is read
    check_baseline(baseline)
    if batch_size is not None and batch_size < 1:
        raise HyperParameterError(f"batch_size must be at least 1, got {batch_size}.")
    if isinstance(data, Examples):
        check(data)
    source = open_source(data, size, colour, classes, options)
    if source.classes:  # a mistyped class likewise
        choice_of(source.classes, cell, true, predicted)
    columns = columns_of(metadata, source.names(0, len(source)) if metadata is not None else ())
    fits = fitting(columns, where)
    wrapped = wrap(model, framework)
    prepared = preparation(model, wrapped, preprocessing or Preprocessing())
    first = first_of(source)
    check_shape((len(source), *first.shape[1:]))
    sample = prepared(first)
    wrapped = told_of_pictures(model, framework, wrapped, sample)
    trial(wrapped, sample, source.classes, chosen, scores)
    kept = TemporaryFolder() if store is None else None
    folder = kept.path if kept is not None else Path(os.fspath(store or ""))
    length = batch_size or BLOCK
    asked = Plan(
        count=len(source),
        block_length=length,
        data=source.fingerprint(),
        model=answers_digest(wrapped, sample, scores),
        options={
            "preprocessing": (preprocessing or Preprocessing()).described(first),
            "scores": repr(scores),
        },
        versions={**versions(), wrapped.framework: wrapped.version},
    )
    predictions = predict(
        wrapped,
        source,
        prepared,
        sample,
        length,
        progress,
        scores,
        opened(folder, "answers", asked),
    )
    names = tuple(class_names(source, predictions))
    classes_asked = choice_of(names, cell, true, predicted)
    rows = None if ids is None else rows_of(source, predictions, ids)
    if fits is not None:
        some = np.flatnonzero(fits[predictions.ids])
        rows = tuple(some.tolist()) if rows is None else tuple(np.intersect1d(rows, some).tolist())
    choice = Choice(
        only=only,
        rows=rows,
        where=tuple(where),
        order=order,
        limit=limit,
        right=right,
        seed=seed or 0,
        **classes_asked,
    )
    selection = select(predictions, choice)
    explained = np.array([*selection.rows, *selection.right], dtype=np.int64)
    cases = Cases(
        CountedModel(wrapped),
        source,
        prepared,
        predictions,
        explained,
        chosen,
        ends_of(first),
        first.shape[1:],
        str(first.dtype),
        baseline,
        batch_size,
    )
    plan = Plan(
        count=len(explained),
        block_length=block_length(len(explained)),
        techniques=tuple(f"{one.method!r} at {one.at}" for one in chosen),
        targets=("predicted", "true", "contrast"),
        data=asked.digest,
        model=asked.model,
        options={
            **asked.options,
            "rows": explained.tolist(),
            "baseline": baseline,
            "batch_size": batch_size,
        },
        versions=asked.versions,
    )
    answers = opened(folder, "maps", plan)
    foreseen, passes = Forecast(), Passes()
    if len(explained):
        passes, foreseen = explain_cases(cases, answers, progress)
    seconds = perf_counter() - started
    known = {name: column[predictions.ids] for name, column in columns.items()}
    return Study(cases, selection, names, answers, passes, foreseen, seconds, known, kept)


@final
class TemporaryFolder:
    """A folder that is there as long as this object is."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="backlight-study-"))
        finalize(self, rmtree, self.path, ignore_errors=True)


def choice_of(
    classes: Sequence[str], cell: str | Sequence[str], true: Said, predicted: Said
) -> dict[str, Any]:
    """What is asked for of the confusion matrix, by numbers."""
    return {
        "cells": cells(cell, classes),
        "true": class_numbers(true, classes),
        "predicted": class_numbers(predicted, classes),
    }


def first_of(source: Source) -> NDArray[Any]:
    """The first example that can be read, (1, ...).

    Raises:
        InputError: there is none.
    """
    reasons: list[str] = []
    for number in range(len(source)):
        batch = source.read(number, number + 1)
        if len(batch.x):
            return batch.x
        reasons += map(str, batch.skipped)
    seen = f" The first reason: {reasons[0]}" if reasons else ""
    raise InputError(f"There are no examples that can be read.{seen}")


def rows_of(source: Source, predictions: Predictions, said: Sequence[str | int]) -> tuple[int, ...]:
    """Examples by name or number, as places among the predictions.

    Raises:
        UnknownNameError: no such example; or it could not be read.
    """
    known = dict(zip(source.names(0, len(source)), range(len(source)), strict=True))
    found = []
    for one in said:
        id = one if isinstance(one, int) else known.get(one)
        if id is None and str(one).isdecimal():
            id = int(one)
        place = np.searchsorted(predictions.ids, -1 if id is None else id)
        if id is None or place == len(predictions.ids) or predictions.ids[place] != id:
            raise UnknownNameError("example that was read", str(one), list(known)[:10_000])
        found.append(int(place))
    return tuple(dict.fromkeys(found))


def opened(folder: Path, name: str, plan: Plan) -> BlockStore:
    """The store of this plan, begun now or before; each plan has a folder of its own."""
    return BlockStore.begin(folder / f"{name}-{plan.digest[:16]}", plan)


def answers_digest(model: Model, sample: NDArray[Any], scores: OutputPath) -> str:
    """What tells a model from others: what it says of one example, to four digits."""
    path, _ = class_scores(model, sample, scores)
    numbers = model.to_numpy(array_at(answered(model, sample), path)).astype(np.float64)
    return sha256(" ".join(f"{one:.4g}" for one in numbers.flat).encode()).hexdigest()
