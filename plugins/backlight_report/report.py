"""A report in one call: judge a model on labelled examples, explain what it got wrong, write it down."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from backlight import Examples, Method, wrap
from backlight.errors import InputError
from backlight.values.outputs import Path as OutputPath
from backlight_datasets import open_source
from backlight_loading.names import all_legible
from backlight_loading.preparation import preparation
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import sentence, techniques
from backlight_report.directory import CLASSES, MARK, PAGE
from backlight_report.order import better_order
from backlight_report.order_record import order_record, order_sentences
from backlight_study.cells import Said, class_numbers
from backlight_study.evaluation import (
    Evaluation,
    check,
    class_names,
    told_of_pictures,
    trial,
)
from backlight_study.predictions import Progress, predict
from backlight_study.selection import Choice, Only, select

BATCH = 64
"""How many examples the model is asked about at a time, where nothing is said."""


@final
@dataclass(frozen=True)
class Report:
    """What was written where.

    Attributes:
        directory: it holds report.html, results.json and the folder pictures.
        count: how many examples the model was judged on.
        correct: how many of them it got right.
        explained: how many are in the report.
        errors: what techniques could not do, each once.
        notes: what should be known before anything is believed: that the classes seem to be in another
            order than the model's, for example.
        warnings: of techniques, each once.
        estimates: how far techniques say that their values may be off.
    """

    directory: Path
    count: int
    correct: int
    explained: int
    errors: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()

    @property
    def page(self) -> Path:
        """The file to open."""
        return self.directory / PAGE


def report(
    model: object,
    examples: Examples,
    *,
    directory: str | os.PathLike[str],
    methods: Sequence[str | Method] = (),
    only: Only | None = None,
    true: Said = None,
    predicted: Said = None,
    limit: int = 24,
    framework: str | None = None,
    scores: OutputPath = None,
    preprocessing: Preprocessing | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    model_name: str = "",
    data_name: str = "the examples",
    reading: str = "",
    notes: Sequence[str] = (),
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Explain a classifier's mistakes in a folder with a page to open, pictures, and all the numbers.

    Args:
        model: of any installed framework, from examples to (N, classes); or to (N,) or (N, 1), one
            number that is for class 1 of two.
        examples: pictures with their true classes.
        directory: where to; a report that is there already is replaced when the new one is complete.
        methods: techniques, or their names as `NAME:key=value`; by default integrated gradients,
            Grad-CAM and occlusion.
        only: "misclassified" (default), "correct" or "all".
        true, predicted: only examples of one of these true and one of these predicted classes, each
            by name or number; "all" of them are explained where both are said.
        limit: explain at most so many; wrong ones before right ones, the most confident first.
        framework: of a model that is a plain function.
        scores: which of several outputs holds the class scores: its name or position, or a tuple of
            these where outputs are nested.
        preprocessing: from the examples to the model's input; bytes are divided by 255 by default.
        seed: for techniques with noise.
        batch_size: most rows in one pass.
        model_name, data_name, reading: what the page calls the model and the data, and how it was read.
        notes: what the page says of them first.
        progress: called with what is being done, how much is done and how much there is.

    Raises:
        BacklightError: what is wrong with the model, the examples or the arguments.
    """
    # Here and not above: programs that make no report need no Pillow, colour maps and templates.
    from backlight_report.cases import explain_cases
    from backlight_report.page import page
    from backlight_report.pictures import PictureFiles
    from backlight_report.replacing import claim, replacing
    from backlight_report.results import estimates, header, written

    target = Path(directory)
    claim(target)
    chosen = techniques(methods, seed)
    check(examples)
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}.")
    if len(examples.classes):  # a mistyped class is said before the model is asked
        class_numbers(true, examples.classes)
        class_numbers(predicted, examples.classes)
    wrapped = wrap(model, framework)
    prepared = preparation(model, wrapped, preprocessing or Preprocessing())
    sample = prepared(examples.x[:1])
    wrapped = told_of_pictures(model, framework, wrapped, sample)
    trial(wrapped, sample, examples.classes, chosen, scores)
    source = open_source(examples)
    length = batch_size or BATCH
    predictions = predict(wrapped, source, prepared, sample, length, progress, scores)
    classes = class_names(source, predictions)
    choice = Choice(
        only=only,
        true=class_numbers(true, classes),
        predicted=class_numbers(predicted, classes),
        limit=limit,
    )
    selection = select(predictions, choice)
    order = better_order(predictions)
    results = all_legible(
        header(
            wrapped,
            predictions,
            selection,
            chosen,
            classes,
            {
                "model": model_name or type(model).__name__,
                "data": {
                    "name": data_name,
                    "reading": reading or f"{len(examples.x):,} examples as they were given",
                    "skipped": list(examples.skipped),
                },
                "notes": list(notes),
                "order": order
                and order_record(order, predictions, classes, len(examples.classes) > 1),
                "preprocessing": (preprocessing or Preprocessing()).described(examples.x),
                "input": {"shape": list(sample.shape[1:]), "dtype": str(sample.dtype)},
            },
        )
    )
    with replacing(target) as folder:
        pictures = PictureFiles(folder)
        evaluation = Evaluation(wrapped, examples, predictions, classes, prepared)
        cases = explain_cases(evaluation, selection.rows, chosen, pictures, batch_size, progress)
        results["cases"] = all_legible(cases)
        about = {one.name: sentence(one.method) for one in chosen}
        (folder / PAGE).write_text(page(results, pictures.files, about), encoding="utf-8")
        (folder / MARK).write_text(written(results), encoding="utf-8")
        if results["order"] and results["order"]["file"]:
            lines = all_legible(order.names(classes)) if order else ()
            (folder / CLASSES).write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [row for case in results["cases"] for row in case["explanations"]]
    return Report(
        target,
        len(examples.x),
        predictions.correct,
        len(selection.rows),
        once(f"{row['name']}: {row['error']}" for row in rows if row["error"]),
        (*results["notes"], *order_sentences(results, target)),
        once(
            f"{row['name']}: {warning}"
            for row in rows
            for one in row["targets"].values()
            for warning in one["warnings"]
        ),
        estimates(results["cases"]),
    )


def once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
