"""A data set explained in one call, block by block, by one process or by many."""

import os
from collections.abc import Sequence
from contextlib import closing
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backlight import Method, Model, wrap
from backlight.errors import HyperParameterError, InputError
from backlight.explaining.targets import kind_of_numbers
from backlight.features.features import Features
from backlight.progress import Progress
from backlight.values.arrays import shape_of
from backlight.values.layout import InputKind
from backlight.values.outputs import OutputKind, array_at
from backlight.values.outputs import Path as OutputPath
from backlight_attribute.kept import Kept, kept_of
from backlight_attribute.origin import Origin, wherever
from backlight_attribute.results import Attributions
from backlight_attribute.targets import TargetName, Targets, targets_of
from backlight_attribute.work import AttributionWork
from backlight_datasets import (
    BlockStore,
    ColumnNames,
    Plan,
    Skipped,
    Source,
    open_source,
    versions,
)
from backlight_datasets.reading import check_skipped
from backlight_engines import Engine, InProcess, make_engine
from backlight_loading.encoders import Encoder, takes_words
from backlight_loading.models import load_model, wanted_shape
from backlight_loading.outputs import chosen_output
from backlight_loading.preparation import Colour, Size, wanted_picture
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import pairs, techniques, value_of
from backlight_loading.tokenizers import Tokenizer
from backlight_study.answers import arrays_digest, technique_text
from backlight_study.baselines import PictureBaseline, check_baseline
from backlight_study.checks import first_of
from backlight_study.input_form import PreparedModel, input_form, prepared_model
from backlight_study.model_digest import model_digest
from backlight_study.predictions import kind_of_one
from backlight_study.replies import outputs_of

BLOCK = 64
"""How many examples a file of the store holds, where nothing is said."""

LOOKED_AT = 32
"""By how many outputs it is told what they hold, where the net's last operation does not show it."""


