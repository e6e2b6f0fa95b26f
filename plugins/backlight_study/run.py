"""A study in one call: a model is judged on labelled examples, and some of these are explained."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight import Examples, Method, Model, wrap
from backlight.by_value import arrays_of
from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight.progress import Progress
from backlight.values.outputs import Path as OutputPath
from backlight.values.outputs import single
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
from backlight_study.answers import method_text
from backlight_study.baselines import PictureBaseline, check_baseline, ends_of
from backlight_study.cells import Said, cells, class_numbers, parts
from backlight_study.evaluation import check, check_shape, trial
from backlight_study.explaining import Cases, Forecast, block_length, explain_cases
from backlight_study.metadata import MetadataGiven, columns_of, fitting
from backlight_study.model_digest import model_digest
from backlight_study.passes import CountedModel, Passes
from backlight_study.predictions import answered, ask_all, class_scores
from backlight_study.result import Study, TemporaryFolder
from backlight_study.selection import Choice, Only, Order
from backlight_study.site_space import SiteSpace, pooling, write_features
from backlight_study.tasks.deciding import CHECKS, TYPES, check_task, made, task_of
from backlight_study.tasks.multi_label import KINDS as MISTAKES
from backlight_study.tasks.regression import KINDS as SIDES
from backlight_study.tasks.task import TaskName, check_order

BLOCK = 64
"""How many examples the model is asked about at a time, where nothing is said."""


def study(
    model: object,
    data: str | os.PathLike[str] | Examples | Source,
    *,
    task: TaskName | None = None,
    methods: Sequence[str | Method] = (),
    cell: str | Sequence[str] = (),
    only: Only | None = None,
    true: Said = None,
    predicted: Said = None,
    ids: Sequence[str | int] | None = None,
    order: Order | None = None,
    limit: int = 24,
    right: int = 0,
    metadata: MetadataGiven | None = None,
    where: Sequence[str] = (),
    baseline: PictureBaseline | None = None,
    near: str | None = None,
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
    """Judge a model on labelled examples, and explain those that are chosen.

    Examples are read, judged and explained block by block: memory does not grow with their number. All
    of it is written down as it comes, so that the same call goes on where one was killed.

    Args:
        model: of any installed framework, from examples to (N, classes); or to (N,) or (N, 1), one
            number that is for class 1 of two; or to (N, labels), each for itself; or to numbers, (N,) or
            (N, k).
        data: `backlight.Examples`, a folder of class folders of pictures, an `.npz` file with x and y, or
            a `backlight_datasets.Source`.
        task: "classification" (a class for each example), "multi-label" (0 or 1 for each label: a case
            is an example and a label) or "regression" (numbers). Where nothing is said, what the labels
            and outputs are says it, and an error asks where they don't.
        methods: techniques, or their names as `NAME:key=value`; by default integrated gradients,
            Grad-CAM and occlusion; of a model without gradients, those of these that need none.
        cell: cells of the confusion matrix, `TRUE:PREDICTED` with classes by name or number, `*` for any
            other class; several are joined. Of several labels `LABEL:KIND` with a kind of fp, fn, tp, tn
            (false or true positive or negative) or `*`, any mistake; of numbers `NUMBER:over`, `:under`
            or `:*`.
        only: "misclassified" (where nothing else is asked for), "correct" or "all".
        true, predicted: of one of these true and of one of these predicted classes.
        ids: these examples, by name or number.
        order: which come first: "confidence" (where nothing is said), "loss", "margin", "borderline" or
            "random"; of numbers "error" (where nothing is said), "over", "under" or "random".
        limit: explain at most so many.
        right: explain so many beside them that the model gets right, for comparison.
        metadata: what else is known of the examples: columns by name, as long as the data, or a CSV file
            whose rows name examples.
        where: only examples with these, `COLUMN=VALUE` of the metadata.
        baseline: "black", "white", "grey", "mean" or "blur": of techniques that have a baseline and were
            not told another, in the picture's own terms.
        near: the site of the model whose activation, averaged over its places, says which right examples
            are nearest to a case; the outputs where none is said.
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
    check_task(task)
    if batch_size is not None and batch_size < 1:
        raise HyperParameterError(f"batch_size must be at least 1, got {batch_size}.")
    if isinstance(data, Examples):
        check(data)
    source = open_source(data, size, colour, classes)
    columns = columns_of(metadata, source.names(0, len(source)) if metadata is not None else ())
    fits = fitting(columns, where)
    wrapped = wrap(model, framework)
    chosen = chosen if methods else usable(chosen, wrapped)
    prepared = preparation(model, wrapped, preprocessing or Preprocessing())
    first = first_of(source)
    check_shape((len(source), *first.shape[1:]))
    sample = prepared(first)
    wrapped = told_of_pictures(wrapped, model, framework, sample.ndim)
    asked_of = decided(task, source, wrapped, sample, scores)
    if order is not None:
        check_order(TYPES[asked_of], order)
    if source.classes:  # a mistyped class is said before all are read
        choice_of(asked_of, source.classes, cell, true, predicted)
    trial(wrapped, sample, source.classes, chosen, scores, CHECKS[asked_of])
    pooled = None if near is None else pooling(wrapped, sample, near)
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
    replies = ask_all(
        wrapped,
        source,
        prepared,
        sample,
        length,
        progress,
        CHECKS[asked_of],
        scores,
        opened(folder, "answers", asked),
    )
    found = made(asked_of, wrapped, source, replies, seed or 0)
    classes_asked = choice_of(asked_of, found.classes, cell, true, predicted)
    rows = None if ids is None else rows_of(source, replies.ids, ids)
    if fits is not None:
        some = np.flatnonzero(fits[replies.ids])
        rows = tuple(some.tolist()) if rows is None else tuple(np.intersect1d(rows, some).tolist())
    choice = Choice(
        only=only,
        rows=rows,
        where=tuple(where),
        order=next(iter(found.orders)) if order is None else order,
        limit=limit,
        right=right,
        seed=seed or 0,
        **classes_asked,
    )
    selection = found.select(choice)
    explained = np.array([*selection.rows, *selection.right], dtype=np.int64)
    about = np.array(selection.parts or np.zeros_like(explained), dtype=np.int64)
    cases = Cases(
        CountedModel(wrapped),
        source,
        prepared,
        found,
        explained,
        about,
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
        techniques=tuple(f"{method_text(one.method, baseline)} at {one.at}" for one in chosen),
        targets=("predicted", "true", "contrast")
        if found.name == "classification"
        else (found.question,),
        data=asked.digest,
        model=asked.model,
        options={
            **asked.options,
            "rows": explained.tolist(),
            "parts": list(selection.parts),
            "baseline": baseline,
            "batch_size": batch_size,
            "arrays": [arrays_digest(one.method) for one in chosen],
        },
        versions=asked.versions,
    )
    answers = opened(folder, "maps", plan)
    space = None
    if near is not None and pooled is not None:
        wanted = replace(asked, targets=(near,))
        space = SiteSpace(near, opened(folder, "near", wanted), replies.ids)
        write_features(wrapped, source, prepared, near, pooled, space.store, progress)
    foreseen, passes = Forecast(), Passes()
    if len(explained):
        passes, foreseen = explain_cases(cases, answers, progress)
    seconds = perf_counter() - started
    known = {name: column[replies.ids] for name, column in columns.items()}
    return Study(
        cases, selection, found.classes, answers, passes, foreseen, seconds, known, space, kept
    )


