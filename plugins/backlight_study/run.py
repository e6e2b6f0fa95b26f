"""A study in one call: a classifier is judged on labelled examples, and some of these are explained."""

import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight import Examples, Method, wrap
from backlight.by_value import arrays_of
from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight.progress import Progress
from backlight.values.outputs import Path as OutputPath
from backlight_datasets import (
    BlockStore,
    Plan,
    Source,
    digest_of_arrays,
    open_source,
    versions,
)
from backlight_loading.preparation import (
    Colour,
    Size,
    preparation,
    told_of_pictures,
)
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import techniques, usable
from backlight_study.baselines import PictureBaseline, check_baseline, ends_of
from backlight_study.cells import Said, cells, class_numbers
from backlight_study.evaluation import check, check_shape, class_names, trial
from backlight_study.explaining import Cases, Forecast, block_length, explain_cases
from backlight_study.metadata import MetadataGiven, columns_of, fitting
from backlight_study.model_digest import model_digest
from backlight_study.passes import CountedModel, Passes
from backlight_study.predictions import Predictions, predict
from backlight_study.result import Study, TemporaryFolder
from backlight_study.selection import Choice, Only, Order, select

BLOCK = 64
"""How many examples the model is asked about at a time, where nothing is said."""


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
            Grad-CAM and occlusion; of a model without gradients, those of these that need none.
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
    source = open_source(data, size, colour, classes)
    if source.classes:  # a mistyped class likewise
        choice_of(source.classes, cell, true, predicted)
    columns = columns_of(metadata, source.names(0, len(source)) if metadata is not None else ())
    fits = fitting(columns, where)
    wrapped = wrap(model, framework)
    chosen = chosen if methods else usable(chosen, wrapped)
    prepared = preparation(model, wrapped, preprocessing or Preprocessing())
    first = first_of(source)
    check_shape((len(source), *first.shape[1:]))
    sample = prepared(first)
    wrapped = told_of_pictures(wrapped, model, framework, sample.ndim)
    trial(wrapped, sample, source.classes, chosen, scores)
    kept = TemporaryFolder() if store is None else None
    folder = kept.path if kept is not None else Path(os.fspath(store or ""))
    length = batch_size or BLOCK
    asked = Plan(
        count=len(source),
        block_length=length,
        data=source.fingerprint(),
        model=model_digest(wrapped, source, prepared, sample, scores),
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
    names = tuple(class_names(source, predictions, wrapped.class_names))
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
            "arrays": [arrays_digest(one.method) for one in chosen],
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


def arrays_digest(method: Method) -> str:
    """Of the arrays among a technique's hyper-parameters, which its repr tells in short."""
    return digest_of_arrays((str(place), one) for place, one in enumerate(arrays_of(method)))
