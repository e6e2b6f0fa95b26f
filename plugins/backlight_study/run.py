"""A study in one call: a model is judged on labelled examples, and some of these are explained."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

from backlight import Examples, Method, wrap
from backlight.errors import HyperParameterError
from backlight.progress import Progress
from backlight.values.layout import InputKind
from backlight.values.outputs import Path as OutputPath
from backlight_datasets import (
    Plan,
    Source,
    open_source,
    versions,
)
from backlight_loading.encoders import Encoder, takes_words
from backlight_loading.outputs import chosen_output
from backlight_loading.preparation import Colour, Size, ends_of
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import techniques
from backlight_loading.tokenizers import Tokenizer
from backlight_study.answered import Answered
from backlight_study.baselines import PictureBaseline, check_baseline
from backlight_study.cells import Said
from backlight_study.checks import check, first_of, trial
from backlight_study.choosing import named_by, rows_of
from backlight_study.explaining import Cases, Forecast, explain_cases
from backlight_study.input_form import input_form, prepared_model
from backlight_study.kinds import check_kind, check_studied
from backlight_study.metadata import MetadataGiven, columns_of, fitting
from backlight_study.model_digest import model_digest
from backlight_study.passes import CountedModel, Passes
from backlight_study.replies import BLOCK, Replies, ask_all
from backlight_study.result import Study
from backlight_study.selection import Choice, Only, Order
from backlight_study.site_space import SiteSpace, pooling, write_features
from backlight_study.stores import TemporaryFolder, begin_store, maps_plan
from backlight_study.tasks.deciding import CHECKS, TYPES, built_task, check_task, decided_task
from backlight_study.tasks.task import TaskName, check_order


def study(
    model: object,
    data: str | os.PathLike[str] | Examples | Source,
    *,
    kind: InputKind | None = None,
    tokenizer: Tokenizer | str | None = None,
    tokens: int | None = None,
    encoder: Encoder | str | None = None,
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
    answered: Answered | None = None,
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
        data: `backlight.Examples`, a folder of class folders of pictures or of texts, an `.npz` file with
            x and y, a table, or a `backlight_datasets.Source`; see `backlight_datasets.open_source`.
        kind: "picture", "text", "table" or "series", where x does not say it: numbers (N, L) are a
            table unless "series" is said.
        tokenizer: of texts: a tokenizer of `transformers`, or what is called with a list of texts, gives
            the ids of each, and has `id_to_token(id)`; or the text that names one, as `net.py:tokenizer`.
        tokens: that each text is brought to, longer ones cut; as many as the longest has, or as the model
            declares, where nothing is said.
        encoder: of the columns of a table, some of them words: a fitted transformer of scikit-learn's, or
            a function from a DataFrame to an array (n, F), or to a tuple or dict of these; or the text
            that names one. What is said of the numbers that it makes of a column is summed. Of a pipeline
            that was fitted on columns with names, the steps before its last one.
        task: "classification" (a class for each example), "multi-label" (0 or 1 for each label: a case
            is an example and a label) or "regression" (numbers). Where nothing is said, what the labels
            and outputs are says it, and an error asks where they don't.
        methods: techniques, or their names as `NAME:key=value`. By default integrated gradients with
            Grad-CAM and occlusion; of texts with DeepLIFT and feature ablation, of tables with DeepLIFT
            and Shapley values. Of a model without gradients, those of these that need none.
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
        answered: what another run has found of the same model and data, which is not asked again; its
            techniques are those of the study, where none are said.
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
    if answered is not None and not methods:
        methods = answered.methods
    techniques(methods, seed)  # a mistyped name is said before anything is read
    check_kind(kind)
    check_baseline(baseline)
    check_task(task)
    if batch_size is not None and batch_size < 1:
        raise HyperParameterError(f"batch_size must be at least 1, got {batch_size}.")
    if isinstance(data, Examples):
        check(data)
    texts, words = tokenizer is not None, takes_words(encoder, model)
    source = open_source(data, size, colour, classes, texts=texts, words=words)
    columns = columns_of(metadata, source.names(0, len(source)) if metadata is not None else ())
    fits = fitting(columns, where)
    wrapped = wrap(model, framework)
    first = first_of(source)
    form, source = input_form(
        model, wrapped, source, first, preprocessing, kind, tokenizer, tokens, encoder
    )
    check_studied(form.kind, (len(source), *first.shape[1:]))
    check_baseline(baseline, form.kind)
    first = first_of(source)
    chosen = form.techniques(methods, seed, wrapped)
    ready = prepared_model(model, framework, form, first)
    wrapped, prepared, sample = ready.model, ready.prepared, ready.sample
    task = decided_task(task, source, wrapped, sample, scores)
    if order is not None:
        check_order(TYPES[task], order)
    if source.classes:  # a mistyped class is said before all are read
        named_by(task, source.classes, cell, true, predicted)
    trial(wrapped, sample, source.classes, chosen, scores, CHECKS[task])
    pooled = None if near is None else pooling(wrapped, sample, near)
    kept = TemporaryFolder() if store is None else None
    folder = kept.path if kept is not None else Path(os.fspath(store or ""))
    length = batch_size or BLOCK
    plan = Plan(
        count=len(source),
        block_length=length,
        data=source.fingerprint(),
        model=model_digest(wrapped, source, prepared, sample, scores),
        options={**form.described(first), "scores": repr(scores)},
        versions={**versions(), wrapped.framework: wrapped.version},
    )
    if answered is None:
        asked = begin_store(folder, "answers", plan)
        replies = ask_all(
            wrapped, source, prepared, sample, length, progress, CHECKS[task], scores, asked
        )
    else:
        answered.check(plan.data, plan.model)
        path, output = chosen_output(wrapped, sample, scores)
        found, outputs, labels, skipped = answered.outputs()
        replies = Replies(outputs, labels, found, output.kind, path, skipped)
    judged = built_task(task, wrapped, source, replies, seed or 0)
    named = named_by(task, judged.classes, cell, true, predicted)
    rows = None if ids is None else rows_of(source, replies.ids, ids)
    if fits is not None:
        some = np.flatnonzero(fits[replies.ids])
        rows = tuple(some.tolist()) if rows is None else tuple(np.intersect1d(rows, some).tolist())
    choice = Choice(
        only=only,
        rows=rows,
        where=tuple(where),
        order=next(iter(judged.orders)) if order is None else order,
        limit=limit,
        right=right,
        seed=seed or 0,
        **named,
    )
    selection = judged.select(choice)
    explained = np.array([*selection.rows, *selection.right], dtype=np.int64)
    parts = np.array(selection.parts or np.zeros_like(explained), dtype=np.int64)
    cases = Cases(
        CountedModel(wrapped),
        source,
        prepared,
        judged,
        explained,
        parts,
        chosen,
        ends_of(first) if form.kind == "picture" else (0.0, 1.0),
        first.shape[1:],
        str(first.dtype),
        baseline,
        batch_size,
        answered,
        form.kind,
        form.features(source, first),
    )
    answers = begin_store(folder, "maps", maps_plan(plan, cases, selection))
    space = None
    if near is not None and pooled is not None:
        wanted = replace(plan, targets=(near,))
        space = SiteSpace(near, begin_store(folder, "near", wanted), replies.ids)
        write_features(wrapped, source, prepared, near, pooled, space.store, progress)
    foreseen, passes = Forecast(), Passes()
    if len(explained):
        passes, foreseen = explain_cases(cases, answers, progress)
    seconds = perf_counter() - started
    known = {name: column[replies.ids] for name, column in columns.items()}
    return Study(
        cases, selection, judged.classes, answers, passes, foreseen, seconds, known, space, kept
    )