def attribute_dataset(
    model: object,
    data: object,
    *,
    store: str | os.PathLike[str],
    kind: InputKind | None = None,
    tokenizer: Tokenizer | str | None = None,
    tokens: int | None = None,
    encoder: Encoder | str | None = None,
    methods: Sequence[str | Method] = (),
    targets: Sequence[TargetName] = ("predicted",),
    keep: str | Kept | Features = "whole",
    dtype: Literal["float16", "float32"] = "float16",
    engine: str | Engine = "in-process",
    block_length: int = BLOCK,
    batch_size: int | None = None,
    most_skipped: int | None = None,
    baseline: PictureBaseline | None = None,
    framework: str | None = None,
    scores: OutputPath = None,
    preprocessing: Preprocessing | None = None,
    size: Size | None = None,
    colour: Colour | None = None,
    classes: Sequence[str] = (),
    columns: ColumnNames | None = None,
    seed: int | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Attributions:
    """Explain every example of a data set, and write down what is found, block by block.

    Memory does not grow with the number of examples. A run that was killed goes on where it was: call
    the same again. Two runs of one plan write the same bytes, whatever the engine.

    Args:
        model: of any installed framework, or a text that names one, as `net.py:model` or a path: what
            workers of other processes load by themselves.
        data: a folder, a file, `backlight.Examples`, a `backlight_datasets.Source`, or what another
            library calls a data set; see `backlight_datasets.open_source`. It need not have labels.
        store: the folder to write to, or its URL, as `s3://bucket/results`; see `open_folder`.
        kind: what examples are, where their shape does not say it: numbers (N, L) are a table unless
            "series" is said.
        tokenizer: of texts, or the text that names it, as of the model; see `backlight.study`. The store
            keeps the texts of tokens.
        tokens: that each text is brought to, longer ones cut; as many as the longest has, or as the model
            declares, where nothing is said.
        encoder: what makes the model's input of the columns of a table, some of them words, or the text
            that names it; see `backlight.study`. Values are then those of columns.
        methods: techniques, or their names as `NAME:key=value`; by default those of a study.
        targets: what is asked about each example: "predicted", "true" (its label), "contrast" (the
            predicted class rather than the true one; where it is right, than the second), a class by
            name or number, or a score that is the same for all.
        keep: of each example's values "whole", "none", "summary", "top:20", or sums over features, such
            as `Grid(16, 16)` or "grid:16x16".
        dtype: of the values; float16 has a scale for each example.
        engine: "in-process", "processes", "ray", or what a plugin adds; or one that was made.
        block_length: how many examples a file holds. What is in progress is lost in a kill.
        batch_size: most rows in one pass.
        most_skipped: how many examples may be skipped, as they cannot be read or the model fails for
            them; where nothing is said a tenth, and at least 100.
        baseline: "black", "white", "grey", "mean" or "blur": of techniques that have a baseline and were
            not told another, in the picture's own terms.
        framework: of a model that is a plain function.
        scores: which of several outputs is meant.
        preprocessing: from the examples to the model's input; bytes are divided by 255 by default.
        size, colour: of pictures in files.
        classes: class names in the model's order, where the data's own have another.
        columns: which columns of tables, or entries of examples that are dicts, hold what.
        seed: for techniques with noise.
        progress: called with what is being done, how many examples are done and how many there are.

    Raises:
        StoreError: another plan was begun in the folder, which entries differ is said; or a block could
            not be written.
        BacklightError: what is wrong with the model, the data or the arguments.
    """
    techniques(methods, seed)  # a mistyped name is said before anything is read
    kept, run_by = kept_of(keep), engine_of(engine)
    check_baseline(baseline)
    if block_length < 1 or (batch_size is not None and batch_size < 1):
        raise HyperParameterError(
            f"block_length and batch_size must be at least 1, got {block_length} and {batch_size}."
        )
    net = load_model(model) if isinstance(model, str) else model
    wrapped = wrap(net, framework)
    wanted = wanted_picture(wanted_shape(net), wrapped.channels)
    named = columns or ColumnNames()
    of_pictures = [name for name, said in (("size", size), ("colour", colour)) if said]
    source = open_source(
        data,
        size or wanted[0],
        colour or wanted[1],
        classes,
        of_pictures,
        named,
        labelled=False,
        texts=tokenizer is not None,
        words=takes_words(encoder, net),
    )
    first = first_of(source)
    form, source = input_form(
        net, wrapped, source, first, preprocessing, kind, tokenizer, tokens, encoder
    )
    first = first_of(source)
    check_baseline(baseline, form.kind)
    chosen = form.techniques(methods, seed, wrapped)
    ready = prepared_model(net, framework, form, first)
    wrapped = ready.model
    asked = asked_targets(ready, source, scores, targets)
    plan = Plan(
        count=len(source),
        block_length=block_length,
        dtype=dtype,
        techniques=tuple(technique_text(one, baseline) for one in chosen),
        targets=asked.names,
        data=source.fingerprint(),
        model=model_digest(wrapped, source, ready.prepared, ready.sample, scores),
        options={
            **form.described(first),
            "arrays": [arrays_digest(one) for one in chosen],
            "baseline": baseline,
            "batch_size": batch_size,
            "classes": list(class_names(wrapped, source)),
            "features": list(form.features(source, first)),
            "keep": repr(kept),
            "names": [one.name for one in chosen],
            "outputs": asked.kind,
            "scores": repr(scores),
        },
        versions={**versions(), wrapped.framework: wrapped.version},
    )
    begun = BlockStore.begin(store, plan, replaces=True)
    Origin(
        model=wherever(model) if isinstance(model, str) else None,
        data=wherever(os.fspath(data)) if isinstance(data, str | os.PathLike) else None,
        kind=kind,
        tokenizer=wherever(tokenizer) if isinstance(tokenizer, str) else None,
        tokens=tokens,
        encoder=wherever(encoder) if isinstance(encoder, str) else None,
        methods=tuple(map(str, methods)) or tuple(one.name for one in chosen),
        baseline=baseline,
        framework=framework,
        scores=scores,
        size=size,
        colour=colour,
        classes=tuple(classes),
        columns=named,
        preprocess=form.preprocessing.name,
        divide_by=form.preprocessing.divide_by,
        mean=form.preprocessing.mean,
        std=form.preprocessing.std,
    ).write(begun.folder)
    by_name = isinstance(model, str) and not isinstance(run_by, InProcess)
    work = AttributionWork(
        model if by_name else net,  # workers elsewhere load it by themselves
        framework,
        source,
        form,
        begun.folder.place,
        plan.digest,
        asked,
        tuple(chosen),
        kept,
        batch_size,
        baseline,
    )
    run_blocks(run_by, work, begun, most_skipped, progress)
    return Attributions(begun)


def run_blocks(
    engine: Engine,
    work: AttributionWork,
    store: BlockStore,
    most_skipped: int | None,
    progress: Progress,
) -> None:
    """Have the blocks done that are missing.

    Raises:
        InputError: too many examples were skipped.
    """
    count, missing = store.plan.count, store.missing()
    most = max(100, count // 10) if most_skipped is None else most_skipped
    skipped: dict[int, Skipped] = {one.id: one for one in store.skipped()}
    lengths = [stop - start for start, stop in map(store.plan.rows, missing)]
    done = count - sum(lengths)
    check_skipped(skipped, most, count)
    progress("Explaining", done, count)
    try:
        with closing(engine.run(work, missing)) as receipts:  # no worker outlives an error here
            for receipt in receipts:
                done += receipt.done + len(receipt.skipped)
                skipped |= {one.id: one for one in receipt.skipped}
                progress("Explaining", done, count)
                check_skipped(skipped, most, count)
    finally:
        store.clear()  # what workers that died were writing


def asked_targets(
    ready: PreparedModel, source: Source, scores: OutputPath, said: Sequence[TargetName]
) -> Targets:
    """What is asked, by what the model says of the first examples."""
    model, sample = ready.model, ready.sample
    path, output = chosen_output(model, sample, scores)
    batch = source.read(0, min(len(source), LOOKED_AT))
    x = ready.prepared(batch.x) if len(batch.x) else sample
    try:
        found = array_at(outputs_of(model, x), path)
    except InputError:  # of one of them: it is skipped by its name, as any other
        found = array_at(outputs_of(model, sample), path)
    numbers = model.to_numpy(found).astype(np.float64)
    kind = output.kind
    if kind == "logits" and model.declared is None:
        kind = kind_of_outputs(numbers.reshape(len(numbers), -1))
    labels = batch.labels if source.labelled else None
    return targets_of(said, kind, shape_of(found), path, class_names(model, source), labels)


def kind_of_outputs(numbers: NDArray[np.float64]) -> OutputKind:
    """What outputs (n, k) hold whose last operation does not tell."""
    sound = numbers[np.isfinite(numbers).all(axis=1)]
    if not len(sound):
        return "logits"
    return kind_of_one(sound) if sound.shape[1] == 1 else kind_of_numbers(sound)


def engine_of(said: str | Engine) -> Engine:
    """An engine, or that of `NAME:key=value,key=value`.

    Raises:
        UnknownNameError, HyperParameterError: no such engine, or not with these options.
    """
    if isinstance(said, Engine):
        return said
    name, _, rest = said.partition(":")
    options = {key: value_of(text, None) for key, text in pairs(rest, said).items()}
    return make_engine(name.replace("-", "_"), options)


def class_names(model: Model, source: Source) -> tuple[str, ...]:
    """The data's names of the classes, or the model's own."""
    return tuple(source.classes) or tuple(model.class_names or ())