def decided(
    task: TaskName | None,
    source: Source,
    model: Model,
    sample: NDArray[Any],
    scores: OutputPath,
) -> TaskName:
    """Which task it is; see `task_of`."""
    answered(model, sample)  # whatever a net of the user's raises is told as such
    outputs = model.outputs(model.prepare(sample))  # type: ignore[arg-type]
    path, _ = class_scores(model, sample, scores)
    labels = source.read(0, min(len(source), BLOCK)).labels
    return task_of(task, labels, single(outputs, path))


def choice_of(
    task: TaskName,
    classes: Sequence[str],
    cell: str | Sequence[str],
    true: Said,
    predicted: Said,
) -> dict[str, Any]:
    """What is asked for of the confusion matrix, or of labels and numbers, by their numbers."""
    kinds = {"multi-label": MISTAKES, "regression": SIDES}.get(task)
    return {
        "cells": () if kinds else cells(cell, classes),
        "parts": parts(cell, classes, kinds) if kinds else (),
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


def rows_of(source: Source, ids: NDArray[np.int64], said: Sequence[str | int]) -> tuple[int, ...]:
    """Examples by name or number, as places among those that could be read, which have these ids.

    Raises:
        UnknownNameError: no such example; or it could not be read.
    """
    known = dict(zip(source.names(0, len(source)), range(len(source)), strict=True))
    found = []
    for one in said:
        id = one if isinstance(one, int) else known.get(one)
        if id is None and str(one).isdecimal():
            id = int(one)
        place = np.searchsorted(ids, -1 if id is None else id)
        if id is None or place == len(ids) or ids[place] != id:
            raise UnknownNameError("example that was read", str(one), list(known)[:10_000])
        found.append(int(place))
    return tuple(dict.fromkeys(found))


def opened(folder: Path, name: str, plan: Plan) -> BlockStore:
    """The store of this plan, begun now or before; each plan has a folder of its own."""
    return BlockStore.begin(folder / f"{name}-{plan.digest[:16]}", plan)


def arrays_digest(method: Method) -> str:
    """Of the arrays among a technique's hyper-parameters, which its repr tells in short."""
    return digest_of_arrays((str(place), one) for place, one in enumerate(arrays_of(method)))
